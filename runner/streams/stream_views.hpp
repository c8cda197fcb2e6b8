// runner/streams/stream_views.hpp: what the outside sees of a stream's engine, and what tells one output from
// another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/stabilizer/engine.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/jobs/job.hpp"
#include "runner/streams/inheritance.hpp"

namespace settle::runner {

/// The newest final bucket of a stream, as its jobs serve it.
struct FinalBucket {
  engine::Time bucket;
  engine::TimeRange covered;
  struct Point {
    std::string series;  // the source's
    engine::Value value;
    std::uint32_t revision = 0;
  };
  std::vector<Point> points;
};

/// As of the last tick; read on the event loop at any time.
struct StreamStatus {
  bool answered = false;   // a complete answer since start
  std::string last_error;  // "" : the last tick was fine
  std::optional<engine::Time> last_error_at;
  std::optional<engine::Time> last_tick;
  std::size_t open_cells = 0;
  std::size_t final_cells = 0;
  std::vector<engine::ScopeView> scopes;
  std::size_t series = 0;
  bool limited = false;
  engine::Time live_from{};
  std::optional<engine::Time> frontier;
  engine::EngineStats stats;
  engine::FinalityView finality;
  std::shared_ptr<const FinalBucket> final_bucket;
  std::map<std::string, std::uint64_t> samples_by_job;  // since start
};

/// Everything in `status` that the engine knows.
void read_engine(StreamStatus& status, const engine::Engine& engine);
/// What the live cells emitted last, as if it had just settled: for an output that is new on the stream.
struct EmittedCells {
  std::vector<engine::Sample> samples;
  CellSet changing;  // where another value was seen since, and is not final yet
};
[[nodiscard]] EmittedCells emitted_cells(const engine::Engine& engine, engine::Time now);

/// Two jobs of a stream with the same text give the sinks the same samples: what one delivered, the other
/// need not repeat. 16 bytes.
[[nodiscard]] std::string output_identity(const JobSpec& spec);
/// Keys in Table::meta: an output that the stream serves (the identity follows), and the mark that it has an
/// inheritance (runner/streams/inheritance.hpp).
[[nodiscard]] std::string served_prefix(const std::string& tenant, const std::string& stream_id);
/// Whom an output goes to. A job that comes back has another id: what went out while it was away is new to
/// it, and what others sent under its output is not.
struct Served {
  std::string job_id;
  std::optional<engine::Time> from;   // the first bucket; older stores do not say
  std::optional<engine::Time> until;  // the job is gone: of buckets from here on not everything was sent
};
[[nodiscard]] std::string served_value(const Served& served);
[[nodiscard]] Served read_served(std::string_view value);
[[nodiscard]] std::string inherits_key(const std::string& tenant, const std::string& stream_id);

}  // namespace settle::runner
