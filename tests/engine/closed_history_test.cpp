// Law 8: the same final history gives the same (series, timestamp, value) set, live or backfilled.
#include "engine/plan/closed_history.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/histories.hpp"

namespace settle::engine {
namespace {

using namespace std::chrono_literals;
using test::Dice;

constexpr int kSeeds = 300;
constexpr int kBuckets = 40;
constexpr int kLead = 12;  // minutes that the live lane sees before those that are compared
const Time kStart = from_epoch_ms(1'782'482'400'000);

Time minute(std::int64_t n) {
  return kStart + 1min * n;
}

/// What a source says for ever, from some seed: holes, fractions, rows that are refused, conflicts that last.
class History {
 public:
  explicit History(std::uint64_t seed) : seed_(seed), scopes_(1 + Dice{seed}.below(2)) {}

  [[nodiscard]] Answer answer(TimeRange range, Time now, bool early) const {
    Answer out;
    for (std::uint64_t scope = 0; scope < scopes_; ++scope) {
      ScopeAnswer part;
      part.scope = std::string(1, static_cast<char>('a' + scope));
      part.covered = range;
      part.frontier = now - 30s;
      for (Time at = range.from; at < range.to; at += 1min) add_rows(out, part, scope, at, now, early);
      out.scopes.push_back(std::move(part));
    }
    if (Dice{seed_ + 99}.chance(50)) std::reverse(out.scopes.begin(), out.scopes.end());
    return out;
  }

