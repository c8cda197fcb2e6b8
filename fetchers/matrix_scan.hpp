// fetchers/matrix_scan.hpp: the usual form of a matrix answer, read in one pass. Pure.
//
// An answer is nearly all points, and nearly always written without white space and escapes: no tree of it is
// made. What is not in that form, or wrong in any way, is not read here: decode_matrix() then reads the tree,
// and knows what to say. tests/fetchers/matrix_scan_test.cpp compares the two.
#pragma once

#include <optional>
#include <string_view>

#include "fetchers/prometheus_matrix.hpp"

namespace settle::fetchers {

/// None: not in the usual form. Else what read_matrix_tree() gives.
[[nodiscard]] std::optional<Matrix> scan_matrix(std::string_view body, const MatrixQuestion& question);

}  // namespace settle::fetchers
