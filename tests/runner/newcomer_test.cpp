// Jobs that come to a stream that others keep going, or come back to it.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

/// On the stream of kJob, under an output of its own.
const std::string kOther =
    job_json("c", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":"other")");

TEST(Newcomer, ThatComesBackGetsWhatWentOutWhileItWasAway) {
  World world;
  ASSERT_TRUE(world.rig.post(kOther));
  world.rig.pass(12min, 5s);
  ASSERT_TRUE(world.rig.remove(world.id));
  world.rig.pass(4min, 5s);
  const auto back = world.rig.post(kJob);
  ASSERT_TRUE(back);
  EXPECT_NE(back->job.id, world.id);
  world.rig.pass(90s, 5s);
  world.rig.crash();
  world.rig.start();
  world.rig.pass(12min, 5s);
  expect_once(world.rig, kNoon - 10min, kNoon + 29min);
  expect_once(world.rig, kNoon - 7min, kNoon + 29min, "other");
}

TEST(Newcomer, ThatComesBackLateMissesNothing) {
  for (const bool alone : {true, false}) {
    for (const auto away : {6min, 14min, 24min, 60min}) {
      SCOPED_TRACE(std::to_string(away.count()) + (alone ? " minutes, alone" : " minutes"));
      World world;
      ASSERT_TRUE(alone || world.rig.post(kOther));
      world.rig.pass(12min, 5s);
      ASSERT_TRUE(world.rig.remove(world.id));
      world.rig.pass(away, 10s);
      ASSERT_TRUE(world.rig.post(kJob));
      world.rig.pass(25min, 5s);
      const Time end = kNoon + 3min + 12min + away + 25min - 8min;
      expect_once(world.rig, kNoon - 10min, end);
      if (!alone) {
        expect_once(world.rig, kNoon - 7min, end, "other");
      }
    }
  }
}

