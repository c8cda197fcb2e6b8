// Engines whose finality is learned or fixed, and the time that counts for both.
#include <algorithm>
#include <optional>

#include <gtest/gtest.h>

#include "engine/finality/rechecks.hpp"
#include "tests/engine/engine_polls.hpp"

namespace settle::test {
namespace {

using engine::Duration;
using engine::Learned;
using namespace std::chrono_literals;

/// A frozen source answers, completely and always the same: nothing may become final by it, however warm the
/// policy is and however old the buckets get.
TEST(LearnedFinality, SettlesNothingOnWhatAFrozenSourceSays) {
  engine::EngineOptions options = test_options();
  options.finality = Learned{.error_target = 0.2};
  options.watch = options.ttl = 3min;
  engine::Engine engine{options, kNoon};
  const auto rows_at = [](int n) {
    std::vector<PolledRow> rows;
    for (int minute = 0; 2 * minute <= n; ++minute) {
      rows.push_back({"a", minute, 1.0 * std::min(n - 2 * minute, 3)});
    }
    return rows;
  };
  std::size_t settled = 0;
  int n = 0;
  for (; n < 80; ++n) {
    for (const auto& sample : poll(engine, 30s * n, rows_at(n), n / 2 + 1)) {
      settled += sample.reason == engine::Reason::settled ? 1 : 0;
    }
    (void)engine.expire(kNoon + 30s * n);
  }
  EXPECT_GT(settled, 20U);
  EXPECT_TRUE(engine.finality_view().settling_age.has_value());
  const std::vector<PolledRow> frozen = rows_at(n - 1);
  const engine::Time frozen_at = kNoon + 30s * (n - 1);
  for (; n < 120; ++n) {
    engine::Answer answer;
    answer.scopes.push_back(make_scope(frozen, n / 2 + 1, frozen_at));
    EXPECT_TRUE(engine.ingest(answer, kNoon + 30s * n).empty()) << "poll " << n;
    (void)engine.expire(kNoon + 30s * n);
  }
}

/// Buckets that grow for two minutes after their end, polled every 30 s from `from` to `to`: minutes after
/// noon.
void poll_growing(engine::Engine& engine, int from, int to) {
  for (Duration at = 1min * from; at < 1min * to; at += 30s) {
    std::vector<PolledRow> rows;
    const int minutes = static_cast<int>(at / 1min) + 1;
    for (int minute = 0; minute < minutes; ++minute) {
      rows.push_back(
          {"a", minute, static_cast<double>(std::min<std::int64_t>((at - 1min * minute) / 1s, 180))});
    }
    (void)poll(engine, at, rows, minutes);
    (void)engine.expire(kNoon + at);
  }
}

TEST(LearnedEngine, DoesNotTakeWhatItSawLateForWhatSettledLate) {
  engine::EngineOptions options = test_options();
  options.finality = Learned{};
  engine::Engine engine{options, kNoon};
  poll_growing(engine, 10, 12);  // starts where ten minutes are there already
  SavedEngine saved;
  saved.save(engine);  // what was seen late is remembered
  engine = std::move(*saved.load(options));
  poll_growing(engine, 12, 40);
  EXPECT_GT(engine.finality_view().windows, 10U);
  EXPECT_EQ(engine.finality_view().late_share, 0);
  EXPECT_EQ(engine.finality_view().advised_watch, std::nullopt);
  poll_growing(engine, 48, 70);  // an outage
  EXPECT_EQ(engine.finality_view().late_share, 0);
  EXPECT_EQ(engine.finality_view().advised_watch, std::nullopt);
}

/// What was there at the first look was there before: only the newest bucket was seen to settle.
TEST(LearnedEngine, LearnsNothingOfWhatWasThereAtTheFirstLook) {
  engine::EngineOptions options = test_options();
  options.finality = Learned{};
  engine::Engine engine{options, kNoon};
  poll_growing(engine, 5, 17);  // minutes 0 to 5 are sealed
  EXPECT_EQ(engine.stats().sealed, 6U);
  EXPECT_EQ(engine.finality_view().windows, 3U);
}

/// A sample of the sealed buckets is asked for again at 2 and at 10 x watch; what changed counts as wrong.
TEST(LearnedEngine, CountsWhatChangedLongAfterTheSeal) {
  engine::EngineOptions options = test_options();
  options.finality = Learned{};
  engine::Engine engine{options, kNoon};
  poll_growing(engine, 0, 60);
  const auto due = engine.recheck_due(kNoon + 60min);
  ASSERT_TRUE(due.has_value());
  const engine::TimeRange range{.from = *due, .to = *due + 1min};
  const auto answer_of = [&](double value) {
    engine::Answer answer;
    engine::ScopeAnswer scope{.scope = "all", .covered = range, .frontier = std::nullopt, .rows = {}};
    scope.rows.push_back({"a", *due, engine::Value::number(value)});
    answer.scopes.push_back(std::move(scope));
    return answer;
  };
  const double level = engine.finality_view().error_level;
  engine.recheck(answer_of(180), kNoon + 60min);
  EXPECT_EQ(engine.finality_view().rechecked, 1U);
  EXPECT_EQ(engine.finality_view().rechecked_wrong, 0U);
  EXPECT_EQ(engine.finality_view().error_level, level);
  engine.recheck(answer_of(179), kNoon + 61min);
  EXPECT_EQ(engine.finality_view().rechecked, 1U) << "it is not due";
  engine.recheck(answer_of(179), *due + 1min + 10 * options.watch);
  EXPECT_EQ(engine.finality_view().rechecked, 2U);
  EXPECT_EQ(engine.finality_view().rechecked_wrong, 1U);
  EXPECT_LT(engine.finality_view().error_level, level);
}

TEST(Rechecks, AreDueAtTwoAndAtTenTimesWatch) {
  engine::Rechecks rechecks{10min, 1min};
  const engine::Time end = kNoon + 1min;
  rechecks.add(kNoon, {{.number = 1, .value = {}}});
  EXPECT_EQ(rechecks.due(end + 20min - 1ms), std::nullopt);
  EXPECT_EQ(rechecks.due(end + 20min), kNoon);
  rechecks.advance(kNoon, end + 20min);
  EXPECT_EQ(rechecks.due(end + 100min - 1ms), std::nullopt);
  EXPECT_EQ(rechecks.due(end + 100min), kNoon);
  rechecks.advance(kNoon, end + 100min);
  EXPECT_EQ(rechecks.due(end + 150min), std::nullopt);

  rechecks.add(kNoon, {{.number = 1, .value = {}}});
  EXPECT_EQ(rechecks.due(end + 200min), kNoon) << "the first look may come late";
  EXPECT_EQ(rechecks.due(end + 200min + 1ms), std::nullopt);
  rechecks.advance(kNoon, end + 100min);
  EXPECT_EQ(rechecks.due(end + 150min), std::nullopt) << "and is the second then";
}

TEST(Rechecks, TakeAFewOfTheBuckets) {
  const engine::Rechecks rechecks{30min, 1min};
  int taken = 0;
  for (int minute = 0; minute < 16'000; ++minute) taken += rechecks.takes(kNoon + 1min * minute) ? 1 : 0;
  EXPECT_NEAR(taken, 1000, 150);
}

/// Bucket 0 is there at noon + 2 min; bucket 1 changes at the given instants. Polled every 15 s, without a
/// frontier. When bucket 0 settled, after noon.
std::optional<Duration> settled_after(const std::vector<Duration>& changes) {
  engine::EngineOptions options;
  options.finality = engine::Fixed{3min};
  engine::Engine engine{options, kNoon};
  for (Duration at = 2min; at < 20min; at += 15s) {
    const auto seen = std::count_if(changes.begin(), changes.end(), [&](Duration one) { return one <= at; });
    engine::Answer answer;
    answer.scopes.push_back(
        make_scope({{"a", 0, 1}, {"a", 1, 1.0 + static_cast<double>(seen)}}, 2, std::nullopt));
    for (const auto& sample : engine.ingest(answer, kNoon + at)) {
      if (sample.bucket == kNoon) return at;
    }
  }
  return std::nullopt;
}

/// The first look is at an age of a minute.
TEST(MovingAge, CountsTheSilenceOfASourceThatIsAlive) {
  EXPECT_EQ(settled_after({2min + 45s, 3min + 30s, 4min + 15s}), 4min + 15s);
  EXPECT_EQ(settled_after({3min, 4min, 5min}), 4min);
}

TEST(MovingAge, CountsNothingOfALongerSilenceThanAGranularity) {
  EXPECT_EQ(settled_after({2min + 45s, 12min + 45s, 13min + 30s, 13min + 45s}), 13min + 45s);
  EXPECT_EQ(settled_after({3min + 15s, 4min + 30s, 5min + 45s, 7min, 8min + 15s, 9min + 30s, 10min + 45s,
                           12min, 13min + 15s}),
            12min);
}

TEST(ScopeViews, SayWhichScopeStandsStill) {
  engine::Engine engine{test_options(), kNoon};
  const std::vector<PolledRow> rows{{"a", 0, 1}};
  for (int minute = 1; minute <= 4; ++minute) {
    engine::Answer answer;
    answer.scopes.push_back(make_scope(rows, minute, kNoon + 1min * minute, "moving"));
    answer.scopes.push_back(make_scope({{"b", 0, 1}}, minute, kNoon + 1min, "still"));
    (void)engine.ingest(answer, kNoon + 1min * minute);
  }
  const auto scopes = engine.scopes();
  ASSERT_EQ(scopes.size(), 2U);
  EXPECT_EQ(scopes[0].name, "moving");
  EXPECT_EQ(scopes[0].last_moved, kNoon + 4min);
  EXPECT_EQ(scopes[1].last_moved, kNoon + 1min);
  EXPECT_EQ(engine.open_cells(), 2U);
  EXPECT_EQ(engine.final_cells(), 1U);  // of the scope that moved
}

}  // namespace
}  // namespace settle::test
