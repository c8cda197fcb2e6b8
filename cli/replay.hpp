// cli/replay.hpp: a trace through the engine in virtual time: what would have been emitted, when, and how
// good it was.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "fetchers/trace.hpp"

namespace settle::cli {

struct ReplayOptions {
  engine::EngineOptions engine;
  engine::Duration poll{std::chrono::seconds{30}};
};

struct Emission {
  engine::Time at;  // the poll that brought it
  std::string series;
  engine::Sample sample;
};

struct ReplayReport {
  std::vector<Emission> emissions;  // by metric; then as the engine gave them
  std::uint64_t polls = 0;
  std::uint64_t windows = 0;    // (series, bucket) with at least one emission
  engine::Duration mean_age{};  // of the first emission, from the bucket's end
  engine::Duration p99_age{};
  std::uint64_t wrong_at_first = 0;  // the first emission was not the value the trace ends with
  std::uint64_t wrong_at_last = 0;   // nor was the last one
  std::uint64_t corrections = 0;
  std::uint64_t forced = 0;         // by ttl
  std::uint64_t never_emitted = 0;  // (series, bucket) that the trace ends with and no emission has
};

/// One stream per metric of the trace, polled from its first line until every cell is sealed. Refuses a trace
/// whose buckets do not lie on the granularity's grid, and one that would take more than 10 million polls.
[[nodiscard]] engine::Result<ReplayReport> replay(const fetchers::Trace& trace, const ReplayOptions& options);

/// The table of emissions and the summary.
[[nodiscard]] std::string format_replay(const ReplayReport& report, const ReplayOptions& options);
/// The emissions as the file sink writes them.
[[nodiscard]] std::string replay_lines(const ReplayReport& report);

struct ReplayArguments {
  std::vector<std::string> paths;
  std::string policy = "consecutive:3";
  std::string granularity = "1m";
  std::string poll = "30s";
  std::string watch;  // "" : as a job has it
  std::string ttl;    // "" : watch
  std::string corrections = "repush";
  std::string liveness = "auto";
  std::string sink;  // "file:OUT"
};
/// The error names the argument.
[[nodiscard]] engine::Result<ReplayOptions> parse_replay_options(const ReplayArguments& arguments);
/// `settle replay`; returns the exit code.
int run_replay(const ReplayArguments& arguments);

}  // namespace settle::cli
