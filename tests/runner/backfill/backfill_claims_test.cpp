// Backfills of one job that overlap, are cancelled, keep to a rate or are too many; and questions that are
// too large for the source.
#include <array>
#include <thread>

#include <gtest/gtest.h>

#include "runner/store/sent.hpp"
#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

fetchers::FetchResult refused_for_size(bool by_time) {
  fetchers::FetchResult result = test::unreachable("source");
  result.failures[0].failure = by_time ? fetchers::FetchFailure::timed_out : fetchers::FetchFailure::status;
  result.failures[0].perhaps_too_large = !by_time;
  return result;
}

TEST(BackfillClaims, WhatACancelledOneLeavesIsDoneByWhoeverElseAskedForIt) {
  bool down = true;
  World world{[&](const fetchers::FetchRequest& request) {
    return down && request.range.from < kNoon - 1h ? test::unreachable("source") : settled(request);
  }};
  const std::string all = range_json(kNoon - 5h, kNoon - 1h);
  const std::string inside = range_json(kNoon - 4h, kNoon - 2h);
  const auto first = world.rig.backfill(world.id, all);
  const auto second = world.rig.backfill(world.id, inside);
  ASSERT_TRUE(first && second);
  EXPECT_NE(second->status.state, BackfillState::done) << "nothing of it is filled yet";
  EXPECT_EQ(second->status.buckets_done, 0u);
  ASSERT_TRUE(world.rig.steer(world.id, first->status.id, Steer::cancel));
  down = false;
  world.rig.pass(6min, 5s);
  EXPECT_EQ(world.status(second->status.id).state, BackfillState::done);
  EXPECT_EQ(world.status(second->status.id).samples, 120u);
  const auto same = world.rig.backfill(world.id, inside);
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->created);
  const auto again = world.rig.backfill(world.id, all);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->created) << "the cancelled one does not count";
  world.rig.pass(1min);
  EXPECT_EQ(world.status(again->status.id).samples, 120u) << "what the second one had not done";
  expect_once(world.rig, kNoon - 5h, kNoon - 1h);
}

TEST(BackfillClaims, ABucketThatOneFilledIsDoneForTheOthersAlsoAfterACrash) {
  World world;
  const auto slow = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"rate":1)"));
  ASSERT_TRUE(slow);
  const auto fast = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon));
  ASSERT_TRUE(fast);
  world.rig.pass(5s);
  EXPECT_EQ(world.status(fast->status.id).state, BackfillState::done) << "it does not wait for the slow one";
  EXPECT_GE(world.status(slow->status.id).buckets_done, 120u);
  world.rig.crash();
  world.rig.start();
  EXPECT_GE(world.status(slow->status.id).buckets_done, 120u);
  world.rig.pass(3min);
  EXPECT_EQ(world.status(slow->status.id).state, BackfillState::done);
  EXPECT_EQ(world.status(slow->status.id).samples, 120u);
  expect_once(world.rig, kNoon - 5h, kNoon);
}

TEST(BackfillClaims, ThePauseOfARateOutlivesResumeAndRestart) {
  World world;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"rate":0.01)"));
  ASSERT_TRUE(added);
  const std::string& id = added->status.id;
  world.rig.pass(2s);
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(world.rig.steer(world.id, id, Steer::pause));
    ASSERT_TRUE(world.rig.steer(world.id, id, Steer::resume));
    world.rig.pass(2s);
    world.rig.crash();
    world.rig.start();
    world.rig.pass(2s);
  }
  EXPECT_EQ(world.status(id).samples, 1u) << "one in a hundred seconds";
  EXPECT_EQ(world.status(id).state, BackfillState::waiting);
  world.rig.pass(100s);
  EXPECT_EQ(world.status(id).samples, 2u);
}

