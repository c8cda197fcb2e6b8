// tests/sketch/hll_errors.hpp: how far the estimates of sketches that Settle builds are off, for the test and
// for bench/hll_accuracy.
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
};

/// Sketches of the seeds 0 to `seeds` - 1, none left out, each asked at every place on its way. Sketch s
/// holds the items s * 2^32, s * 2^32 + 1 and so on.
inline std::vector<HllErrors> hll_errors_at(const std::vector<std::int64_t>& places, unsigned precision,
                                            int seeds) {
  std::vector<HllErrors> at;
  at.reserve(places.size());
  for (const std::int64_t items : places) at.push_back({.items = items});
  for (std::int64_t seed = 0; seed < seeds; ++seed) {
    sketch::Hll hll = sketch::Hll::of_precision(precision);
    std::int64_t items = 0;
    for (HllErrors& seen : at) {
      for (; items < seen.items; ++items) hll.add((seed << 32) + items);
      const auto answer = hll.answer();
      const auto truth = static_cast<double>(seen.items);
      const double error = answer.estimate / truth - 1;
      seen.errors += error;
      seen.squares += error * error;
      seen.said += answer.standard_error * answer.standard_error;
      seen.inside += answer.low <= truth && truth <= answer.high ? 1 : 0;
    }
  }
  return at;
}

}  // namespace settle::test
