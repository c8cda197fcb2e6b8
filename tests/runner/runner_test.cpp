// The runner as a whole, in this process: what a crash, an outage, a deleted job or a full queue must not
// change.
#include <utility>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "runner/backfill/gaps.hpp"
#include "runner/real_clocks.hpp"
#include "runner/store/keys.hpp"
#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

TEST(Runner, PushesEachBucketOnceWithTheSourcesOwnStamp) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(30min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 20min);
  EXPECT_EQ(rig.received().begin()->first.second, kNoon - 10min);
}

TEST(Runner, LosesAndDoublesNothingWhenItCrashesAgainAndAgain) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  for (int i = 0; i < 12; ++i) {
    rig.pass(137s, 5s);
    rig.crash();
    rig.start();
  }
  rig.pass(10min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 28min);
}

TEST(Runner, LeavesTheTimeOfAFetchToTheSource) {
  std::chrono::milliseconds given{0};
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  given = request.timeout;
                  return growing(request);
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(1min, 5s);
  EXPECT_GE(given, 10min);  // `timeout: 10m` of a source means ten minutes
}

TEST(Runner, ServesTheNewestFinalBucketAlsoAfterARestart) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  const auto before = rig.service().result("default", "a/b");
  ASSERT_FALSE(before && before->points.empty());
  rig.pass(10min, 5s);
  const auto ready = rig.service().result("default", "a/b");
  ASSERT_TRUE(ready);
  ASSERT_EQ(ready->points.size(), 1u);
  EXPECT_EQ(ready->points[0].value, Value::count(truth(ready->bucket)));
  rig.stop();
  rig.start();
  const auto after = rig.service().result("default", "a/b");
  ASSERT_TRUE(after);
  EXPECT_EQ(after->bucket, ready->bucket);
  EXPECT_EQ(after->points[0].value, ready->points[0].value);
}

TEST(Runner, GoesOnWhereItWasAfterAnOutageShorterThanWatch) {
  bool down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  return down ? test::unreachable("source") : growing(request);
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(5min, 5s);
  down = true;
  rig.pass(9min, 5s);
  EXPECT_EQ(first_status(rig).state, JobState::failing);
  down = false;
  rig.pass(15min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 20min);
}

std::vector<GapEntry> gaps_of(RunnerRig& rig) {
  std::vector<GapEntry> found;
  rig.store().read().scan(Table::gaps, {}, {}, [&](std::string_view, std::string_view value) {
    found.push_back(*decode_gap(value));
    return true;
  });
  return found;
}

TEST(Runner, RecordsWhatALongOutageLeavesAsGapsAndInventsNothing) {
  bool down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  return down ? test::unreachable("source") : growing(request);
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(15min, 5s);
  down = true;
  rig.pass(2h, 30s);
  const std::size_t sent = rig.sink.rows.size();
  down = false;
  rig.pass(15min, 5s);
  const std::vector<GapEntry> gaps = gaps_of(rig);
  ASSERT_EQ(gaps.size(), 1u) << "one entry for the whole outage";
  const auto received = rig.received();
  for (Time bucket = kNoon; bucket < kNoon + 2h; bucket += 1min) {
    const bool pushed = received.contains({kSeries, bucket});
    const bool missing = std::any_of(gaps.begin(), gaps.end(),
                                     [&](const GapEntry& entry) { return entry.gap.range.contains(bucket); });
    EXPECT_TRUE(pushed || missing) << engine::format_time(bucket);
  }
  for (const auto& [key, values] : received) {
    EXPECT_EQ(values, std::vector<Value>{Value::count(truth(key.second))});
  }
  EXPECT_GT(rig.sink.rows.size(), sent);
}

TEST(Runner, LosesNothingOfAScopeThatFailsAndDelaysNoOther) {
  bool down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  fetchers::FetchResult result = down ? test::unreachable("b") : fetchers::FetchResult{};
                  say("a", "requests_total{zone=\"a\"}", request, grown, result);
                  if (!down) {
                    say("b", "requests_total{zone=\"b\"}", request, grown, result);
                  }
                  return result;
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(5min, 5s);
  down = true;
  rig.pass(9min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 8min, "requests_total{zone=\"a\"}");
  EXPECT_FALSE(rig.received().contains({"requests_total{zone=\"b\"}", kNoon + 5min}));
  down = false;
  rig.pass(10min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 14min, "requests_total{zone=\"b\"}");
}

