// hll_accuracy [SEEDS [ITEMS_MAX [PRECISION...]]]: how far the estimates of distinct counts really are off,
// beside what the answers say of themselves. Sketches that Settle builds, of the seeds from 0 on.
//
// RMSE over N seeds varies by 1 / sqrt(2 N) of itself, the mean error by RMSE / sqrt(N): both are printed in
// these units ("sigmas"), so that what is chance and what is not can be told apart.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "tests/sketch/hll_errors.hpp"

namespace settle::bench {
namespace {

std::vector<std::int64_t> places(std::int64_t most) {
  std::vector<std::int64_t> at;
  for (std::int64_t n = 1; n <= most; n *= 10) {
    for (const std::int64_t part : {1, 2, 5}) {
      if (part * n <= most) at.push_back(part * n);
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

}  // namespace
}  // namespace settle::bench

int main(int argc, char** argv) {
  const int seeds = argc > 1 ? std::stoi(argv[1]) : 500;
  const std::int64_t most = argc > 2 ? std::stol(argv[2]) : 1'000'000;
  std::vector<unsigned> precisions;
  for (int i = 3; i < argc; ++i) precisions.push_back(static_cast<unsigned>(std::stoi(argv[i])));
  if (precisions.empty()) precisions = {4, 8, 10, 12, 14, 16};
  for (const unsigned precision : precisions) {
    const auto places = settle::bench::places(most);
    settle::bench::print(precision, seeds, settle::test::hll_errors_at(places, precision, seeds));
  }
}