 private:
  void add_rows(Answer& out, ScopeAnswer& part, std::uint64_t scope, Time at, Time now, bool early) const {
    for (std::uint64_t series = 0; series < 4; ++series) {
      Dice fate{seed_ ^ (static_cast<std::uint64_t>(epoch_ms(at)) * 31 + series * 7 + scope)};
      if (fate.chance(scope == 0 ? 35 : 75)) continue;
      const bool young = early && now - at < 3min;  // it still grows
      const std::uint64_t grown = fate.below(1'000);
      Value value = fate.chance(30) ? Value::number(static_cast<double>(grown) / 7) : Value::count(grown);
      if (young) value = Value::count(grown / 3);
      const std::string text = "m{s=\"" + std::to_string(series) + "\"}";
      part.rows.push_back({.series = out.texts.keep(text), .bucket = at, .value = value});
      if (fate.chance(3)) {
        part.rows.push_back({.series = out.texts.keep(text), .bucket = at + 1s, .value = value});
      }
      if (fate.chance(3)) {
        part.rows.push_back(
            {.series = out.texts.keep(text), .bucket = at, .value = Value::number(0.0 / 0.0)});
      }
    }
  }

  std::uint64_t seed_;
  std::uint64_t scopes_;
};

using Points = std::map<std::pair<std::string, Time>, Value>;

EngineOptions some_options(Dice& dice) {
  EngineOptions options;
  options.finality = Consecutive{static_cast<std::uint32_t>(1 + dice.below(4))};
  options.watch = 30min;
  options.ttl = 30min;
  options.absent = dice.one_of({Absent::none, Absent::zero});
  options.absent_for = dice.one_of<Duration>({1min, 3min, 10min});
  return options;
}

/// Polls all of it until everything is sealed; what went out last. Rows of two scopes that differ are closed
/// by ttl.
Points live(const EngineOptions& options, const History& history) {
  Points last;
  Engine engine{options, minute(-kLead)};
  const auto take = [&](const std::vector<Sample>& samples) {
    for (const Sample& sample : samples) {
      last[{std::string{engine.series_name(sample.series)}, sample.bucket}] = sample.value;
    }
  };
  for (Time now = minute(0); now < minute(kBuckets + 35); now += 20s) {
    const TimeRange range{minute(-kLead), std::min(floor_to(now, 1min), minute(kBuckets))};
    take(engine.ingest(history.answer(range, now, true), now));
    take(engine.expire(now));
  }
  EXPECT_EQ(engine.live_from(), minute(kBuckets));
  std::erase_if(last, [](const auto& one) { return one.first.second < minute(0); });
  return last;
}

Points backfilled(const EngineOptions& options, const History& history, Dice& dice) {
  const Time now = minute(kBuckets + 60);
  Points points;
  for (Time from = minute(0); from < minute(kBuckets);) {
    const TimeRange chunk{from,
                          std::min(minute(kBuckets), from + 1min * static_cast<int>(1 + dice.below(9)))};
    const Answer answer = history.answer(range_to_ask(options, chunk), now, false);
    const ClosedHistory closed = close_history(options, answer, chunk, now);
    const FillOrder order{.range = chunk, .granularity = 1min, .now = now};
    const Fill fill = plan_fill(closed, {}, order);
    for (const Sample& sample : fill.samples) {
      EXPECT_EQ(sample.reason, Reason::backfill);
      EXPECT_EQ(sample.revision, 1u);
      const auto [at, is_new] =
          points.emplace(std::pair{fill.series[sample.series], sample.bucket}, sample.value);
      EXPECT_TRUE(is_new);
    }
    if (!dice.chance(20)) from = chunk.to;  // else a crash before the commit: the chunk is done again
    if (from != chunk.to) {
      for (const Sample& sample : fill.samples) points.erase({fill.series[sample.series], sample.bucket});
    }
  }
  return points;
}

TEST(ClosedHistory, IsWhatTheLiveLaneWouldHaveSent) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice{seed};
    const EngineOptions options = some_options(dice);
    const History history{seed};
    const Points expected = live(options, history);
    const Points got = backfilled(options, history, dice);
    EXPECT_GT(expected.size(), 20u);
    for (const auto& [key, value] : expected) {
      const auto found = got.find(key);
      ASSERT_NE(found, got.end()) << key.first << " " << format_time(key.second);
      EXPECT_EQ(found->second, value) << key.first << " " << format_time(key.second);
    }
    EXPECT_EQ(got.size(), expected.size());
  }
}

/// One answer, series by series, with now and then something that only a stabilizer can judge.
Answer any_answer(Dice& dice, std::string_view* odd) {
  Answer out;
  ScopeAnswer part;
  part.scope = "a";
  part.covered = {minute(0) + dice.one_of<Duration>({0s, 0s, 30s}),
                  minute(8) + dice.one_of<Duration>({0s, 20s})};
  if (dice.chance(50)) part.frontier = minute(static_cast<std::int64_t>(dice.below(10))) + 10s;
  const std::uint64_t series = dice.below(5);
  for (std::uint64_t n = 0; n < series; ++n) {
    const std::string_view text = out.texts.keep("m{s=\"" + std::to_string((n * 3) % 5) + "\"}");
    for (int b = 1; b < 8; ++b) {
      if (dice.chance(70)) part.rows.push_back({text, minute(b), Value::count(dice.below(9))});
    }
  }
  *odd = "";
  if (dice.chance(50) && !part.rows.empty()) {
    Observation& row = part.rows[dice.below(part.rows.size())];
    switch (dice.below(7)) {
      case 0:
        *odd = "not a number", row.value = Value::number(0.0 / 0.0);
        break;
      case 1:
        *odd = "misaligned", row.bucket += 1s;
        break;
      case 2:
        *odd = "far away", row.bucket += 1h;
        break;
      case 3:
        *odd = "another text", row.series = out.texts.keep(row.series);
        break;
      case 4:
        *odd = "twice", part.rows.push_back({row.series, row.bucket, Value::count(77)});
        break;
      case 5:
        *odd = "truncated", part.completeness = Completeness::truncated;
        break;
      default:
        *odd = "early", row.bucket = minute(-1);
        break;
    }
  }
  out.scopes.push_back(std::move(part));
  return out;
}

/// A stream of sketches; now and then some are not there.
void make_sketches(Dice& dice, EngineOptions& options, Answer& answer) {
  options.sketches = true;
  options.output = Output::gauge;
  options.absent = Absent::none;
  for (ScopeAnswer& part : answer.scopes) {
    for (Observation& row : part.rows) {
      const Blob& sketch = part.sketches.emplace_back("sketch of " + format_value(row.value));
      if (!row.value.is_nan()) row.value = fingerprint(sketch);
    }
    if (part.rows.empty()) continue;
    if (dice.chance(10)) part.sketches[dice.below(part.sketches.size())] = Blob{};
    if (dice.chance(10)) part.sketches.pop_back();
  }
}

TEST(ClosedHistory, IsTheSameTheShortWayAndByAStabilizer) {
  std::size_t with_sketches = 0;
  for (std::uint64_t seed = 0; seed < 20 * kSeeds; ++seed) {
    Dice dice{seed};
    EngineOptions options = some_options(dice);
    if (dice.chance(80)) options.absent = Absent::none;
    if (dice.chance(10)) options.output = Output::counter;
    if (dice.chance(10)) options.series_max = 2;
    if (dice.chance(10)) options.open_cells_max = 9;
    std::string_view odd;
    Answer answer = any_answer(dice, &odd);
    if (dice.chance(40)) make_sketches(dice, options, answer);
    const TimeRange range{minute(1), minute(static_cast<std::int64_t>(2 + dice.below(8)))};
    const Time now = minute(static_cast<std::int64_t>(5 + dice.below(9))) + 5s;
    SCOPED_TRACE(std::to_string(seed) + " " + std::string{odd});
    const ClosedHistory got = close_history(options, answer, range, now);
    const ClosedHistory expected = stabilize_history(options, answer, range, now);
    ASSERT_EQ(got.series, expected.series);
    ASSERT_EQ(got.points.size(), expected.points.size());
    ASSERT_EQ(got.sketches, expected.sketches);
    ASSERT_EQ(got.sketches.size(), options.sketches ? got.points.size() : 0);
    for (std::size_t i = 0; i < got.sketches.size(); ++i) {
      ASSERT_EQ(fingerprint(got.sketches[i]), got.points[i].value);
    }
    with_sketches += got.sketches.size();
    for (std::size_t i = 0; i < got.points.size(); ++i) {
      ASSERT_EQ(got.points[i].series, expected.points[i].series);
      ASSERT_EQ(got.points[i].scope, expected.points[i].scope);
      ASSERT_EQ(got.points[i].bucket, expected.points[i].bucket);
      ASSERT_EQ(got.points[i].value, expected.points[i].value);
    }
    ASSERT_EQ(got.scopes.size(), 1u);
    EXPECT_EQ(got.scopes[0].answered, expected.scopes[0].answered);
    EXPECT_EQ(got.limited, expected.limited);
    EXPECT_EQ(got.rows_uncountable, expected.rows_uncountable);
  }
  EXPECT_GT(with_sketches, 0u);
}

TEST(ClosedHistory, IsFilledWithItsSketches) {
  Dice dice{1};
  EngineOptions options;
  Answer answer;
  ScopeAnswer& part = answer.scopes.emplace_back();
  part.scope = "a";
  part.covered = {minute(0), minute(3)};
  for (int n = 0; n < 3; ++n) part.rows.push_back({"m", minute(n), Value::count(static_cast<unsigned>(n))});
  options.sketches = true;
  for (Observation& row : part.rows) {
    row.value = fingerprint(part.sketches.emplace_back("sketch of " + format_value(row.value)));
  }
  const ClosedHistory closed = close_history(options, answer, {minute(0), minute(3)}, minute(100));
  // The first was said before, the second was another.
  KnownPoints known;
  known[{"m", minute(0)}] = {.emitted = part.rows[0].value, .revision = 1, .last_observed = std::nullopt};
  known[{"m", minute(1)}] = {.emitted = Value::count(7), .revision = 1, .last_observed = std::nullopt};
  FillOrder order{.range = closed.range, .granularity = 1min, .now = minute(100)};
  const Fill fill = plan_fill(closed, known, order);
  ASSERT_EQ(fill.samples.size(), 2u);
  EXPECT_EQ(fill.samples[0].reason, Reason::correction);
  EXPECT_EQ(fill.samples[0].sketch, part.sketches[1]);
  EXPECT_EQ(fill.samples[1].reason, Reason::backfill);
  EXPECT_EQ(fill.samples[1].sketch, part.sketches[2]);
  order.corrections = Corrections::hold;
  const Fill held = plan_fill(closed, known, order);
  EXPECT_EQ(held.held_back, 1u);
  EXPECT_EQ(held.unpropagated, 0);
}

TEST(ClosedHistory, TakesNothingPastTheFrontierNorFromATruncatedAnswer) {
  Answer answer;
  for (const char* name : {"whole", "cut", "behind"}) {
    ScopeAnswer part;
    part.scope = name;
    part.covered = {minute(0), minute(4)};
    const std::string text = std::string{"m{s=\""} + name + "\"}";
    for (int n = 0; n < 4; ++n) {
      part.rows.push_back({.series = answer.texts.keep(text), .bucket = minute(n), .value = Value::count(1)});
    }
    answer.scopes.push_back(std::move(part));
  }
  answer.scopes[1].completeness = Completeness::truncated;
  answer.scopes[2].frontier = minute(2) + 30s;
  const ClosedHistory closed = close_history({}, answer, {minute(1), minute(4)}, minute(100));
  ASSERT_EQ(closed.series, (std::vector<std::string>{"m{s=\"behind\"}", "m{s=\"whole\"}"}));
  std::vector<Time> behind;
  std::vector<Time> whole;
  for (const auto& point : closed.points) (point.series == 0 ? behind : whole).push_back(point.bucket);
  EXPECT_EQ(behind, std::vector<Time>{minute(1)});
  EXPECT_EQ(whole, (std::vector<Time>{minute(1), minute(2), minute(3)}));
}

// A clock that is ahead asks for what is yet to come: that is not lost.
TEST(ClosedHistory, WaitsForWhatTheSourceDoesNotCoverYet) {
  Answer answer;
  ScopeAnswer& part = answer.scopes.emplace_back();
  part.scope = "behind";
  const TimeRange range{minute(1), minute(4)};
  for (const int end : {1, 2, 4}) {
    part.covered = {minute(1), minute(end)};
    const ClosedHistory closed = close_history({}, answer, range, minute(100));
    EXPECT_EQ(closed.scopes.at(0).reached, end < 4 ? minute(end) : minute(100));
  }
  part.covered = {minute(3), minute(4)};  // what it has forgotten does not come
  EXPECT_EQ(close_history({}, answer, range, minute(100)).scopes.at(0).reached, minute(100));
}

}  // namespace
}  // namespace settle::engine
