// runner/backfill/backfill_parse.hpp: what is asked of the backfill lane, as JSON. Pure. docs/jobs.md lists
// the fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/model/time.hpp"
#include "runner/backfill/backfill.hpp"
#include "runner/jobs/job.hpp"

namespace settle::runner {

inline constexpr std::int64_t kBackfillBucketsMax = 10'000'000;   // of one backfill: 19 years of minutes
inline constexpr std::int64_t kBackfillChunkBucketsMax = 10'000;  // of one question to the source

/// The range is the buckets that lie wholly in [start, end): both ends move inward to the granularity, and
/// what became of them is in the status. Text that is not JSON is `malformed`, everything else `invalid`.
[[nodiscard]] Outcome<BackfillRequest> parse_backfill(std::string_view json, engine::Duration granularity);

struct VerifyRequest {
  engine::TimeRange timestamps;
  std::size_t limit = 100;  // of mismatches in full; 0: only the counts
};
inline constexpr std::size_t kVerifyLimitMax = 1000;
/// {"from", "to", "limit"?}, with times as above; nothing is rounded.
[[nodiscard]] Outcome<VerifyRequest> parse_verify(std::string_view json);

}  // namespace settle::runner
