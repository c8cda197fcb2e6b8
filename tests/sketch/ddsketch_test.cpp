#include "engine/sketch/ddsketch.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/sketch/counts.hpp"

namespace settle::sketch {
namespace {

using Values = std::vector<double>;

/// Every quantile from 0 to 1 by 0.01 lies within alpha of the value of that rank.
void expect_accurate(const DDSketch& sketch, Values values, const std::string& what) {
  std::sort(values.begin(), values.end());
  ASSERT_EQ(sketch.count(), static_cast<double>(values.size()));
  for (int percent = 0; percent <= 100; ++percent) {
    const double q = percent / 100.0;
    const QuantileAnswer answer = sketch.quantile(q);
    const double exact = values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))];
    EXPECT_LE(std::abs(answer.value - exact), answer.alpha * std::abs(exact) * (1 + 1e-9))
        << what << ", q " << q << ": " << answer.value << " for " << exact;
    EXPECT_EQ(answer.degraded, Degraded::nothing);
  }
}

std::map<std::string, Values> distributions() {
  std::mt19937_64 random{7};
  std::map<std::string, Values> all;
  std::lognormal_distribution<double> lognormal{0, 2};
  std::uniform_real_distribution<double> uniform{0, 1};
  std::normal_distribution<double> normal{0, 1};
  for (int i = 0; i < 20'000; ++i) {
    all["lognormal"].push_back(lognormal(random));
    all["pareto"].push_back(std::pow(1 - uniform(random), -1 / 1.1));
    all["bimodal"].push_back(i % 2 == 0 ? 10 + normal(random) : 1e6 + 1e4 * normal(random));
    all["constant"].push_back(42.5);
    all["both signs"].push_back(i % 17 == 0 ? 0 : lognormal(random) - 3);
    all["negative"].push_back(-lognormal(random));
  }
  return all;
}

std::vector<Mapping> mappings() {
  std::vector<Mapping> all{Mapping::of_accuracy(0.01), Mapping::of_accuracy(0.05),
                           Mapping::of_accuracy(0.001)};
  for (const auto kind : {Mapping::Kind::linear, Mapping::Kind::quadratic, Mapping::Kind::cubic,
                          Mapping::Kind::quartic, Mapping::Kind::logarithmic}) {
    all.push_back({.kind = kind, .gamma = 1.015, .offset = 12.25});
  }
  return all;
}

TEST(Mapping, PutsEveryValueIntoABinWhoseValueIsWithinAlpha) {
  std::mt19937_64 random{3};
  std::uniform_real_distribution<double> exponent{-1000, 1000};
  for (const Mapping& mapping : mappings()) {
    for (int i = 0; i < 20'000; ++i) {
      const double value = std::exp2(exponent(random));
      const std::int64_t index = mapping.index(value);
      EXPECT_LE(mapping.lower(index), value * (1 + 1e-11)) << mapping.text();
      EXPECT_GE(mapping.lower(index + 1), value * (1 - 1e-11)) << mapping.text();
      const double answer = mapping.lower(index) * (1 + mapping.alpha());
      EXPECT_LE(std::abs(answer - value), mapping.alpha() * value * (1 + 1e-8)) << mapping.text();
    }
  }
}

TEST(Mapping, KeepsThePromisedAccuracy) {
  for (const double alpha : {1e-6, 0.001, 0.01, 0.2, 0.9}) {
    EXPECT_NEAR(Mapping::of_accuracy(alpha).alpha(), alpha, alpha * 1e-9);
  }
}

TEST(DDSketch, IsAccurateBeforeAndAfterMergesInRandomTrees) {
  std::mt19937_64 random{11};
  for (const auto& [name, values] : distributions()) {
    for (const Mapping& mapping : mappings()) {
      DDSketch whole{mapping, 0};
      std::vector<DDSketch> parts(40, DDSketch{mapping, 0});
      for (const double value : values) {
        ASSERT_TRUE(whole.add(value));
        ASSERT_TRUE(parts[random() % parts.size()].add(value));
      }
      expect_accurate(whole, values, name + ", " + mapping.text());
      while (parts.size() > 1) {
        const std::size_t from = random() % parts.size();
        std::swap(parts[from], parts.back());
        const DDSketch taken = std::move(parts.back());
        parts.pop_back();
        ASSERT_TRUE(parts[random() % parts.size()].merge(taken));
      }
      expect_accurate(parts.front(), values, name + " merged, " + mapping.text());
    }
  }
}

