// Windows against a naive merge, on random histories.

#include "engine/query/window_merge.hpp"

#include <algorithm>
#include <bit>
#include <optional>

#include <gtest/gtest.h>

#include "tests/query/tree_merger.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using test::Cells;
using test::TreeMerger;

engine::Time start_of(std::int64_t bucket, engine::Duration granularity) {
  return engine::Time{granularity * bucket};
}

TEST(WindowMerge, MergesASuffixAndAPrefixOfBlocksAlignedToTheEpoch) {
  const engine::Duration minute = std::chrono::minutes{1};
  Cells<std::string> cells;
  for (std::int64_t i = -8; i < 8; ++i) cells[i] = "x" + std::to_string(i);
  cells.erase(2);
  WindowMerge<TreeMerger> windows{minute, 4};
  const auto window = [&](std::int64_t last) {
    TreeMerger::Partial out;
    const auto merged = windows.merge(start_of(last + 1, minute), test::looking_in(cells, minute), {}, out);
    return merged ? std::to_string(*merged) + " " + out.tree : merged.error().detail;
  };
  EXPECT_EQ(window(3), "3 ((x0+x1)+x3)");
  EXPECT_EQ(window(4), "3 ((x3+x1)&x4)");
  EXPECT_EQ(window(5), "3 (x3&(x4+x5))");
  EXPECT_EQ(window(6), "4 (x3&((x4+x5)+x6))");
  EXPECT_EQ(window(7), "4 (((x4+x5)+x6)+x7)");
  EXPECT_EQ(window(10), "1 x7");
  EXPECT_EQ(window(11), "0 ");
  EXPECT_EQ(window(-1), "4 (((x-4+x-3)+x-2)+x-1)");
  EXPECT_EQ(window(0), "4 (((x-1+x-2)+x-3)&x0)");
  EXPECT_EQ(window(-3), "4 ((x-5+x-6)&(x-4+x-3))");
}

TEST(WindowMerge, OfOneBucketIsThatBucket) {
  const engine::Duration second = std::chrono::seconds{1};
  const Cells<std::string> cells{{-1, "a"}, {0, "b"}};
  WindowMerge<TreeMerger> windows{second, 1};
  TreeMerger::Partial out;
  for (const auto& [last, expected] : {std::pair{-1, "a"}, {0, "b"}, {1, ""}, {-2, ""}, {0, "b"}}) {
    const auto merged = windows.merge(start_of(last + 1, second), test::looking_in(cells, second), {}, out);
    ASSERT_TRUE(merged);
    EXPECT_EQ(out.tree, expected) << last;
  }
}

/// A history in progress: what the buckets hold, and a structure that saw all of it.
struct Life {
  explicit Life(std::uint64_t seed)
      : dice(seed),
        granularity(dice.one_of<engine::Duration>(
            {std::chrono::milliseconds{1}, std::chrono::seconds{7}, std::chrono::hours{24}})),
        buckets(static_cast<std::int64_t>(1 + dice.below(9))),
        density(static_cast<unsigned>(dice.below(101))),
        last(static_cast<std::int64_t>(dice.below(60)) - 30),
        windows(granularity, buckets) {
    for (std::int64_t i = last - 2 * buckets; i <= last; ++i) fill(i);
  }

  void fill(std::int64_t bucket) {
    if (!dice.chance(density)) return;
    const char kind = dice.chance(odd_kinds) ? 'o' : 'x';
    cells[bucket] = kind + std::to_string(bucket) + "." + std::to_string(++revision);
    if (bucket <= asked_to) windows.changed(start_of(bucket, granularity));
  }
  std::int64_t some_bucket() {
    return last - static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(4 * buckets))) + 1;
  }
  /// A cell appears, changes or goes.
  std::int64_t correct() {
    const std::int64_t bucket = some_bucket();
    if (dice.chance(30)) {
      cells.erase(bucket);
    } else {
      cells[bucket] = "x" + std::to_string(bucket) + "." + std::to_string(++revision);
    }
    windows.changed(start_of(bucket, granularity) + engine::Duration{granularity.count() / 2});
    return bucket;
  }
  /// "" if the window is what the naive merge makes of it.
  std::string fault(std::int64_t end_bucket) {
    asked_to = std::max(asked_to, end_bucket);
    TreeMerger::Partial expected;
    const auto naive = test::naive_window(cells, end_bucket, buckets, TreeMerger{}, expected);
    const auto merged = windows.merge(start_of(end_bucket + 1, granularity),
                                      test::looking_in(cells, granularity), TreeMerger{}, out);
    const std::string where = std::to_string(buckets) + " to " + std::to_string(end_bucket) + ": ";
    if (!naive || !merged) {
      if (naive || merged) return where + (naive ? "refused" : "not refused");
      return "";
    }
    if (out != expected) return where + out.tree + " for " + expected.tree;
    return *merged == *naive ? "" : where + "counted " + std::to_string(*merged);
  }

  Dice dice;
  engine::Duration granularity;
  std::int64_t buckets;
  unsigned density;
  unsigned odd_kinds = 0;
  std::int64_t last;
  std::int64_t asked_to = -1000;
  Cells<std::string> cells;
  int revision = 0;
  WindowMerge<TreeMerger> windows;
  TreeMerger::Partial out;
};

