// Asked ranges in a whole runner: what a crash, an outage or a second question must not change.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

TEST(Backfill, FillsARangeUpToTheLiveLane) {
  World world;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon + 1h));
  ASSERT_TRUE(added);
  EXPECT_TRUE(added->created);
  EXPECT_EQ(added->status.end_effective, kNoon - 8min);  // L: two buckets are sealed
  world.rig.pass(5s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::done);
  EXPECT_EQ(status.buckets_total, 292u);
  EXPECT_EQ(status.buckets_done, 292u);
  EXPECT_EQ(status.samples, 290u);  // the live lane had sent two
  expect_once(world.rig, kNoon - 5h, kNoon);
  world.rig.pass(1min);  // the sink gets it in few, large bodies
  for (Time bucket = kNoon - 5h; bucket < kNoon; bucket += 1min) {
    EXPECT_EQ(world.rig.received().at({kSeries, bucket}), std::vector<Value>{Value::count(truth(bucket))});
  }
  for (const auto& [key, samples] : emitted(world.rig, Lane::backfill)) {
    EXPECT_EQ(samples[0].reason, engine::Reason::backfill);
  }
}

TEST(Backfill, GoesOnWithTheChunkItWasInAfterACrash) {
  World world;
  const auto added =
      world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"chunk":"7m","rate":1)"));
  ASSERT_TRUE(added);
  for (int i = 0; i < 20; ++i) {
    world.rig.pass(11s);
    world.rig.crash();
    world.rig.start();
  }
  world.rig.pass(5min, 1s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
  expect_once(world.rig, kNoon - 5h, kNoon - 1h);
}

TEST(Backfill, DoesARangeAskedForTwiceOnce) {
  World world;
  const std::string asked = range_json(kNoon - 5h, kNoon - 1h);
  const auto first = world.rig.backfill(world.id, asked);
  ASSERT_TRUE(first);
  const auto same = world.rig.backfill(world.id, asked);
  ASSERT_TRUE(same);
  EXPECT_FALSE(same->created);
  EXPECT_EQ(same->status.id, first->status.id);
  const auto wider = world.rig.backfill(world.id, range_json(kNoon - 6h, kNoon - 30min));
  ASSERT_TRUE(wider);
  EXPECT_TRUE(wider->created);
  EXPECT_EQ(world.status(wider->status.id).state, BackfillState::done);
  EXPECT_EQ(world.status(wider->status.id).samples, 90u) << "an hour before and half an hour after";
  EXPECT_EQ(world.status(wider->status.id).buckets_done, 330u);
  expect_once(world.rig, kNoon - 6h, kNoon - 30min);
  EXPECT_EQ(world.rig.service().list_backfills("default", world.id, "", 10).size(), 2u);
}

TEST(Backfill, SendsOnlyWhatDiffersWhenForced) {
  std::uint64_t more = 0;
  World world{[&](const fetchers::FetchRequest& request) {
    fetchers::FetchResult said = settled(request);
    for (engine::Observation& row : said.answer.scopes[0].rows) {
      if (row.bucket == kNoon - 2h || row.bucket == kNoon - 9min) {
        row.value = Value::count(row.value.as_count() + more);
      }
    }
    return said;
  }};
  ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 1h)));
  world.rig.pass(10min, 5s);  // the live lane seals past kNoon - 9min
  more = 7;
  const auto plain = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 10min));
  ASSERT_TRUE(plain);
  EXPECT_EQ(world.status(plain->status.id).samples, 50u) << "what the first one had left";
  const auto forced = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon, R"(,"force":true)"));
  ASSERT_TRUE(forced);
  EXPECT_EQ(world.status(forced->status.id).state, BackfillState::done);
  EXPECT_EQ(world.status(forced->status.id).samples, 2u);
  const Points points = emitted(world.rig, Lane::backfill);
  for (const Time bucket : {kNoon - 2h, kNoon - 9min}) {
    const engine::Sample sample = points.at({kSeries, bucket}).back();
    EXPECT_EQ(sample.value, Value::count(truth(bucket) + 7));
    EXPECT_EQ(sample.revision, 2u);
    EXPECT_EQ(sample.reason, engine::Reason::correction);
  }
  const auto again = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon, R"(,"force":true)"));
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->created) << "asked for anew, since the first is over";
  EXPECT_EQ(world.status(again->status.id).samples, 0u);
}

