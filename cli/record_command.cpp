#include "cli/record_command.hpp"

#include <algorithm>
#include <csignal>
#include <iostream>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unistd.h>

#include "cli/config/config.hpp"
#include "cli/replay/trace_record.hpp"
#include "cli/serve_parts.hpp"
#include "net/http_client.hpp"
#include "runner/real_clocks.hpp"

namespace settle::cli {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::minutes kBetweenPlainLines{1};

bool is_url(const std::string& source) {
  return source.starts_with("http://") || source.starts_with("https://");
}

engine::Error argument_error(const std::string& argument, const std::string& detail) {
  return engine::refused(argument + ": " + detail);
}

engine::Result<void> read_duration(const std::string& argument, const std::string& text,
                                   engine::Duration& into) {
  const auto parsed = engine::parse_duration(text);
  if (!parsed) return argument_error(argument, parsed.error().detail);
  into = *parsed;
  return {};
}

engine::Result<RecordOptions> parse_options(const RecordArguments& arguments) {
  RecordOptions options;
  const auto selector = engine::parse_selector(arguments.selector);
  if (!selector) return argument_error("--selector", selector.error().detail);
  options.selector = *selector;
  if (auto read = read_duration("--granularity", arguments.granularity, options.granularity); !read)
    return read.error();
  if (auto read = read_duration("--poll", arguments.poll, options.poll); !read) return read.error();
  options.watch = std::max<engine::Duration>(std::chrono::minutes{30}, 3 * options.granularity);
  if (!arguments.watch.empty()) {
    if (auto read = read_duration("--watch", arguments.watch, options.watch); !read) return read.error();
  }
  if (!arguments.duration.empty()) {
    engine::Duration duration{};
    if (auto read = read_duration("--duration", arguments.duration, duration); !read) return read.error();
    options.duration = duration;
  }
  if (options.watch < options.granularity) return argument_error("--watch", "is at least one granularity");
  if (options.poll > options.watch) return argument_error("--poll", "is at most --watch");
  if (options.duration && *options.duration < options.granularity) {
    return argument_error("--duration", "is at least one granularity");
  }
  return options;
}

/// The configuration with only the source that is meant.
engine::Result<Config> source_config(const RecordArguments& arguments, const engine::Selector& selector) {
  if (is_url(arguments.source)) {
    Config config;
    SourceConfig source;
    source.name = "source";
    source.kind = SourceKind::prometheus;
    source.endpoint.url = arguments.source;
    while (source.endpoint.url.ends_with('/')) source.endpoint.url.pop_back();
    source.queries[selector.metric()] = arguments.query.empty() ? selector.text() : arguments.query;
    config.sources.push_back(std::move(source));
    return config;
  }
  if (!arguments.query.empty())
    return argument_error("--query", "goes with a URL; a source has its own queries");
  if (arguments.config_file.empty()) {
    return argument_error(
        "--source",
        "\"" + arguments.source + "\" is no URL; to record a source of the configuration give --config");
  }
  auto config = load_config(arguments.config_file);
  if (!config) return config.error();
  std::string known;
  for (const SourceConfig& source : config->sources) known += (known.empty() ? "" : ", ") + source.name;
  std::erase_if(config->sources, [&](const SourceConfig& source) { return source.name != arguments.source; });
  if (config->sources.empty()) {
    return argument_error("--source", "there is no source \"" + arguments.source + "\" in " +
                                          arguments.config_file +
                                          "; there is: " + (known.empty() ? "none" : known));
  }
  return config;
}

std::string progress_text(const RecordProgress& at) {
  std::string text = engine::format_time(std::chrono::floor<std::chrono::seconds>(at.now)) + ": " +
                     std::to_string(at.polls) + " polls, " + std::to_string(at.lines.values) + " values";
  if (at.lines.vanished > 0) text += ", " + std::to_string(at.lines.vanished) + " rows vanished";
  if (at.lines.left_out > 0) text += ", " + std::to_string(at.lines.left_out) + " rows not finite: left out";
  if (at.failed > 0) text += ", " + std::to_string(at.failed) + " polls failed";
  if (at.ending)
    text += "; waiting for the newest " + std::to_string(at.young_buckets) + " buckets to pass watch";
  return text;
}

/// One line that is written over on a terminal; elsewhere a line now and then.
class Screen {
 public:
  explicit Screen(runner::Clocks& clocks) : clocks_(clocks), terminal_(::isatty(STDERR_FILENO) == 1) {}

