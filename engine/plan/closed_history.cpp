#include "engine/plan/closed_history.hpp"

#include <algorithm>
#include <span>
#include <string_view>

#include "engine/plan/backfill.hpp"

namespace settle::engine {

namespace {

// Longer than any history: nothing of a closed range is sealed or retired.
constexpr Duration kForever = std::chrono::hours{24 * 365 * 100};
// Above what totals can say: they stop at 2^53.
constexpr std::int64_t kAmountMax = std::int64_t{1} << 60;

EngineOptions options_of(const EngineOptions& stream) {
  EngineOptions options = stream;
  options.finality = Consecutive{1};
  options.liveness = Liveness::answers;
  options.corrections = Corrections::repush;
  options.watch = kForever;
  options.ttl = Duration::zero();  // what conflicts in every answer goes out, as the live lane lets it
  options.series_idle = kForever;
  return options;
}

ClosedHistory::Scope judge_scope(const ScopeAnswer& answer, TimeRange range, Duration granularity, Time now) {
  ClosedHistory::Scope scope{.name = answer.scope, .answered = {}, .reached = now, .truncated = false};
  scope.truncated = answer.completeness != Completeness::complete;
  if (scope.truncated) return scope;
  if (answer.frontier) scope.reached = std::min(now, *answer.frontier);
  // A source forgets what is old: what it does not cover at the end of the range is yet to come. The clock
  // may be ahead.
  if (answer.covered.to >= range.from && answer.covered.to < range.to) {
    scope.reached = std::min(scope.reached, answer.covered.to);
  }
  scope.answered.add(whole_buckets(answer.covered, granularity));
  scope.answered.keep({range.from, std::min(range.to, floor_to(scope.reached, granularity))});
  return scope;
}

struct Numbered {
  std::string_view text;
  SeriesNumber number = 0;
};

/// The answered cells by (series text, bucket).
void take_points(const Engine& engine, ClosedHistory& out) {
  const std::vector<CellView> cells = engine.cells();  // by (bucket, text)
  std::map<std::string_view, std::uint32_t> scopes;
  for (std::uint32_t i = 0; i < out.scopes.size(); ++i) scopes[out.scopes[i].name] = i;

  std::vector<std::uint32_t> ranks;  // by number
  std::vector<Numbered> met;
  std::vector<std::size_t> counts;
  std::vector<std::pair<std::size_t, std::uint32_t>> taken;  // index into cells, scope
  taken.reserve(cells.size());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto scope = scopes.find(cells[i].scope);
    if (scope == scopes.end() || !out.scopes[scope->second].answered.contains(cells[i].bucket)) continue;
    const auto number = static_cast<std::size_t>(cells[i].number);
    if (number >= counts.size()) counts.resize(number + 1, 0);
    if (counts[number]++ == 0) met.push_back({cells[i].series, cells[i].number});
    taken.emplace_back(i, scope->second);
  }
  std::sort(met.begin(), met.end(), [](const Numbered& a, const Numbered& b) { return a.text < b.text; });
  ranks.resize(counts.size());
  std::vector<std::size_t> starts(met.size());
  std::size_t start = 0;
  for (std::size_t rank = 0; rank < met.size(); ++rank) {
    const auto number = static_cast<std::size_t>(met[rank].number);
    out.series.emplace_back(met[rank].text);
    ranks[number] = static_cast<std::uint32_t>(rank);
    starts[rank] = start;
    start += counts[number];
  }
  const bool sketches = engine.options().sketches;
  out.points.resize(taken.size());
  if (sketches) out.sketches.resize(taken.size());
  for (const auto& [at, scope] : taken) {
    const CellView& cell = cells[at];
    const std::uint32_t rank = ranks[static_cast<std::size_t>(cell.number)];
    if (sketches) out.sketches[starts[rank]] = cell.sketch;
    out.points[starts[rank]++] = {.series = rank, .scope = scope, .bucket = cell.bucket, .value = cell.value};
  }
}

ClosedHistory judge_scopes(const EngineOptions& options, const Answer& answer, TimeRange range, Time now) {
  ClosedHistory out;
  out.range = range;
  for (const ScopeAnswer& scope : answer.scopes) {
    out.scopes.push_back(judge_scope(scope, range, options.granularity, now));
  }
  std::sort(out.scopes.begin(), out.scopes.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return out;
}

/// Rows of one series that follow each other.
struct Run {
  std::string_view text;
  std::size_t first = 0;
  std::size_t last = 0;
};

bool have_sketches(const ScopeAnswer& part) {
  return part.sketches.size() == part.rows.size() &&
         std::none_of(part.sketches.begin(), part.sketches.end(),
                      [](const Blob& sketch) { return sketch.empty(); });
}

/// The rows of the one scope, series by series, each in time, by text: where a stabilizer would refuse none
/// of them, find nothing in conflict and add nothing. None: it might.
std::optional<std::vector<Run>> plain_runs(const EngineOptions& options, const Answer& answer,
                                           TimeRange range, Time now) {
  const bool plain = options.absent == Absent::none && options.output == Output::gauge &&
                     answer.scopes.size() == 1 && range.from > now - kForever;
  if (!plain) return std::nullopt;
  const ScopeAnswer& part = answer.scopes.front();
  if (part.completeness != Completeness::complete || part.rows.size() > options.open_cells_max)
    return std::nullopt;
  if (options.sketches ? !have_sketches(part) : !part.sketches.empty()) return std::nullopt;
  const Duration step = options.granularity;
  const Time from = std::max(range.from, part.covered.from);
  const Time to = std::min(floor_to(part.covered.to, step), floor_to(now, step) + step);
  std::vector<Run> runs;
  Time last;
  for (std::size_t at = 0; at < part.rows.size(); ++at) {
    const Observation& row = part.rows[at];
    const bool goes_on = !runs.empty() && row.series.data() == runs.back().text.data() &&
                         row.series.size() == runs.back().text.size();
    if (!goes_on) {
      runs.push_back({.text = row.series, .first = at, .last = at});
    } else if (row.bucket <= last) {
      return std::nullopt;
    }
    const bool aligned = (goes_on && row.bucket == last + step) || floor_to(row.bucket, step) == row.bucket;
    if (!aligned || row.bucket < from || row.bucket >= to || row.value.is_nan()) return std::nullopt;
    last = row.bucket;
    runs.back().last = at + 1;
  }
  std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.text < b.text; });
  const auto same = [](const Run& a, const Run& b) { return a.text == b.text; };
  const bool once = std::adjacent_find(runs.begin(), runs.end(), same) == runs.end();
  if (!once || runs.size() > options.series_max) return std::nullopt;
  return runs;
}

