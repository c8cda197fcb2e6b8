// What a backfill does, against a model that looks at every bucket by itself.
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "engine/plan/backfill.hpp"
#include "tests/support/histories.hpp"

namespace settle::engine {
namespace {

using namespace std::chrono_literals;
using test::Dice;

constexpr int kSeeds = 400;
constexpr int kBuckets = 60;
const Time kStart = from_epoch_ms(1'782'482'400'000);

Time bucket(std::uint64_t n) {
  return kStart + 1min * static_cast<std::int64_t>(n);
}

TimeRange some_range(Dice& dice) {
  const std::uint64_t from = dice.below(kBuckets);
  return {bucket(from), bucket(from + dice.below(kBuckets / 3))};
}

std::set<Time> buckets_of(const Ranges& ranges) {
  std::set<Time> all;
  for (const TimeRange& range : ranges.list()) {
    EXPECT_LT(range.from, range.to);
    for (Time at = range.from; at < range.to; at += 1min) EXPECT_TRUE(all.insert(at).second);
  }
  return all;
}

TEST(Ranges, AreSetsOfBuckets) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice{seed};
    Ranges ranges;
    std::set<Time> model;
    for (int step = 0; step < 30; ++step) {
      const TimeRange range = some_range(dice);
      const std::uint64_t what = dice.below(10);
      if (what == 0) ranges.keep(range);
      if (what > 0 && what < 6) ranges.add(range);
      if (what >= 6) ranges.remove(range);
      for (std::uint64_t n = 0; n < 2 * kBuckets; ++n) {
        const Time at = bucket(n);
        if (what == 0 && !range.contains(at)) model.erase(at);
        if (what > 0 && what < 6 && range.contains(at)) model.insert(at);
        if (what >= 6 && range.contains(at)) model.erase(at);
        EXPECT_EQ(ranges.contains(at), model.contains(at));
      }
      ASSERT_EQ(buckets_of(ranges), model);
      EXPECT_EQ(ranges.count(1min), model.size());
      for (std::size_t i = 1; i < ranges.list().size(); ++i) {
        EXPECT_LT(ranges.list()[i - 1].to, ranges.list()[i].from) << "ranges that touch are one";
      }
    }
  }
}

BackfillAsk some_ask(Dice& dice) {
  BackfillAsk ask{.asked = some_range(dice),
                  .granularity = 1min,
                  .live_from = bucket(dice.below(kBuckets)),
                  .served_from = std::nullopt,
                  .valid_until = std::nullopt,
                  .claimed = {},
                  .force = dice.chance(25)};
  ask.asked.to += 1min;
  if (dice.chance(80)) ask.served_from = ask.live_from - 1min * static_cast<int>(dice.below(20));
  if (dice.chance(20)) ask.valid_until = bucket(dice.below(kBuckets)) + 1s * static_cast<int>(dice.below(60));
  for (std::uint64_t n = dice.below(4); n > 0; --n) ask.claimed.add(some_range(dice));
  return ask;
}

bool is_to_do(const BackfillAsk& ask, Time at) {
  const bool asked = ask.asked.contains(at) && at < ask.live_from;
  const bool valid = !ask.valid_until || at + ask.granularity <= *ask.valid_until;
  const bool done = (ask.served_from && at >= *ask.served_from) || ask.claimed.contains(at);
  return asked && valid && (ask.force || !done);
}

TEST(BackfillPlan, IsEveryBucketThatNobodyElseDoes) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice{seed};
    const BackfillAsk ask = some_ask(dice);
    const BackfillPlan plan = plan_backfill(ask);
    std::set<Time> expected;
    std::uint64_t owned = 0;
    for (std::uint64_t n = 0; n < 2 * kBuckets; ++n) {
      if (is_to_do(ask, bucket(n))) expected.insert(bucket(n));
      owned += ask.asked.contains(bucket(n)) && bucket(n) < ask.live_from ? 1 : 0;
    }
    EXPECT_EQ(buckets_of(plan.todo), expected);
    EXPECT_EQ(plan.buckets_total, owned);
    EXPECT_EQ(plan.end_effective, std::max(ask.asked.from, std::min(ask.asked.to, ask.live_from)));
  }
}

// Whatever the lengths, the answers that were too large, and the crashes: every bucket once, in time order.
TEST(BackfillPlan, TakesEveryBucketOnceInTimeOrderInChunksOfAnySize) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice{seed};
    Ranges todo = plan_backfill(some_ask(dice)).todo;
    const std::set<Time> expected = buckets_of(todo);
    const std::uint64_t takes_at_most = 1 + dice.below(9);  // buckets in one answer
    std::set<Time> taken;
    std::optional<Duration> longest;
    while (!todo.empty()) {
      const Duration length =
          choose_chunk({.granularity = 1min,
                        .asked = dice.chance(50) ? std::optional<Duration>{7min} : std::nullopt,
                        .samples_per_bucket = static_cast<double>(dice.below(50)),
                        .samples_wanted = static_cast<double>(dice.below(500)),
                        .longest = longest});
      ASSERT_GE(length, 1min);
      ASSERT_EQ(length % Duration{1min}, 0ms);
      const TimeRange chunk = next_chunk(todo, length, 1min);
      ASSERT_FALSE(chunk.empty());
      ASSERT_LE(chunk.to - chunk.from, length);
      if (static_cast<std::uint64_t>((chunk.to - chunk.from) / 1min) > takes_at_most) {
        longest = halve_chunk(chunk.to - chunk.from, 1min);
        ASSERT_TRUE(longest);
        continue;
      }
      if (dice.chance(20)) continue;  // a crash before the commit
      for (Time at = chunk.from; at < chunk.to; at += 1min) {
        EXPECT_TRUE(taken.empty() || *taken.rbegin() < at);
        EXPECT_TRUE(taken.insert(at).second);
      }
      todo.remove(chunk);
    }
    EXPECT_EQ(taken, expected);
  }
}

TEST(BackfillPlan, HalvesDownToOneBucket) {
  EXPECT_EQ(halve_chunk(7min, 1min), Duration{3min});
  EXPECT_EQ(halve_chunk(2min, 1min), Duration{1min});
  EXPECT_EQ(halve_chunk(3min, 2min), Duration{2min});
  EXPECT_EQ(halve_chunk(1min, 1min), std::nullopt);
}

TEST(BackfillPlan, TakesWholeBucketsOnly) {
  EXPECT_EQ(whole_buckets({kStart + 1s, kStart + 179s}, 1min), (TimeRange{kStart + 1min, kStart + 2min}));
  EXPECT_TRUE(whole_buckets({kStart + 1s, kStart + 59s}, 1min).empty());
}

}  // namespace
}  // namespace settle::engine
