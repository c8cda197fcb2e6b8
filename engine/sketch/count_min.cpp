#include "engine/sketch/count_min.hpp"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

namespace settle::sketch {

void CountMin::add(Key key, double weight) {
  assert(weight >= 0 && weight <= std::numeric_limits<double>::max());
  Matrix::Places places;
  matrix().find(key, places);
  const std::span<double> cells = matrix().cells();
  double least = std::numeric_limits<double>::infinity();
  for (std::uint32_t row = 0; row < matrix().shape().rows; ++row) {
    least = std::min(least, cells[places[row].cell] += weight);
  }
  items().offer(key, least, keep(), [this](Key other) { return least_cell(other); });
}

double CountMin::least_cell(Key key) const {
  const std::span<const double> cells = matrix().cells();
  if (cells.empty()) return 0;
  Matrix::Places places;
  matrix().find(key, places);
  double least = cells[places[0].cell];
  for (std::uint32_t row = 1; row < matrix().shape().rows; ++row) {
    least = std::min(least, cells[places[row].cell]);
  }
  return least;
}

double CountMin::total() const {
  // Every row sums to the total; rows of producers with conservative update fall short, hence the greatest.
  const std::span<const double> cells = matrix().cells();
  double greatest = 0;
  for (std::size_t at = 0; at < cells.size(); at += matrix().shape().cols) {
    double row = 0;
    for (const double cell : cells.subspan(at, matrix().shape().cols)) row += cell;
    greatest = std::max(greatest, row);
  }
  return greatest / matrix().sample_p();
}

double CountMin::slack() const {
  return matrix().has_shape() ? std::numbers::e / matrix().shape().cols * total() : 0;
}

PointAnswer CountMin::query(Key key, double slack) const {
  const double estimate = least_cell(key) / matrix().sample_p();
  return {estimate, std::max(0.0, estimate - slack), estimate};
}

double CountMin::greatest_possible() const {
  const std::span<const double> cells = matrix().cells();
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t at = 0; at < cells.size(); at += matrix().shape().cols) {
    const auto row = cells.subspan(at, matrix().shape().cols);
    least = std::min(least, *std::max_element(row.begin(), row.end()));
  }
  return cells.empty() ? 0 : least;
}

TopAnswer CountMin::top_k(std::size_t k) const {
  const double slack_of_all = slack();
  TopAnswer answer;
  answer.items = items().top(k, [&](Key key) { return query(key, slack_of_all); });
  answer.absent_at_most = std::min(items().absent_at_most(), greatest_possible()) / matrix().sample_p();
  answer.degraded = degraded();
  return answer;
}

}  // namespace settle::sketch
