// What a fill of a range still has to say, point by point.
#include <map>

#include <gtest/gtest.h>

#include "engine/plan/closed_history.hpp"
#include "tests/support/histories.hpp"

namespace settle::engine {
namespace {

using namespace std::chrono_literals;
using test::Dice;

constexpr int kSeeds = 300;
const Time kStart = from_epoch_ms(1'782'482'400'000);

Time minute(std::int64_t n) {
  return kStart + 1min * n;
}

/// One point by itself, as the rules say it.
std::optional<Sample> expected_sample(const std::optional<Value>& value, const KnownPoint* known,
                                      const FillOrder& order, std::uint64_t& held) {
  Sample sample;
  sample.revision = 1;
  sample.reason = Reason::backfill;
  if (!value) {
    if (known == nullptr || known->emitted || !known->last_observed) return std::nullopt;
    sample.value = *known->last_observed;
    sample.reason = Reason::ttl;
    return sample;
  }
  sample.value = *value;
  if (known == nullptr || !known->emitted) return sample;
  if (*known->emitted == *value) return std::nullopt;
  if (order.corrections == Corrections::hold || (order.rising_only && *value < *known->emitted)) {
    ++held;
    return std::nullopt;
  }
  sample.revision = known->revision + 1;
  sample.reason = Reason::correction;
  sample.replaced = known->emitted;
  return sample;
}

TEST(Fill, SaysOfEachPointWhatIsStillToBeSaid) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    Dice dice{seed};
    Answer answer;
    ScopeAnswer part;
    part.scope = "a";
    part.covered = {minute(0), minute(6)};
    std::map<std::pair<std::string, Time>, Value> values;
    KnownPoints known;
    for (int series = 0; series < 4; ++series) {
      const std::string text = "m{s=\"" + std::to_string(series) + "\"}";
      for (int n = 0; n < 6; ++n) {
        if (dice.chance(50)) {
          const Value value = Value::count(dice.below(3));
          values[{text, minute(n)}] = value;
          part.rows.push_back({.series = answer.texts.keep(text), .bucket = minute(n), .value = value});
        }
        if (!dice.chance(50)) continue;
        KnownPoint& one = known[{text, minute(n)}];
        if (dice.chance(70)) one.last_observed = Value::count(dice.below(3));
        if (dice.chance(60)) one.emitted = Value::count(dice.below(3));
        one.given_up = dice.chance(70);
        if (one.emitted) one.revision = static_cast<std::uint32_t>(1 + dice.below(5));
      }
    }
    answer.scopes.push_back(std::move(part));
    FillOrder order{.range = {minute(0), minute(6)}, .granularity = 1min, .now = minute(50)};
    order.corrections = dice.one_of({Corrections::repush, Corrections::hold, Corrections::ledger});
    order.rising_only = order.corrections == Corrections::repush && dice.chance(40);
    if (dice.chance(30)) order.valid_until = minute(4);
    if (dice.chance(50)) order.scope = "a";
    const Fill fill = plan_fill(close_history({}, answer, {minute(0), minute(6)}, minute(50)), known, order);

    std::uint64_t held = 0;
    auto next = fill.samples.begin();
    std::set<Time> lost;
    for (int series = 0; series < 4; ++series) {
      const std::string text = "m{s=\"" + std::to_string(series) + "\"}";
      for (int n = 0; n < (order.valid_until ? 4 : 6); ++n) {
        const auto value = values.find({text, minute(n)});
        const auto before = known.find(std::pair{text, minute(n)});
        const bool has_value = value != values.end();
        // Of a scope's gap nothing is lost but what the gap gave up.
        const bool counts = before != known.end() && (has_value || !order.scope || before->second.given_up);
        if (counts && !has_value) lost.insert(minute(n));
        const auto expected = expected_sample(has_value ? std::optional{value->second} : std::nullopt,
                                              counts ? &before->second : nullptr, order, held);
        if (!expected) continue;
        ASSERT_NE(next, fill.samples.end());
        EXPECT_EQ(fill.series[next->series], text);
        EXPECT_EQ(next->bucket, minute(n));
        EXPECT_EQ(next->value, expected->value);
        EXPECT_EQ(next->revision, expected->revision);
        EXPECT_EQ(next->reason, expected->reason);
        EXPECT_EQ(next->replaced, expected->replaced);
        ++next;
      }
    }
    EXPECT_EQ(next, fill.samples.end());
    EXPECT_EQ(fill.held_back, held);
    for (const auto& [key, value] : values) lost.erase(key.second);
    for (int n = 0; n < 6; ++n) EXPECT_EQ(fill.lost.contains(minute(n)), lost.contains(minute(n)));
  }
}