TEST(DDSketch, AnswersNothingWithoutValues) {
  EXPECT_TRUE(std::isnan(DDSketch{}.quantile(0.5).value));
  DDSketch sketch{Mapping::of_accuracy(0.01)};
  EXPECT_TRUE(std::isnan(sketch.quantile(0.5).value));
  EXPECT_EQ(sketch.count(), 0);
  EXPECT_FALSE(sketch.add(std::nan("")));
  EXPECT_FALSE(sketch.add(std::numeric_limits<double>::infinity()));
  EXPECT_FALSE(sketch.add(1, 0));
  EXPECT_FALSE(sketch.add(1, -1));
  EXPECT_FALSE(sketch.add(1, std::nan("")));
  EXPECT_TRUE(sketch.empty());
  ASSERT_TRUE(sketch.add(5));
  EXPECT_EQ(sketch.quantile(-0.1).value, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(sketch.quantile(1.1).value, std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(sketch.quantile(std::nan("")).value));
}

TEST(DDSketch, TakesTheEndsOfTheDoubles) {
  DDSketch sketch{Mapping::of_accuracy(0.01), 0};
  for (const double value :
       {std::numeric_limits<double>::max(), std::numeric_limits<double>::min(),
        std::numeric_limits<double>::denorm_min(), -std::numeric_limits<double>::max()}) {
    ASSERT_TRUE(sketch.add(value));
  }
  EXPECT_EQ(sketch.zeros(), 1);
  EXPECT_EQ(sketch.quantile(0).value, -std::numeric_limits<double>::max());
  EXPECT_EQ(sketch.quantile(1).value, std::numeric_limits<double>::max());
}

TEST(DDSketch, RefusesAnotherMappingAndNamesBoth) {
  DDSketch one{Mapping::of_accuracy(0.01)};
  DDSketch other{Mapping::of_accuracy(0.02)};
  ASSERT_TRUE(one.add(1));
  ASSERT_TRUE(other.add(2));
  const auto before = canonical_hash(one);
  const auto merged = one.merge(other);
  ASSERT_FALSE(merged);
  EXPECT_NE(merged.error().detail.find("1.02020202020"), std::string::npos) << merged.error().detail;
  EXPECT_NE(merged.error().detail.find("1.04081632653"), std::string::npos) << merged.error().detail;
  EXPECT_EQ(canonical_hash(one), before);
}

TEST(DDSketch, KeepsExactStatisticsOnlyWhileAllSourcesHaveThem) {
  DDSketch all{Mapping::of_accuracy(0.01)};
  ASSERT_TRUE(all.add(3));
  DDSketch none;
  const auto opened = none.open({.mapping = Mapping::of_accuracy(0.01), .positive = {.low = 5, .high = 5}});
  ASSERT_TRUE(opened);
  *none.open_bins(false, {.low = 5, .high = 5}) += 1;
  none.close();
  DDSketch merged = all;
  ASSERT_TRUE(merged.merge(DDSketch{}));
  ASSERT_TRUE(merged.merge(DDSketch{Mapping::of_accuracy(0.01)}));
  EXPECT_EQ(merged.exact().sum, 3);
  EXPECT_EQ(merged.sum(), 3);
  ASSERT_TRUE(merged.merge(none));
  EXPECT_EQ(merged.exact(), DDSketch::Exact{});
  EXPECT_EQ(merged.count(), 2);
  ASSERT_TRUE(none.merge(all));
  EXPECT_EQ(canonical_hash(none), canonical_hash(merged));
}

/// The counts as a map, in which collapsing is plain to see.
struct Model {
  std::map<std::int64_t, double> bins;
  void collapse(std::int64_t limit) {
    while (!bins.empty() && bins.begin()->first < bins.rbegin()->first - limit + 1) {
      const auto [index, count] = *bins.begin();
      bins.erase(bins.begin());
      bins[std::max(index, bins.rbegin()->first - limit + 1)] += count;
    }
  }
  void expect_is(const Bins& real) const {
    std::map<std::int64_t, double> other;
    for (std::int64_t i = real.range().low; i <= real.range().high; ++i) {
      if (real.at(i) != 0) other[i] = real.at(i);
    }
    RC_ASSERT(other == bins);
  }
};

TEST(DDSketch, CollapsesAsTheModelAndInAnyOrder) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<std::int16_t, std::uint8_t>>& drawn) {
    const Mapping mapping = Mapping::of_accuracy(0.05);
    constexpr std::int64_t kLimit = 40;
    Model model;
    std::vector<DDSketch> parts(3, DDSketch{mapping, kLimit});
    DDSketch whole{mapping, kLimit};
    std::size_t turn = 0;
    for (const auto& [place, weight] : drawn) {
      if (weight == 0) continue;
      const std::int64_t index = place / 64;
      const double value = mapping.lower(index) * 1.05;
      RC_ASSERT(mapping.index(value) == index);
      model.bins[index] += weight;
      RC_ASSERT(whole.add(value, weight));
      RC_ASSERT(parts[turn++ % 3].add(value, weight));
    }
    model.collapse(kLimit);
    model.expect_is(whole.positive());
    RC_ASSERT(bool{parts[0].merge(parts[1])});
    RC_ASSERT(bool{parts[2].merge(parts[0])});
    model.expect_is(parts[2].positive());
  }));
}

