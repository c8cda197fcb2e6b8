#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string_view>

#include "cli/replay.hpp"

namespace settle::cli {
namespace {

constexpr std::string_view kFilePrefix = "file:";

engine::Error argument_error(const std::string& argument, const std::string& detail) {
  return engine::refused(argument + ": " + detail);
}

/// Reads `text` into `into`; the error names the argument.
engine::Result<void> read_duration(const std::string& argument, const std::string& text,
                                   engine::Duration& into) {
  const auto parsed = engine::parse_duration(text);
  if (!parsed) return argument_error(argument, parsed.error().detail);
  into = *parsed;
  return {};
}

/// Never a file that holds something: it may be a running daemon's.
engine::Result<void> write_new_file(const std::string& path, const std::string& text) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && std::filesystem::file_size(path, ignored) != 0) {
    return argument_error("--sink", "\"" + path + "\" holds something already: give the name of a new file");
  }
  std::ofstream out(path, std::ios::binary);
  if (!(out << text) || !out.flush()) return argument_error("--sink", "cannot write \"" + path + "\"");
  return {};
}

engine::Result<void> replay_and_print(const ReplayArguments& arguments) {
  const auto options = parse_replay_options(arguments);
  if (!options) return options.error();
  const auto trace = fetchers::load_trace(arguments.paths);
  if (!trace) return trace.error();
  const auto report = replay(*trace, *options);
  if (!report) return report.error();
  std::cout << format_replay(*report, *options);
  if (arguments.sink.empty()) return {};
  return write_new_file(arguments.sink.substr(kFilePrefix.size()), replay_lines(*report));
}

}  // namespace

engine::Result<ReplayOptions> parse_replay_options(const ReplayArguments& arguments) {
  ReplayOptions options;
  engine::EngineOptions& engine = options.engine;
  const auto policy = engine::parse_finality(arguments.policy);
  if (!policy) return argument_error("--policy", policy.error().detail);
  engine.finality = *policy;
  if (const auto read = read_duration("--granularity", arguments.granularity, engine.granularity); !read) {
    return read.error();
  }
  if (const auto read = read_duration("--poll", arguments.poll, options.poll); !read) return read.error();
  // As a job has them: docs/jobs.md.
  engine.watch = std::max<engine::Duration>(std::chrono::minutes{30}, 3 * engine.granularity);
  if (!arguments.watch.empty()) {
    if (const auto read = read_duration("--watch", arguments.watch, engine.watch); !read) return read.error();
  }
  engine.ttl = engine.watch;
  if (!arguments.ttl.empty()) {
    if (const auto read = read_duration("--ttl", arguments.ttl, engine.ttl); !read) return read.error();
  }
  if (engine.watch < engine.granularity) return argument_error("--watch", "is at least one granularity");
  if (engine.ttl > engine.watch) return argument_error("--ttl", "is at most --watch");
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

int run_replay(const ReplayArguments& arguments) {
  const auto done = replay_and_print(arguments);
  if (done) return 0;
  std::cerr << "settle replay: " << done.error().detail << '\n';
  return 1;
}

}  // namespace settle::cli