TEST(Runner, PushesNothingUnstableWhenItStops) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(7min, 5s);
  rig.stop();
  rig.start();
  rig.pass(1s);
  for (const auto& [key, values] : rig.received()) {
    EXPECT_EQ(values, std::vector<Value>{Value::count(truth(key.second))}) << engine::format_time(key.second);
  }
  EXPECT_FALSE(rig.received().contains({kSeries, kNoon + 6min}));
  rig.pass(10min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 10min);
}

TEST(Runner, KeepsATickWhoseJobWasDeletedMeanwhileForWhoeverTakesTheStreamUp) {
  RunnerRig* self = nullptr;
  std::string doomed;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  if (!doomed.empty()) {
                    self->remove_soon(std::exchange(doomed, {}));
                  }
                  return growing(request);
                }};
  self = &rig;
  rig.start();
  const auto first = rig.post(kJob);
  ASSERT_TRUE(first);
  rig.pass(10min, 5s);
  const std::size_t sent = rig.sink.rows.size();
  doomed = first->job.id;
  rig.pass(1min, 5s);
  EXPECT_LE(rig.sink.rows.size(), sent + 1) << "a tick that was late commits nothing for a job that is gone";
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(12min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 15min);
}

TEST(Runner, TakesUpWhereADeletedJobWasWhenTheControllerPostsItAgain) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  const auto first = rig.post(kJob);
  ASSERT_TRUE(first);
  rig.pass(12min, 5s);
  ASSERT_TRUE(rig.remove(first->job.id));
  rig.pass(2min, 5s);
  const auto second = rig.post(kJob);
  ASSERT_TRUE(second);
  EXPECT_NE(second->job.id, first->job.id);
  EXPECT_EQ(second->job.stream_id, first->job.stream_id);
  rig.pass(12min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 20min);
}

TEST(Runner, SendsNothingTwiceWhenAJobIsReplacedByAnotherUnderTheSameOutput) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(12min, 5s);
  const auto replaced =
      rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"12m","finality":"consecutive:5")"), true);
  ASSERT_TRUE(replaced);
  EXPECT_EQ(replaced->how, Added::How::replaced);
  rig.pass(90s, 5s);
  rig.crash();
  rig.start();
  rig.pass(12min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 18min);
}

TEST(Runner, SendsACorrectionWhenTheNextJobSeesAnotherValue) {
  std::uint64_t more = 0;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  fetchers::FetchResult said = growing(request);
                  for (engine::Observation& row : said.answer.scopes[0].rows) {
                    row.value = Value::count(row.value.as_count() + more);
                  }
                  return said;
                }};
  rig.start();
  const auto first = rig.post(kJob);
  ASSERT_TRUE(first);
  rig.pass(12min, 5s);
  ASSERT_TRUE(rig.remove(first->job.id));
  more = 1;
  ASSERT_TRUE(
      rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"12m","finality":"consecutive:5")")));
  rig.pass(12min, 5s);
  const auto received = rig.received();
  const Time bucket = kNoon + 4min;
  EXPECT_EQ(received.at({kSeries, bucket}),
            (std::vector<Value>{Value::count(truth(bucket)), Value::count(truth(bucket) + 1)}));
  EXPECT_EQ(received.at({kSeries, kNoon + 15min}),
            std::vector<Value>{Value::count(truth(kNoon + 15min) + 1)});
}

TEST(Runner, GivesAJobThatJoinsAStreamWhatTheStreamAlreadyEmitted) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(12min, 5s);
  const std::uint64_t fetches = rig.fetches;
  ASSERT_TRUE(rig.post(
      job_json("c", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":"other")")));
  rig.pass(12min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 16min);
  expect_exact(rig, kNoon + 4min, kNoon + 16min, "other");
  EXPECT_NEAR(static_cast<double>(rig.fetches - fetches), 24.0, 2.0) << "one poll serves both";
}

