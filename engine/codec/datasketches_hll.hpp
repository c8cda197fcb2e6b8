// engine/codec/datasketches_hll.hpp: HLL sketches of Apache DataSketches (C++, Java, Python; Druid, Spark).
//
// 8 bytes: [0] ints of the preamble (2 list, 3 set, 10 dense), [1] 1, [2] 7, [3] lgK, [4] lg of the coupon or
// exception array, [5] flags (4 empty, 8 compact, 16 out of order, 32 started dense), [6] coupons of a list
// or curMin, [7] mode (0 list, 1 set, 2 dense) | type << 2 (0 HLL_4, 1 HLL_6, 2 HLL_8). Coupons are 4 bytes:
// value << 26 | address. Dense: f64 HIP at 8, sums of 2^-register at 16 and 24, registers at curMin at 32,
// exceptions at 36, registers from 40. curMin counts for HLL_4 only: a union may leave one in an HLL_8 whose
// registers are not shifted. What can be counted again is not believed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::codec {

/// Every mode and type, compact and updatable. After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge_datasketches_hll(sketch::Hll& into, std::string_view blob,
                                                          const Settings& settings = {});

enum class HllType : std::uint8_t { hll4 = 0, hll6 = 1, hll8 = 2, smallest = 3 };

/// Compact: list or set of few items, else registers. Refuses sketches of other families, whose registers
/// would mean something else. One that nothing was merged into has zero bytes.
[[nodiscard]] engine::Result<std::string> encode_datasketches_hll(const sketch::Hll& hll,
                                                                  HllType type = HllType::smallest);

}  // namespace settle::codec
