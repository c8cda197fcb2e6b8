// sinks/row_groups.hpp: the rows of a body, series by series. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "sinks/sink.hpp"

namespace settle::sinks {

struct GroupedRow {
  std::size_t group = 0;  // numbers the series in the order of first appearance
  const Row* row = nullptr;
};
/// The rows of a series side by side, times ascending. Points into `rows`.
[[nodiscard]] std::vector<GroupedRow> group_by_series(const std::vector<Row>& rows);

}  // namespace settle::sinks
