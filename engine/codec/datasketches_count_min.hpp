// engine/codec/datasketches_count_min.hpp: Apache DataSketches' Count-Min sketch, as its C++ library built
// with GCC writes it (its row seeds come from libstdc++'s random numbers).
//
// Bytes: 2, 1, 18, flags (bit 0: empty), u32 0, u32 buckets, u8 hashes, u16 seed hash, u8 0; then unless
// empty 8 bytes total weight and hashes x buckets cells of 8 bytes, row-major. What a cell is the bytes do
// not say: Settings::element does, as Settings::seed says the seed.
#pragma once

#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/count_min.hpp"

namespace settle::codec {

[[nodiscard]] engine::Result<void> merge_datasketches_count_min(sketch::CountMin& into, std::string_view blob,
                                                                const Settings& settings);

}  // namespace settle::codec
