#include <algorithm>

#include "tests/support/naive_engine.hpp"

namespace settle::test {

using engine::Reason;

NaiveEngine::NaiveEngine(engine::EngineOptions options, Time live_from)
    : options_(options), live_from_(live_from) {}

bool NaiveEngine::ended(Time bucket, const std::string& scope) const {
  const auto& frontier = scopes_.at(scope).frontier;
  return end_of(bucket) <= now_ && (!frontier || end_of(bucket) <= *frontier);
}

const NaiveEngine::Entry* NaiveEngine::entry(Time bucket, const std::string& scope) const {
  const auto found = entries_.find({bucket, scope});
  return found == entries_.end() ? nullptr : &found->second;
}

const NaiveEngine::Cell* NaiveEngine::cell(Time bucket, const SeriesKey& key) const {
  const auto found = cells_.find({bucket, key});
  return found == cells_.end() ? nullptr : &found->second;
}

bool NaiveEngine::covered_at(Time bucket, const std::string& scope, Duration age) const {
  const Entry* const of = entry(bucket, scope);
  return of != nullptr && of->covered && *of->covered - end_of(bucket) > age;
}

bool NaiveEngine::past_watch(Time bucket, const std::string& scope) const {
  return covered_at(bucket, scope, options_.watch) && ended(bucket, scope);
}

// expire, step 1
void NaiveEngine::close_old() {
  for (auto& [entry_key, entry] : entries_) {
    const auto& [bucket, scope] = entry_key;
    if (!covered_at(bucket, scope, options_.ttl)) continue;
    for (auto& [key, cell] : cells_) {
      if (key.first == bucket && cell.scope == scope && !cell.settled)
        force(bucket, key.second, cell, Reason::ttl);
    }
    if (!entry.final && !entry.limited && ended(bucket, scope)) {
      entry.final = true;
      entry.by_expiry = true;
    }
  }
}

Time NaiveEngine::sealable_to() const {
  Time bucket = live_from_;
  const auto answered = [&](const auto& scope) { return past_watch(bucket, scope.first); };
  while (!scopes_.empty() && std::all_of(scopes_.begin(), scopes_.end(), answered))
    bucket += options_.granularity;
  return bucket;
}

/// What a series keeps of a cell that leaves.
void NaiveEngine::forget(Time bucket, const SeriesKey& key, const Cell& cell) {
  Series& series = series_.at(key);
  if (counter() && cell.settled) series.base += cell.settled->as_count();
  if (!cell.absent && (!series.last_valued || bucket > *series.last_valued)) {
    series.last_valued = bucket;
    series.last_scope = cell.scope;
  }
}

void NaiveEngine::drop_before(Time before) {
  std::erase_if(cells_, [&](const auto& item) { return item.first.first < before; });
  std::erase_if(entries_, [&](const auto& item) { return item.first.first < before; });
  live_from_ = before;
}

void NaiveEngine::retire() {
  std::erase_if(series_, [&](const auto& item) {
    const bool held = std::any_of(cells_.begin(), cells_.end(), [&](const auto& cell) {
      return cell.first.second.text == item.first.text;
    });
    const bool idle = !held && now_ - end_of(item.second.last_bucket) > options_.series_idle;
    if (idle) write_off(item.second);
    if (idle) {
      for (auto& [bucket, sample] : samples_) sample.cells.erase(item.first.text);
    }
    return idle;
  });
}

std::vector<NaiveSample> NaiveEngine::expire(Time now) {
  begin_call(now);
  close_old();
  make_zeros();
  const Time sealed_to = sealable_to();
  for (auto& [key, cell] : cells_) {
    const bool differs = counter() ? cell.settled != cell.value : cell.emitted != cell.value;
    if (key.first < sealed_to && differs) force(key.first, key.second, cell, Reason::ttl);
  }
  make_zeros(sealed_to);
  emit_totals(sealed_to, false);
  for (const auto& [key, cell] : cells_) {
    if (key.first >= sealed_to) break;
    ++stats_.sealed;
    forget(key.first, key.second, cell);
  }
  for (Time bucket = live_from_; bucket < sealed_to; bucket += options_.granularity) learn_from(bucket);
  drop_before(sealed_to);
  retire();
  return end_call();
}

std::vector<NaiveSample> NaiveEngine::flush(Time now) {
  begin_call(now);
  for (auto& [key, cell] : cells_) force(key.first, key.second, cell, Reason::flush);
  emit_totals(live_from_, true);
  for (const auto& [key, cell] : cells_) forget(key.first, key.second, cell);
  if (!entries_.empty()) drop_before(end_of(entries_.rbegin()->first.first));
  for (auto& [key, series] : series_) {
    if (!counter() || series.overflowed || series.base == series.last_total) continue;
    if (hold() && series.base < series.last_total) continue;
    write_off(series);
    series.base = series.last_total;
  }
  return end_call();
}

bool NaiveEngine::counts_as_sealed(Time bucket, const Cell& cell) const {
  if (!past_watch(bucket, cell.scope)) return false;
  if (!counter()) return cell.emitted == cell.value;
  // Of one scope and bucket all cells or none.
  return std::all_of(cells_.begin(), cells_.end(), [&](const auto& other) {
    const auto& [key, one] = other;
    return key.first != bucket || one.scope != cell.scope || (one.revision > 0 && one.settled == one.value);
  });
}

std::vector<NaiveGap> NaiveEngine::gaps_of(const std::string& scope, Time before) const {
  std::vector<NaiveGap> gaps;
  for (Time bucket = live_from_; bucket < before; bucket += options_.granularity) {
    std::vector<NaiveGapCell> given_up;
    for (const auto& [key, cell] : cells_) {
      if (key.first != bucket || cell.scope != scope || counts_as_sealed(bucket, cell)) continue;
      std::optional<Value> emitted = cell.emitted;
      if (counter() && emitted) emitted = cell.settled;
      given_up.push_back({.series = key.second.text,
                          .bucket = bucket,
                          .last_observed = cell.value,
                          .emitted = emitted,
                          .revision = cell.revision});
    }
    if (given_up.empty() && past_watch(bucket, scope)) continue;
    if (gaps.empty() || gaps.back().range.to != bucket)
      gaps.push_back({.scope = scope, .range = {bucket, bucket}, .cells = {}});
    gaps.back().range.to = end_of(bucket);
    gaps.back().cells.insert(gaps.back().cells.end(), given_up.begin(), given_up.end());
  }
  return gaps;
}

std::vector<NaiveGap> NaiveEngine::release(Time before) {
  std::vector<NaiveGap> gaps;
  if (before <= live_from_) return gaps;
  if (scopes_.empty()) gaps.push_back({.scope = "", .range = {live_from_, before}, .cells = {}});
  for (const auto& [scope, state] : scopes_) {
    for (NaiveGap& gap : gaps_of(scope, before)) gaps.push_back(std::move(gap));
  }
  for (const auto& [key, cell] : cells_) {
    if (key.first >= before) break;
    ++(counts_as_sealed(key.first, cell) ? stats_.sealed : stats_.given_up);
    Series& series = series_.at(key.second);
    if (counter() && cell.revision > 0) series.base += cell.settled->as_count();
    if (!cell.quiet || cell.absent) continue;
    if (!series.last_valued || key.first > *series.last_valued) {
      series.last_valued = key.first;
      series.last_scope = cell.scope;
    }
  }
  drop_before(before);
  std::erase_if(scopes_, [&](const auto& item) {
    const std::string& scope = item.first;  // a structured binding cannot be captured by clang 14
    const Scope& state = item.second;
    const bool held = std::any_of(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry.first.second == scope; });
    return !held && (!state.answered || *state.answered < before);
  });
  return gaps;
}

