// What is built from keys: accuracy on Zipf's law, the laws of merging, and what is said of absent keys.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"
#include "engine/sketch/frequent_items.hpp"
#include "tests/sketch/zipf.hpp"

namespace {

using namespace settle::sketch;
using settle::test::Zipf;

constexpr std::size_t kItems = 20'000;
constexpr std::size_t kDraws = 100'000;
constexpr int kSeeds = 5;

struct Accuracy {
  double recall = 0;   // of the true top 10, mean over seeds
  double outside = 0;  // share of keys whose count lies outside its interval
};

/// Two producers see half of the draws each; their sketches are merged.
template <class Sketch>
Accuracy accuracy(double exponent) {
  Accuracy sum;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    Zipf zipf{exponent, kItems, static_cast<std::uint64_t>(seed)};
    Sketch sketch{MatrixSketch::kDefaultShape};
    Sketch other{MatrixSketch::kDefaultShape};
    for (std::size_t i = 0; i < kDraws; ++i) {
      const std::string key = Zipf::key(zipf.draw());
      (i % 2 == 0 ? sketch : other).add({key}, 1);
    }
    EXPECT_TRUE(sketch.merge(other));
    const double tenth = zipf.kth_count(10);
    const TopAnswer top = sketch.top_k(10);
    EXPECT_EQ(top.items.size(), 10U);
    for (const TopItem& item : top.items) {
      const double count = zipf.counts()[std::stoul(item.item.substr(5))];
      sum.recall += count >= tenth ? 1.0 / (10 * kSeeds) : 0;
    }
    std::size_t asked = 0;
    std::size_t outside = 0;
    for (std::size_t i = 0; i < kItems; i += i < 100 ? 1 : 40, ++asked) {
      const PointAnswer answer = sketch.query({Zipf::key(i)});
      if (zipf.counts()[i] < answer.low || zipf.counts()[i] > answer.high) ++outside;
    }
    sum.outside += static_cast<double>(outside) / static_cast<double>(asked * kSeeds);
  }
  return sum;
}

class OnZipf : public testing::TestWithParam<double> {};
INSTANTIATE_TEST_SUITE_P(Exponents, OnZipf, testing::Values(1.05, 1.1, 1.25, 1.5));

TEST_P(OnZipf, CountMinFindsTheTopAndKeepsItsIntervals) {
  const Accuracy found = accuracy<CountMin>(GetParam());
  EXPECT_GE(found.recall, 0.99);
  EXPECT_LE(found.outside, std::exp(-4));
}

TEST_P(OnZipf, CountSketchFindsTheTopAndKeepsItsIntervals) {
  const Accuracy found = accuracy<CountSketch>(GetParam());
  EXPECT_GE(found.recall, 0.99);
  EXPECT_LE(found.outside, std::exp(-4));
}