TEST(Backfill, HoldsBackWhatAForcedReadFindsChanged) {
  std::uint64_t more = 0;
  World world{
      [&](const fetchers::FetchRequest& request) {
        fetchers::FetchResult said = settled(request);
        for (engine::Observation& row : said.answer.scopes[0].rows) {
          row.value = Value::count(row.value.as_count() + more);
        }
        return said;
      },
      job_json("a/b",
               R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:3","corrections":"hold")")};
  ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 1h)));
  more = 1;
  const auto forced = world.rig.backfill(world.id, range_json(kNoon - 4h, kNoon - 1h, R"(,"force":true)"));
  ASSERT_TRUE(forced);
  EXPECT_EQ(world.status(forced->status.id).samples, 60u) << "the hour that had not been sent";
  for (const auto& [key, samples] : emitted(world.rig, Lane::backfill)) {
    EXPECT_EQ(samples.size(), 1u);
  }
}

TEST(Backfill, WaitsWhileTheSourceFailsAndGoesOnByItself) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return down ? test::unreachable("source") : settled(request);
  }};
  down = true;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 1h));
  ASSERT_TRUE(added);
  world.rig.pass(2min, 1s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::waiting);
  EXPECT_NE(status.last_error.find("unreachable"), std::string::npos) << status.last_error;
  EXPECT_GE(status.errors, 1u);
  EXPECT_EQ(status.samples, 0u);
  down = false;
  world.rig.pass(6min, 5s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
  expect_once(world.rig, kNoon - 3h, kNoon - 1h);
}

TEST(Backfill, KeepsToTheRate) {
  World world;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"rate":2)"));
  ASSERT_TRUE(added);
  world.rig.pass(30s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_NEAR(static_cast<double>(status.samples), 2.0 * 30 + 20, 21) << "a chunk is ten seconds of it";
  ASSERT_TRUE(status.samples_per_second);
  EXPECT_NEAR(*status.samples_per_second, 2.0, 0.5);
  ASSERT_TRUE(status.eta);
  EXPECT_NEAR(static_cast<double>(*status.eta / 1s), (240.0 - 80) / 2, 30);
  world.rig.pass(100s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
}

TEST(Backfill, PausesResumesAndIsCancelled) {
  World world;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"rate":2)"));
  ASSERT_TRUE(added);
  const std::string& id = added->status.id;
  world.rig.pass(20s);
  ASSERT_TRUE(world.rig.steer(world.id, id, Steer::pause));
  const std::uint64_t samples = world.status(id).samples;
  world.rig.pass(30s);
  world.rig.crash();
  world.rig.start();
  world.rig.pass(30s);
  EXPECT_EQ(world.status(id).state, BackfillState::paused);
  EXPECT_EQ(world.status(id).samples, samples);
  ASSERT_TRUE(world.rig.steer(world.id, id, Steer::resume));
  world.rig.pass(20s);
  EXPECT_GT(world.status(id).samples, samples);
  ASSERT_TRUE(world.rig.steer(world.id, id, Steer::cancel));
  const std::uint64_t at_end = world.status(id).samples;
  world.rig.pass(30s);
  EXPECT_EQ(world.status(id).state, BackfillState::cancelled);
  EXPECT_EQ(world.status(id).samples, at_end);
  EXPECT_TRUE(world.status(id).finished_at);
  const auto over = world.rig.steer(world.id, id, Steer::resume);
  ASSERT_FALSE(over);
  EXPECT_EQ(over.refusal().kind, Refusal::Kind::conflict);
  // What it had not done is free to be asked for again.
  ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h)));
  expect_once(world.rig, kNoon - 5h, kNoon - 1h);
}

