// runner/backfill/backfill.hpp: the backfill lane as the outside sees it: ranges asked for, gaps that fill
// themselves, and the comparison of what a sink acknowledged with what it has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::runner {

/// On disk: never renumber. `waiting`: for the source, the sink or the rate; it goes on by itself.
enum class BackfillState : std::uint8_t {
  queued = 1,
  running = 2,
  waiting = 3,
  paused = 4,
  done = 5,
  cancelled = 6,
  failed = 7
};
[[nodiscard]] std::string_view backfill_state_text(BackfillState state);

/// What was asked for. All ranges are of bucket starts, aligned to the granularity.
struct BackfillRequest {
  engine::TimeRange range;
  std::optional<engine::Duration> chunk;  // of source time; none: chosen from the granularity
  std::optional<double> rate;  // samples per second of real time; none: as fast as source and sink go
  bool force = false;          // re-read what is sealed, through the correction path
};

struct BackfillStatus {
  std::string id;
  std::string job_id;
  BackfillState state = BackfillState::queued;
  BackfillRequest request;
  engine::Time end_effective;  // min(asked, L when it was made)
  engine::Duration chunk{};    // in force
  std::uint64_t buckets_total = 0;
  std::uint64_t buckets_done = 0;        // answered, impossible, or done by someone else before
  std::uint64_t buckets_impossible = 0;  // of them: the source has them no more
  std::uint64_t samples = 0;             // emitted
  std::uint64_t held_back = 0;           // differences that the corrections policy keeps from the sinks
  std::uint64_t errors = 0;              // attempts that failed
  std::string last_error;                // "" : none; while `waiting`: what it waits for
  std::optional<engine::Time> last_error_at;
  engine::Time created_at;  // wall time
  std::optional<engine::Time> finished_at;
  std::optional<double> samples_per_second;  // of late
  std::optional<engine::Duration> eta;       // real time that is left at the rate of late
};

struct AddedBackfill {
  bool created = true;  // false: the same range was asked for before, this is that one
  BackfillStatus status;
};

enum class Steer : std::uint8_t { pause, resume, cancel };

/// On disk: never renumber. `open`: noticed; `scheduled`: a fill is under way or will be tried again.
enum class GapState : std::uint8_t { open = 1, scheduled = 2, filled = 3, impossible = 4 };
[[nodiscard]] std::string_view gap_state_text(GapState state);

struct GapStatus {
  std::string scope;  // "" : all scopes
  engine::TimeRange range;
  GapState state = GapState::open;
  std::string reason;       // why it came to be; impossible: why it cannot be filled
  std::uint64_t cells = 0;  // that had been seen before the live lane gave it up
  std::uint32_t attempts = 0;
  std::string last_error;
  engine::Time noticed_at;  // source time
  std::optional<engine::Time> closed_at;
};

/// One difference between what a sink acknowledged and what it has.
struct Mismatch {
  enum class Kind : std::uint8_t { missing, different, extra };
  Kind kind = Kind::missing;
  std::string sink;
  std::string series;  // output series
  engine::Time timestamp;
  std::optional<engine::Value> acknowledged;  // none: extra
  std::vector<engine::Value> stored;          // empty: missing
};
struct VerifyReport {
  engine::TimeRange timestamps;  // that were compared
  std::uint64_t compared = 0;    // (sink, series, timestamp)
  std::uint64_t waiting = 0;     // emitted, not yet acknowledged: not compared
  std::uint64_t refused = 0;     // emitted, and the sink refused it: in the dead letters
  std::uint64_t missing = 0;
  std::uint64_t different = 0;
  std::uint64_t extra = 0;           // samples of the job's output series that Settle never sent
  std::vector<Mismatch> mismatches;  // the first ones by (sink, series, timestamp), at most the limit
  std::vector<std::string> sinks_without_read_back;
};

}  // namespace settle::runner
