// How far estimates are off, beside what they say of themselves. bench/hll_accuracy does so at length.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/sketch/hll.hpp"
#include "tests/sketch/hll_errors.hpp"

namespace settle::test {
namespace {

/// What a sum of squares of `n` normal numbers stays below but once in 30,000 times (kSigmas) on either side;
/// Wilson and Hilferty, 1931.
constexpr double kSigmas = 4;
double chi_square(int n, double sigmas) {
  const double spread = 2.0 / (9.0 * n);
  return n * std::pow(1 - spread + sigmas * std::sqrt(spread), 3);
}

void expect_as_said(const std::vector<HllErrors>& at, int seeds) {
  for (const HllErrors& seen : at) {
    const double variances = seen.squares / (seen.said / seeds);
    SCOPED_TRACE("n " + std::to_string(seen.items) + ", RMSE over what is said " +
                 std::to_string(std::sqrt(variances / seeds)));
    EXPECT_GT(variances, chi_square(seeds, -kSigmas));
    EXPECT_LT(variances, chi_square(seeds, kSigmas));
    // More where there are few items to a register: the estimates are few and far between.
    EXPECT_GT(seen.inside, 0.95 * seeds - kSigmas * std::sqrt(0.95 * 0.05 * seeds));
  }
}

// How many sketches there are decides how narrow these are: 12 % of the RMSE with 500, 4.4 % with 4,000.
TEST(HllAccuracy, TheErrorIsWhatTheAnswerSays) {
  expect_as_said(hll_errors_at({500, 1000, 4096, 10'000, 30'000}, 12, 500), 500);
  expect_as_said(hll_errors_at({50, 128, 256, 1000, 4000}, 8, 4000), 4000);
}

TEST(HllAccuracy, FewItemsAreAsGoodAsExact) {
  for (const HllErrors& seen : hll_errors_at({1, 10, 100, 384}, 12, 500)) {
    EXPECT_EQ(seen.inside, 500) << seen.items;
    EXPECT_LE(seen.squares, seen.said) << seen.items;
  }
}

/// The standard error by the delta method: the estimate is a constant over z, and z is a sum over registers,
/// whose distribution with n / m items each is P(register <= v) = exp(-n / m / 2^v). What n itself varies by,
/// were the items Poisson, is taken out.
double error_factor(double per_register) {
  const double empty = std::exp(-per_register);
  double sigma = empty;
  double slope = 1;
  double power = empty;  // empty^(2^k)
  for (double weight = 1; power > 1e-300 && weight < 1e18; weight *= 2) {
    slope += weight * 2 * weight * power * power / empty;
    power *= power;
    sigma += power * weight;
  }
  double mean = slope * empty;
  double square = slope * slope * empty;
  double z = sigma;
  for (int v = 1; v < 64; ++v) {
    const double share = per_register * std::ldexp(1, -v);
    const double probability = std::exp(-share) * -std::expm1(-share);
    mean += probability * std::ldexp(1, -v);
    square += probability * std::ldexp(1, -2 * v);
    z += probability * std::ldexp(1, -v);
  }
  return std::sqrt((square - mean * mean) / (z * z) - 1 / per_register);
}

TEST(HllAccuracy, TheStandardErrorIsThatOfTheDistribution) {
  for (const unsigned precision : {4U, 12U, 21U}) {
    const double registers = std::ldexp(1, static_cast<int>(precision));
    for (double place = -4; place <= 12; place += 0.25) {
      const double per_register = std::exp2(place);
      const double expected = error_factor(per_register) / std::sqrt(registers);
      EXPECT_NEAR(sketch::hll_standard_error(precision, per_register * registers), expected, 0.01 * expected)
          << place;
    }
    EXPECT_NEAR(sketch::hll_standard_error(precision, 1e18) * std::sqrt(registers), 1.039, 0.001);
    EXPECT_GT(sketch::hll_standard_error(precision, 0), 0);
  }
}

}  // namespace
}  // namespace settle::test
