// engine/codec/stats.hpp: our own encoding of exact statistics.
//
// Nothing, or: byte 1 (the version), varint count, f64 sum, min, max, signed varint first instant (epoch ms),
// varint milliseconds from it to the last, f64 first value, last value, increase. Doubles are little-endian.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/stats.hpp"

namespace settle::codec {

[[nodiscard]] engine::Result<sketch::Stats> parse_stats(std::string_view blob);
/// In time (Stats::merge_in_time).
engine::Result<void> merge_stats(sketch::Stats& into, std::string_view blob, const Settings& settings);
[[nodiscard]] std::string encode_stats(const sketch::Stats& from);

}  // namespace settle::codec
