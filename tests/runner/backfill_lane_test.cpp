// The backfill lane in a whole runner: asked ranges, what a crash, an outage or a second question must not
// change.
#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "runner/keys.hpp"
#include "runner/ledger.hpp"
#include "runner/series_names.hpp"
#include "tests/support/runner_rig.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Time;
using engine::TimeRange;
using engine::Value;
using testing::job_json;
using testing::RunnerRig;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");
const std::string kSeries = "requests_total";
const std::string kJob =
    job_json("a/b", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4")");

std::uint64_t truth(Time bucket) {
  return static_cast<std::uint64_t>(engine::epoch_ms(bucket) / 60'000 % 1'000) + 5;
}

/// One series, as it will always be; the frontier is now.
fetchers::FetchResult settled(const fetchers::FetchRequest& request) {
  fetchers::FetchResult result;
  engine::ScopeAnswer answer;
  answer.scope = "source";
  answer.covered = request.range;
  answer.frontier = request.now;
  for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) {
    answer.rows.push_back({.series = result.answer.texts.keep(kSeries),
                           .bucket = bucket,
                           .value = Value::count(truth(bucket))});
  }
  result.answer.scopes.push_back(std::move(answer));
  return result;
}

using Points = std::map<std::pair<std::string, Time>, std::vector<engine::Sample>>;

/// What the ledger of a lane holds, by (output series, timestamp).
Points emitted(RunnerRig& rig, Lane lane) {
  Points points;
  const ReadTransaction view = rig.store().read();
  view.scan(ledger_table(lane), "", "", [&](std::string_view, std::string_view bytes) {
    const engine::Result<LedgerBlock> block = decode_block(bytes);
    EXPECT_TRUE(block);
    for (const engine::Sample& sample : block->samples) {
      const auto text = series_text_of(view, block->tenant, block->stream_id, sample.series);
      EXPECT_TRUE(text);
      const std::string series = output_series(text.value_or(""), block->record, block->labels);
      points[{series, sample.bucket + block->stamp_offset}].push_back(sample);
    }
    return true;
  });
  return points;
}

/// Every bucket of [from, to) once and right, whatever lane it came by, and nothing else before `to`.
void expect_once(RunnerRig& rig, Time from, Time to, const std::string& series = kSeries) {
  Points all = emitted(rig, Lane::live);
  for (auto& [key, samples] : emitted(rig, Lane::backfill)) {
    auto& there = all[key];
    there.insert(there.end(), samples.begin(), samples.end());
  }
  for (Time bucket = from; bucket < to; bucket += 1min) {
    const auto found = all.find({series, bucket});
    ASSERT_NE(found, all.end()) << series << " lacks " << engine::format_time(bucket);
    ASSERT_EQ(found->second.size(), 1u) << series << " at " << engine::format_time(bucket);
    EXPECT_EQ(found->second[0].value, Value::count(truth(bucket))) << engine::format_time(bucket);
    EXPECT_EQ(found->second[0].revision, 1u);
  }
  for (const auto& [key, samples] : all) {
    EXPECT_FALSE(key.first == series && key.second < from) << engine::format_time(key.second);
  }
}

std::string range_json(Time from, Time to, const std::string& more = {}) {
  return R"({"start":")" + engine::format_time(from) + R"(","end":")" + engine::format_time(to) + "\"" +
         more + "}";
}

struct World {
  explicit World(testing::Script script = settled, const std::string& job = kJob)
      : rig(kNoon, std::move(script)) {
    rig.start();
    const auto posted = rig.post(job);
    EXPECT_TRUE(posted);
    id = posted->job.id;
    rig.pass(3min, 5s);
  }
  BackfillStatus status(const std::string& backfill) {
    return *rig.service().find_backfill("default", id, backfill);
  }
  std::vector<GapStatus> gaps() { return rig.service().gaps("default", id, 0, 1'000); }

  RunnerRig rig;
  std::string id;
};

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
  World world{[&](const fetchers::FetchRequest& request) {
                fetchers::FetchResult said = settled(request);
                for (engine::Observation& row : said.answer.scopes[0].rows) {
                  row.value = Value::count(row.value.as_count() + more);
                }
                return said;
              },
              job_json("a/b", R"(,"poll_interval":"30s","watch":"10m","corrections":"hold")")};
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
    return down ? testing::unreachable("source") : settled(request);
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

TEST(Backfill, StopsAtValidUntil) {
  World world{
      settled,
      job_json("a/b", R"(,"poll_interval":"30s","watch":"10m","valid_until":"2026-06-26T12:01:00Z")")};
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

TEST(Gap, FillsItselfAfterAnOutage) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return down ? testing::unreachable("source") : settled(request);
  }};
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(3h, 30s);
  down = false;
  world.rig.pass(5min, 5s);
  expect_once(world.rig, kNoon - 10min, kNoon + 3h + 15min);
  const std::vector<GapStatus> gaps = world.gaps();
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].state, GapState::filled);
  EXPECT_TRUE(gaps[0].closed_at);
  EXPECT_EQ(world.rig.service().job_status(*world.rig.service().find_job("default", world.id)).gaps_open, 0u);
}

TEST(Gap, FillsItselfAlsoWhenItCrashesAgainAndAgain) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return down ? testing::unreachable("source") : settled(request);
  }};
  down = true;
  world.rig.pass(3h, 30s);
  world.rig.crash();
  world.rig.options.backfill.samples_per_chunk = 10;
  world.rig.start();
  down = false;
  for (int i = 0; i < 10; ++i) {
    world.rig.pass(31s, 1s);
    world.rig.crash();
    world.rig.start();
  }
  world.rig.pass(2min, 5s);
  expect_once(world.rig, kNoon - 10min, kNoon + 3h + 5min);
  EXPECT_EQ(world.gaps().size(), 1u) << "one gap, however many chunks it took";
}

}  // namespace
}  // namespace settle::runner
