// engine/sketch/hll_answer.cpp: from registers to a number and how far off it may be.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/sketch/hll.hpp"
#include "engine/sketch/registers.hpp"

namespace settle::sketch {

namespace {

constexpr double kNormal95 = 1.959964;
constexpr double kLn2 = 0.693147180559945309417;
// Coupons have 26 bits of address and a rank: two items share one with a chance of 1 in 3 * 2^26.
constexpr double kCouponPairs = 6.0 * (1U << kAddressBits);
constexpr double kHipError = 0.8325546;             // sqrt(ln 2), times 1 / sqrt(registers)
constexpr double kHashes = 18446744073709551616.0;  // there are no more

/// Ertl's: x + sum of 2^(k-1) x^(2^k); x < 1.
double sigma(double x) {
  double sum = x;
  double previous = -1;
  for (double weight = 1; sum != previous; weight += weight) {
    x *= x;
    previous = sum;
    sum += x * weight;
  }
  return sum;
}

/// Ertl's, for registers that are as large as they get: x is the share of those that are not.
double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x;
  double previous = -1;
  for (double weight = 1; sum != previous;) {
    x = std::sqrt(x);
    previous = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  }
  return sum / 3;
}

struct Merged {
  double estimate = 0;
  double occupied = 0;  // registers that are not 0: so many items there are at least
};

Merged estimate_of(std::span<const std::uint8_t> registers, unsigned precision, std::uint8_t rank_max) {
  const auto count = static_cast<double>(registers.size());
  const unsigned shift = 62 - precision;
  const RegisterSums sums = register_loops().sums(registers.data(), registers.size(), shift);
  const auto zeros = static_cast<double>(sums.zeros);
  if (sums.zeros == registers.size()) return {};
  // The sum has each zero as 1; sigma speaks for them.
  double z = std::ldexp(static_cast<double>(sums.scaled), -static_cast<int>(shift)) - zeros;
  if (sums.zeros != 0) z += count * sigma(zeros / count);
  // Of a wide rank, a register that ends there is less likely than a wrong hash; of five bits it happens.
  if (rank_max <= 31 || sums.beyond_31) {
    const auto full = static_cast<double>(std::count(registers.begin(), registers.end(), rank_max));
    z -= std::ldexp(full, -static_cast<int>(rank_max));
    z += std::ldexp(count * tau(1 - full / count), 1 - static_cast<int>(rank_max));
  }
  const double estimate = z > 0 ? count * count / (2 * kLn2 * z) : kHashes;
  return {.estimate = std::min(estimate, kHashes), .occupied = count - zeros};
}

DistinctAnswer with_interval(double estimate, double error, double at_least) {
  DistinctAnswer answer;
  answer.estimate = estimate;
  answer.standard_error = error;
  answer.low = std::min(estimate, std::max(at_least, estimate / (1 + kNormal95 * error)));
  answer.high = estimate / (1 - kNormal95 * error);
  return answer;
}

}  // namespace

double hll_standard_error(unsigned precision, double n) {
  // Times 1 / sqrt(registers), by log2(n / registers) from -4 on; tests compute it from the distribution of a
  // register.
  constexpr std::array kFactors{0.7158, 0.7216, 0.7331, 0.7531, 0.7854, 0.8382, 0.9148,
                                0.9770, 1.0085, 1.0239, 1.0315, 1.0353, 1.0371, 1.0389};
  const auto registers = static_cast<double>(std::uint64_t{1} << precision);
  const double place = n > 0 ? std::log2(n / registers) + 4 : 0;
  const double last = kFactors.size() - 1;
  const double within = std::clamp(place, 0.0, last);
  const auto before = std::min(static_cast<std::size_t>(within), kFactors.size() - 2);
  const double share = within - static_cast<double>(before);
  return (kFactors[before] * (1 - share) + kFactors[before + 1] * share) / std::sqrt(registers);
}

DistinctAnswer Hll::answer() const {
  DistinctAnswer answer;
  if (!started_) return answer;
  if (dense_) {
    const Merged merged = estimate_of(registers_, precision_, kind_.rank_max(precision_));
    if (hip_) {
      const double error = kHipError / std::sqrt(static_cast<double>(registers_.size()));
      answer = with_interval(*hip_, error, merged.occupied);
    } else if (merged.estimate > 0) {
      answer =
          with_interval(merged.estimate, hll_standard_error(precision_, merged.estimate), merged.occupied);
    }
  } else if (kind_.family == HllFamily::datasketches) {
    const auto count = static_cast<double>(coupons_.size());
    answer = with_interval(count + count * count / kCouponPairs, std::sqrt(1 / kCouponPairs), count);
  } else {
    answer.estimate = answer.low = answer.high = static_cast<double>(hashes_.size());
  }
  if (kind_.sample_p != 1) {
    answer.estimate /= kind_.sample_p;
    answer.low /= kind_.sample_p;
    answer.high /= kind_.sample_p;
    answer.degraded |= Degraded::sampled;
  }
  return answer;
}

std::uint64_t canonical_hash(const Hll& hll) {
  struct {
    std::uint8_t family, variant, width, started, dense, has_hip, precision, zero;
    double sample_p, hip;
  } head{};
  static_assert(sizeof head == 24);
  const HllKind& kind = hll.kind();
  head.family = static_cast<std::uint8_t>(kind.family);
  head.variant = kind.variant;
  head.width = kind.width;
  head.started = hll.has_kind() ? 1 : 0;
  head.dense = hll.dense() ? 1 : 0;
  head.has_hip = hll.hip() ? 1 : 0;
  head.precision = static_cast<std::uint8_t>(hll.precision());
  head.sample_p = kind.sample_p;
  head.hip = hll.hip().value_or(0);
  const std::uint64_t seed = XXH3_64bits(&head, sizeof head);
  if (hll.dense()) {
    return XXH3_64bits_withSeed(hll.dense_registers().data(), hll.dense_registers().size(), seed);
  }
  const auto coupons = hll.coupons().sorted();
  const std::uint64_t few = XXH3_64bits_withSeed(coupons.data(), coupons.size() * sizeof coupons[0], seed);
  return XXH3_64bits_withSeed(hll.hashes().data(), hll.hashes().size_bytes(), few);
}

}  // namespace settle::sketch
