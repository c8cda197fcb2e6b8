// engine/query/gather.hpp: numbers made into the sketches of cells, where a source sends numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/query/view_spec.hpp"

namespace settle::query {

/// A cell that no window can be made of.
[[nodiscard]] engine::Blob unfit_cell(std::string_view why);
/// Why not; none: it is a sketch.
[[nodiscard]] std::optional<std::string_view> unfit_reason(std::string_view cell);

struct Gathered {
  engine::Answer answer;  // every row with its sketch
  std::uint64_t rows_refused = 0;
  std::string why;  // of the first refused one
};

/// Of each scope, one row for each bucket of a series (without `spec.item`, with kScopeLabel if the scope has
/// a name), in no order that means anything. Its sketch holds what its rows said, and is the same in whatever
/// order they came:
///   ddsketch                     the finite numbers;
///   stats                        the number as a sample at the bucket's end: one finite number for a
///   bucket; hll                          the numbers, or with `item` that label's values, as texts;
///   countsketch, countminsketch  that label's values, which weigh 1 for each row or what the rows say:
///                                finite, below 2^65, for Count-Min not negative.
/// Refused are rows that cannot be that; and of a source that sends sketches, whose rows are passed on, those
/// of another kind than `spec.type`, and numbers. The cell of a refused row is an unfit one, so that no
/// window is answered as if the row had not been there; a row without the label `spec.item` belongs to no
/// cell.
[[nodiscard]] Gathered gather(const engine::Answer& answer, const CellSpec& spec,
                              engine::Duration granularity);

}  // namespace settle::query
