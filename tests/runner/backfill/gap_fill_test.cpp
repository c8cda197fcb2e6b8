// Gaps in a whole runner: they are noticed, fill themselves, or are said to be impossible.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

TEST(Gap, FillsItselfAfterAnOutage) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return down ? test::unreachable("source") : settled(request);
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
  EXPECT_EQ(world.gaps_open(), 0u);
}

TEST(Gap, IsImpossibleWhereNoSinkTakesWhatIsSoOld) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return down ? test::unreachable("source") : settled(request);
  }};
  world.rig.sink.out_of_order_window = 90min;
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(3h, 30s);
  down = false;
  world.rig.pass(5min, 5s);
  const std::vector<GapStatus> gaps = world.gaps();
  ASSERT_EQ(gaps.size(), 2u) << "what the sink still takes is filled";
  EXPECT_EQ(gaps[0].state, GapState::impossible);
  EXPECT_NE(gaps[0].reason.find("sink memory"), std::string::npos) << gaps[0].reason;
  EXPECT_EQ(gaps[1].state, GapState::filled);
  EXPECT_EQ(gaps[0].range.to, gaps[1].range.from);
  const Points filled = emitted(world.rig, Lane::backfill);
  ASSERT_FALSE(filled.empty());
  EXPECT_EQ(filled.begin()->first.second, gaps[1].range.from);
  EXPECT_EQ(world.gaps_open(), 0u);
}

TEST(Gap, IsImpossibleForTheJobWhoseSinksTookNothingOfItAndFilledForTheOther) {
  bool down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  return down ? test::unreachable("source") : settled(request);
                }};
  rig.has_other = true;
  rig.sink.out_of_order_window = engine::Duration{};
  rig.start();
  const char* settings = R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":")";
  const auto one = rig.post(job_json("a/one", std::string{settings} + R"(one","sinks":["memory"])"));
  const auto two = rig.post(job_json("a/two", std::string{settings} + R"(two","sinks":["memory","other"])"));
  ASSERT_TRUE(one) << one.refusal().detail;
  ASSERT_TRUE(two) << two.refusal().detail;
  ASSERT_EQ(one->job.stream_id, two->job.stream_id);
  rig.pass(12min, 5s);
  down = true;
  rig.pass(2h, 30s);
  down = false;
  rig.pass(8min, 5s);
  const auto of = [&rig](const std::string& id) { return rig.service().gaps("default", id, 0, 100); };
  const std::vector<GapStatus> missed = of(one->job.id);
  const std::vector<GapStatus> filled = of(two->job.id);
  ASSERT_EQ(missed.size(), 1u);
  ASSERT_EQ(filled.size(), 1u);
  EXPECT_EQ(missed[0].state, GapState::impossible);
  EXPECT_NE(missed[0].reason.find("sink memory"), std::string::npos) << missed[0].reason;
  EXPECT_EQ(filled[0].state, GapState::filled);
  EXPECT_NE(filled[0].reason.find("memory"), std::string::npos) << filled[0].reason;
  EXPECT_EQ(missed[0].range, filled[0].range);
  EXPECT_GT(rig.other.rows.size(), 100u);
  rig.crash();
  rig.start();
  EXPECT_EQ(of(one->job.id)[0].state, GapState::impossible);
  EXPECT_EQ(of(two->job.id)[0].state, GapState::filled);
}

TEST(Gap, FillsItselfAlsoWhenItCrashesAgainAndAgain) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
    return down ? test::unreachable("source") : settled(request);
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

TEST(Gap, IsOfTheScopeThatFailedAndFillsItself) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) { return say_two(request, down); }};
  down = true;
  world.rig.pass(1h, 5s);
  ASSERT_FALSE(world.gaps().empty());
  for (const GapStatus& gap : world.gaps()) {
    EXPECT_EQ(gap.scope, "b");
    EXPECT_TRUE(gap.state == GapState::open || gap.state == GapState::scheduled);
  }
  EXPECT_GT(world.gaps_open(), 0u);
  expect_once(world.rig, kNoon - 10min, kNoon + 50min, "requests_total{zone=\"a\"}");
  down = false;
  world.rig.pass(1h, 5s);
  for (const GapStatus& gap : world.gaps()) EXPECT_EQ(gap.state, GapState::filled) << gap.last_error;
  expect_once(world.rig, kNoon - 10min, kNoon + 110min, "requests_total{zone=\"a\"}");
  expect_once(world.rig, kNoon - 10min, kNoon + 110min, "requests_total{zone=\"b\"}");
}