TEST(Fill, KeepsToTheScopeOfTheGapAndToWhatItGaveUp) {
  Answer answer;
  for (const char* name : {"a", "b"}) {
    ScopeAnswer part;
    part.scope = name;
    part.covered = {minute(0), minute(2)};
    for (int n = 0; n < 2; ++n) {
      const std::string text = std::string{"m{s=\""} + name + "\"}";
      part.rows.push_back({.series = answer.texts.keep(text), .bucket = minute(n), .value = Value::count(5)});
    }
    answer.scopes.push_back(std::move(part));
  }
  // One cell of the gap was reported by the other scope meanwhile: it counts. The other one is sealed.
  const KnownPoints known{
      {{"m{s=\"b\"}", minute(0)}, {.emitted = Value::count(4), .revision = 1, .last_observed = {}}},
      {{"m{s=\"b\"}", minute(1)},
       {.emitted = Value::count(4), .revision = 2, .last_observed = {}, .given_up = true}}};
  const FillOrder order{
      .range = {minute(0), minute(2)}, .scope = "a", .granularity = 1min, .now = minute(50)};
  const Fill fill = plan_fill(close_history({}, answer, {minute(0), minute(2)}, minute(50)), known, order);
  ASSERT_EQ(fill.samples.size(), 3u);
  EXPECT_EQ(fill.series[fill.samples[2].series], "m{s=\"b\"}");
  EXPECT_EQ(fill.samples[2].bucket, minute(1));
  EXPECT_EQ(fill.samples[2].revision, 3u);
  EXPECT_EQ(fill.samples[2].reason, Reason::correction);
}

TEST(Fill, OfACounterIsWhatItsTotalsLack) {
  Answer answer;
  ScopeAnswer& part = answer.scopes.emplace_back();
  part.scope = "a";
  part.covered = {minute(0), minute(4)};
  const auto say = [&](const char* text, int n, Value value) {
    part.rows.push_back({.series = answer.texts.keep(text), .bucket = minute(n), .value = value});
  };
  say("grown", 0, Value::count(7));
  say("grown", 1, Value::count(20));
  say("new", 1, Value::count(9));
  say("new", 2, Value::number(0.5));  // no count: refused
  say("shrunk", 0, Value::count(1));
  say("same", 3, Value::count(6));
  const auto gave_up = [](std::optional<Value> emitted, std::uint64_t last) {
    const std::uint32_t revision = emitted ? 1 : 0;
    return KnownPoint{
        .emitted = emitted, .revision = revision, .last_observed = Value::count(last), .given_up = true};
  };
  const KnownPoints known{
      {{"grown", minute(0)}, gave_up(Value::count(4), 5)}, {{"grown", minute(1)}, gave_up(std::nullopt, 5)},
      {{"lost", minute(0)}, gave_up(std::nullopt, 30)},    {{"lost", minute(1)}, gave_up(Value::count(5), 8)},
      {{"lost", minute(2)}, gave_up(Value::count(5), 5)},  {{"same", minute(3)}, gave_up(Value::count(6), 6)},
      {{"shrunk", minute(0)}, gave_up(Value::count(4), 4)}};
  EngineOptions options;
  options.output = Output::counter;
  FillOrder order{.range = {minute(0), minute(4)}, .scope = "a", .granularity = 1min, .now = minute(50)};
  order.output = Output::counter;
  const ClosedHistory closed = close_history(options, answer, order.range, order.now);
  EXPECT_EQ(closed.rows_uncountable, 1u);
  const Amounts expected{{"grown", 23}, {"lost", 33}, {"new", 9}, {"shrunk", -3}};
  EXPECT_EQ(amounts_of(plan_fill(closed, known, order)), expected);
}

TEST(Fill, TakesNothingForLostThatTheGapOfAnotherScopeNeverHad) {
  Answer answer;
  ScopeAnswer& part = answer.scopes.emplace_back();
  part.scope = "a";
  part.covered = {minute(0), minute(2)};
  const KnownPoints known{
      {{"m{s=\"b\"}", minute(0)}, {.emitted = Value::count(4), .revision = 1, .last_observed = {}}}};
  const ClosedHistory closed = close_history({}, answer, {minute(0), minute(2)}, minute(50));
  FillOrder order{.range = {minute(0), minute(2)}, .scope = "a", .granularity = 1min, .now = minute(50)};
  EXPECT_TRUE(plan_fill(closed, known, order).lost.empty());
  order.scope.reset();
  EXPECT_TRUE(plan_fill(closed, known, order).lost.contains(minute(0)));
}

}  // namespace
}  // namespace settle::engine
