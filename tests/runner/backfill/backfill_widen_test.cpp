// Backfills that were posted before the live lane began to serve the job: what was sealed in between is
// theirs, and each bucket is only one's.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

const std::string kOther =
    job_json("c", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":"other")");

/// How often each bucket was asked for by questions that end before the live lane begins.
struct Questions {
  std::map<Time, int> of{};
  bool count = false;
  void note(const fetchers::FetchRequest& request) {
    if (!count || request.range.to > request.now - 5min) return;
    for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) of[bucket] += 1;
  }
};

std::uint64_t buckets(Time from, Time to) {
  return static_cast<std::uint64_t>((to - from) / 1min);
}

Time live_from(World& world) {
  return world.rig.service().job_status(*world.rig.service().find_job("default", world.id)).live_from;
}

/// The next tick, whenever it is, moves the boundary.
void pass_to_the_minutes_end(RunnerRig& rig) {
  rig.pass(29min, 5s);
  rig.pass(59s, 1s);
}

/// The first bucket that the live lane gave the job; max: none yet.
Time served_from(RunnerRig& rig) {
  for (const auto& [key, samples] : emitted(rig, Lane::live)) {
    if (key.first == "other") return key.second;
  }
  return Time::max();
}

/// Two that overlap; the second one waits for its first turn until the first one is done, or does not.
void give_to_one_of_two(bool one_waits) {
  Questions questions;
  World world{[&](const fetchers::FetchRequest& request) {
    questions.note(request);
    return settled(request);
  }};
  pass_to_the_minutes_end(world.rig);
  const auto joined = world.rig.post(kOther);
  ASSERT_TRUE(joined);
  world.id = joined->job.id;
  questions.count = true;
  const auto first = world.rig.backfill(world.id, range_json(kNoon - 1h, kNoon + 2h));
  const auto second = world.rig.backfill(world.id, range_json(kNoon - 30min, kNoon + 3h));
  ASSERT_TRUE(first && second);
  if (one_waits) {
    ASSERT_TRUE(world.rig.steer(world.id, second->status.id, Steer::pause));
  }
  const Time before = live_from(world);
  EXPECT_EQ(first->status.end_effective, before);
  EXPECT_EQ(first->status.buckets_total, buckets(kNoon - 1h, before));
  world.rig.pass(2min, 5s);
  if (one_waits) {
    ASSERT_TRUE(world.rig.steer(world.id, second->status.id, Steer::resume));
  }
  world.rig.pass(3min, 5s);
  const BackfillStatus a = world.status(first->status.id);
  const BackfillStatus b = world.status(second->status.id);
  const Time end = served_from(world.rig);
  ASSERT_GT(end, before);
  for (const BackfillStatus& status : {a, b}) {
    EXPECT_EQ(status.state, BackfillState::done);
    EXPECT_EQ(status.end_effective, end);
    EXPECT_EQ(status.buckets_total, buckets(status.request.range.from, end));
    EXPECT_EQ(status.buckets_done, status.buckets_total);
  }
  EXPECT_EQ(a.samples + b.samples, buckets(kNoon - 1h, end));
  EXPECT_EQ(questions.of.size(), buckets(kNoon - 1h, end));
  for (const auto& [bucket, times] : questions.of) EXPECT_EQ(times, 1) << engine::format_time(bucket);
  expect_once(world.rig, kNoon - 1h, kNoon + 30min, "other");
}

TEST(BackfillWiden, GivesWhatWasSealedMeanwhileToOneOfTwo) {
  give_to_one_of_two(false);
}

TEST(BackfillWiden, LeavesOutWhatAnotherDidBeforeItBegan) {
  give_to_one_of_two(true);
}

TEST(BackfillWiden, TakesWhatTheLiveLaneOfAStreamThatRestedLeaves) {
  World world;
  ASSERT_TRUE(world.rig.remove(world.id));
  world.rig.pass(1h, 30s);
  const auto joined = world.rig.post(kOther);
  ASSERT_TRUE(joined);
  world.id = joined->job.id;
  const Time before = live_from(world);
  const auto added = world.rig.backfill(world.id, range_json(before - 10min, kNoon + 2h));
  ASSERT_TRUE(added);
  EXPECT_EQ(added->status.buckets_total, 10u);
  world.rig.pass(12min, 5s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::done);
  EXPECT_GT(status.end_effective, kNoon + 50min);
  EXPECT_EQ(status.buckets_total, buckets(before - 10min, status.end_effective));
  EXPECT_EQ(status.buckets_done, status.buckets_total);
  expect_once(world.rig, before - 10min, kNoon + 1h, "other");
}

// A steering that is on its way to the store while the backfill learns how far it goes must not make it
// forget that.
TEST(BackfillWiden, OutlivesASteeringOfTheSameMoment) {
  World world;
  pass_to_the_minutes_end(world.rig);
  world.rig.crash();
  world.rig.options.backfill.backoff_max = 10ms;  // it looks every second whether it may begin
  world.rig.start();
  const auto joined = world.rig.post(kOther);
  ASSERT_TRUE(joined);
  world.id = joined->job.id;
  const Time before = live_from(world);
  const auto added =
      world.rig.backfill(world.id, range_json(before - 10min, kNoon + 2h, R"(,"chunk":"10m")"));
  ASSERT_TRUE(added);
  const std::string& id = added->status.id;
  while (served_from(world.rig) == Time::max()) world.rig.pass(1s);
  ASSERT_EQ(world.status(id).end_effective, before) << "it looks a moment later,";
  world.rig.steer_soon(world.id, id, Steer::resume);  // while this is being committed
  world.rig.pass(5min, 5s);
  const BackfillStatus status = world.status(id);
  EXPECT_EQ(status.state, BackfillState::done);
  EXPECT_EQ(status.end_effective, served_from(world.rig));
  EXPECT_GT(status.end_effective, before);
  EXPECT_EQ(status.buckets_total, buckets(before - 10min, status.end_effective));
  EXPECT_EQ(status.samples, status.buckets_total);
  expect_once(world.rig, before - 10min, kNoon + 30min, "other");
}

}  // namespace
}  // namespace settle::runner
