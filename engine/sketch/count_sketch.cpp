#include "engine/sketch/count_sketch.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>
#include <span>

namespace settle::sketch {

namespace {

double median_of(std::span<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

}  // namespace

void CountSketch::add(Key key, double weight) {
  assert(std::abs(weight) <= std::numeric_limits<double>::max());
  Matrix::Places places;
  matrix().find(key, places);
  const std::span<double> cells = matrix().cells();
  std::array<double, MatrixShape::kRowsMax> rows{};
  const std::uint32_t n = matrix().shape().rows;
  for (std::uint32_t row = 0; row < n; ++row) {
    const double sign = places[row].negative ? -1 : 1;
    rows[row] = sign * (cells[places[row].cell] += sign * weight);
  }
  items().offer(key, median_of({rows.data(), n}), keep(), [this](Key other) { return median(other); });
}

double CountSketch::median(Key key) const {
  const std::span<const double> cells = matrix().cells();
  if (cells.empty()) return 0;
  Matrix::Places places;
  matrix().find(key, places);
  std::array<double, MatrixShape::kRowsMax> rows{};
  const std::uint32_t n = matrix().shape().rows;
  for (std::uint32_t row = 0; row < n; ++row) {
    rows[row] = places[row].negative ? -cells[places[row].cell] : cells[places[row].cell];
  }
  return median_of({rows.data(), n});
}

double CountSketch::norm() const {
  const std::span<const double> cells = matrix().cells();
  if (cells.empty()) return 0;
  std::array<double, MatrixShape::kRowsMax> rows{};
  const std::uint32_t n = matrix().shape().rows;
  for (std::uint32_t row = 0; row < n; ++row) {
    for (const double cell : cells.subspan(std::size_t{row} * matrix().shape().cols, matrix().shape().cols)) {
      rows[row] += cell * cell;
    }
  }
  return std::sqrt(median_of({rows.data(), n})) / matrix().sample_p();
}

double CountSketch::slack() const {
  return matrix().has_shape() ? norm() * std::sqrt(3.0 / matrix().shape().cols) : 0;
}

PointAnswer CountSketch::query(Key key, double slack) const {
  const double estimate = median(key) / matrix().sample_p();
  return {estimate, estimate - slack, estimate + slack};
}

TopAnswer CountSketch::top_k(std::size_t k) const {
  const double slack_of_all = slack();
  TopAnswer answer;
  answer.items = items().top(k, [&](Key key) { return query(key, slack_of_all); });
  answer.absent_at_most = items().absent_at_most() > 0 ? std::numeric_limits<double>::infinity() : 0;
  answer.degraded = degraded();
  return answer;
}

}  // namespace settle::sketch
