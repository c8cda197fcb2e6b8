#include "cli/replay/replay_command.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <ostream>
#include <string_view>

#include "cli/replay/chart.hpp"
#include "cli/replay/compare.hpp"
#include "sinks/file_lines.hpp"

namespace settle::cli {
namespace {

constexpr std::string_view kFilePrefix = "file:";
constexpr std::streamsize kChartHeadBytes = 4096;  // the title, a file's name, stands in it

engine::Error argument_error(const std::string& argument, const std::string& detail) {
  return engine::refused(argument + ": " + detail);
}

/// Reads `text` into `into`; the error names the argument. "": stays as it is.
engine::Result<void> read_duration(const std::string& argument, const std::string& text,
                                   engine::Duration& into) {
  if (text.empty()) return {};
  const auto parsed = engine::parse_duration(text);
  if (!parsed) return argument_error(argument, parsed.error().detail);
  into = *parsed;
  return {};
}

engine::Result<void> read_durations(const ReplayArguments& arguments, ReplayOptions& options) {
  engine::EngineOptions& engine = options.engine;
  if (auto read = read_duration("--granularity", arguments.granularity, engine.granularity); !read)
    return read;
  if (auto read = read_duration("--poll", arguments.poll, options.poll); !read) return read;
  if (auto read = read_duration("--skip", arguments.skip, options.skip); !read) return read;
  // As a job has them: docs/jobs.md.
  engine.watch = std::max<engine::Duration>(std::chrono::minutes{30}, 3 * engine.granularity);
  if (auto read = read_duration("--watch", arguments.watch, engine.watch); !read) return read;
  engine.ttl = engine.watch;
  if (auto read = read_duration("--ttl", arguments.ttl, engine.ttl); !read) return read;
  const engine::Duration hour = std::chrono::hours{1};
  if (hour % engine.granularity != engine::Duration{} && engine.granularity % hour != engine::Duration{}) {
    return argument_error("--granularity",
                          arguments.granularity +
                              " neither divides an hour nor is a whole number of hours: no job can "
                              "have it; expected for example 1m, 5m, 15m or 1h");
  }
  if (engine.watch < engine.granularity) return argument_error("--watch", "is at least one granularity");
  if (engine.ttl > engine.watch) return argument_error("--ttl", "is at most --watch");
  if (options.poll > engine.watch) {
    return argument_error("--poll", "is at most --watch (" + engine::format_duration(engine.watch) +
                                        "): a bucket that is never read in time settles nothing");
  }
  return {};
}

/// Never a file that holds something: it may be a running daemon's.
engine::Result<std::ofstream> open_new_file(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && std::filesystem::file_size(path, ignored) != 0) {
    return argument_error("--sink", "\"" + path + "\" holds something already: give the name of a new file");
  }
  std::ofstream out(path, std::ios::binary);
  if (!out) return argument_error("--sink", "cannot write \"" + path + "\"");
  return out;
}

struct ChartFile {
  std::string path;
  bool replaces = false;  // a chart of an earlier comparison
};

/// In the current folder, under the trace's name. Replaces nothing but a chart that this command drew.
engine::Result<ChartFile> chart_file(const ReplayArguments& arguments) {
  ChartFile chart{.path = arguments.chart};
  if (chart.path.empty()) {
    std::filesystem::path first(arguments.paths.front());
    if (!first.has_filename()) first = first.parent_path();
    chart.path = first.stem().string() + ".svg";
  }
  if (std::ifstream before(chart.path, std::ios::binary); before) {
    std::string begin(kChartHeadBytes, '\0');
    before.read(begin.data(), kChartHeadBytes);
    begin.resize(static_cast<std::size_t>(before.gcount()));
    chart.replaces = !begin.empty();
    const bool ours = begin.starts_with("<svg") && begin.find(kChartMark) != begin.npos;
    if (chart.replaces && !ours) {
      return argument_error(
          "--chart", "\"" + chart.path + "\" is there and is no chart of a comparison: give another name");
    }
  }
  return chart;
}

/// The emissions as the file sink writes them.
std::string replay_lines(const ReplayReport& report) {
  std::string lines;
  for (const Emission& emission : report.emissions) {
    lines += sinks::encode_line({.series = emission.series,
                                 .timestamp = emission.sample.bucket,
                                 .value = emission.sample.value,
                                 .revision = emission.sample.revision,
                                 .reason = emission.sample.reason});
  }
  return lines;
}

std::string trace_name(const ReplayArguments& arguments) {
  std::filesystem::path first(arguments.paths.front());
  if (!first.has_filename()) first = first.parent_path();
  return first.filename().string();
}

engine::Result<void> compare_and_print(const ReplayArguments& arguments, const ReplayOptions& options,
                                       std::ostream& out) {
  std::vector<engine::Finality> policies;
  for (const std::string& text : arguments.compare) {
    const auto some = parse_contenders(text);
    if (!some) return argument_error("--compare", some.error().detail);
    policies.insert(policies.end(), some->begin(), some->end());
  }
  if (!arguments.sink.empty()) return argument_error("--sink", "goes with --policy, not with --compare");
  const auto chart = chart_file(arguments);
  if (!chart) return chart.error();
  auto trace = fetchers::load_trace(arguments.paths);
  if (!trace) return trace.error();
  const fetchers::TraceHistory history(*std::move(trace), kReplayScope);
  const auto comparison = compare(history, options, policies);
  if (!comparison) return comparison.error();
  out << format_comparison(*comparison);
  std::ofstream file(chart->path, std::ios::binary);
  const ChartTexts texts{.title = trace_name(arguments),
                         .subtitle = "poll " + engine::format_duration(options.poll) + ", watch " +
                                     engine::format_duration(options.engine.watch)};
  if (!(file << draw_chart(*comparison, texts)) || !file.flush()) {
    return argument_error("--chart", "cannot write \"" + chart->path + "\"");
  }
  out << "\nchart: " << chart->path << (chart->replaces ? ", in the place of the one before" : "") << '\n';
  return {};
}

engine::Result<void> replay_and_print(const ReplayArguments& arguments, const ReplayOptions& options,
                                      std::ostream& out) {
  if (!arguments.chart.empty()) return argument_error("--chart", "goes with --compare");
  std::ofstream sink;
  if (!arguments.sink.empty()) {
    auto opened = open_new_file(arguments.sink.substr(kFilePrefix.size()));
    if (!opened) return opened.error();
    sink = *std::move(opened);
  }
  auto trace = fetchers::load_trace(arguments.paths);
  if (!trace) return trace.error();
  const auto report = replay(fetchers::TraceHistory(*std::move(trace), kReplayScope), options);
  if (!report) return report.error();
  out << format_replay(*report, options);
  if (arguments.sink.empty()) return {};
  if (!(sink << replay_lines(*report)) || !sink.flush()) {
    return argument_error("--sink", "cannot write \"" + arguments.sink.substr(kFilePrefix.size()) + "\"");
  }
  return {};
}

}  // namespace