/// As take_points(). `sketches`: of each row, or none.
void take_runs(std::span<const Observation> rows, std::span<const Blob> sketches, std::span<const Run> runs,
               ClosedHistory& out) {
  const Ranges& answered = out.scopes.front().answered;
  out.points.reserve(rows.size());
  out.sketches.reserve(sketches.size());
  TimeRange near;  // an answered range: mostly there is one
  for (const Run& run : runs) {
    const std::size_t before = out.points.size();
    for (std::size_t at = run.first; at < run.last; ++at) {
      const Observation& row = rows[at];
      if (!near.contains(row.bucket)) {
        const auto found = std::find_if(answered.list().begin(), answered.list().end(),
                                        [&](const TimeRange& one) { return one.contains(row.bucket); });
        if (found == answered.list().end()) continue;
        near = *found;
      }
      const auto series = static_cast<std::uint32_t>(out.series.size());
      out.points.push_back({.series = series, .scope = 0, .bucket = row.bucket, .value = row.value});
      if (!sketches.empty()) out.sketches.push_back(sketches[at]);
    }
    if (out.points.size() > before) out.series.emplace_back(run.text);
  }
}

/// Where every scope, or the one that is meant, answered.
Ranges answered_of(const ClosedHistory& history, const std::optional<std::string>& scope) {
  Ranges missing;
  bool met = false;
  for (const ClosedHistory::Scope& one : history.scopes) {
    if (scope && one.name != *scope) continue;
    met = true;
    Ranges not_answered{history.range};
    not_answered.remove(one.answered);
    missing.add(not_answered);
  }
  Ranges answered;
  if (met) answered.add(history.range);
  answered.remove(missing);
  return answered;
}

/// What a point is in the end.
struct Final {
  Value value;
  Blob sketch = {};
};

/// Gathers samples in (series text, bucket) order.
class Filling {
 public:
  Filling(const FillOrder& order, bool sketches, Fill& out) : order_(order), sketches_(sketches), out_(out) {}

  [[nodiscard]] bool wants(Time bucket) const {
    return order_.range.contains(bucket) &&
           (!order_.valid_until || bucket + order_.granularity <= *order_.valid_until);
  }
  void found(const std::string& series, Time bucket, const Final& final, const KnownPoint* known) {
    if (known == nullptr || !known->emitted) {
      emit(series, {.bucket = bucket,
                    .value = final.value,
                    .revision = 1,
                    .reason = Reason::backfill,
                    .sketch = final.sketch});
    } else if (*known->emitted != final.value) {
      correct(series, bucket, final, *known);
    }
  }
  void lost(const std::string& series, Time bucket, const KnownPoint& known) {
    if (!known.last_observed) return;
    if (known.emitted) {
      const bool due = order_.output == Output::counter && *known.emitted != *known.last_observed;
      if (due) correct(series, bucket, {.value = *known.last_observed}, known);
      return;
    }
    emit(series, {.bucket = bucket, .value = *known.last_observed, .revision = 1, .reason = Reason::ttl});
  }