TEST(Backfill, IsCancelledWithItsJob) {
  World world;
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 1h, R"(,"rate":2)"));
  ASSERT_TRUE(added);
  world.rig.pass(20s);
  ASSERT_TRUE(world.rig.remove(world.id));
  world.rig.pass(60s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::cancelled);
}

TEST(Backfill, SendsNothingTwiceForAJobThatWasPostedAnew) {
  World world;
  ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 5h, kNoon - 3h)));
  ASSERT_TRUE(world.rig.remove(world.id));
  // Another stream under the same output: it sees more of the past.
  const auto posted =
      world.rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"20m","finality":"consecutive:4")"));
  ASSERT_TRUE(posted);
  world.rig.pass(3min, 5s);
  ASSERT_TRUE(world.rig.backfill(posted->job.id, range_json(kNoon - 6h, kNoon)));
  expect_once(world.rig, kNoon - 6h, kNoon);
}

TEST(Backfill, LeavesTheLiveLaneItsRangeWhenAJobIsReplacedByOneThatSeesMore) {
  World world;
  ASSERT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 2h, kNoon)));
  ASSERT_TRUE(world.rig.remove(world.id));
  const auto posted =
      world.rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"1h","finality":"consecutive:4")"));
  ASSERT_TRUE(posted);
  world.rig.pass(5min, 5s);
  expect_once(world.rig, kNoon - 2h, kNoon);
}

TEST(Backfill, GivesAJobThatJoinedLaterWhatWasBeforeIt) {
  World world;
  world.rig.pass(30min, 5s);
  const auto joined = world.rig.post(
      job_json("c", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":"other")"));
  ASSERT_TRUE(joined);
  // At once: its first tick is still to come.
  const auto added = world.rig.backfill(joined->job.id, range_json(kNoon - 1h, kNoon + 1h));
  ASSERT_TRUE(added);
  world.rig.pass(5min, 5s);
  const auto status = world.rig.service().find_backfill("default", joined->job.id, added->status.id);
  EXPECT_EQ(status->state, BackfillState::done);
  expect_once(world.rig, kNoon - 1h, kNoon + 30min, "other");
}

// The stream stands where it rested until its first answer: then the live lane gives up what is too old for
// it, or seals it at once.
TEST(Backfill, GivesAJobOnARestedStreamWhatIsTooOldForTheLiveLane) {
  for (const auto rest : {15min, 60min}) {
    SCOPED_TRACE(rest.count());
    World world;
    ASSERT_TRUE(world.rig.remove(world.id));
    world.rig.pass(rest, 30s);
    const auto other = world.rig.post(
        job_json("c", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":"other")"));
    ASSERT_TRUE(other);
    const auto added = world.rig.backfill(other->job.id, range_json(kNoon, kNoon + rest));
    ASSERT_TRUE(added) << added.refusal().detail;
    world.rig.pass(12min, 5s);
    expect_once(world.rig, kNoon, kNoon + rest + 5min, "other");
  }
}

TEST(Backfill, StopsAtValidUntil) {
  World world{
      settled,
      job_json(
          "a/b",
          R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:3","valid_until":"2026-06-26T12:01:00Z")")};
  world.rig.pass(1h, 30s);
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 1h, kNoon + 20min, R"(,"force":true)"));
  ASSERT_TRUE(added);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
  EXPECT_EQ(emitted(world.rig, Lane::backfill).rbegin()->first.second, kNoon - 11min);
}

TEST(Backfill, RefusesWhatCannotBe) {
  World world;
  const auto unknown = world.rig.backfill("nobody", range_json(kNoon - 5h, kNoon));
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.refusal().kind, Refusal::Kind::not_found);
  const auto live = world.rig.backfill(world.id, range_json(kNoon, kNoon + 1h));
  ASSERT_FALSE(live);
  EXPECT_EQ(live.refusal().field, "start");
  const auto counter = world.rig.post(job_json("c", R"(,"output":"counter","record":"total")"));
  ASSERT_TRUE(counter);
  world.rig.pass(3min, 5s);
  const auto refused = world.rig.backfill(counter->job.id, range_json(kNoon - 5h, kNoon));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.refusal().kind, Refusal::Kind::conflict);
}

