// runner/gaps.hpp: what the live lane gave up, kept until a fill answers for it. docs/formats/store.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "engine/stabilizer/sample.hpp"
#include "runner/backfill.hpp"
#include "runner/store.hpp"

namespace settle::runner {

struct GapEntry {
  GapState state = GapState::open;
  engine::Gap gap;
  engine::Time noticed_at;  // source time
};

[[nodiscard]] std::string encode_gap(const GapEntry& entry);
[[nodiscard]] engine::Result<GapEntry> decode_gap(std::string_view bytes);

/// Adds the entry. Two gaps of one stream never share (from, scope): a bucket is given up once.
void put_gap(WriteBatch& batch, std::string_view tenant, std::string_view stream, const GapEntry& entry);

}  // namespace settle::runner
