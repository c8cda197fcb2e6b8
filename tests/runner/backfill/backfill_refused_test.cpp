// A source of one scope that refuses a range for ever, and answers for all others.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

TEST(RefusedRange, BecomesAGapAndHoldsUpNothingElse) {
  World world{[](const fetchers::FetchRequest& request) {
    return request.range.from < kNoon - 5h ? test::unreachable("source") : settled(request);
  }};
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 6h, kNoon - 1h, R"(,"chunk":"30m")"));
  ASSERT_TRUE(added);
  world.rig.pass(2h, 5s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::done) << status.last_error;
  EXPECT_FALSE(status.last_error.empty());
  expect_once(world.rig, kNoon - 5h, kNoon - 1h);
  std::uint64_t missing = 0;
  for (const GapStatus& gap : world.gaps()) {
    EXPECT_LE(gap.range.to, kNoon - 5h + 30min);
    missing += gap.state == GapState::filled ? 0 : engine::Ranges{gap.range}.count(1min);
  }
  EXPECT_EQ(missing, 60u);
}

// Then it may be the source that is away.
TEST(RefusedRange, IsWaitedForWhileTheLiveLaneHasNoAnswerEither) {
  bool is_down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return is_down ? test::unreachable("source") : settled(request);
  }};
  is_down = true;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 6h, kNoon - 1h));
  ASSERT_TRUE(added);
  world.rig.pass(5min, 1s);
  EXPECT_EQ(world.status(added->status.id).buckets_done, 0u);
  is_down = false;
  world.rig.pass(15min, 5s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
  EXPECT_TRUE(world.gaps().empty());
  expect_once(world.rig, kNoon - 6h, kNoon - 1h);
}

}  // namespace
}  // namespace settle::runner
