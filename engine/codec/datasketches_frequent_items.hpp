// engine/codec/datasketches_frequent_items.hpp: Apache DataSketches' frequent items sketch, of texts or of
// 64-bit integers; which of them its bytes do not say: Settings::item does.
//
// Bytes: preamble longs (1 empty, 4), 1, 10, lg of the greatest and of the current table, flags (bits 0 and
// 2: empty), 2 unused; u32 items, u32 0, u64 total weight, u64 offset, u64 weights, then the items: texts as
// u32 length and bytes.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/frequent_items.hpp"

namespace settle::codec {

[[nodiscard]] engine::Result<void> merge_datasketches_frequent_items(sketch::FrequentItems& into,
                                                                     std::string_view blob,
                                                                     const Settings& settings);
/// Items in the order of their bytes, so that the same content is the same bytes. Numbers are written if
/// every key is one (Settings::Item::i64), else texts. Weights are rounded to whole numbers.
[[nodiscard]] std::string encode_datasketches_frequent_items(const sketch::FrequentItems& from);

}  // namespace settle::codec