  void show(const RecordProgress& at) {
    if (terminal_) {
      std::cerr << "\r\x1b[K" << progress_text(at) << std::flush;
      open_ = true;
      return;
    }
    if (last_ && clocks_.steady_now() - *last_ < kBetweenPlainLines) return;
    last_ = clocks_.steady_now();
    std::cerr << progress_text(at) << '\n';
  }
  void say(const std::string& line) {
    if (std::exchange(open_, false)) std::cerr << '\n';
    std::cerr << line << '\n';
  }

 private:
  runner::Clocks& clocks_;
  bool terminal_;
  bool open_ = false;  // the cursor stands behind a line
  std::optional<runner::SteadyTime> last_;
};

class Recorded {
 public:
  Recorded(const RecordArguments& arguments, RecordOptions options)
      : arguments_(arguments),
        options_(std::move(options)),
        clocks_(loop_.get_executor(),
                {.start = arguments.clock_start, .speed = arguments.clock_speed, .floor = std::nullopt}),
        client_(loop_.get_executor()),
        signals_(loop_, SIGINT, SIGTERM),
        screen_(clocks_) {}

  engine::Result<void> run() {
    const auto config = source_config(arguments_, options_.selector);
    if (!config) return config.error();
    options_.timeout = config->sources.front().timeout;
    auto sources = make_sources(*config, client_, loop_.get_executor());
    if (!sources) return sources.error();
    fetchers::Fetcher& source = *sources->front().fetcher;
    if (auto accepted = source.accepts(options_.selector, options_.granularity); !accepted) return accepted;
    auto file = TraceFile::create(arguments_.out);
    if (!file) return argument_error("--out", file.error().detail);
    Recording recording(source, clocks_, *file, options_,
                        {.polled = [this](const RecordProgress& at) { screen_.show(at); },
                         .failed =
                             [this](engine::Time at, const std::string& what) {
                               screen_.say(engine::format_time(at) + ": no answer from " + what);
                             }});
    recording_ = &recording;
    screen_.say("recording " + arguments_.source + " into " + arguments_.out +
                (options_.duration ? " for " + engine::format_duration(*options_.duration) + " and watch (" +
                                         engine::format_duration(options_.watch) + ") after it"
                                   : " until SIGINT or SIGTERM"));
    asio::co_spawn(loop_, record(), asio::detached);
    asio::co_spawn(loop_, wait_for_signal(), asio::detached);
    loop_.run();
    say_end(recording.progress());
    return result_;
  }

 private:
  asio::awaitable<void> record() {
    result_ = co_await recording_->run();
    signals_.cancel();
    client_.stop();
    clocks_.stop();
  }
  asio::awaitable<void> wait_for_signal() {
    const auto [failed, signal] = co_await signals_.async_wait(asio::as_tuple(asio::use_awaitable));
    if (failed) co_return;
    screen_.say("stopping: signal " + std::to_string(signal));
    recording_->stop();
    client_.stop();
  }
  void say_end(const RecordProgress& at) {
    screen_.say("recorded " + std::to_string(at.lines.values + at.lines.vanished + at.lines.frontiers) +
                " lines in " + std::to_string(at.polls) + " polls, " + std::to_string(at.failed) +
                " of them with a scope missing");
    if (at.young_buckets == 0) return;
    const engine::Time until = engine::floor_to(at.now - options_.watch, options_.granularity);
    screen_.say("the newest " + std::to_string(at.young_buckets) +
                " buckets are younger than watch, so their values may not be the last: replay with --until " +
                engine::format_time(until));
  }

  const RecordArguments& arguments_;
  RecordOptions options_;
  asio::io_context loop_{1};
  runner::RealClocks clocks_;
  net::HttpClient client_;
  asio::signal_set signals_;
  Screen screen_;
  Recording* recording_ = nullptr;
  engine::Result<void> result_;
};

}  // namespace

int record_trace(const RecordArguments& arguments) {
  const auto options = parse_options(arguments);
  engine::Result<void> done;
  if (options) {
    done = Recorded(arguments, *options).run();
  } else {
    done = options.error();
  }
  if (done) return 0;
  std::cerr << "settle trace record: " << done.error().detail << '\n';
  return 1;
}

}  // namespace settle::cli
