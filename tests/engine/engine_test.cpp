// The engine's main paths, with expectations computed by hand from docs/stabilizer.md.

#include <gtest/gtest.h>

#include "tests/engine/engine_polls.hpp"

namespace settle::test {
namespace {

using engine::Engine;
using engine::Reason;
using engine::Sample;
using engine::Value;

TEST(Engine, SettlesOnTheThirdEqualPollOfAMovingSource) {
  Engine engine{test_options(), kNoon};
  EXPECT_TRUE(poll(engine, 60s, {{"m", 0, 7}}).empty());
  EXPECT_TRUE(poll(engine, 80s, {{"m", 0, 7}}).empty());
  const auto samples = poll(engine, 100s, {{"m", 0, 7}});
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0], (Sample{.series = 1,
                                .bucket = kNoon,
                                .value = Value::count(7),
                                .revision = 1,
                                .reason = Reason::settled,
                                .age = 40s,
                                .evidence_polls = 3}));
  EXPECT_TRUE(poll(engine, 120s, {{"m", 0, 7}}).empty());
}

TEST(Engine, WaitsWhileTheSourceDoesNotMove) {
  Engine engine{test_options(), kNoon};
  (void)poll(engine, 60s, {{"m", 0, 7}});
  for (int n = 0; n < 5; ++n) {
    engine::Answer answer;
    answer.scopes.push_back(make_scope({{"m", 0, 7}}, 10, kNoon + 60s));
    EXPECT_TRUE(engine.ingest(answer, kNoon + 80s + n * 20s).empty());
  }
  EXPECT_EQ(engine.stats().answers_unmoved, 5u);
}

TEST(Engine, SamplesComeByBucketAndText) {
  Engine engine{test_options(), kNoon};
  std::vector<Sample> samples;
  for (int n = 0; n < 3; ++n) {
    samples = poll(engine, 120s + n * 20s, {{"b", 1, 1}, {"c", 0, 2}, {"a", 1, 3}, {"b", 0, 4}});
  }
  ASSERT_EQ(samples.size(), 4u);
  std::string order;
  for (const Sample& sample : samples) {
    order += std::string(engine.series_name(sample.series)) + std::to_string((sample.bucket - kNoon) / 1min);
  }
  EXPECT_EQ(order, "b0c0a1b1");
}

TEST(Engine, ForcesOutAtTtlAndSealsPastWatch) {
  Engine engine{test_options(), kNoon};
  (void)poll(engine, 11min, {{"m", 0, 7}});
  EXPECT_TRUE(engine.expire(kNoon + 11min).empty());  // exactly at the edge: open
  (void)poll(engine, 11min + 1s, {{"m", 0, 8}});
  const auto samples = engine.expire(kNoon + 11min + 1s);
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0].reason, Reason::ttl);
  EXPECT_EQ(samples[0].value, Value::count(8));
  EXPECT_EQ(engine.live_from(), kNoon + 1min);
  EXPECT_EQ(engine.stats().sealed, 1u);
  EXPECT_EQ(engine.open_cells(), 0u);
  (void)poll(engine, 12min, {{"m", 0, 9}});
  EXPECT_EQ(engine.stats().rows_late, 1u);
}

TEST(Engine, SealsNoBucketThatTheSourceHasNotReached) {
  Engine engine{test_options(), kNoon};
  const auto ask = [&engine](engine::Duration after, engine::Time frontier) {
    engine::Answer answer;
    answer.scopes.push_back(make_scope({{"m", 0, 7}}, 10, frontier));
    (void)engine.ingest(answer, kNoon + after);
    return engine.expire(kNoon + after);
  };
  EXPECT_EQ(ask(13min, kNoon + 90s).size(), 1u);
  EXPECT_EQ(engine.live_from(), kNoon + 1min) << "the second minute may still get what it lacks";
  (void)ask(14min, kNoon + 2min);
  EXPECT_EQ(engine.live_from(), kNoon + 2min);
  const std::vector<engine::Gap> gaps = engine.release(kNoon + 4min);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].scope, "all");
  EXPECT_EQ(gaps[0].range, (engine::TimeRange{kNoon + 2min, kNoon + 4min}));
}

std::vector<Sample> corrected(engine::Corrections corrections, Engine& engine) {
  engine::EngineOptions options = test_options();
  options.corrections = corrections;
  engine = Engine{options, kNoon};
  for (int n = 0; n < 3; ++n) (void)poll(engine, 60s + n * 20s, {{"m", 0, 7}});
  std::vector<Sample> samples;
  for (int n = 0; n < 3; ++n) samples = poll(engine, 120s + n * 20s, {{"m", 0, 9}});
  return samples;
}

TEST(Engine, CorrectsUnderRepush) {
  Engine engine{test_options(), kNoon};
  const auto samples = corrected(engine::Corrections::repush, engine);
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0].revision, 2u);
  EXPECT_EQ(samples[0].reason, Reason::correction);
  EXPECT_EQ(samples[0].value, Value::count(9));
}

TEST(Engine, CountsWhatHoldDoesNotCorrect) {
  Engine engine{test_options(), kNoon};
  EXPECT_TRUE(corrected(engine::Corrections::hold, engine).empty());
  EXPECT_EQ(engine.stats().held_back, 1u);
  (void)poll(engine, 11min + 1s, {{"m", 0, 9}});
  EXPECT_TRUE(engine.expire(kNoon + 11min + 1s).empty());
  EXPECT_EQ(engine.stats().unpropagated, 2.0);
}

