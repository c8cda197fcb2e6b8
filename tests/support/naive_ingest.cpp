#include <algorithm>
#include <cassert>

#include "tests/support/naive_engine.hpp"

namespace settle::test {

namespace {

constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 53;

// Rule 0.
engine::TimeRange whole_buckets(const engine::TimeRange& range, Duration granularity) {
  return {engine::ceil_to(range.from, granularity), engine::floor_to(range.to, granularity)};
}

}  // namespace

bool NaiveEngine::is_countable(const Value& value) const {
  return !counter() || (value.is_count() && value.as_count() <= kTotalMax);
}

// Rules 1 and 2.
NaiveEngine::Rows NaiveEngine::admit(const engine::Answer& answer, Time now) {
  Rows rows;
  for (const auto& part : answer.scopes) {
    const auto range = whole_buckets(part.covered, options_.granularity);
    for (std::size_t i = 0; i < part.rows.size(); ++i) {
      const auto& row = part.rows[i];
      const engine::Blob sketch = i < part.sketches.size() ? part.sketches[i] : engine::Blob{};
      const bool aligned = engine::floor_to(row.bucket, options_.granularity) == row.bucket;
      if (!aligned || !range.contains(row.bucket) || row.bucket > now || row.value.is_nan() ||
          (options_.sketches && sketch.empty())) {
        ++stats_.rows_refused;
        continue;
      }
      if (row.bucket < live_from_) {
        ++stats_.rows_late;
        continue;
      }
      if (!is_countable(row.value)) {
        ++stats_.rows_uncountable;
        continue;
      }
      ++stats_.observations;
      auto labels = engine::parse_series(row.series);
      assert(labels.has_value());
      const SeriesKey key{.labels = *labels, .text = engine::series_text(*labels)};
      const auto [at, first] =
          rows.try_emplace({row.bucket, key}, Row{.value = row.value, .sketch = sketch, .scope = part.scope});
      Row& kept = at->second;
      if (first) continue;
      if (kept.value != row.value) kept.conflict = true;
      if (row.value > kept.value) {
        kept.value = row.value;
        kept.sketch = sketch;
        kept.scope = part.scope;
      } else if (row.value == kept.value) {
        kept.scope = std::min(kept.scope, part.scope);
      }
    }
  }
  for (const auto& [key, row] : rows) stats_.conflicts += row.conflict ? 1 : 0;
  return rows;
}

void NaiveEngine::change(Time bucket, const SeriesKey& key, Cell& cell, const Value& value) {
  ++stats_.changes;
  if (cell.settled) ++stats_.changed_after_final;
  moved_.insert({bucket, key});
  cell.value = value;
  cell.at_change = entries_[{bucket, cell.scope}].polls;
  cell.quiet = false;
  auto& pending = scopes_[cell.scope].pending;
  pending = pending ? std::max(*pending, bucket) : bucket;
}

// Rule 3, without the restart of conflicts, which needs the evidence of rule 8.
void NaiveEngine::update_known(const Rows& rows, std::set<EntryKey>& appeared) {
  for (const auto& [key, row] : rows) {
    const auto found = cells_.find(key);
    if (found == cells_.end()) continue;
    Cell& cell = found->second;
    if (cell.scope != row.scope) {
      ++stats_.scope_moves;
      cell.scope = row.scope;
      cell.at_change = entries_[{key.first, cell.scope}].polls;
      cell.quiet = false;
      appeared.insert({key.first, cell.scope});
    }
    follow(key.second, cell);
    if (cell.value != row.value) change(key.first, key.second, cell, row.value);
    cell.sketch = row.sketch;
    cell.gone = false;
    cell.absent = false;
  }
}

// Rule 4; `rows` is in (bucket, series text) order.
void NaiveEngine::make_new(const Rows& rows, std::set<EntryKey>& appeared) {
  const auto entries_before = entries_;
  for (const auto& [key, row] : rows) {
    if (cells_.contains(key)) continue;
    const EntryKey entry_key{key.first, row.scope};
    Entry& entry = entries_[entry_key];
    const bool series_fits = series_.contains(key.second) || series_.size() < options_.series_max;
    if (!series_fits || cells_.size() >= options_.open_cells_max) {
      ++stats_.rows_over_limit;
      entry.limited = true;
      entry.final = false;
      continue;
    }
    const auto before = entries_before.find(entry_key);
    Cell& cell = cells_[key];
    cell.scope = row.scope;
    cell.late = before != entries_before.end() && before->second.final;
    follow(key.second, cell);
    change(key.first, key.second, cell, row.value);
    cell.sketch = row.sketch;
    appeared.insert(entry_key);
    Series& series = series_[key.second];
    series.last_bucket = std::max(series.last_bucket, key.first);
  }
}

// Rule 6.
void NaiveEngine::vanish(const engine::ScopeAnswer& part, const Rows& rows) {
  const auto range = whole_buckets(part.covered, options_.granularity);
  for (auto& [key, cell] : cells_) {
    if (cell.scope != part.scope || !range.contains(key.first) || rows.contains(key)) continue;
    if (options_.absent == engine::Absent::zero) {
      if (cell.absent) continue;
      ++stats_.vanished;
      cell.absent = true;
      if (cell.value != Value::count(0)) change(key.first, key.second, cell, Value::count(0));
    } else if (!cell.gone) {
      ++stats_.vanished;
      cell.gone = true;
    }
  }
}

// Rule 8, for a complete scope answer.
void NaiveEngine::take_evidence(const engine::ScopeAnswer& part, Time now, std::set<EntryKey>& covered) {
  Scope& scope = scopes_[part.scope];
  const bool rose = part.frontier && (!scope.frontier || *part.frontier > *scope.frontier);
  if (rose) scope.frontier = part.frontier;
  auto mode = options_.liveness;
  if (mode == engine::Liveness::automatic) {
    mode = scope.frontier ? engine::Liveness::frontier : engine::Liveness::movement;
  }
  const bool still =
      (mode == engine::Liveness::frontier && !rose) || (mode == engine::Liveness::movement && !scope.pending);
  if (still) ++stats_.answers_unmoved;
  auto alive_from = scope.answered;
  if (scope.moved && now - *scope.moved <= std::min(options_.granularity, options_.watch / 20)) {
    alive_from = scope.moved;
  }
  const auto range = whole_buckets(part.covered, options_.granularity);
  for (Time bucket = std::max(range.from, live_from_); bucket < range.to && bucket <= now;
       bucket += options_.granularity) {
    Entry& entry = entries_[{bucket, part.scope}];
    const bool moved = mode == engine::Liveness::frontier   ? rose
                       : mode == engine::Liveness::movement ? scope.pending && bucket < *scope.pending
                                                            : true;
    const Time since = alive_from ? std::max(*alive_from, end_of(bucket)) : end_of(bucket);
    if (!still && now > since) entry.alive += now - since;
    if (moved) {
      entry.moving = entry.alive;
      if (ended(bucket, part.scope)) ++entry.polls;
    }
    const Duration first_look =
        scope.answered ? std::max(options_.watch / 5, options_.granularity) : options_.granularity;
    if (!entry.covered && now - end_of(bucket) > first_look) entry.unwatched = true;
    if (entry.covered && now - std::max(*entry.covered, end_of(bucket)) > options_.watch / 2) {
      entry.unwatched = true;
    }
    entry.covered = now;
    covered.insert({bucket, part.scope});
  }
  if (!still || !scope.moved) scope.moved = now;
  scope.answered = now;
  scope.pending.reset();
}

// In order, as far as the scope has told: nothing of the series can still go out below the bucket.
bool NaiveEngine::in_turn(Time bucket, const SeriesKey& key, const std::string& scope) const {
  if (!options_.in_order || counter()) return true;
  for (Time below = live_from_; below < bucket; below += options_.granularity) {
    const Cell* const held = cell(below, key);
    const Entry* const of = entry(below, scope);
    if (held != nullptr ? held->revision == 0 : of == nullptr || !of->final) return false;
  }
  return true;
}

// Rule 9.
void NaiveEngine::decide(const std::set<EntryKey>& covered, const std::map<EntryKey, Entry>& before) {
  for (const EntryKey& entry_key : covered) {
    const auto& [bucket, scope] = entry_key;
    if (!ended(bucket, scope)) continue;
    Entry& entry = entries_[entry_key];
    const auto earlier = before.find(entry_key);
    const Duration moving_before = earlier == before.end() ? Duration{} : earlier->second.moving;
    if (learned() != nullptr && entry.moving == moving_before) continue;
    for (auto& [key, cell] : cells_) {
      if (key.first != bucket || cell.scope != scope || cell.quiet) continue;
      if (cell.revision == 0 && !in_turn(bucket, key.second, scope)) continue;
      if (engine::decide_final(options_.finality, {entry.polls - cell.at_change, entry.moving},
                               demand(bucket, key.second))) {
        become_quiet(bucket, key.second, cell);
      }
    }
    if (!entry.final && !entry.limited &&
        engine::decide_final(options_.finality, {entry.polls - entry.appeared_at, entry.moving},
                             demand_of_bucket(bucket))) {
      entry.final = true;
      entry.by_expiry = false;
    }
  }
}

std::vector<NaiveSample> NaiveEngine::ingest(const engine::Answer& answer, Time now) {
  begin_call(now);
  const auto entries_before = entries_;
  std::vector<const engine::ScopeAnswer*> parts;
  for (const auto& part : answer.scopes) parts.push_back(&part);
  std::sort(parts.begin(), parts.end(), [](const auto* a, const auto* b) { return a->scope < b->scope; });

  const Rows rows = admit(answer, now_);
  for (const auto* part : parts) (void)scopes_[part->scope];
  std::set<EntryKey> appeared;
  update_known(rows, appeared);
  make_new(rows, appeared);
  for (const EntryKey& key : appeared) {  // rule 5
    Entry& entry = entries_[key];
    entry.appeared_at = entry.polls;
    entry.final = false;
  }
  std::set<EntryKey> covered;
  for (const auto* part : parts) {
    if (part->completeness == engine::Completeness::complete) vanish(*part, rows);
  }
  for (const auto* part : parts) {
    if (part->completeness == engine::Completeness::complete) {
      take_evidence(*part, now_, covered);
    } else {
      ++stats_.answers_truncated;
    }
  }
  for (const auto& [key, row] : rows) {
    if (!row.conflict || !cells_.contains(key)) continue;
    Cell& cell = cells_[key];
    cell.at_change = entries_[{key.first, cell.scope}].polls;
    cell.quiet = false;
  }
  age_changes(entries_before);
  decide(covered, entries_before);
  make_zeros();
  emit_totals(live_from_, false);
  return end_call();
}

}  // namespace settle::test
