// tests/sketch/hll_errors.hpp: how far the estimates of sketches that Settle builds are off, for the tests
// and for bench/hll_accuracy.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/sketch/hll.hpp"

namespace settle::test {

/// Of many sketches of `items` items, relative to these: sums.
struct HllErrors {
  std::int64_t items = 0;
  double errors = 0;
  double squares = 0;
  double said = 0;  // squares of the standard errors that the answers state
  int inside = 0;   // of the 95 % interval

  void add(const sketch::DistinctAnswer& answer) {
    const auto truth = static_cast<double>(items);
    const double error = answer.estimate / truth - 1;
    errors += error;
    squares += error * error;
    said += answer.standard_error * answer.standard_error;
    inside += answer.low <= truth && truth <= answer.high ? 1 : 0;
  }
  void add(const HllErrors& others) {
    errors += others.errors;
    squares += others.squares;
    said += others.said;
    inside += others.inside;
  }
  [[nodiscard]] double rmse_over_said() const { return std::sqrt(squares / said); }
};

/// The sketch of a seed: of the items seed * 2^32, seed * 2^32 + 1 and so on.
class BuiltHll {
 public:
  BuiltHll(unsigned precision, std::int64_t seed)
      : hll_(sketch::Hll::of_precision(precision)), first_(seed << 32) {}
  void grow_to(std::int64_t items) {
    for (; items_ < items; ++items_) hll_.add(first_ + items_);
  }
  [[nodiscard]] sketch::DistinctAnswer answer() const { return hll_.answer(); }

 private:
  sketch::Hll hll_;
  std::int64_t first_;
  std::int64_t items_ = 0;
};

/// Sketches of the seeds from `first` on, none left out, each asked at every place, which ascend, on its way.
template <class Growing = BuiltHll>
std::vector<HllErrors> hll_errors_at(const std::vector<std::int64_t>& places, unsigned precision, int seeds,
                                     std::int64_t first = 0) {
  std::vector<HllErrors> at;
  at.reserve(places.size());
  for (const std::int64_t items : places) at.push_back({.items = items});
  for (std::int64_t seed = first; seed < first + seeds; ++seed) {
    Growing hll{precision, seed};
    for (HllErrors& seen : at) {
      hll.grow_to(seen.items);
      seen.add(hll.answer());
    }
  }
  return at;
}

}  // namespace settle::test
