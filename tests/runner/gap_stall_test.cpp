// A source that answers, and says that it has nothing newer: what it has not reached is not empty.
#include <gtest/gtest.h>

#include "tests/runner/backfill_world.hpp"

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
  world.rig.pass(30min, 5s);
  expect_once(world.rig, kNoon - 10min, kNoon + 70min);
  EXPECT_EQ(world.gaps_open(), 0u);
}

}  // namespace
}  // namespace settle::runner
