// The laws of merging, folding beside building, and the loops beside their plain twins.

#include "engine/sketch/hll.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/codec/asap_hll.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/sketch/registers.hpp"

namespace settle::test {
namespace {

using sketch::Hll;
using sketch::HllFamily;
using sketch::HllKind;

const std::vector<HllKind> kKinds{{.family = HllFamily::datasketches},
                                  {.family = HllFamily::asap, .variant = 2},
                                  {.family = HllFamily::redis},
                                  {.family = HllFamily::postgresql, .width = 5},
                                  {.family = HllFamily::postgresql, .width = 3}};

Hll built(const HllKind& kind, unsigned precision, std::int64_t from, std::int64_t count) {
  Hll hll = Hll::of(kind, precision);
  for (std::int64_t item = from; item < from + count; ++item) hll.add(item);
  return hll;
}

Hll merged(const Hll& left, const Hll& right) {
  Hll both = left;
  const auto done = both.merge(right);
  EXPECT_TRUE(done) << done.error().detail;
  return both;
}

TEST(Hll, FoldingGivesTheRegistersOfTheSmallerSketchOfTheSameItems) {
  for (const HllKind& kind : kKinds) {
    for (const unsigned from : {5U, 9U, 12U}) {
      for (unsigned to = 4; to < from; ++to) {
        Hll large = Hll::of(kind, from);
        large.raise(kind, from, built(kind, from, 0, 20'000).registers(), std::nullopt);
        // Both ways: what is held folds, and what comes folds.
        const Hll small = built(kind, to, 20'000, 100);
        Hll few = Hll::of(kind, to);
        few.raise(kind, to, small.registers(), std::nullopt);
        const Hll expected = built(kind, to, 0, 20'100);
        SCOPED_TRACE(kind.text() + " " + std::to_string(from) + " to " + std::to_string(to));
        EXPECT_EQ(merged(large, few).registers(), expected.registers());
        EXPECT_EQ(merged(few, large).registers(), expected.registers());
        EXPECT_EQ(merged(few, large).precision(), to);
      }
    }
  }
}

RC_GTEST_PROP(HllLaws, MergingIsCommutativeAssociativeAndIdempotent, ()) {
  const HllKind kind = *rc::gen::elementOf(kKinds);
  const unsigned precision = *rc::gen::inRange(4U, 13U);
  std::vector<Hll> parts;
  for (int part = 0; part < 3; ++part) {
    const int most = *rc::gen::element(20, 400, 12'000);
    parts.push_back(built(kind, precision, *rc::gen::inRange(0, 1000), *rc::gen::inRange(0, most)));
  }
  const Hll& a = parts[0];
  const Hll& b = parts[1];
  const Hll& c = parts[2];
  const std::uint64_t all = canonical_hash(merged(merged(a, b), c));
  RC_ASSERT(canonical_hash(merged(a, merged(b, c))) == all);
  RC_ASSERT(canonical_hash(merged(merged(c, b), a)) == all);
  RC_ASSERT(canonical_hash(merged(merged(merged(a, b), c), b)) == all);
  RC_ASSERT(canonical_hash(merged(Hll{}, a)) == canonical_hash(a));
  RC_ASSERT(canonical_hash(merged(a, Hll{})) == canonical_hash(a));
  RC_ASSERT(canonical_hash(merged(a, Hll::of(kind, precision))) == canonical_hash(a));
}

RC_GTEST_PROP(HllLaws, OfSeveralPrecisionsTheRegistersAreOfTheSmallest, ()) {
  const HllKind kind = *rc::gen::elementOf(kKinds);
  Hll all;
  unsigned smallest = 18;
  const auto count = *rc::gen::inRange<std::size_t>(1, 6);
  const auto parts = *rc::gen::container<std::vector<unsigned>>(count, rc::gen::inRange(4U, 13U));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    smallest = std::min(smallest, parts[i]);
    // Many items, so that all are dense.
    RC_ASSERT(all.merge(built(kind, parts[i], static_cast<std::int64_t>(i) * 5000, 10'000)).has_value());
  }
  const auto items = static_cast<std::int64_t>(parts.size() - 1) * 5000 + 10'000;
  RC_ASSERT(all.precision() == smallest);
  RC_ASSERT(all.registers() == built(kind, smallest, 0, items).registers());
}

RC_GTEST_PROP(HllLaws, FewItemsAreCountedAsASetCountsThem, ()) {
  const HllKind kind = *rc::gen::element(kKinds[0], kKinds[3]);
  Hll hll = Hll::of(kind, 12);
  std::set<std::string> model;
  const auto items = *rc::gen::container<std::vector<std::string>>(
      rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'e'))));
  for (const std::string& item : items) {
    hll.add(item);
    model.insert(item);
  }
  RC_PRE(model.size() < 384U);
  RC_ASSERT(std::llround(hll.answer().estimate) == static_cast<long long>(model.size()));
  RC_ASSERT(hll.answer().low <= static_cast<double>(model.size()));
  RC_ASSERT(hll.answer().high >= static_cast<double>(model.size()));
}

RC_GTEST_PROP(HllLaws, DecodingWhatWasEncodedIsTheSameSketch, ()) {
  const unsigned precision = *rc::gen::inRange(4U, 16U);
  const Hll hll = built({}, precision, 0, *rc::gen::inRange(0, *rc::gen::element(10, 1000, 100'000)));
  const auto type = *rc::gen::element(codec::HllType::hll4, codec::HllType::hll6, codec::HllType::hll8,
                                      codec::HllType::smallest);
  Hll again;
  RC_ASSERT(codec::merge_datasketches_hll(again, *codec::encode_datasketches_hll(hll, type)).has_value());
  RC_ASSERT(canonical_hash(again) == canonical_hash(hll));
  const Hll asap = built(kKinds[1], precision, 0, *rc::gen::inRange(0, 1000));
  Hll asap_again;
  RC_ASSERT(codec::merge_asap_hll_state(asap_again, *codec::encode_asap_hll_state(asap)).has_value());
  RC_ASSERT(canonical_hash(asap_again) == canonical_hash(asap));
}

TEST(Hll, SparseSketchesDoNotLowerThePrecision) {
  const Hll dense = built({}, 12, 0, 5000);
  const Hll few = built({}, 8, 10'000, 20);
  EXPECT_EQ(merged(dense, few).precision(), 12U);
  EXPECT_EQ(merged(few, dense).registers(), merged(dense, few).registers());
  EXPECT_EQ(merged(few, dense).registers(), [&] {
    Hll all = built({}, 12, 0, 5000);
    for (std::int64_t item = 10'000; item < 10'020; ++item) all.add(item);
    return all.registers();
  }());
  const Hll hashes = built(kKinds[3], 5, 0, 100);
  EXPECT_EQ(merged(hashes, built(kKinds[3], 12, 0, 20'000)).precision(), 12U);
}

TEST(Hll, DifferentKindsAreRefusedByName) {
  const std::vector<HllKind> others{{.family = HllFamily::asap, .variant = 1},
                                    {.family = HllFamily::asap, .variant = 2, .sample_p = 0.5}};
  for (const HllKind& left : kKinds) {
    for (const HllKind& right :
         {kKinds[0], kKinds[1], kKinds[2], kKinds[3], kKinds[4], others[0], others[1]}) {
      Hll hll = built(left, 8, 0, 100);
      const auto before = canonical_hash(hll);
      const auto done = hll.merge(built(right, 8, 0, 200));
      ASSERT_EQ(done.has_value(), left.fits(right));
      if (done) continue;
      EXPECT_EQ(canonical_hash(hll), before);
      EXPECT_NE(done.error().detail.find(left.text()), std::string::npos) << done.error().detail;
      EXPECT_NE(done.error().detail.find(right.text()), std::string::npos) << done.error().detail;
    }
  }
  // HIP sketches are Ertl's once they are merged.
  const HllKind hip{.family = HllFamily::asap, .variant = 3};
  EXPECT_EQ(merged(built(hip, 8, 0, 10), built(kKinds[1], 8, 0, 10)).kind().variant, 2);
  EXPECT_FALSE(hip.fits(others[0]));
}

TEST(Hll, HipIsThatOfOneSketchAlone) {
  const auto registers = built({}, 12, 0, 10'000).registers();
  Hll alone;
  alone.raise({}, 12, registers, 9'999.0);
  EXPECT_EQ(alone.answer().estimate, 9'999.0);
  EXPECT_NEAR(alone.answer().standard_error, 0.8326 / 64, 1e-5);
  EXPECT_TRUE(merged(Hll{}, alone).hip());
  EXPECT_TRUE(merged(Hll::of_precision(12), alone).hip());
  EXPECT_TRUE(merged(alone, Hll::of_precision(12)).hip());
  const HllKind asap{.family = HllFamily::asap, .variant = 3};
  Hll other;
  other.raise(asap, 8, built(asap, 8, 0, 100).registers(), 99.0);
  EXPECT_EQ(merged(other, Hll::of(asap, 8)).hip(), 99.0);
  EXPECT_EQ(merged(Hll::of(asap, 8), other).hip(), 99.0);
  EXPECT_FALSE(merged(alone, alone).hip());
  EXPECT_FALSE(merged(alone, built({}, 12, 0, 3)).hip());
  EXPECT_FALSE(merged(built({}, 12, 0, 3), alone).hip());
  Hll added = alone;
  added.add(std::int64_t{77});
  EXPECT_FALSE(added.hip());
  EXPECT_NE(canonical_hash(alone), canonical_hash(added));
  alone.clear();
  EXPECT_FALSE(alone.has_kind());
  EXPECT_EQ(canonical_hash(alone), canonical_hash(Hll{}));
  EXPECT_EQ(alone.answer().estimate, 0);
}

TEST(Hll, SampledProducersAreScaledUp) {
  const HllKind half{.family = HllFamily::asap, .variant = 2, .sample_p = 0.5};
  const auto whole = built(kKinds[1], 12, 0, 3000).answer();
  const auto sampled = built(half, 12, 0, 3000).answer();
  EXPECT_EQ(sampled.estimate, 2 * whole.estimate);
  EXPECT_EQ(sampled.high, 2 * whole.high);
  EXPECT_TRUE(has(sampled.degraded, sketch::Degraded::sampled));
}

TEST(Hll, SharesThatWouldMakeAnswersInfiniteAreRefused) {
  for (const double share : {1e-310, 1e-10, 0.0, -1.0, 1.5, std::numeric_limits<double>::quiet_NaN()}) {
    const auto fits = Hll{}.fits({.family = HllFamily::asap, .sample_p = share});
    ASSERT_FALSE(fits) << share;
    EXPECT_NE(fits.error().detail.find("share"), std::string::npos) << fits.error().detail;
  }
  EXPECT_TRUE(Hll{}.fits({.family = HllFamily::asap, .sample_p = 1e-9}));
}

TEST(Hll, RegistersOfFiveBitsFillUpWithoutLosingTheCount) {
  // Registers as n items would leave them, drawn from their distribution: P(register <= v) = exp(-n / m /
  // 2^v).
  std::mt19937_64 random{7};
  const HllKind kind{.family = HllFamily::postgresql, .width = 5};
  const auto m = 2048.0;
  for (const double per_register : {1e6, 1e9, 3e9}) {
    std::vector<std::uint8_t> registers(2048);
    for (std::uint8_t& value : registers) {
      const double u = std::uniform_real_distribution{1e-300, 1.0}(random);
      const double drawn = std::ceil(std::log2(per_register / -std::log(u)));
      value = static_cast<std::uint8_t>(std::clamp(drawn, 0.0, 31.0));
    }
    Hll hll;
    hll.raise(kind, 11, registers, std::nullopt);
    EXPECT_NEAR(hll.answer().estimate, m * per_register, 0.1 * m * per_register) << per_register;
  }
  Hll full;
  full.raise(kind, 11, std::vector<std::uint8_t>(2048, 31), std::nullopt);
  EXPECT_TRUE(std::isfinite(full.answer().high));
  EXPECT_GT(full.answer().estimate, 1e13);
}

TEST(Hll, CrowdedCouponsTurnIntoRegisters) {
  // All want one place of a table: without an end to that, this would take minutes.
  std::string words;
  const std::uint32_t step = 0x0e8b2f51U;  // times the golden ratio's bits is 1, modulo 2^32
  std::uint32_t coupon = 0;
  for (std::uint32_t i = 1; words.size() < 400'000; ++i) {
    coupon += step;
    if (coupon >> 26U != 0) words.append(reinterpret_cast<const char*>(&coupon), 4);
  }
  Hll hll;
  hll.take_coupons(21, words);
  EXPECT_GT(hll.answer().estimate, 80'000);
}

TEST(RegisterLoops, AreTheirPlainTwins) {
  std::mt19937 random{3};
  const auto& plain = sketch::plain_loops();
  const auto& fast = sketch::register_loops();
  for (const std::size_t n : {16U, 32U, 48U, 64U, 256U, 4096U, 1U << 16U}) {
    for (int round = 0; round < 20; ++round) {
      const unsigned top = round % 2 == 0 ? 63 : 255;
      // Exactly as long as may be read, so that the sanitizer sees what is read beyond.
      const auto bytes = [&](std::size_t size) {
        std::vector<std::uint8_t> drawn(size);
        for (std::uint8_t& byte : drawn) byte = static_cast<std::uint8_t>(random() % (top + 1));
        return drawn;
      };
      const auto held = bytes(n);
      const auto full = bytes(n);
      const auto half = bytes(n / 2);
      const auto sixes = bytes(n / 4 * 3);
      auto left = held;
      auto right = held;
      plain.raise(left.data(), full.data(), n);
      fast.raise(right.data(), full.data(), n);
      plain.raise_nibbles(left.data(), half.data(), n, 7);
      fast.raise_nibbles(right.data(), half.data(), n, 7);
      EXPECT_EQ(left, right);
      left = right = std::vector<std::uint8_t>(n);
      plain.raise_sixes(left.data(), sixes.data(), n);
      fast.raise_sixes(right.data(), sixes.data(), n);
      EXPECT_EQ(left, right);
      EXPECT_EQ(plain.bits(full.data(), n), fast.bits(full.data(), n));
      EXPECT_EQ(plain.count_fifteens(half.data(), n), fast.count_fifteens(half.data(), n));
      for (const unsigned below : {8U, 20U, 40U, 64U, 256U}) {
        std::vector<std::uint8_t> values = full;
        for (std::uint8_t& value : values) value = static_cast<std::uint8_t>(value % below);
        const auto plain_sums = plain.sums(values.data(), n, 46);
        const auto fast_sums = fast.sums(values.data(), n, 46);
        EXPECT_EQ(plain_sums.scaled, fast_sums.scaled);
        EXPECT_EQ(plain_sums.zeros, fast_sums.zeros);
        EXPECT_EQ(plain_sums.beyond_31, fast_sums.beyond_31);
      }
    }
  }
}

}  // namespace
}  // namespace settle::test