 private:
  void correct(const std::string& series, Time bucket, const Final& final, const KnownPoint& known) {
    const Value& value = final.value;
    if (order_.corrections == Corrections::hold || (order_.rising_only && value < *known.emitted)) {
      ++out_.held_back;
      if (!sketches_) out_.unpropagated += value.as_double() - known.emitted->as_double();
      return;
    }
    emit(series, {.bucket = bucket,
                  .value = value,
                  .revision = known.revision + 1,
                  .reason = Reason::correction,
                  .replaced = known.emitted,
                  .sketch = final.sketch});
  }
  void emit(const std::string& series, Sample sample) {
    if (&series != last_ && (out_.series.empty() || out_.series.back() != series)) {
      out_.series.push_back(series);
    }
    last_ = &series;
    sample.series = out_.series.size() - 1;
    sample.age = order_.now - (sample.bucket + order_.granularity);
    sample.evidence_polls = 1;
    out_.samples.push_back(std::move(sample));
  }

  const FillOrder& order_;
  bool sketches_;
  Fill& out_;
  const std::string* last_ = nullptr;  // the series of the sample before: both its owners outlive this
};

}  // namespace

TimeRange range_to_ask(const EngineOptions& options, TimeRange range) {
  if (options.absent == Absent::zero)
    range.from = floor_to(range.from - options.absent_for, options.granularity);
  return range;
}

ClosedHistory stabilize_history(const EngineOptions& options, const Answer& answer, TimeRange range,
                                Time now) {
  ClosedHistory out = judge_scopes(options, answer, range, now);
  Engine engine{options_of(options), range_to_ask(options, range).from};
  (void)engine.ingest(answer, now);
  (void)engine.expire(now);
  out.rows_uncountable = engine.stats().rows_uncountable;
  out.limited = engine.limited();
  take_points(engine, out);
  return out;
}

ClosedHistory close_history(const EngineOptions& options, const Answer& answer, TimeRange range, Time now) {
  const std::optional<std::vector<Run>> runs = plain_runs(options, answer, range, now);
  if (!runs) return stabilize_history(options, answer, range, now);
  ClosedHistory out = judge_scopes(options, answer, range, now);
  const ScopeAnswer& part = answer.scopes.front();
  take_runs(part.rows, options.sketches ? std::span{part.sketches} : std::span<const Blob>{}, *runs, out);
  return out;
}

Fill plan_fill(const ClosedHistory& history, const KnownPoints& known, const FillOrder& order) {
  Fill out;
  const bool sketches = !history.sketches.empty();
  Filling filling{order, sketches, out};
  out.samples.reserve(history.points.size());
  const Ranges answered = answered_of(history, order.scope);
  Ranges seen;    // buckets with a point
  Ranges unseen;  // buckets with a known one that is missing
  auto next = known.begin();
  const auto pass_unmet = [&] {
    const auto& [series, bucket] = next->first;
    const bool mine = !order.scope || next->second.given_up;
    if (mine && filling.wants(bucket) && answered.contains(bucket)) {
      unseen.add({bucket, bucket + order.granularity});
      filling.lost(series, bucket, next->second);
    }
    ++next;
  };
  for (std::size_t at = 0; at < history.points.size(); ++at) {
    const ClosedHistory::Point& point = history.points[at];
    const std::string& series = history.series[point.series];
    const std::pair<std::string_view, Time> here{series, point.bucket};
    const auto before = [&](const auto& key) {
      return std::pair<std::string_view, Time>{key.first, key.second} < here;
    };
    while (next != known.end() && before(next->first)) pass_unmet();
    const bool is_known =
        next != known.end() && next->first.second == point.bucket && next->first.first == series;
    const bool mine = !order.scope || history.scopes[point.scope].name == *order.scope ||
                      (is_known && next->second.given_up);
    if (mine && !known.empty()) seen.add({point.bucket, point.bucket + order.granularity});
    if (mine && filling.wants(point.bucket)) {
      const Final final{.value = point.value, .sketch = sketches ? history.sketches[at] : Blob{}};
      filling.found(series, point.bucket, final, is_known ? &next->second : nullptr);
    }
    if (is_known) ++next;
  }
  while (next != known.end()) pass_unmet();
  unseen.remove(seen);
  out.lost = std::move(unseen);
  return out;
}

Amounts amounts_of(const Fill& fill) {
  Amounts amounts;
  for (const Sample& sample : fill.samples) {
    const auto value = static_cast<std::int64_t>(sample.value.as_count());
    const std::int64_t before = sample.replaced ? static_cast<std::int64_t>(sample.replaced->as_count()) : 0;
    std::int64_t& amount = amounts[fill.series[sample.series]];
    amount = std::clamp(amount + value - before, -kAmountMax, kAmountMax);
  }
  std::erase_if(amounts, [](const auto& one) { return one.second == 0; });
  return amounts;
}

}  // namespace settle::engine
