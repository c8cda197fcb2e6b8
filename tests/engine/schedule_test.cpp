#include "engine/plan/schedule.hpp"

#include <gtest/gtest.h>

namespace settle::engine {
namespace {

using namespace std::chrono_literals;

const Time kNoon = *parse_time("2026-06-26T12:00:00Z");

TEST(NextTick, IsTheNextPointOfTheStreamsGrid) {
  EXPECT_EQ(next_tick(kNoon, 30s, 7s), kNoon + 7s);
  EXPECT_EQ(next_tick(kNoon + 7s, 30s, 7s), kNoon + 37s);
  EXPECT_EQ(next_tick(kNoon + 36s, 30s, 7s), kNoon + 37s);
}

TEST(NextTick, CatchesUpWithOneTickAfterALongSleep) {
  EXPECT_EQ(next_tick(kNoon + 5h + 1s, 1min, 0s), kNoon + 5h + 1min);
}

TEST(SpreadPhase, SpreadsStreamsOverTheIntervalAndIsTheSameEveryTime) {
  std::array<int, 4> quarters{};
  for (int i = 0; i < 1000; ++i) {
    const std::string id = "stream-" + std::to_string(i);
    const Duration phase = spread_phase(id, 1min);
    ASSERT_GE(phase, 0s);
    ASSERT_LT(phase, 1min);
    EXPECT_EQ(phase, spread_phase(id, 1min));
    quarters[static_cast<std::size_t>(phase / 15s)] += 1;
  }
  for (const int quarter : quarters) {
    EXPECT_GT(quarter, 150);
  }
}

LiveState state_at(Time now) {
  return {.live_from = kNoon, .now = now, .granularity = 1min, .watch = 30min, .valid_until = std::nullopt};
}

TEST(PlanLive, AsksForWholeBucketsThatHaveEndedFromTheOldestItOwns) {
  const LivePlan plan = plan_live(state_at(kNoon + 10min + 30s));
  EXPECT_FALSE(plan.release_before);
  EXPECT_EQ(plan.range, (TimeRange{kNoon, kNoon + 10min}));
}

TEST(PlanLive, AsksNothingBeforeTheFirstBucketHasEnded) {
  EXPECT_TRUE(plan_live(state_at(kNoon + 59s)).range.empty());
  EXPECT_TRUE(plan_live(state_at(kNoon - 5min)).range.empty());
}

TEST(PlanLive, KeepsEverythingAfterAnOutageShorterThanWatch) {
  const LivePlan plan = plan_live(state_at(kNoon + 60min));
  EXPECT_FALSE(plan.release_before);
  EXPECT_EQ(plan.range.from, kNoon);
}

TEST(PlanLive, GivesUpWhatIsOlderThanTwiceWatch) {
  const LivePlan plan = plan_live(state_at(kNoon + 3h + 30s));
  ASSERT_TRUE(plan.release_before);
  EXPECT_EQ(*plan.release_before, kNoon + 2h);
  EXPECT_EQ(plan.range, (TimeRange{kNoon + 2h, kNoon + 3h}));
}

TEST(PlanLive, StartsNoBucketThatEndsAfterValidUntil) {
  LiveState state = state_at(kNoon + 20min);
  state.valid_until = kNoon + 10min + 59s;
  EXPECT_EQ(plan_live(state).range, (TimeRange{kNoon, kNoon + 10min}));
  state.valid_until = kNoon - 1h;
  EXPECT_TRUE(plan_live(state).range.empty());
}

TEST(FirstLiveBucket, ReachesBackByWatch) {
  EXPECT_EQ(first_live_bucket(kNoon + 30s, 1min, 30min), kNoon - 30min);
}

}  // namespace
}  // namespace settle::engine
