// What windows cost: merges, counted.

#include <gtest/gtest.h>

#include "engine/query/window_merge.hpp"
#include "tests/query/tree_merger.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using test::Cells;
using test::TreeMerger;

constexpr engine::Duration kMinute = std::chrono::minutes{1};

/// Windows of cells that are all there but for what `cells` leaves out, and the merges they took.
struct Counted {
  explicit Counted(std::int64_t length) : buckets(length), windows(kMinute, length) {}

  std::size_t ask(std::int64_t last) {
    merges = 0;
    TreeMerger::Partial out;
    const auto merged = windows.merge(engine::Time{kMinute * (last + 1)}, test::looking_in(cells, kMinute),
                                      TreeMerger{.merges = &merges}, out);
    EXPECT_TRUE(merged);
    return merges;
  }
  void change(std::int64_t bucket) {
    cells[bucket] = "x";
    windows.changed(engine::Time{kMinute * bucket});
  }

  std::int64_t buckets;
  Cells<std::string> cells;
  WindowMerge<TreeMerger> windows;
  std::size_t merges = 0;
};

std::size_t size(std::int64_t n) {
  return static_cast<std::size_t>(n);
}

TEST(WindowCost, IsThreeMergesAStepLessTwoABlock) {
  for (const std::int64_t k : {1, 2, 3, 5, 60}) {
    Counted counted{k};
    for (std::int64_t i = -2 * k; i < 10 * k; ++i) counted.cells[i] = "x";
    // From the end of a block on: the first window is the block.
    EXPECT_EQ(counted.ask(-1), size(k)) << k;
    for (std::int64_t block = 0; block < 10; ++block) {
      std::size_t merges = 0;
      for (std::int64_t i = 0; i < k; ++i) merges += counted.ask(block * k + i);
      EXPECT_EQ(merges, size(3 * k - 2)) << k;
    }
    EXPECT_EQ(counted.ask(10 * k - 1), 0U) << k;
  }
}

TEST(WindowCost, OfAFirstWindowIsItsBucketsAndOneMore) {
  for (const std::int64_t k : {1, 2, 7, 60}) {
    for (std::int64_t last = 0; last < 2 * k; ++last) {
      Counted counted{k};
      for (std::int64_t i = -2 * k; i < 2 * k; ++i) counted.cells[i] = "x";
      EXPECT_LE(counted.ask(last), size(k + 1)) << k << " " << last;
    }
  }
}

TEST(WindowCost, OfACorrectionIsThePartOfItsBlockThatItTouches) {
  EXPECT_TRUE(settle::test::holds_for_seeds("corrections", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const auto k = static_cast<std::int64_t>(1 + dice.below(40));
    Counted counted{k};
    for (std::int64_t i = 0; i < 4 * k; ++i) counted.cells[i] = "x";
    const std::int64_t last = k + static_cast<std::int64_t>(dice.below(size(2 * k)));
    const std::int64_t block_start = last / k * k;
    const std::int64_t first = last - k + 1;
    for (std::int64_t end = last - 3 < k ? k : last - 3; end <= last; ++end) counted.ask(end);
    for (std::int64_t i = 0; i < 4 * k; ++i) {
      counted.change(i);
      const std::size_t cost = counted.ask(last);
      const std::int64_t join = first == block_start ? 0 : 1;
      // In the prefix: the prefix anew. In the suffix: what lies before the bucket, and it. Elsewhere:
      // nothing.
      const std::int64_t most = i > last || i < first ? 0
                                : i >= block_start    ? last - block_start + 1
                                                      : i - first + 1;
      // A block that is asked for as a whole is a prefix.
      if (cost > size(most + join)) {
        return std::to_string(k) + ": " + std::to_string(i) + " in the window to " + std::to_string(last) +
               " cost " + std::to_string(cost);
      }
    }
    return "";
  }));
}

/// Each step at most three; each jump at most the window and the suffixes of the next block; each correction
/// at most what was built of both blocks.
TEST(WindowCost, IsBoundedForEveryHistory) {
  EXPECT_TRUE(settle::test::holds_for_seeds("costs", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const auto k = static_cast<std::int64_t>(1 + dice.below(20));
    const auto density = static_cast<unsigned>(dice.below(101));
    const auto rest = static_cast<unsigned>(dice.one_of({80, 95, 100}));
    Counted counted{k};
    for (std::int64_t i = -400; i < 2000; ++i) {
      if (dice.chance(density)) counted.cells[i] = "x";
    }
    std::int64_t last = static_cast<std::int64_t>(dice.below(100)) - 50;
    std::int64_t steps = 0;
    std::int64_t jumps = 1;
    std::int64_t corrections = 0;
    std::size_t merges = counted.ask(last);
    for (int i = 0; i < 400; ++i) {
      if (dice.chance(rest)) {
        ++last;
        ++steps;
      } else if (dice.chance(50)) {
        last += static_cast<std::int64_t>(dice.below(size(6 * k))) - 3 * k;
        ++jumps;
      } else {
        counted.change(last - static_cast<std::int64_t>(dice.below(size(2 * k))));
        ++corrections;
        continue;
      }
      merges += counted.ask(last);
      if (merges > size(3 * steps + (2 * k + 1) * jumps + 2 * k * corrections)) {
        return std::to_string(merges) + " merges for windows of " + std::to_string(k) + " after " +
               std::to_string(steps) + " steps, " + std::to_string(jumps) + " jumps and " +
               std::to_string(corrections) + " corrections";
      }
    }
    return "";
  }));
}

}  // namespace
}  // namespace settle::query