engine::Result<ReplayOptions> parse_replay_options(const ReplayArguments& arguments) {
  ReplayOptions options;
  engine::EngineOptions& engine = options.engine;
  const auto policy = engine::parse_finality(arguments.policy);
  if (!policy) return argument_error("--policy", policy.error().detail);
  engine.finality = *policy;
  if (const auto read = read_durations(arguments, options); !read) return read.error();
  if (!arguments.until.empty()) {
    const auto until = engine::parse_time(arguments.until);
    if (!until) return argument_error("--until", until.error().detail);
    options.until = *until;
  }
  if (arguments.corrections != "repush" && arguments.corrections != "hold") {
    return argument_error("--corrections", "is repush or hold, not \"" + arguments.corrections + "\"");
  }
  if (arguments.corrections == "hold") engine.corrections = engine::Corrections::hold;
  constexpr std::array<std::string_view, 4> kLiveness{"auto", "frontier", "movement", "answers"};
  const auto liveness = std::find(kLiveness.begin(), kLiveness.end(), arguments.liveness);
  if (liveness == kLiveness.end())
    return argument_error("--liveness", "is auto, frontier, movement or answers");
  engine.liveness = static_cast<engine::Liveness>(liveness - kLiveness.begin());
  if (!arguments.sink.empty() &&
      (!arguments.sink.starts_with(kFilePrefix) || arguments.sink.size() == kFilePrefix.size())) {
    return argument_error("--sink", "is file:OUT, not \"" + arguments.sink + "\"");
  }
  return options;
}

int run_replay(const ReplayArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto options = parse_replay_options(arguments);
  engine::Result<void> done;
  if (!options) {
    done = options.error();
  } else if (arguments.compare.empty()) {
    done = replay_and_print(arguments, *options, out);
  } else {
    done = compare_and_print(arguments, *options, out);
  }
  if (done) return 0;
  err << "settle replay: " << done.error().detail << '\n';
  return 1;
}

}  // namespace settle::cli
