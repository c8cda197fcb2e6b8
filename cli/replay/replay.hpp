// cli/replay/replay.hpp: a trace through the engine in virtual time: what would have been emitted, when, and
// how good it was.
#pragma once

#include <cstdint>
#include <optional>
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
  /// Buckets that start less than this after the first one are polled but not judged: a policy that learns
  /// starts with nothing.
  engine::Duration skip{};
  std::optional<engine::Time> until;  // buckets that end later are polled but not judged
  double off_by = 0;  // the relative error above which a first emission counts in off_at_first
};

struct Emission {
  engine::Time at;  // the poll that brought it
  std::string series;
  engine::Sample sample;
};

struct ReplayFigures {
  std::uint64_t polls = 0;
  std::uint64_t windows = 0;    // (series, bucket) with at least one emission
  engine::Duration mean_age{};  // of the first emission, from the bucket's end
  engine::Duration p99_age{};
  std::uint64_t wrong_at_first = 0;  // the first emission was not the value the trace ends with
  std::uint64_t off_at_first = 0;    // of them: by more than off_by
  std::uint64_t wrong_at_last = 0;   // nor was the last one
  double mean_error = 0;             // of the first emission: |it - the last value| / |the last value|
  std::uint64_t corrections = 0;
  std::uint64_t forced = 0;  // by ttl
  /// Settled when nothing at all had changed in the source for a granularity and two polls.
  std::uint64_t frozen = 0;
  std::uint64_t never_emitted = 0;  // (series, bucket) that the trace ends with and no emission has
};

struct ReplayReport : ReplayFigures {
  std::vector<Emission> emissions;  // by metric; then as the engine gave them; skipped buckets too
};

/// One stream per metric of the trace, polled from its first line until every cell is sealed. Refuses a trace
/// whose buckets do not lie on the granularity's grid, and one that would take more than 10 million polls.
[[nodiscard]] engine::Result<ReplayReport> replay(const fetchers::TraceHistory& history,
                                                  const ReplayOptions& options);

/// The same for each of the policies, side by side; the source is asked once for all of them. In the order of
/// `policies`.
[[nodiscard]] engine::Result<std::vector<ReplayFigures>> replay_policies(
    const fetchers::TraceHistory& history, const ReplayOptions& options,
    const std::vector<engine::Finality>& policies);

/// The table of emissions and the summary.
[[nodiscard]] std::string format_replay(const ReplayReport& report, const ReplayOptions& options);

/// Scope of trace lines that name none.
inline constexpr const char* kReplayScope = "trace";

}  // namespace settle::cli
