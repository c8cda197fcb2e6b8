// engine/codec/asap_matrix.hpp: Count-Min and CountSketch in ASAP's protobuf messages: states (inside an
// envelope) and deltas (bare).
//
// State: 1 rows, 2 cols, 3 counter type (1 i32, 2 i64, 3 i128 as high and low halves, 4 f64), 4 packed zigzag
// or 5 packed f64 cells, row-major; CountSketch 7 heap {1 k, 2 {1 key, 2 f64 count}}; 16 keys to ask for.
// Others: derived. Delta: 1 rows, 2 cols, 5 heap (CountSketch), 6 keys to ask for, 9 rows, 10 columns and 11
// zigzag increments of cells; 3 the same as messages {1 row, 2 column, 3 f64 increment}. Settle adds to a
// state what the messages have no field for; other readers skip it: 1000 f64 the greatest weight of a key
// that is not named, 1001 {1 kind, 2 bytes} keys that are no texts, 1002 rule and 1003 seed of the hashing.
#pragma once

#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"

namespace settle::codec {

// 0 < sample_p <= 1: the share of events that the producer counted.
[[nodiscard]] engine::Result<void> merge_asap_count_min(sketch::CountMin& into, std::string_view state,
                                                        double sample_p);
[[nodiscard]] engine::Result<void> merge_asap_count_sketch(sketch::CountSketch& into, std::string_view state,
                                                           double sample_p);
[[nodiscard]] engine::Result<void> merge_asap_count_min_delta(sketch::CountMin& into, std::string_view delta);
[[nodiscard]] engine::Result<void> merge_asap_count_sketch_delta(sketch::CountSketch& into,
                                                                 std::string_view delta);

/// The state; the matrix has a shape.
[[nodiscard]] std::string encode_asap_matrix(const sketch::MatrixSketch& from);

}  // namespace settle::codec