std::string live(Life& life, int steps) {
  for (int i = 0; i < steps; ++i) {
    const auto what = life.dice.below(20);
    if (what < 12) {
      life.fill(++life.last);
      if (auto fault = life.fault(life.last); !fault.empty()) return fault;
    } else if (what < 16) {
      const std::int64_t corrected = life.correct();
      if (life.dice.chance(60)) {
        for (std::int64_t end = corrected; end < corrected + life.buckets; ++end) {
          if (auto fault = life.fault(end); !fault.empty()) return "corrected, " + fault;
        }
      }
    } else if (what < 18) {
      const auto far =
          static_cast<std::int64_t>(life.dice.below(static_cast<std::uint64_t>(3 * life.buckets)));
      for (std::int64_t end = life.last + far; life.last < end;) life.fill(++life.last);
    } else {
      if (auto fault = life.fault(life.some_bucket()); !fault.empty()) return "looking back, " + fault;
    }
  }
  return "";
}

TEST(WindowMerge, IsTheNaiveMergeWhateverHappened) {
  EXPECT_TRUE(settle::test::holds_for_seeds("windows", [](std::uint64_t seed) {
    Life life{seed};
    return live(life, 150);
  }));
}

TEST(WindowMerge, RefusesWhatTheNaiveMergeRefusesAndNothingElse) {
  EXPECT_TRUE(settle::test::holds_for_seeds("windows with odd cells", [](std::uint64_t seed) {
    Life life{seed};
    life.odd_kinds = 5;
    return live(life, 150);
  }));
}

TEST(WindowMerge, HasTheSameBitsLiveAndBackfilled) {
  EXPECT_TRUE(settle::test::holds_for_seeds("sums", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const engine::Duration minute = std::chrono::minutes{1};
    const auto buckets = static_cast<std::int64_t>(2 + dice.below(30));
    const auto from = static_cast<std::int64_t>(dice.below(1000)) - 500;
    const std::int64_t count = 5 * buckets;
    const auto value = [&] {
      return (static_cast<double>(dice.next()) - 0x1p63) * (dice.chance(50) ? 1e-12 : 1.0);
    };
    Cells<double> cells;
    WindowMerge<test::SumMerger> live_windows{minute, buckets};
    const auto at = [&](WindowMerge<test::SumMerger>& windows, std::int64_t end) {
      double sum = 0;
      const auto merged = windows.merge(start_of(end + 1, minute), test::looking_in(cells, minute), {}, sum);
      return merged ? std::bit_cast<std::uint64_t>(sum) : 0;
    };
    std::map<std::int64_t, std::uint64_t> pushed;
    for (std::int64_t end = from; end < from + count; ++end) {
      if (dice.chance(80)) cells[end] = value();
      pushed[end] = at(live_windows, end);
      if (!dice.chance(20)) continue;
      const std::int64_t corrected =
          end - static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(2 * buckets)));
      cells[corrected] = value();
      live_windows.changed(start_of(corrected, minute));
      for (std::int64_t again = corrected; again < corrected + buckets && again <= end; ++again) {
        pushed[again] = at(live_windows, again);
      }
    }
    // In pieces that begin anywhere, as backfills do; corrected cells from before `from` are not asked for.
    std::optional<WindowMerge<test::SumMerger>> filling;
    for (std::int64_t end = from; end < from + count; ++end) {
      if (!filling || dice.chance(5)) filling.emplace(minute, buckets);
      if (at(*filling, end) != pushed[end]) return "differs at " + std::to_string(end);
    }
    return "";
  }));
}

}  // namespace
}  // namespace settle::query
