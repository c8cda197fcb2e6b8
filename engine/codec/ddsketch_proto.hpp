// engine/codec/ddsketch_proto.hpp: DataDog's DDSketch protobuf.
//
// DDSketch {1 mapping {1 gamma f64, 2 index offset f64, 3 interpolation}, 2 positive store, 3 negative store
// (bins of the magnitudes), 4 zero count f64}; store {1 map key (zigzag) to count f64, 2 counts f64, 3 index
// (zigzag) of the first}. What producers were seen to write and is read: fields in any order, the offset
// after its counts, counts packed and not, keys twice (they add up), a map and counts side by side,
// sub-messages twice, zeros around the counts, explicit defaults. Refused: counts that are NaN, infinite or
// negative; a mapping that fits neither the sketch nor anything.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/ddsketch.hpp"

namespace settle::codec {

/// Uses bin_rule, and mapping if the message has none. Allocates only the bins that the counts span.
engine::Result<void> merge_ddsketch_proto(sketch::DDSketch& into, std::string_view blob,
                                          const Settings& settings);

/// Floor bins; counts contiguous, or as a map where that takes less than half. Exact statistics and the limit
/// of bins have no place in it. Refused: the quartic mapping, which it cannot say.
[[nodiscard]] engine::Result<std::string> encode_ddsketch_proto(const sketch::DDSketch& from);

}  // namespace settle::codec