TEST(Runner, StopsAtValidUntilAndWatchesWhatIsOpen) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(job_json(
      "a",
      R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","valid_until":"2026-06-26T12:05:00Z")")));
  rig.pass(30min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 5min);
  EXPECT_EQ(rig.received().rbegin()->first.second, kNoon + 4min);
  EXPECT_EQ(first_status(rig).state, JobState::expired);
}

TEST(Runner, PausesOnlyWhileASinksQueueIsFull) {
  RunnerRig rig{kNoon, growing};
  rig.queue_rows_max = 5;
  rig.sink.verdict = sinks::PushVerdict::retry;
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(12min, 5s);
  EXPECT_TRUE(rig.sink.rows.empty());
  EXPECT_EQ(first_status(rig).state, JobState::paused);
  rig.sink.verdict = sinks::PushVerdict::accepted;
  rig.pass(20min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 20min);
}

TEST(Runner, WarnsOfAClockThatWasSetBack) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  const auto added = rig.post(kJob);
  ASSERT_TRUE(added);
  const auto warnings = [&] {
    return rig.service().job_status(*rig.service().find_job("default", added->job.id)).warnings;
  };
  rig.set_back(2s);  // a clock is adjusted by as much now and then
  EXPECT_TRUE(warnings().empty());
  rig.set_back(59min + 30s + 400ms);
  ASSERT_EQ(warnings().size(), 1U);
  EXPECT_EQ(
      warnings()[0],
      "source time stands still at 2026-06-26T12:00:00Z, and nothing is polled: the clock was ahead and is "
      "now 59m30s behind what it had reached; polling goes on when it has caught up");
}

TEST(Runner, KnowsHowFarTheClockIsBehindWhatTheStoreHasSeen) {
  boost::asio::io_context context;
  RealClocks ahead{context.get_executor(), {.start = kNoon, .speed = 1, .floor = kNoon + 1h}};
  EXPECT_EQ(ahead.source_now(), kNoon + 1h);
  EXPECT_GT(ahead.behind(), 0s);
  EXPECT_LE(ahead.behind(), 1h);
  RealClocks right{context.get_executor(), {.start = kNoon, .speed = 1, .floor = kNoon - 1h}};
  EXPECT_GE(right.source_now(), kNoon);
  EXPECT_EQ(right.behind(), 0s);
}

TEST(Runner, KeepsEveryEmittedSampleInTheLedger) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  const auto added = rig.post(kJob);
  ASSERT_TRUE(added);
  rig.pass(12min, 5s);
  const auto page = rig.service().revisions({.tenant = "default",
                                             .job_id = added->job.id,
                                             .timestamps = {.from = Time::min(), .to = Time::max()},
                                             .limit = 1'000});
  ASSERT_TRUE(page);
  const std::vector<Revision>& revisions = page->found;
  ASSERT_EQ(revisions.size(), rig.sink.rows.size());
  for (const Revision& revision : revisions) {
    EXPECT_EQ(revision.series, kSeries);
    EXPECT_EQ(revision.policy, "consecutive:4");
    EXPECT_TRUE(revision.sample.evidence_polls >= 4 || revision.sample.reason == engine::Reason::ttl);
    EXPECT_EQ(revision.sample.value, Value::count(truth(revision.timestamp)));
  }
}

TEST(Runner, TicksManyStreamsInOneRoundThoughFewAtATime) {
  RunnerRig rig{kNoon, growing};
  rig.options.fetches_max = 2;
  rig.start();
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_TRUE(
        rig.post(job_json(n, R"(,"record":"r)" + n + R"(","watch":")" + std::to_string(600 + i) + "s\"")));
  }
  rig.pass(1min, 5s);
  const std::uint64_t fetches = rig.fetches;
  rig.pass(1min, 5s);
  EXPECT_EQ(rig.fetches - fetches, 50u);
}

}  // namespace
}  // namespace settle::runner
