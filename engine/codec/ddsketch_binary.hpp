// engine/codec/ddsketch_binary.hpp: DDSketch's binary encoding ("encoding" of sketches-go and sketches-java).
//
// Blocks, each led by a byte: type (low 2 bits) | sub-type << 2; blocks that repeat add up. 04 zero count; a0
// 84 88 8c exact count, sum, min, max (the first as vf64: sketches-go's plain decoder takes 8 bytes there and
// fails on them); 02 06 0a 0e 12 mapping; 05/07 indexes and counts, 09/0b indexes of count 1, 0d/0f counts of
// contiguous indexes, for the positive and the negative side.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/ddsketch.hpp"

namespace settle::codec {

/// Uses bin_rule, and mapping where the blob leaves it out. Allocates only the bins that the counts span.
engine::Result<void> merge_ddsketch_binary(sketch::DDSketch& into, std::string_view blob,
                                           const Settings& settings);

/// Floor bins, the mapping, and the exact statistics that are known.
[[nodiscard]] std::string encode_ddsketch_binary(const sketch::DDSketch& from);

}  // namespace settle::codec
