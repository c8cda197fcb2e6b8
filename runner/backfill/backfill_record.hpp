// runner/backfill/backfill_record.hpp: one backfill as it is asked for and as it is kept.
// docs/formats/store.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/time.hpp"
#include "engine/plan/ranges.hpp"
#include "engine/result.hpp"
#include "runner/backfill/backfill.hpp"

namespace settle::runner {

/// What a crash must not take: everything but the waits of the moment.
struct BackfillRecord {
  std::string tenant;
  std::string job_id;
  std::string id;
  std::string stream_id;
  BackfillState state = BackfillState::queued;  // never `waiting`
  BackfillRequest request;
  engine::Time end_effective;
  engine::Ranges todo;     // what is left; the chunk in hand is its beginning
  engine::Ranges planned;  // all that was ever in `todo`
  bool served = false;     // the live lane had served the job when `todo` was made
  std::uint64_t buckets_total = 0;
  std::uint64_t buckets_impossible = 0;
  std::uint64_t samples = 0;
  std::uint64_t held_back = 0;
  std::uint64_t errors = 0;
  std::string last_error;
  std::optional<engine::Time> last_error_at;
  engine::Time created_at;  // wall time
  std::optional<engine::Time> finished_at;
  // With a rate: what was sent is worth its time then (wall time), and how long that was from its commit on.
  std::optional<engine::Time> paced_until;
  engine::Duration pace{};
};

[[nodiscard]] bool is_over(BackfillState state);  // done, cancelled or failed
/// What it had to do and what is done now, by itself or by another backfill of the job.
[[nodiscard]] engine::Ranges done_of(const BackfillRecord& record);

[[nodiscard]] std::string backfill_key(const BackfillRecord& record);
[[nodiscard]] std::string encode_backfill(const BackfillRecord& record);
[[nodiscard]] engine::Result<BackfillRecord> decode_backfill(std::string_view bytes);

}  // namespace settle::runner
