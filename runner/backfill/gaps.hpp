// runner/backfill/gaps.hpp: what the live lane gave up, kept until a fill answers for it.
// docs/formats/store.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/backfill/backfill.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

struct GapEntry {
  GapState state = GapState::open;
  engine::Gap gap;          // its cells go when it is closed
  engine::Time noticed_at;  // source time
  std::string job_id = {};  // left by a backfill of this job; "": by the live lane, for all jobs it served
  std::string reason = {};
  std::uint64_t cells_seen = 0;  // how many the gap had
  std::uint32_t attempts = 0;
  std::string last_error = {};
  std::optional<engine::Time> closed_at = {};  // source time
};

[[nodiscard]] std::string encode_gap(const GapEntry& entry);
[[nodiscard]] engine::Result<GapEntry> decode_gap(std::string_view bytes);
struct StoredGap {
  GapEntry entry;
  std::string record;  // the bytes in the store
};
/// A range that is empty: there is no such gap.
[[nodiscard]] StoredGap read_gap(const Store& store, const std::string& key);
[[nodiscard]] std::string gap_key_of(std::string_view tenant, std::string_view stream, const GapEntry& entry);

/// Adds the entry. Two gaps of one stream never share (from, scope, job): a bucket is given up once.
void put_gap(WriteBatch& batch, std::string_view tenant, std::string_view stream, const GapEntry& entry);

}  // namespace settle::runner