engine::EngineStats NaiveEngine::stats() const {
  engine::EngineStats stats = stats_;
  stats.withheld = withheld();
  return stats;
}

std::optional<Time> NaiveEngine::frontier() const {
  std::optional<Time> least;
  for (const auto& [name, scope] : scopes_) {
    if (scope.frontier && (!least || *scope.frontier < *least)) least = scope.frontier;
  }
  return least;
}

bool NaiveEngine::limited() const {
  return std::any_of(entries_.begin(), entries_.end(),
                     [](const auto& entry) { return entry.second.limited; });
}

std::vector<NaiveCellView> NaiveEngine::cells() const {
  std::vector<NaiveCellView> views;
  for (const auto& [key, cell] : cells_) {
    views.push_back({.series = key.second.text,
                     .bucket = key.first,
                     .scope = cell.scope,
                     .value = cell.value,
                     .emitted = cell.emitted,
                     .revision = cell.revision,
                     .quiet = cell.quiet,
                     .sketch = options_.sketches ? cell.sketch : engine::Blob{}});
  }
  return views;
}

std::optional<Time> NaiveEngine::newest_final_bucket() const {
  std::optional<Time> newest;
  for (const auto& [entry_key, any] : entries_) {
    const Time bucket = entry_key.first;
    const bool scopes_final = std::all_of(scopes_.begin(), scopes_.end(), [&](const auto& scope) {
      const Entry* const of = entry(bucket, scope.first);
      return of != nullptr && of->final;
    });
    const bool cells_quiet = std::all_of(cells_.begin(), cells_.end(), [&](const auto& item) {
      return item.first.first != bucket || item.second.quiet;
    });
    if (scopes_final && cells_quiet) newest = bucket;
  }
  return newest;
}

std::vector<Time> NaiveEngine::said_buckets() const {
  std::set<Time> said;
  for (const auto& [entry_key, any] : entries_) said.insert(entry_key.first);
  for (const auto& scope : scopes_) {
    std::erase_if(said, [&](Time bucket) {
      const Entry* const of = entry(bucket, scope.first);
      return of == nullptr || !of->final;
    });
  }
  for (const auto& [key, cell] : cells_) {
    if (cell.revision == 0 && !cell.passed_over) said.erase(key.first);
  }
  return {said.begin(), said.end()};
}

}  // namespace settle::test
