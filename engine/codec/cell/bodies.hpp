// engine/codec/cell/bodies.hpp: what stands in a cell frame, by kind of sketch.
//
// A body of no bytes is a sketch that has no parameters yet (frequent items have none). Read is only what is
// written: numbers in as few bytes as they take, keys and indexes ascending, zeros left out.
#pragma once

#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"
#include "engine/sketch/ddsketch.hpp"
#include "engine/sketch/frequent_items.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::codec::cell {

// After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge_ddsketch(sketch::DDSketch& into, std::string_view body);
[[nodiscard]] engine::Result<void> merge_hll(sketch::Hll& into, std::string_view body);
[[nodiscard]] engine::Result<void> merge_count_min(sketch::CountMin& into, std::string_view body);
[[nodiscard]] engine::Result<void> merge_count_sketch(sketch::CountSketch& into, std::string_view body);
[[nodiscard]] engine::Result<void> merge_frequent_items(sketch::FrequentItems& into, std::string_view body);

[[nodiscard]] std::string encode_ddsketch(const sketch::DDSketch& from);
[[nodiscard]] std::string encode_hll(const sketch::Hll& from);
[[nodiscard]] std::string encode_matrix(const sketch::MatrixSketch& from);
[[nodiscard]] std::string encode_frequent_items(const sketch::FrequentItems& from);

}  // namespace settle::codec::cell
