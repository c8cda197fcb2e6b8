// hll_accuracy [--ideal] [SEEDS [ITEMS_MAX [PRECISION...]]]: how far the estimates of distinct counts really
// are off, beside what the answers say of themselves. Sketches that Settle builds, of the seeds from 0 on;
// with
// --ideal, registers as ideal hashes would leave them, from where registers begin: a measure of the estimator
// alone.
//
// RMSE over N seeds varies by 1 / sqrt(2 N) of itself, the mean error by RMSE / sqrt(N): both are printed in
// these units ("sigmas"), so that what is chance and what is not can be told apart. Of which the last line
// tells, too: in how many lots of 500 sketches every RMSE is within 5 % of what is said.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/sketch/hll_errors.hpp"
#include "tests/sketch/ideal_hll.hpp"

namespace settle::bench {
namespace {

constexpr int kLot = 500;

std::vector<std::int64_t> places(std::int64_t least, std::int64_t most) {
  std::vector<std::int64_t> at;
  for (std::int64_t n = 1; n <= most; n *= 10) {
    for (const std::int64_t part : {1, 2, 5}) {
      if (part * n >= least && part * n <= most) at.push_back(part * n);
    }
  }
  return at;
}

void print(unsigned precision, int seeds, const std::vector<test::HllErrors>& at) {
  const double root = std::sqrt(std::ldexp(1, static_cast<int>(precision)));
  std::printf("precision %u, %d seeds; 1.04 / sqrt(m) = %.3f %%\n", precision, seeds, 104 / root);
  std::printf("%9s %9s %11s %9s %8s %11s %7s %8s\n", "n", "RMSE %", "x sqrt(m)", "/ said", "(sigmas)",
              "mean err %", "(sigmas)", "inside %");
  for (const test::HllErrors& seen : at) {
    const double rmse = std::sqrt(seen.squares / seeds);
    const double said = std::sqrt(seen.said / seeds);
    const double mean = seen.errors / seeds;
    std::printf("%9ld %9.4f %11.4f %9.4f %8.1f %11.4f %7.1f %8.2f\n", static_cast<long>(seen.items),
                100 * rmse, rmse * root, rmse / said, (seen.squares / seen.said - 1) * std::sqrt(seeds / 2.0),
                100 * mean, rmse > 0 ? mean / rmse * std::sqrt(seeds) : 0, 100.0 * seen.inside / seeds);
  }
}

template <class Growing>
void measure(const std::vector<std::int64_t>& places, unsigned precision, int seeds) {
  std::vector<test::HllErrors> all;
  all.reserve(places.size());
  for (const std::int64_t items : places) all.push_back({.items = items});
  int lots = 0;
  int within = 0;
  for (int first = 0; first < seeds; first += kLot) {
    const int lot = std::min(kLot, seeds - first);
    const auto seen = test::hll_errors_at<Growing>(places, precision, lot, first);
    bool good = true;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].add(seen[i]);
      // The few of which no registers were needed are as good as exact.
      const bool exact = seen[i].items <= static_cast<std::int64_t>(sketch::hll_coupons_max(precision));
      good = good && (exact || std::abs(seen[i].rmse_over_said() - 1) <= 0.05);
    }
    if (lot < kLot) break;
    ++lots;
    within += good ? 1 : 0;
  }
  print(precision, seeds, all);
  std::printf("lots of %d sketches with every RMSE within 5 %% of what is said: %d of %d\n", kLot, within,
              lots);
}

}  // namespace
}  // namespace settle::bench

int main(int argc, char** argv) {
  std::vector<std::string> arguments{argv + 1, argv + argc};
  const bool ideal = !arguments.empty() && arguments.front() == "--ideal";
  if (ideal) arguments.erase(arguments.begin());
  const int seeds = !arguments.empty() ? std::stoi(arguments[0]) : 500;
  const std::int64_t most = arguments.size() > 1 ? std::stol(arguments[1]) : 1'000'000;
  std::vector<unsigned> precisions;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    precisions.push_back(static_cast<unsigned>(std::stoi(arguments[i])));
  }
  if (precisions.empty()) precisions = {4, 8, 10, 12, 14, 16};
  for (const unsigned precision : precisions) {
    using namespace settle;
    if (ideal) {
      const auto least = static_cast<std::int64_t>(sketch::hll_coupons_max(precision)) + 1;
      bench::measure<test::IdealHll>(bench::places(least, most), precision, seeds);
    } else {
      bench::measure<test::BuiltHll>(bench::places(1, most), precision, seeds);
    }
  }
}
