#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "tests/support/histories.hpp"

namespace settle::test {

using namespace std::chrono_literals;
using engine::Duration;
using engine::Time;
using engine::Value;
using Kind = HistoryStep::Kind;

namespace {

constexpr Time kStart = Time{Duration{1'782'482'400'000}};  // whole hour

engine::EngineOptions make_options(Dice& dice, const Mix& mix) {
  engine::EngineOptions options;
  options.granularity = dice.one_of<Duration>({1min, 1min, 1min, 30s});
  options.finality =
      dice.chance(70) ? engine::Finality{engine::Consecutive{static_cast<std::uint32_t>(1 + dice.below(4))}}
                      : engine::Finality{engine::Fixed{dice.one_of<Duration>({30s, 1min, 3min, 6min})}};
  options.watch = dice.one_of<Duration>({3min, 5min, 8min, 15min});
  options.ttl = dice.chance(40) ? options.watch : dice.one_of<Duration>({90s, 2min, 3min});
  options.absent = dice.one_of({engine::Absent::none, engine::Absent::zero});
  options.absent_for = dice.one_of<Duration>({1min, 3min, 1h});
  options.output = dice.one_of({engine::Output::gauge, engine::Output::counter});
  options.corrections = dice.one_of({engine::Corrections::repush, engine::Corrections::hold});
  if (options.output == engine::Output::gauge) {
    options.rising_only = options.corrections == engine::Corrections::repush && dice.chance(25);
    if (!options.rising_only && dice.chance(20)) options.corrections = engine::Corrections::ledger;
  }
  options.liveness =
      dice.one_of({engine::Liveness::automatic, engine::Liveness::automatic, engine::Liveness::frontier,
                   engine::Liveness::movement, engine::Liveness::answers});
  options.series_idle = dice.chance(20) ? options.watch + 5min : Duration{48h};
  if (mix.small_limits && dice.chance(15)) options.series_max = 2 + dice.below(4);
  if (mix.small_limits && dice.chance(15)) options.open_cells_max = 3 + dice.below(20);
  if (dice.chance(40)) {
    // Targets that little evidence is enough for, mostly: histories are short.
    options.finality = engine::Learned{.error_target = dice.one_of({0.5, 0.3, 0.2, 0.1, 0.01}),
                                       .tolerance = dice.one_of({0.0, 0.0, 0.05, 0.5})};
  }
  Dice aside = dice;  // so that what seeds were chosen for stays what they make
  options.in_order = aside.next() % 5 < 2;
  mix.adjust(options);
  return options;
}

/// A source whose buckets grow, are revised, come late or not at all; frozen now and then.
class Source {
 public:
  Source(Dice& dice, const Mix& mix, const engine::EngineOptions& options)
      : dice_(dice), mix_(mix), options_(options), salt_(dice.next()) {
    const std::size_t scopes = 1 + dice.below(3);
    for (std::size_t i = 0; i < scopes; ++i) {
      scopes_.push_back(
          {.name = std::string(1, static_cast<char>('a' + i)), .gives_frontier = dice.chance(50)});
      scopes_.back().lag = dice.one_of<Duration>({0s, 20s, 1min, 90s, -30s});
      if (dice.chance(15)) scopes_.back().from = kStart + Duration{dice.below(600'000)};
      if (dice.chance(10)) scopes_.back().until = kStart + Duration{dice.below(1'200'000)};
    }
    const std::size_t series = 1 + dice.below(6);
    for (std::size_t i = 0; i < series; ++i) {
      series_.push_back("m{s=\"" + std::to_string(i) + "\"" + (i % 2 == 0 ? ",z=\"1\"}" : "}"));
    }
    still_percent_ = dice.one_of({20U, 60U, 90U});
    missing_percent_ = dice.one_of({0U, 10U, 40U});
  }

  std::vector<HistoryPart> answer(Time now) {
    std::vector<HistoryPart> parts;
    for (Scope& scope : scopes_) {
      if (scope.frozen_at && dice_.chance(25)) scope.frozen_at.reset();
      if (!scope.frozen_at && dice_.chance(8)) scope.frozen_at = now;
      if (dice_.chance(8) || now < scope.from || now > scope.until) continue;  // it did not answer
      parts.push_back(part_of(scope, now));
    }
    dice_.shuffle(parts);
    return parts;
  }

  HistoryStep carried(Time now) {
    HistoryStep step{.kind = Kind::carry, .at = now, .parts = {}};
    HistoryPart& part = step.parts.emplace_back();
    if (dice_.chance(40)) part.scope = kLess;
    part.rows.push_back({series_[dice_.below(series_.size())], now, Value::count(1 + dice_.below(60))});
    return step;
  }

  /// All that ever was, for buckets that are to be read again.
  HistoryStep read_again(Time from, Time now) {
    HistoryPart part{.scope = scopes_[0].name,
                     .covered = {from, engine::floor_to(now, options_.granularity)},
                     .completeness = engine::Completeness::complete,
                     .frontier = std::nullopt,
                     .rows = {}};
    for (Time bucket = from; bucket < part.covered.to; bucket += options_.granularity) {
      for (std::size_t i = 0; i < series_.size(); ++i) add_rows(part, i, bucket, now);
    }
    return {.kind = Kind::recheck, .at = now, .parts = {std::move(part)}};
  }

 private:
  struct Scope {
    std::string name;
    bool gives_frontier = false;
    Duration lag{};
    Time from = Time::min();
    Time until = Time::max();  // then it is gone for good
    std::optional<Time> frozen_at = std::nullopt;
  };

  HistoryPart part_of(const Scope& scope, Time now) {
    const Time as_of = scope.frozen_at.value_or(now);
    HistoryPart part{.scope = scope.name,
                     .covered = covered(now),
                     .completeness = engine::Completeness::complete,
                     .frontier = std::nullopt,
                     .rows = {}};
    if (scope.gives_frontier && !dice_.chance(4))
      part.frontier = as_of - scope.lag - (dice_.chance(3) ? 2min : 0min);
    if (dice_.chance(8)) part.completeness = engine::Completeness::truncated;
    for (Time bucket = engine::floor_to(part.covered.from, options_.granularity); bucket < part.covered.to;
         bucket += options_.granularity) {
      for (std::size_t i = 0; i < series_.size(); ++i) {
        if (reports(scope, i)) add_rows(part, i, bucket, as_of);
      }
    }
    if (mix_.odd_rows && dice_.chance(10)) add_refused(part, now);
    dice_.shuffle(part.rows);
    return part;
  }

  engine::TimeRange covered(Time now) {
    Duration back = options_.watch + 2 * options_.granularity;
    if (dice_.chance(15))
      back = Duration{static_cast<std::int64_t>(dice_.below(static_cast<std::uint64_t>(back.count())))};
    const Time to =
        engine::ceil_to(now, options_.granularity) + (dice_.chance(10) ? options_.granularity : 0ms);
    const Time from = engine::floor_to(now - back, options_.granularity);
    if (mix_.odd_rows && dice_.chance(2)) return {from + 7s, to - 7s};
    return {from, to};
  }

  /// One scope reports a series, except where series wander.
  bool reports(const Scope& scope, std::size_t series) {
    const std::size_t home = series % scopes_.size();
    if (!mix_.scope_moves || !dice_.chance(3)) return scopes_[home].name == scope.name;
    return dice_.chance(50);
  }

  void add_rows(HistoryPart& part, std::size_t series, Time bucket, Time as_of) {
    const auto value = value_of(series, bucket, as_of);
    if (!value) return;
    if (part.completeness == engine::Completeness::truncated && dice_.chance(40)) return;
    if (dice_.chance(2)) return;  // it vanishes for a moment
    part.rows.push_back({series_[series], bucket, *value});
    if (dice_.chance(3)) part.rows.push_back(part.rows.back());
    if (mix_.odd_rows && dice_.chance(1)) {
      part.rows.push_back({series_[series], bucket, Value::count(dice_.below(50))});
    }
  }

  /// What the source says at `as_of` of a series in a bucket; fixed by the history's seed.
  std::optional<Value> value_of(std::size_t series, Time bucket, Time as_of) const {
    Dice fate{salt_ ^ (static_cast<std::uint64_t>(engine::epoch_ms(bucket)) * 1000 + series)};
    if (fate.chance(missing_percent_)) return std::nullopt;
    Duration growing = fate.chance(still_percent_) ? Duration{0} : Duration{1000 * fate.below(300)};
    if (mix_.turns) growing = bucket < kStart + 75min ? Duration{} : 20s + Duration{1000 * fate.below(100)};
    const Duration born = fate.chance(10) ? Duration{1000 * fate.below(400)} : Duration{0};
    const Duration age = as_of - bucket;
    if (age < born || age < 0ms) return std::nullopt;
    std::uint64_t n = fate.chance(10) ? 0 : 10 + fate.below(90);
    if (age < growing)
      n = n * static_cast<std::uint64_t>(age / 20s) / (1 + static_cast<std::uint64_t>(growing / 20s));
    const bool revised = fate.chance(10) && age > Duration{1000 * fate.below(500)};
    if (revised) n = fate.chance(50) ? n + 7 : n / 2;
    if (mix_.odd_rows && fate.chance(1)) return Value::count((std::uint64_t{1} << 52) + n);
    if (mix_.odd_rows && fate.chance(2)) return Value::number(-0.25 * static_cast<double>(n) - 0.5);
    return Value::count(n);
  }

  void add_refused(HistoryPart& part, Time now) {
    const Time bucket = engine::floor_to(now, options_.granularity);
    const std::string& series = series_[dice_.below(series_.size())];
    switch (dice_.below(4)) {
      case 0:
        part.rows.push_back({series, bucket + 1s, Value::count(1)});
        break;
      case 1:
        part.rows.push_back({series, bucket + 2 * options_.granularity, Value::count(1)});
        break;
      case 2:
        part.rows.push_back({series, bucket - 40 * options_.granularity, Value::count(1)});
        break;
      default:
        part.rows.push_back({series, bucket, Value::number(std::numeric_limits<double>::quiet_NaN())});
        break;
    }
  }

  Dice& dice_;
  const Mix& mix_;
  const engine::EngineOptions& options_;
  std::uint64_t salt_;
  std::vector<Scope> scopes_;
  std::vector<std::string> series_;
  unsigned still_percent_ = 0;
  unsigned missing_percent_ = 0;
};

void make_sketches(History& history, Dice dice, bool odd_rows) {
  for (HistoryStep& step : history.steps) {
    for (HistoryPart& part : step.parts) {
      for (HistoryRow& row : part.rows) {
        if (odd_rows && dice.chance(1)) continue;
        row.sketch = engine::Blob{"sketch of " + engine::format_value(row.value)};
        if (!row.value.is_nan()) row.value = engine::fingerprint(row.sketch);
      }
    }
  }
}

}  // namespace

Mix sketch_mix() {
  Mix mix;
  mix.adjust = [](engine::EngineOptions& options) {
    options.sketches = true;
    options.output = engine::Output::gauge;
    options.absent = engine::Absent::none;
    options.rising_only = false;
    if (auto* learned = std::get_if<engine::Learned>(&options.finality)) learned->tolerance = 0;
  };
  return mix;
}

std::uint64_t Dice::next() {
  state_ += 0x9E37'79B9'7F4A'7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBULL;
  return z ^ (z >> 31);
}

History make_history(std::uint64_t seed, const Mix& mix, std::size_t polls) {
  Dice dice{seed};
  History history{.options = make_options(dice, mix), .live_from = kStart, .steps = {}};
  Source source{dice, mix, history.options};
  // On a grid, ages hit the edges of ttl, watch and fixed exactly.
  const bool grid = dice.chance(40);
  const Duration pace =
      grid ? dice.one_of<Duration>({30s, 60s}) : dice.one_of<Duration>({10s, 30s, 30s, 60s});
  Time now = kStart + (grid ? Duration{0} : Duration{dice.below(120'000)});
  const auto add = [&](Kind kind, Time at) {
    history.steps.push_back({.kind = kind, .at = at, .parts = {}});
  };
  for (std::size_t i = 0; i < polls; ++i) {
    now += pace + Duration{!grid && dice.chance(30) ? dice.below(10'000) : 0};
    if (mix.outages && dice.chance(2))
      now += 30s * dice.below(50) + Duration{grid ? 0 : dice.below(30'000)};  // an outage
    if (mix.releases && dice.chance(3)) {
      const auto reach = history.options.watch + history.options.granularity * dice.one_of({-3, 0, 0, 2});
      add(Kind::release, engine::floor_to(now - reach, history.options.granularity));
    }
    const Time said = mix.odd_rows && dice.chance(2) ? now - 45s : now;
    history.steps.push_back({.kind = Kind::ingest, .at = said, .parts = source.answer(said)});
    if (dice.chance(80)) add(Kind::expire, now + (dice.chance(10) ? 5s : 0s));
    if (dice.chance(5)) history.steps.push_back(source.read_again(kStart, now));
    if (mix.carries && dice.chance(5)) history.steps.push_back(source.carried(now));
    if (mix.flushes && dice.chance(1)) add(Kind::flush, now);
    if (mix.restarts && dice.chance(40)) add(Kind::save, now);
    if (mix.restarts && dice.chance(20)) add(Kind::renew, now);
    if (mix.restarts && dice.chance(8)) add(Kind::reload, now);
  }
  if (history.options.sketches) make_sketches(history, dice, mix.odd_rows);
  return history;
}

engine::Answer make_answer(const std::vector<HistoryPart>& parts) {
  engine::Answer answer;
  for (const HistoryPart& part : parts) {
    engine::ScopeAnswer& scope = answer.scopes.emplace_back();
    scope.scope = part.scope;
    scope.covered = part.covered;
    scope.completeness = part.completeness;
    scope.frontier = part.frontier;
    for (const HistoryRow& row : part.rows) {
      scope.rows.push_back(
          {.series = answer.texts.keep(row.series), .bucket = row.bucket, .value = row.value});
      scope.sketches.push_back(row.sketch);
    }
    // Those of numbers are none; of sketches the list may be too short.
    while (!scope.sketches.empty() && scope.sketches.back().empty()) scope.sketches.pop_back();
  }
  return answer;
}

}  // namespace settle::test