TEST(Gap, OfOneScopeLeavesAloneWhatAnotherScopeHadSealed) {
  bool down = false;
  bool is_revised = false;
  World world{[&](const fetchers::FetchRequest& request) {
    fetchers::FetchResult result = say_two(request, down);
    for (engine::Observation& row : result.answer.scopes[0].rows) {
      const bool is_old = row.bucket + 15min < request.now;
      if (is_revised && is_old) row.value = Value::count(truth(row.bucket) + 1'000);
    }
    return result;
  }};
  down = true;
  world.rig.pass(1h, 5s);
  ASSERT_FALSE(world.gaps().empty());
  is_revised = true;  // long after the live lane gave the bucket out of its hands
  down = false;
  world.rig.pass(1h, 5s);
  for (const GapStatus& gap : world.gaps()) EXPECT_EQ(gap.state, GapState::filled) << gap.last_error;
  expect_once(world.rig, kNoon - 10min, kNoon + 110min, "requests_total{zone=\"a\"}");
  expect_once(world.rig, kNoon - 10min, kNoon + 110min, "requests_total{zone=\"b\"}");
  for (const auto& [key, samples] : emitted(world.rig, Lane::backfill)) {
    EXPECT_EQ(key.first, "requests_total{zone=\"b\"}");
  }
}

TEST(Gap, IsWhatABackfillCouldNotGetOfOneScope) {
  bool down = true;
  World world{[&](const fetchers::FetchRequest& request) {
    return say_two(request, down && request.range.from < kNoon - 1h);
  }};
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 2h));
  ASSERT_TRUE(added);
  world.rig.pass(5min, 5s);
  EXPECT_EQ(world.status(added->status.id).state, BackfillState::done) << "one scope never holds up the rest";
  EXPECT_GE(world.status(added->status.id).errors, 1u);
  ASSERT_EQ(world.gaps().size(), 1u);
  EXPECT_EQ(world.gaps()[0].scope, "b");
  EXPECT_EQ(world.gaps()[0].range, (TimeRange{kNoon - 3h, kNoon - 2h}));
  down = false;
  world.rig.pass(1h, 10s);
  EXPECT_EQ(world.gaps()[0].state, GapState::filled) << world.gaps()[0].last_error;
  expect_once(world.rig, kNoon - 3h, kNoon - 2h, "requests_total{zone=\"a\"}");
  const Points points = emitted(world.rig, Lane::backfill);
  for (Time bucket = kNoon - 3h; bucket < kNoon - 2h; bucket += 1min) {
    EXPECT_EQ(points.at({"requests_total{zone=\"b\"}", bucket}).size(), 1u);
  }
}

TEST(Backfill, SplitsWhatComesTruncatedAndLeavesOnlyTheBucketThatNeverComesWhole) {
  const Time stuck = kNoon - 2h;
  std::size_t asked = 0;
  World world{[&](const fetchers::FetchRequest& request) {
    fetchers::FetchResult said = settled(request);
    const bool old = request.range.from < kNoon - 1h;
    asked += old ? 1 : 0;
    if (old && (request.range.to - request.range.from > 8min || request.range.contains(stuck))) {
      said.answer.scopes[0].completeness = engine::Completeness::truncated;
    }
    return said;
  }};
  const auto added = world.rig.backfill(world.id, range_json(kNoon - 3h, kNoon - 1h));
  ASSERT_TRUE(added);
  world.rig.pass(1min, 1s);
  const BackfillStatus status = world.status(added->status.id);
  EXPECT_EQ(status.state, BackfillState::done);
  EXPECT_EQ(status.samples, 119u);
  const std::vector<GapStatus> gaps = world.gaps();
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].range, (TimeRange{stuck, stuck + 1min}));
  EXPECT_NE(gaps[0].reason.find("truncated"), std::string::npos);
  EXPECT_LT(asked, 120u) << "larger pieces than a bucket, where they come whole";
  EXPECT_FALSE(emitted(world.rig, Lane::backfill).contains({kSeries, stuck}));
}

TEST(Gap, GivesTheLastObservedValueWhereTheSourceHasTheBucketNoMore) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) {
                if (down) return test::unreachable("source");
                fetchers::FetchResult said = settled(request);
                std::erase_if(said.answer.scopes[0].rows, [&](const engine::Observation& row) {
                  return request.now > kNoon + 1h && row.bucket < kNoon + 20min;
                });
                return said;
              },
              job_json("a/b", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:8")")};
  down = true;
  world.rig.pass(2h, 30s);
  down = false;
  world.rig.pass(5min, 5s);
  const Points points = emitted(world.rig, Lane::backfill);
  std::size_t last_observed = 0;
  for (const auto& [key, samples] : points) {
    EXPECT_EQ(samples.size(), 1u);
    const bool by_ttl = samples[0].reason == engine::Reason::ttl;
    last_observed += by_ttl ? 1 : 0;
    EXPECT_EQ(samples[0].value, Value::count(truth(key.second)));
    EXPECT_EQ(by_ttl, key.second < kNoon + 20min);
  }
  EXPECT_GT(last_observed, 3u);
  bool impossible = false;
  for (const GapStatus& gap : world.gaps()) {
    EXPECT_TRUE(gap.state == GapState::filled || gap.state == GapState::impossible);
    if (gap.state != GapState::impossible) continue;
    impossible = true;
    EXPECT_NE(gap.reason.find("no more"), std::string::npos);
    EXPECT_LE(gap.range.to, kNoon + 20min);
  }
  EXPECT_TRUE(impossible);
}

TEST(Gap, IsGivenUpWhenItIsOld) {
  bool down = false;
  World world{[&](const fetchers::FetchRequest& request) { return say_two(request, down); }};
  down = true;
  world.rig.crash();
  world.rig.options.backfill.gap_give_up = 2h;
  world.rig.start();
  world.rig.pass(5h, 1min);
  std::size_t given_up = 0;
  for (const GapStatus& gap : world.gaps()) {
    if (gap.state != GapState::impossible) continue;
    given_up += 1;
    EXPECT_EQ(gap.scope, "b");
    EXPECT_NE(gap.reason.find("given up"), std::string::npos);
    EXPECT_GT(gap.attempts, 1u);
  }
  EXPECT_GT(given_up, 0u);
}

}  // namespace
}  // namespace settle::runner