TEST(Backfill, IsRefusedForASinkThatTakesNothingOld) {
  World world;
  world.rig.sink.out_of_order_window = 0ms;
  world.rig.pass(1min, 5s);  // the sink is checked again
  const auto old = world.rig.backfill(world.id, range_json(kNoon - 2h, kNoon));
  ASSERT_FALSE(old);
  EXPECT_EQ(old.refusal().kind, Refusal::Kind::invalid);
  EXPECT_NE(old.refusal().detail.find("sink memory"), std::string::npos);
  EXPECT_NE(old.refusal().detail.find("out_of_order_window"), std::string::npos);
  // The live lane has sent rows that are newer than all of it.
  EXPECT_FALSE(world.rig.backfill(world.id, range_json(kNoon - 50min, kNoon)));
  world.rig.sink.out_of_order_window = 1h;
  world.rig.pass(1min, 5s);
  EXPECT_FALSE(world.rig.backfill(world.id, range_json(kNoon - 2h, kNoon)));
  EXPECT_TRUE(world.rig.backfill(world.id, range_json(kNoon - 50min, kNoon)));
}

// What the sink took when it was asked for it takes no more when the source is back.
TEST(Backfill, LeavesOutWhatHasBecomeTooOldForItsOnlySink) {
  bool down = true;
  World world{[&](const fetchers::FetchRequest& request) {
    return down && request.range.from < kNoon - 1h ? test::unreachable("source") : settled(request);
  }};
  world.rig.sink.out_of_order_window = 3h;
  world.rig.pass(1min, 5s);
  const std::string range = range_json(kNoon - 2h, kNoon - 1h);
  const auto added = world.rig.backfill(world.id, range);
  ASSERT_TRUE(added);
  ASSERT_TRUE(world.rig.steer(world.id, added->status.id, Steer::pause));
  down = false;
  world.rig.pass(90min, 1min);
  const auto again = world.rig.backfill(world.id, range);
  ASSERT_TRUE(again) << "it is the same request, whatever the sink takes now";
  EXPECT_FALSE(again->created);
  ASSERT_TRUE(world.rig.steer(world.id, added->status.id, Steer::resume));
  world.rig.pass(10min, 5s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::done);
  EXPECT_GE(status.buckets_impossible, 35u) << "now less three hours, and a minute";
  EXPECT_LE(status.buckets_impossible, 45u);
  EXPECT_NE(status.last_error.find("sink memory"), std::string::npos) << status.last_error;
  const Points filled = emitted(world.rig, Lane::backfill);
  EXPECT_EQ(filled.size() + status.buckets_impossible, 60u);
  ASSERT_FALSE(filled.empty());
  EXPECT_EQ(filled.begin()->first.second, kNoon - 2h + status.buckets_impossible * 1min);
}

TEST(Backfill, LosesAndDoublesNothingWhereverItCrashes) {
  for (int crash_at = 1; crash_at < 12; ++crash_at) {
    SCOPED_TRACE(crash_at);
    World world;
    RunnerRig* rig = &world.rig;
    const auto added = rig->backfill(world.id, range_json(kNoon - 2h, kNoon, R"(,"chunk":"10m","rate":5)"));
    ASSERT_TRUE(added);
    for (int i = 0; i < crash_at * 3; ++i) rig->pass(700ms, 700ms);
    rig->crash();
    rig->start();
    rig->pass(90s, 1s);
    EXPECT_EQ(world.status(added->status.id).state, BackfillState::done);
    expect_once(*rig, kNoon - 2h, kNoon);
  }
}

}  // namespace
}  // namespace settle::runner