TEST(DDSketch, SaysWhatWasCollapsed) {
  DDSketch sketch{Mapping::of_accuracy(0.01), 100};
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(sketch.add(std::pow(1.02, i)));
  EXPECT_EQ(sketch.positive().range().span(), 100);
  EXPECT_EQ(sketch.quantile(0.99).degraded, Degraded::nothing);
  EXPECT_TRUE(has(sketch.quantile(0.2).degraded, Degraded::collapsed));
  EXPECT_GE(sketch.quantile(0.2).value, std::pow(1.02, 199));
  DDSketch other;
  ASSERT_TRUE(other.merge(sketch));
  EXPECT_TRUE(has(other.quantile(0.2).degraded, Degraded::collapsed));
}

DDSketch drawn_sketch(const std::vector<std::pair<std::int32_t, std::uint16_t>>& drawn,
                      const Mapping& mapping) {
  DDSketch sketch{mapping, 0};
  for (const auto& [value, weight] : drawn) (void)sketch.add(value / 1000.0, weight);
  return sketch;
}

TEST(DDSketch, MergesByTheLaws) {
  using Drawn = std::vector<std::pair<std::int32_t, std::uint16_t>>;
  EXPECT_TRUE(rc::check([](const Drawn& a, const Drawn& b, const Drawn& c) {
    const Mapping mapping = mappings()[a.size() % mappings().size()];
    // Exact sums are not associative, counts are.
    const auto bins = [&](const Drawn& drawn) {
      const DDSketch full = drawn_sketch(drawn, mapping);
      DDSketch sketch;
      RC_ASSERT(bool{sketch.open({.mapping = mapping,
                                  .zeros = full.zeros(),
                                  .positive = full.positive().range(),
                                  .negative = full.negative().range()})});
      for (const bool negative : {false, true}) {
        const Bins& from = negative ? full.negative() : full.positive();
        double* to = sketch.open_bins(negative, from.range());
        for (const double count : from.counts()) *to++ = count;
      }
      sketch.close();
      return sketch;
    };
    const auto merged = [](DDSketch x, const DDSketch& y) {
      RC_ASSERT(bool{x.merge(y)});
      return x;
    };
    const DDSketch x = bins(a);
    const DDSketch y = bins(b);
    const DDSketch z = bins(c);
    RC_ASSERT(canonical_hash(merged(x, y)) == canonical_hash(merged(y, x)));
    RC_ASSERT(canonical_hash(merged(merged(x, y), z)) == canonical_hash(merged(x, merged(y, z))));
    RC_ASSERT(canonical_hash(merged(x, DDSketch{})) == canonical_hash(x));
    RC_ASSERT(canonical_hash(merged(DDSketch{}, x)) == canonical_hash(x));
    Drawn all = a;
    all.insert(all.end(), b.begin(), b.end());
    RC_ASSERT(canonical_hash(merged(x, y)) == canonical_hash(bins(all)));
  }));
}

TEST(DDSketch, FindsTheRankThatACountFromTheStartFinds) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<std::int32_t, std::uint16_t>>& drawn,
                           std::uint8_t percent) {
    const Mapping mapping = Mapping::of_accuracy(0.01);
    const DDSketch sketch = drawn_sketch(drawn, mapping);
    const double q = std::min<int>(percent, 100) / 100.0;
    if (sketch.empty()) return;
    const double rank = q * (sketch.count() - 1);
    double seen = 0;
    double expected = std::nan("");
    const auto step = [&](double count, double value) {
      seen += count;
      if (std::isnan(expected) && count != 0 && seen > rank) expected = value;
    };
    const auto value_of = [&](std::int64_t index) { return mapping.lower(index) * (1 + mapping.alpha()); };
    const Bins& negative = sketch.negative();
    for (std::int64_t i = negative.range().high; i >= negative.range().low; --i)
      step(negative.at(i), -value_of(i));
    step(sketch.zeros(), 0);
    const Bins& positive = sketch.positive();
    for (std::int64_t i = positive.range().low; i <= positive.range().high; ++i)
      step(positive.at(i), value_of(i));
    expected = std::clamp(expected, *sketch.exact().min, *sketch.exact().max);
    if (q == 0) expected = *sketch.exact().min;
    if (q == 1) expected = *sketch.exact().max;
    RC_ASSERT(std::abs(sketch.quantile(q).value - expected) <= 1e-12 * std::abs(expected));
  }));
}