TEST(BackfillClaims, AsksForLessWhereTheSourceTwiceFailedForWhatMayBeTheSize) {
  for (const bool by_time : {false, true}) {
    SCOPED_TRACE(by_time);
    World world{[&](const fetchers::FetchRequest& request) {
      const bool long_one = request.range.to - request.range.from > 40min;
      return long_one ? refused_for_size(by_time) : settled(request);
    }};
    const auto added = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h));
    ASSERT_TRUE(added);
    world.rig.pass(5min, 1s);
    EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
    EXPECT_GE(world.status(added->status.id).errors, 2u);
    EXPECT_LT(world.status(added->status.id).errors, 12u) << "not after each answer anew";
    expect_once(world.rig, kNoon - 5h, kNoon - 1h);
  }
}

TEST(BackfillClaims, AGapIsAskedForInLessToo) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    if (down) return test::unreachable("source");
    return request.range.to - request.range.from > 40min ? refused_for_size(false) : settled(request);
  }};
  down = true;
  world.rig.pass(4h, 30s);
  down = false;
  world.rig.pass(10min, 5s);
  EXPECT_EQ(world.gaps_open(), 0u);
  expect_once(world.rig, kNoon - 10min, kNoon + 4h);
}

TEST(BackfillClaims, WaitsInAStoreThatIsFullForItWhileTheLiveLaneGoesOn) {
  World world;
  world.rig.crash();
  world.rig.options.backfill.store_fill_max = 0;
  world.rig.start();
  world.rig.pass(1min, 5s);
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 1h));
  ASSERT_TRUE(added);
  world.rig.pass(10min, 5s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::waiting);
  EXPECT_EQ(status.samples, 0u);
  EXPECT_NE(status.last_error.find("store.max_bytes"), std::string::npos) << status.last_error;
  EXPECT_TRUE(emitted(world.rig, Lane::live).contains({kSeries, kNoon + 4min}));
  world.rig.crash();
  world.rig.options.backfill.store_fill_max = 0.6;
  world.rig.start();
  world.rig.pass(1min, 5s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
}

TEST(BackfillClaims, AJobHasABoundedNumberOfThem) {
  World world;
  world.rig.crash();
  world.rig.options.backfill.open_max = 2;
  world.rig.options.backfill.kept_max = 3;
  world.rig.start();
  world.rig.pass(1min, 5s);
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 5h + i * 10min, kNoon - 4h + i * 10min)));
    world.rig.pass(2s);
  }
  EXPECT_EQ(world.rig.service().list_backfills("default", world.id, "", 10).size(), 3u);
  world.rig.crash();
  world.rig.start();
  EXPECT_EQ(world.rig.service().list_backfills("default", world.id, "", 10).size(), 3u);
  world.rig.pass(1min, 5s);
  for (int i = 0; i < 3; ++i) {
    const auto added =
        world.rig.backfill(world.id, range_json(kNoon - 20h + i * 1h, kNoon - 10h, R"(,"rate":0.01)"));
    ASSERT_EQ(bool(added), i < 2);
    if (added) continue;
    EXPECT_EQ(added.refusal().kind, Refusal::Kind::conflict);
    EXPECT_NE(added.refusal().detail.find("2 backfills that are not over"), std::string::npos);
  }
}

// The last chunk of a job that was replaced and the first one of its successor, in two threads of the pool.
// What the thread sanitizer sees fails it.
TEST(SentIndexTest, IsUsedByTwoAtATime) {
  World world;
  ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"chunk":"2m")")));
  world.rig.pass(10s);
  SentIndex index{"default", world.rig.service().find_job("default", world.id)->spec};
  std::array<std::size_t, 2> points{};
  const auto look = [&](std::size_t& found) {
    if (!index.extend(world.rig.store())) return;
    const auto sent = index.find(world.rig.store(), {kNoon - 5h, kNoon - 1h});
    if (sent) found = sent->at(kSeries).size();
  };
  std::thread other{[&] { look(points[1]); }};
  look(points[0]);
  other.join();
  EXPECT_EQ(points[0], 240u);
  EXPECT_EQ(points[1], 240u);
}

}  // namespace
}  // namespace settle::runner
