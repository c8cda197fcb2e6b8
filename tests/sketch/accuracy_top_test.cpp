// The heaviest items of Zipf's law, at the default size, from producers whose sketches are merged in random
// trees.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"
#include "engine/sketch/frequent_items.hpp"
#include "tests/sketch/merge_trees.hpp"
#include "tests/sketch/zipf.hpp"

namespace settle::test {
namespace {

using sketch::CountMin;
using sketch::CountSketch;
using sketch::FrequentItems;
using sketch::MatrixSketch;
using sketch::TopAnswer;
using sketch::TopItem;

constexpr std::size_t kItems = 20'000;
constexpr std::size_t kDraws = 100'000;
constexpr std::size_t kProducers = 8;
constexpr std::size_t kTop = 10;
constexpr int kSeeds = 5;

template <class Sketch>
class Producer {
 public:
  void see(const std::string& key) { sketch_.add({key}, 1); }
  [[nodiscard]] Sketch sketch() const { return sketch_; }

 private:
  Sketch sketch_{MatrixSketch::kDefaultShape};
};

/// As programs do that keep few counters (Misra and Gries, 1982; DataSketches): when all are taken, the
/// median of them is taken off each.
template <>
class Producer<FrequentItems> {
 public:
  void see(const std::string& key) {
    counters_[key] += 1;
    total_ += 1;
    if (counters_.size() > kCounters) purge();
  }
  [[nodiscard]] FrequentItems sketch() const {
    FrequentItems items;
    for (const auto& [key, weight] : counters_) items.items().at({key}) += weight;
    items.add_source(total_, offset_);
    return items;
  }

 private:
  static constexpr std::size_t kCounters = 384;  // of 512 slots, three quarters

  void purge() {
    std::vector<double> weights;
    for (const auto& [key, weight] : counters_) weights.push_back(weight);
    const auto middle = weights.begin() + static_cast<std::ptrdiff_t>(weights.size() / 2);
    std::nth_element(weights.begin(), middle, weights.end());
    const double off = *middle;
    for (auto& [key, weight] : counters_) weight -= off;
    std::erase_if(counters_, [](const auto& counter) { return counter.second <= 0; });
    offset_ += off;
  }

  std::unordered_map<std::string, double> counters_;
  double total_ = 0;
  double offset_ = 0;
};

struct Found {
  int of_the_top = 0;     // answered items that are among the true top, over all seeds
  int outside = 0;        // answered items whose true count lies outside their interval
  int absent_beyond = 0;  // items no sketch named that weigh more than is said of them
  double widest = 0;      // interval of an answered item, over its true count
};

template <class Sketch>
Found find_top(double exponent) {
  Found found;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    Zipf zipf{exponent, kItems, static_cast<std::uint64_t>(seed)};
    Random random{static_cast<std::uint64_t>(seed)};
    std::vector<Producer<Sketch>> producers(kProducers);
    for (std::size_t i = 0; i < kDraws; ++i) {
      producers[random() % kProducers].see(Zipf::key(zipf.draw()));
    }
    std::vector<Sketch> parts;
    for (const auto& producer : producers) parts.push_back(producer.sketch());
    const Sketch merged = merged_in_a_tree(std::move(parts), random, [&](const Sketch& sketch) {
      return random() % 2 == 0 ? by_cell_frame(sketch) : sketch;
    });
    const double tenth = zipf.kth_count(kTop);
    std::vector<bool> named(kItems);
    const TopAnswer all = merged.top_k(kItems);
    for (std::size_t place = 0; place < all.items.size(); ++place) {
      const TopItem& item = all.items[place];
      const std::size_t id = std::stoul(item.item.substr(5));
      const double count = zipf.counts()[id];
      named[id] = true;
      found.outside += item.low <= count && count <= item.high ? 0 : 1;
      if (place < kTop) {
        found.of_the_top += count >= tenth ? 1 : 0;
        found.widest = std::max(found.widest, (item.high - item.low) / count);
      }
    }
    for (std::size_t id = 0; id < kItems; ++id) {
      found.absent_beyond += !named[id] && zipf.counts()[id] > all.absent_at_most ? 1 : 0;
    }
  }
  return found;
}

class OnZipfInTrees : public testing::TestWithParam<int> {
 protected:
  template <class Sketch>
  void expect_found() {
    const Found found = find_top<Sketch>(GetParam() / 100.0);
    EXPECT_GE(found.of_the_top, 0.99 * kTop * kSeeds);
    EXPECT_EQ(found.outside, 0);
    EXPECT_EQ(found.absent_beyond, 0);
    RecordProperty("recall", std::to_string(found.of_the_top / (1.0 * kTop * kSeeds)));
    RecordProperty("widest_interval_over_count", std::to_string(found.widest));
  }
};
INSTANTIATE_TEST_SUITE_P(Exponents, OnZipfInTrees, testing::Values(105, 110, 120, 130, 140, 150));

TEST_P(OnZipfInTrees, CountMinFindsTheTopAndEveryCountIsInItsInterval) {
  expect_found<CountMin>();
}
TEST_P(OnZipfInTrees, CountSketchFindsTheTopAndEveryCountIsInItsInterval) {
  expect_found<CountSketch>();
}
TEST_P(OnZipfInTrees, FrequentItemsFindTheTopAndEveryCountIsInItsInterval) {
  expect_found<FrequentItems>();
}

}  // namespace
}  // namespace settle::test