TEST(DDSketch, BringsExponentialHistogramsToOneScale) {
  std::mt19937_64 random{5};
  std::lognormal_distribution<double> lognormal{0, 1};
  std::vector<DDSketch> parts;
  std::vector<int> scales{20, 3, 7, 5, 20, 4};
  Values values;
  for (const int scale : scales) {
    DDSketch part{DDSketch::of_scale(scale), 0};
    ASSERT_EQ(part.scale(), scale);
    for (int i = 0; i < (scale == 20 ? 1 : 500); ++i) {
      values.push_back(lognormal(random));
      ASSERT_TRUE(part.add(values.back()));
    }
    parts.push_back(std::move(part));
  }
  const auto merged = [&](bool from_back) {
    DDSketch sketch;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_TRUE(sketch.merge(parts[from_back ? parts.size() - 1 - i : i]));
    }
    return sketch;
  };
  const DDSketch one = merged(false);
  const DDSketch other = merged(true);
  EXPECT_EQ(one.scale(), 3);
  EXPECT_EQ(one.positive().range(), other.positive().range());
  EXPECT_TRUE(std::ranges::equal(one.positive().counts(), other.positive().counts()));
  EXPECT_NEAR(one.quantile(0.5).alpha, 0.0433, 0.0001);
  EXPECT_TRUE(has(one.quantile(0.5).degraded, Degraded::mixed_gamma));
  std::sort(values.begin(), values.end());
  for (int percent = 0; percent <= 100; ++percent) {
    const double exact =
        values[static_cast<std::size_t>(percent / 100.0 * static_cast<double>(values.size() - 1))];
    EXPECT_NEAR(one.quantile(percent / 100.0).value, exact, exact * one.quantile(0).alpha * (1 + 1e-6));
  }
}

TEST(DDSketch, HalvesExponentialBinsThatLieTooFarApart) {
  DDSketch one{DDSketch::of_scale(20), 0};
  DDSketch other{DDSketch::of_scale(20), 0};
  ASSERT_TRUE(one.add(1e-5));
  ASSERT_TRUE(other.add(1e7));
  ASSERT_TRUE(one.merge(other));
  EXPECT_LE(one.positive().range().span(), DDSketch::kExponentialSpan);
  EXPECT_GE(*one.scale(), 8);
  EXPECT_EQ(one.count(), 2);
}

TEST(Counts, KernelsAreTheirPlainTwins) {
  EXPECT_TRUE(rc::check([](std::uint16_t size, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::vector<double> from(size % 700 + 1);
    for (double& value : from) value = static_cast<double>(random() >> 11) * 1e-7;
    const auto* bytes = reinterpret_cast<const char*>(from.data());
    RC_ASSERT(all_counts(bytes, from.size()));
    std::vector<double> one(from.size(), 0.1);
    std::vector<double> two = one;
    add_counts(one.data(), bytes, from.size());
    plain::add_counts(two.data(), bytes, from.size());
    RC_ASSERT(one == two);
    const std::size_t groups = from.size() / kCountGroup;
    std::vector<double> sums(groups + 1);
    std::vector<double> plain_sums(groups + 1);
    RC_ASSERT(sum_groups(from.data(), groups, sums.data()) ==
              plain::sum_groups(from.data(), groups, plain_sums.data()));
    RC_ASSERT(sums == plain_sums);
    for (const double bad :
         {-1.0, std::nan(""), -std::nan(""), kCountBound, 1e300, std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::denorm_min()}) {
      std::vector<double> spoiled = from;
      spoiled[random() % spoiled.size()] = bad;
      RC_ASSERT(!all_counts(reinterpret_cast<const char*>(spoiled.data()), spoiled.size()));
      RC_ASSERT(!plain::all_counts(reinterpret_cast<const char*>(spoiled.data()), spoiled.size()));
    }
    from[random() % from.size()] = -0.0;
    RC_ASSERT(all_counts(bytes, from.size()));
  }));
}

}  // namespace
}  // namespace settle::sketch
