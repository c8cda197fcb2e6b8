// engine/plan/backfill.hpp: what a backfill has to do, and in which pieces.
//
// All ranges are of bucket starts and aligned to the granularity.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/model/time.hpp"
#include "engine/plan/ranges.hpp"

namespace settle::engine {

struct BackfillAsk {
  TimeRange asked;
  Duration granularity{};
  Time live_from;                   // L: the live lane owns what starts at or after it
  std::optional<Time> served_from;  // the live lane served the job from here on; none: not yet
  std::optional<Time> valid_until;  // no bucket that ends later
  Ranges claimed;                   // by earlier backfills of the job, done or to be done
  bool force = false;               // what is sealed or claimed is read again
};
struct BackfillPlan {
  Time end_effective;  // min(asked, L), never before the start
  Ranges todo;
  std::uint64_t buckets_total = 0;  // from the start to end_effective
};
[[nodiscard]] BackfillPlan plan_backfill(const BackfillAsk& ask);

/// The whole buckets inside [start, end).
[[nodiscard]] TimeRange whole_buckets(TimeRange range, Duration granularity);

/// The earliest buckets that are left, at most `length` of source time, at least one bucket.
[[nodiscard]] TimeRange next_chunk(const Ranges& todo, Duration length, Duration granularity);

/// For how long a chunk should be.
struct ChunkSize {
  Duration granularity{};
  std::optional<Duration> asked;    // none: free
  double samples_per_bucket = 0;    // expected
  double samples_wanted = 0;        // in a chunk
  std::optional<Duration> longest;  // after an answer that was too large
};
/// A multiple of the granularity, at least one bucket; what was asked for is an upper limit, too.
[[nodiscard]] Duration choose_chunk(const ChunkSize& size);
/// Half of it in whole buckets; none: it is one bucket.
[[nodiscard]] std::optional<Duration> halve_chunk(Duration chunk, Duration granularity);

}  // namespace settle::engine
