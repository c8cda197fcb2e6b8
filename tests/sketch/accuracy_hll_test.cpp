// Distinct counts up to 10^7 items: what the estimator makes of registers, whatever the hash.
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/sketch/hll_errors.hpp"
#include "tests/sketch/ideal_hll.hpp"

namespace settle::test {
namespace {

constexpr unsigned kPrecision = 12;
constexpr int kSketches = 2000;  // their RMSE varies by 1.6 % of itself; that of 500 by 3.2 %

TEST(HllAccuracy, TheErrorIsWithinFivePercentOfTheoryUpToTenMillion) {
  const std::vector<std::int64_t> places{500,       1'000,     2'000,     5'000,     10'000,
                                         20'000,    50'000,    100'000,   200'000,   500'000,
                                         1'000'000, 2'000'000, 5'000'000, 10'000'000};
  for (const HllErrors& seen : hll_errors_at<IdealHll>(places, kPrecision, kSketches)) {
    const double rmse = std::sqrt(seen.squares / kSketches);
    SCOPED_TRACE("n " + std::to_string(seen.items) + ", RMSE " + std::to_string(rmse));
    EXPECT_NEAR(seen.rmse_over_said(), 1, 0.05);
    EXPECT_LE(rmse, 1.05 * 1.04 / std::exp2(kPrecision / 2.0));
    EXPECT_LE(std::abs(seen.errors / kSketches), 4 * rmse / std::sqrt(kSketches));
    EXPECT_GE(seen.inside, 0.95 * kSketches - 4 * std::sqrt(0.95 * 0.05 * kSketches));
    RecordProperty("rmse_over_said_at_" + std::to_string(seen.items), std::to_string(seen.rmse_over_said()));
  }
}

}  // namespace
}  // namespace settle::test
