// engine/codec/asapquery.hpp: what ASAPQuery's stream jobs put on Kafka: hex of gzip of MessagePack.
//
// Count-Min: [rows of f64, number of rows, of columns]; with heap: [that, [[key, f64]...], heap size]. Sums:
// a map from key to f64, which are exact. What it is the bytes do not say (Settings::kind: count_min, or
// frequent_items for sums), nor how keys are hashed (Settings::hashing). Heaps there are updated with raw
// increments: they name candidates, and say nothing of what they do not hold.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::codec {

[[nodiscard]] engine::Result<void> merge_asapquery(sketch::Accumulator& into, std::string_view blob,
                                                   const Settings& settings);

// Its two steps, the first of which a fuzzer does not get past.
/// At most this many bytes, else refused: a small blob must not become a large one.
inline constexpr std::size_t kInflatedMax = std::size_t{1} << 24;
[[nodiscard]] engine::Result<std::string> inflate_gzip(std::string_view bytes);
[[nodiscard]] engine::Result<void> merge_asapquery_message(sketch::Accumulator& into,
                                                           std::string_view message,
                                                           const Settings& settings);

}  // namespace settle::codec