// What the live lane had emitted, and gave up with a gap, went to the other job only.
TEST(Newcomer, ThatComesBackDuringAnOutageGetsWholeValuesAndNoDifferences) {
  World world{[](const fetchers::FetchRequest& request) {
    fetchers::FetchResult said = settled(request);
    for (engine::Observation& row : said.answer.scopes.front().rows) {
      const bool revised = row.bucket + 1h <= request.now;
      if (revised) row.value = Value::count(truth(row.bucket) + 1'000);
    }
    return said;
  }};
  ASSERT_TRUE(world.rig.post(kOther));
  world.rig.pass(12min, 5s);
  ASSERT_TRUE(world.rig.remove(world.id));
  world.rig.pass(8min, 5s);
  ASSERT_TRUE(world.rig.post(kJob));
  ASSERT_TRUE(world.rig.reload_without_source());  // before the first tick that it would be in
  world.rig.pass(2h, 30s);
  world.rig.stop();
  world.rig.start();
  world.rig.pass(10min, 5s);
  const Points filled = emitted(world.rig, Lane::backfill);
  for (Time bucket = kNoon + 15min; bucket < kNoon + 1h; bucket += 1min) {
    SCOPED_TRACE(engine::format_time(bucket));
    const auto found = filled.find({kSeries, bucket});
    ASSERT_NE(found, filled.end());
    ASSERT_EQ(found->second.size(), 1u);
    EXPECT_EQ(found->second[0].value, Value::count(truth(bucket) + 1'000));
    EXPECT_EQ(found->second[0].revision, 1u);
    EXPECT_FALSE(found->second[0].replaced);
  }
}

// The first poll after the return may see a revision that is not final yet, and that the sink has.
TEST(Newcomer, ThatComesBackSendsNothingAgainThatAnotherSentUnderItsOutput) {
  const std::string between =
      job_json("a/b", R"(,"poll_interval":"30s","watch":"12m","finality":"fixed:1m")");
  // Every value is revised once, long after it was final.
  World world{[](const fetchers::FetchRequest& request) {
    fetchers::FetchResult said = settled(request);
    for (engine::Observation& row : said.answer.scopes.front().rows) {
      if (row.bucket + 6min <= request.now) row.value = Value::count(truth(row.bucket) + 1'000);
    }
    return said;
  }};
  ASSERT_TRUE(world.rig.post(kOther));
  world.rig.pass(12min, 5s);
  ASSERT_TRUE(world.rig.post(between, true));
  world.rig.pass(5min, 5s);
  ASSERT_TRUE(world.rig.post(kJob, true));
  world.rig.pass(90s, 5s);
  world.rig.crash();
  world.rig.start();
  world.rig.pass(12min, 5s);
  const Points points = emitted(world.rig, Lane::live);
  for (Time bucket = kNoon - 1min; bucket < kNoon + 23min; bucket += 1min) {
    for (const std::string& series : {kSeries, std::string{"other"}}) {
      SCOPED_TRACE(series + " at " + engine::format_time(bucket));
      const std::vector<engine::Sample>& samples = points.at({series, bucket});
      ASSERT_EQ(samples.size(), 2u);
      EXPECT_EQ(samples[0].revision, 1u);
      EXPECT_EQ(samples[0].value, Value::count(truth(bucket)));
      EXPECT_GT(samples[1].revision, 1u);
      EXPECT_EQ(samples[1].value, Value::count(truth(bucket) + 1'000));
    }
  }
}

TEST(Newcomer, IsToldWhatWentOutPastTheFrontierAsWhatItIs) {
  const Time stuck = kNoon + 5min;
  const std::string more = R"(,"poll_interval":"30s","watch":"10m","ttl":"3m","finality":"consecutive:4")";
  World world{[&](const fetchers::FetchRequest& request) {
                fetchers::FetchResult said = settled(request);
                engine::ScopeAnswer& answer = said.answer.scopes.front();
                answer.frontier = std::min(request.now, stuck);
                return said;
              },
              job_json("a/b", more)};
  world.rig.pass(9min, 5s);
  ASSERT_TRUE(world.rig.post(job_json("c", more + R"(,"record":"other")")));
  world.rig.pass(2min, 5s);
  const Points points = emitted(world.rig, Lane::live);
  std::size_t past = 0;
  for (const auto& [key, samples] : points) {
    if (key.first != "other") continue;
    ASSERT_EQ(samples.size(), 1u);
    const bool is_past = key.second + 1min > stuck;
    past += is_past ? 1 : 0;
    EXPECT_EQ(samples[0].reason, is_past ? engine::Reason::ttl : engine::Reason::settled)
        << engine::format_time(key.second);
  }
  EXPECT_GE(past, 3u);
}

/// What went out for a bucket past the frontier: by ttl, and then, by a replacement that polls a stream of
/// its own, with `change` more.
std::vector<engine::Sample> sent_past_the_frontier(sinks::Overwrite overwrite, const std::string& more,
                                                   int change) {
  const Time stuck = kNoon + 5min;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  const auto shown = [change](Time bucket, Time now) {
                    const int by = now < kNoon + 11min ? 0 : change;
                    return Value::count(truth(bucket) + 1'000 + static_cast<std::uint64_t>(by));
                  };
                  fetchers::FetchResult said = say_all(request, shown);
                  said.answer.scopes.front().frontier = std::min(request.now, stuck);
                  return said;
                }};
  rig.sink.overwrite = overwrite;
  rig.start();
  const auto job = [&more](const std::string& watch) {
    return job_json("a/b", R"(,"poll_interval":"30s","ttl":"3m","finality":"consecutive:4","watch":")" +
                               watch + '"' + more);
  };
  EXPECT_TRUE(rig.post(job("10m")));
  rig.pass(12min, 5s);
  EXPECT_TRUE(rig.post(job("12m"), true));
  rig.pass(2min, 5s);
  return emitted(rig, Lane::live).at({kSeries, stuck});
}

TEST(Newcomer, DoesNotCallACorrectionWhatItSendsPastTheFrontier) {
  const auto sent = sent_past_the_frontier(sinks::Overwrite::last_wins, "", 500);
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_EQ(sent[0].reason, engine::Reason::ttl);
  EXPECT_EQ(sent[1].reason, engine::Reason::ttl);
  EXPECT_EQ(sent[1].revision, 2u);
  EXPECT_EQ(sent[1].replaced, Value::count(truth(kNoon + 5min) + 1'000));
}

TEST(Newcomer, SendsNothingSmallerWhereOnlyTheLargerStays) {
  const std::string growing = R"(,"corrections":"repush","values":"growing")";
  EXPECT_EQ(sent_past_the_frontier(sinks::Overwrite::max_wins, growing, 500).size(), 2u);
  EXPECT_EQ(sent_past_the_frontier(sinks::Overwrite::max_wins, growing, -500).size(), 1u);
}

}  // namespace
}  // namespace settle::runner
