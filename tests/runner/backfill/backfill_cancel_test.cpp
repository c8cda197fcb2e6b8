// A backfill that is cancelled at the moment in which it ends: whoever was first stays right, and nothing of
// a chunk that was not committed is claimed.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

/// An hour in three chunks; the question for the last one cancels it.
void cancel_with_last_question(bool is_asked_ahead, std::uint64_t buckets_committed) {
  const Time from = kNoon - 3h;
  std::string id;
  World* of = nullptr;
  bool is_down = true;
  World world{[&](const fetchers::FetchRequest& request) {
    const bool is_asked = request.range.from < kNoon - 1h;
    if (is_asked && is_down) return test::unreachable("source");
    if (of != nullptr && request.range.from == from + 40min) of->rig.steer_soon(of->id, id, Steer::cancel);
    return settled(request);
  }};
  const std::string chunk = R"(,"chunk":"20m")";
  const auto added = world.rig.backfill(
      world.id, range_json(from, from + 1h, chunk + (is_asked_ahead ? "" : R"(,"rate":1000)")));
  ASSERT_TRUE(added);
  id = added->status.id;
  of = &world;
  is_down = false;
  world.rig.pass(1min);
  of = nullptr;
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again ? "after a crash" : "at once");
    const BackfillStatus status = world.status(id);
    EXPECT_EQ(status.state, BackfillState::cancelled);
    EXPECT_EQ(status.buckets_total, 60u);
    EXPECT_EQ(status.buckets_done, buckets_committed);
    EXPECT_EQ(status.samples, buckets_committed);
    EXPECT_TRUE(status.finished_at);
    EXPECT_EQ(emitted(world.rig, Lane::backfill).size(), buckets_committed);
    world.rig.crash();
    world.rig.start();
  }
  const auto rest = world.rig.backfill(world.id, range_json(from, from + 1h));
  ASSERT_TRUE(rest);
  world.rig.pass(1min);
  EXPECT_EQ(world.status(rest->status.id).state, BackfillState::done);
  EXPECT_EQ(world.status(rest->status.id).samples, 60 - buckets_committed) << "what was not claimed";
  expect_once(world.rig, from, from + 1h);
}

TEST(BackfillCancel, WhileTheLastChunkIsAskedForLeavesThatChunkAlone) {
  cancel_with_last_question(false, 40);
}

TEST(BackfillCancel, WhileAChunkIsWorkedOnAndTheLastIsAskedAheadLeavesBothAlone) {
  cancel_with_last_question(true, 20);
}

TEST(BackfillCancel, IsRefusedWhenItIsDone) {
  World world;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 2h));
  ASSERT_TRUE(added);
  const std::string& id = added->status.id;
  ASSERT_EQ(world.status(id).state, BackfillState::done);
  const auto late = world.rig.steer(world.id, id, Steer::cancel);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.refusal().kind, Refusal::Kind::conflict);
  world.rig.crash();
  world.rig.start();
  EXPECT_EQ(world.status(id).state, BackfillState::done);
}

TEST(BackfillCancel, AsItFailsIsNotOverwrittenByTheFailure) {
  for (const bool is_cancelled : {true, false}) {
    SCOPED_TRACE(is_cancelled);
    World world;
    const auto added = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 2h, R"(,"rate":2)"));
    ASSERT_TRUE(added);
    const std::string& id = added->status.id;
    ASSERT_TRUE(world.rig.steer(world.id, id, Steer::pause));
    const std::uint64_t samples = world.status(id).samples;
    world.rig.pass(1min);
    world.rig.source_refuses = "no such metric";
    world.rig.steer_soon(world.id, id, Steer::resume);                    // it is taken up, and ends,
    if (is_cancelled) world.rig.steer_soon(world.id, id, Steer::cancel);  // while this is being committed
    world.rig.pass(1min);
    for (const bool again : {false, true}) {
      SCOPED_TRACE(again ? "after a crash" : "at once");
      EXPECT_EQ(world.status(id).state, is_cancelled ? BackfillState::cancelled : BackfillState::failed);
      EXPECT_EQ(world.status(id).samples, samples);
      world.rig.crash();
      world.rig.start();
      world.rig.pass(10s);
    }
  }
}

}  // namespace
}  // namespace settle::runner