TEST(CountMin, NeverSaysTooLittleNorTooLittleOfAbsentKeys) {
  Zipf zipf{1.1, 5'000, 7};
  CountMin all{MatrixShape{.rows = 3, .cols = 256}, 20};
  for (int producer = 0; producer < 4; ++producer) {
    CountMin one{MatrixShape{.rows = 3, .cols = 256}, 20};
    for (int i = 0; i < 10'000; ++i) {
      const std::string key = Zipf::key(zipf.draw());
      one.add({key}, 1);
    }
    ASSERT_TRUE(all.merge(one));
  }
  EXPECT_EQ(all.total(), 40'000);
  const double absent = all.top_k(1).absent_at_most;
  EXPECT_LT(absent, 40'000);
  EXPECT_GT(absent, 0);
  std::size_t unnamed = 0;
  for (std::size_t i = 0; i < 5'000; ++i) {
    const std::string key = Zipf::key(i);
    EXPECT_GE(all.query({key}).estimate, zipf.counts()[i]);
    if (all.items().keys().find({key}) != nullptr) continue;
    EXPECT_LE(zipf.counts()[i], absent);
    ++unnamed;
  }
  EXPECT_GT(unnamed, 4'000U);
}

TEST(CountMin, KnowsAllKeysUntilThereAreManyOfThem) {
  CountMin sketch{MatrixSketch::kDefaultShape, 10};
  for (int i = 0; i < 20; ++i) sketch.add({Zipf::key(static_cast<std::size_t>(i))}, 1 + i);
  const TopAnswer top = sketch.top_k(100);
  EXPECT_EQ(top.items.size(), 20U);
  EXPECT_EQ(top.absent_at_most, 0);
  EXPECT_EQ(top.items.front().item, "item-19");
  EXPECT_EQ(top.items.front().estimate, 20);
}

TEST(CountMin, PutsEqualItemsInOrderOfTheirNames) {
  CountMin sketch{MatrixSketch::kDefaultShape};
  for (const char* key : {"d", "b", "a", "c"}) sketch.add({key}, 5);
  const TopAnswer top = sketch.top_k(3);
  ASSERT_EQ(top.items.size(), 3U);
  EXPECT_EQ(top.items[0].item + top.items[1].item + top.items[2].item, "abc");
}

TEST(MatrixShape, IsMadeFromErrorAndConfidence) {
  const MatrixShape shape = MatrixShape::of_error(0.01, 0.98);
  EXPECT_EQ(shape.rows, 4U);
  EXPECT_EQ(shape.cols, 512U);
  EXPECT_TRUE(shape.check());
  EXPECT_FALSE((MatrixShape{.rows = 65, .cols = 2}.check()));
  EXPECT_FALSE((MatrixShape{.rows = 2, .cols = 1U << 24}.check()));
  EXPECT_FALSE((MatrixShape{.rows = 2, .cols = 0}.check()));
}

TEST(Matrix, RefusesOthersAndNamesBothSides) {
  CountMin sketch{MatrixShape{.rows = 4, .cols = 2048}};
  CountMin other{MatrixShape{.rows = 4, .cols = 2048, .rule = MatrixShape::Rule::asap_regular}};
  other.add({"a"}, 1);
  const auto merged = sketch.merge(other);
  ASSERT_FALSE(merged);
  EXPECT_NE(merged.error().detail.find("4 x 2048, asap packed against 4 x 2048, asap regular"),
            std::string::npos)
      << merged.error().detail;
}

TEST(Matrix, BringsDifferentSharesOfEventsToOne) {
  CountMin tenth{MatrixSketch::kDefaultShape};
  ASSERT_EQ(tenth.matrix().join_sample_p(0.125), 1);
  tenth.add({"a"}, 3);
  EXPECT_EQ(tenth.query({"a"}).estimate, 24);
  EXPECT_TRUE(has(tenth.top_k(1).degraded, Degraded::sampled));
  CountMin all{MatrixSketch::kDefaultShape};
  all.add({"a"}, 5);
  for (const bool first : {true, false}) {
    CountMin both = first ? tenth : all;
    ASSERT_TRUE(both.merge(first ? all : tenth));
    EXPECT_EQ(both.query({"a"}).estimate, 29);
    EXPECT_EQ(both.matrix().sample_p(), 0.125);
  }
}

using Weights = std::map<std::string, std::uint16_t>;

template <class Sketch>
Sketch sketch_of(const Weights& weights) {
  Sketch sketch{MatrixShape{.rows = 3, .cols = 16}};
  for (const auto& [key, weight] : weights) sketch.add({key}, 1.0 + weight);
  return sketch;
}

template <>
FrequentItems sketch_of(const Weights& weights) {
  FrequentItems items;
  for (const auto& [key, weight] : weights) RC_ASSERT(items.add({key}, weight).has_value());
  return items;
}

template <class Sketch>
std::uint64_t merged(const std::vector<const Sketch*>& order) {
  Sketch all;
  for (const Sketch* one : order) RC_ASSERT(all.merge(*one).has_value());
  return canonical_hash(all);
}

template <class Sketch>
void check_laws(const Weights& a, const Weights& b, const Weights& c) {
  const Sketch x = sketch_of<Sketch>(a);
  const Sketch y = sketch_of<Sketch>(b);
  const Sketch z = sketch_of<Sketch>(c);
  RC_ASSERT((merged<Sketch>({&x, &y}) == merged<Sketch>({&y, &x})));
  Sketch yz = y;
  RC_ASSERT(yz.merge(z).has_value());
  RC_ASSERT((merged<Sketch>({&x, &y, &z}) == merged<Sketch>({&x, &yz})));
  const Sketch nothing;
  RC_ASSERT((merged<Sketch>({&x, &nothing}) == canonical_hash(x)));
  RC_ASSERT((merged<Sketch>({&nothing, &x}) == canonical_hash(x)));
  if (a != b) RC_ASSERT(canonical_hash(x) != canonical_hash(y));
}

RC_GTEST_PROP(CountMin, ObeysTheLawsOfMerging, (Weights a, Weights b, Weights c)) {
  check_laws<CountMin>(a, b, c);
}
RC_GTEST_PROP(CountSketch, ObeysTheLawsOfMerging, (Weights a, Weights b, Weights c)) {
  check_laws<CountSketch>(a, b, c);
}
RC_GTEST_PROP(FrequentItems, ObeysTheLawsOfMerging, (Weights a, Weights b, Weights c)) {
  check_laws<FrequentItems>(a, b, c);
}

RC_GTEST_PROP(FrequentItems, SumsAsAMapDoes, (std::vector<std::pair<std::string, std::uint16_t>> adds)) {
  FrequentItems items;
  std::map<std::string, double> model;
  double total = 0;
  for (const auto& [key, weight] : adds) {
    RC_ASSERT(items.add({key}, weight).has_value());
    model[key] += weight;
    total += weight;
  }
  RC_ASSERT(items.total() == total);
  const TopAnswer top = items.top_k(adds.size());
  RC_ASSERT(top.items.size() == model.size());
  for (const TopItem& item : top.items) RC_ASSERT(item.low == model.at(item.item));
}

RC_GTEST_PROP(KeyTable, HoldsWhatAMapHolds, ()) {
  const auto keys = *rc::gen::container<std::vector<std::string>>(
      rc::gen::resize(3, rc::gen::container<std::string>(rc::gen::inRange('a', 'd'))));
  KeyTable table;
  std::map<std::string, double> model;
  for (const std::string& key : keys) {
    if (model.size() % 5 == 0) table.reserve(3, 7);
    table.at({key}) += 1;
    model[key] += 1;
  }
  RC_ASSERT(table.size() == model.size());
  std::size_t seen = 0;
  table.for_each([&](Key key, double weight) {
    ++seen;
    RC_ASSERT(model.at(std::string{key.bytes}) == weight);
  });
  RC_ASSERT(seen == model.size());
  for (const auto& [key, weight] : model) RC_ASSERT(*table.find({key}) == weight);
  RC_ASSERT(table.find({"none"}) == nullptr);
  // A number is another key than a text of the same bytes.
  RC_ASSERT(table.find({"abcdabcd", KeyKind::i64}) == nullptr);
}

TEST(KeyTable, IsNotSlowedByKeysThatWereChosenToCollide) {
  // With this second half the product that places a key is zero, whatever its first half.
  std::string blob(16, '\0');
  constexpr std::uint64_t kHigh = 0xc2b2ae3d27d4eb4fULL;
  std::memcpy(blob.data() + 8, &kHigh, sizeof kHigh);
  KeyTable table;
  table.reserve(200'000, 200'000 * 16);
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    std::memcpy(blob.data(), &i, sizeof i);
    table.at({blob}) += 1;
  }
  EXPECT_EQ(table.size(), 200'000U);
  EXPECT_LT(table.farthest(), 512U);
}

}  // namespace
