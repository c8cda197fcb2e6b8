// What the source has not reached, or not answered for, is not empty.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

/// Stands still from kNoon + 5min until `over`, and then has everything at once.
test::Script standing_still(Time over) {
  return [over](const fetchers::FetchRequest& request) {
    fetchers::FetchResult said = settled(request);
    if (request.now >= over) return said;
    engine::ScopeAnswer& scope = said.answer.scopes.front();
    scope.frontier = std::min(request.now, kNoon + 5min);
    std::erase_if(scope.rows,
                  [&](const engine::Observation& row) { return row.bucket + 1min > *scope.frontier; });
    return said;
  };
}

TEST(Stall, ShorterThanWatchLeavesNoGap) {
  World world{standing_still(kNoon + 20min)};
  world.rig.pass(35min, 5s);
  expect_once(world.rig, kNoon - 10min, kNoon + 30min);
  EXPECT_TRUE(world.gaps().empty());
}

TEST(Stall, LongerThanWatchLeavesAGapThatFillsItself) {
  World world{standing_still(kNoon + 1h)};
  world.rig.pass(50min, 5s);
  EXPECT_GT(world.gaps_open(), 0u);
  world.rig.pass(30min, 30s);
  expect_once(world.rig, kNoon - 10min, kNoon + 70min);
  EXPECT_EQ(world.gaps_open(), 0u);
}

TEST(Gap, IsAlsoOfAScopeThatAnswersOnlyAfterTheOutage) {
  bool is_down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    if (is_down) return test::unreachable("b");
    return say_two(request, request.now < kNoon + 30min);
  }};
  is_down = true;
  world.rig.pass(1h, 30s);
  is_down = false;
  world.rig.pass(15min, 5s);
  EXPECT_EQ(world.gaps_open(), 0u);
  expect_once(world.rig, kNoon - 10min, kNoon + 1h, "requests_total{zone=\"a\"}");
  expect_once(world.rig, kNoon - 10min, kNoon + 1h, "requests_total{zone=\"b\"}");
}

TEST(Gap, OfASourceThatNeverAnsweredIsCountedOnce) {
  bool is_down = true;
  const std::string job = job_json(
      "a/b", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","output":"counter")");
  World world{[&](const fetchers::FetchRequest& request) {
                return is_down ? test::unreachable("source") : settled(request);
              },
              job};
  world.rig.pass(25min, 30s);
  ASSERT_TRUE(world.rig.remove(world.id));
  ASSERT_TRUE(world.rig.post(job));
  world.rig.pass(1min, 5s);  // a tick without an answer, for the job that comes
  is_down = false;
  world.rig.pass(15min, 5s);
  const Points points = emitted(world.rig, Lane::live);
  ASSERT_FALSE(points.empty());
  std::uint64_t total = 0;
  for (Time bucket = kNoon - 10min; bucket <= points.rbegin()->first.second; bucket += 1min) {
    total += truth(bucket);
  }
  EXPECT_EQ(points.rbegin()->second.back().value, Value::count(total));
}

}  // namespace
}  // namespace settle::runner