TEST(Engine, ASeriesThatAppearsInAFinalBucketIsACorrection) {
  Engine engine{test_options(), kNoon};
  for (int n = 0; n < 4; ++n) (void)poll(engine, 60s + n * 20s, {{"m", 0, 7}});
  std::vector<Sample> samples;
  for (int n = 0; n < 3; ++n) samples = poll(engine, 140s + n * 20s, {{"m", 0, 7}, {"late", 0, 1}});
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(engine.series_name(samples[0].series), "late");
  EXPECT_EQ(samples[0].reason, Reason::correction);
  EXPECT_EQ(samples[0].revision, 1u);
}

TEST(Engine, AnAbsentSeriesIsZeroWhereAskedFor) {
  engine::EngineOptions options = test_options();
  options.absent = engine::Absent::zero;
  Engine engine{options, kNoon};
  std::vector<Sample> samples;
  for (int n = 0; n < 3; ++n) samples = poll(engine, 120s + n * 20s, {{"m", 0, 7}, {"n", 1, 1}});
  ASSERT_EQ(samples.size(), 3u);
  EXPECT_EQ(engine.series_name(samples[1].series), "m");
  EXPECT_EQ(samples[1].value, Value::count(0));
  EXPECT_EQ(samples[1].bucket, kNoon + 1min);
  EXPECT_EQ(engine.stats().zeros, 1u);
}

TEST(Engine, TotalsFollowAChangedBucket) {
  engine::EngineOptions options = test_options();
  options.output = engine::Output::counter;
  Engine engine{options, kNoon};
  std::vector<Sample> samples;
  for (int n = 0; n < 3; ++n) samples = poll(engine, 120s + n * 20s, {{"m", 0, 100}, {"m", 1, 200}});
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].value, Value::count(100));
  EXPECT_EQ(samples[1].value, Value::count(300));
  for (int n = 0; n < 3; ++n) samples = poll(engine, 180s + n * 20s, {{"m", 0, 150}, {"m", 1, 200}});
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].value, Value::count(150));
  EXPECT_EQ(samples[1].value, Value::count(350));
  EXPECT_EQ(samples[1].reason, Reason::correction);
}

TEST(Engine, HeldTotalsCarryWhatChangedBefore) {
  engine::EngineOptions options = test_options();
  options.output = engine::Output::counter;
  options.corrections = engine::Corrections::hold;
  Engine engine{options, kNoon};
  for (int n = 0; n < 3; ++n) (void)poll(engine, 60s + n * 20s, {{"m", 0, 100}});
  for (int n = 0; n < 3; ++n) EXPECT_TRUE(poll(engine, 120s + n * 20s, {{"m", 0, 70}}).empty());
  EXPECT_EQ(engine.stats().withheld, 30.0);
  std::vector<Sample> samples;
  for (int n = 0; n < 3; ++n) samples = poll(engine, 180s + n * 20s, {{"m", 0, 70}, {"m", 1, 50}});
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0].value, Value::count(120));
  EXPECT_EQ(engine.stats().withheld, 0.0);
}

TEST(Engine, GivesUpWhatIsBelowTheNewBoundary) {
  Engine engine{test_options(), kNoon};
  for (int n = 0; n < 3; ++n) (void)poll(engine, 60s + n * 20s, {{"m", 0, 7}});
  (void)poll(engine, 120s, {{"m", 0, 7}, {"m", 1, 3}}, 3);
  const auto gaps = engine.release(kNoon + 3min);
  ASSERT_EQ(gaps.size(), 1u);
  EXPECT_EQ(gaps[0].scope, "all");
  EXPECT_EQ(gaps[0].range, (engine::TimeRange{kNoon, kNoon + 3min}));
  ASSERT_EQ(gaps[0].cells.size(), 2u);
  EXPECT_EQ(gaps[0].cells[0].emitted, Value::count(7));
  EXPECT_EQ(gaps[0].cells[1].emitted, std::nullopt);
  EXPECT_EQ(engine.live_from(), kNoon + 3min);
  EXPECT_TRUE(engine.release(kNoon + 3min).empty());
}

TEST(Engine, RefusesWhatIsPastItsLimits) {
  engine::EngineOptions options = test_options();
  options.series_max = 2;
  options.open_cells_max = 3;
  Engine engine{options, kNoon};
  (void)poll(engine, 60s, {{"c", 0, 1}, {"b", 0, 1}, {"a", 0, 1}});
  EXPECT_EQ(engine.series_count(), 2u);
  EXPECT_EQ(engine.stats().rows_over_limit, 1u);
  EXPECT_TRUE(engine.limited());
  EXPECT_EQ(engine.series_name(1), "a");
  EXPECT_EQ(engine.series_name(2), "b");
  (void)poll(engine, 120s, {{"b", 0, 1}, {"a", 0, 1}, {"b", 1, 1}, {"a", 1, 1}});
  EXPECT_EQ(engine.open_cells(), 3u);
  EXPECT_EQ(engine.stats().rows_over_limit, 2u);
}

TEST(Engine, TakesTheGreaterOfRowsThatDisagree) {
  Engine engine{test_options(), kNoon};
  for (int n = 0; n < 4; ++n) {
    EXPECT_TRUE(poll(engine, 60s + n * 20s, {{"m", 0, 5}, {"m", 0, 7}, {"m", 0, 6}}).empty());
  }
  EXPECT_EQ(engine.stats().conflicts, 4u);
  EXPECT_EQ(engine.cells().at(0).value, Value::count(7));
}

TEST(Engine, FlushEmitsEverythingAndForgetsIt) {
  Engine engine{test_options(), kNoon};
  (void)poll(engine, 60s, {{"m", 0, 7}, {"n", 0, 1.5}});
  const auto samples = engine.flush(kNoon + 70s);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[1].reason, Reason::flush);
  EXPECT_EQ(samples[1].value, Value::number(1.5));
  EXPECT_EQ(engine.open_cells(), 0u);
}

}  // namespace
}  // namespace settle::test
