#include <algorithm>
#include <map>
#include <utility>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

namespace {

/// The gaps of one scope while its buckets are looked at upwards.
struct Runs {
  std::vector<Gap> gaps;
  /// The bucket [start, end) belongs to a gap.
  void add(const std::string& scope, TimeRange bucket) {
    if (!gaps.empty() && gaps.back().range.to == bucket.from) {
      gaps.back().range.to = bucket.to;
    } else {
      gaps.push_back({.scope = scope, .range = bucket, .cells = {}});
    }
  }
};

}  // namespace

bool Engine::State::is_sealed(const Bucket& bucket, const Cell& cell) const {
  return is_past_watch(*bucket.find_entry(cell.scope), bucket.start) && cell.revision > 0 &&
         cell.bits() == cell.settled_bits();
}

/// The cells that pass to gap entries, by text; the others count as sealed. The totals of a counter keep no
/// account of single buckets: where a gap has one cell of a scope it has them all, so that a fill knows what
/// is in the totals already.
std::map<ScopeId, std::vector<GapCell>> Engine::State::give_up(const Bucket& bucket) {
  std::map<ScopeId, std::vector<GapCell>> out;
  std::vector<std::uint32_t> list(bucket.cells.size());
  for (std::uint32_t at = 0; at < list.size(); ++at) list[at] = at;
  sort_by_text(bucket, list);
  std::vector<bool> whole(scopes.size(), false);
  for (const Cell& cell : bucket.cells) {
    if (counts() && !is_sealed(bucket, cell)) whole[cell.scope] = true;
  }
  for (const std::uint32_t at : list) {
    const Cell& cell = bucket.cells[at];
    if (!whole[cell.scope] && is_sealed(bucket, cell)) {
      ++stats.sealed;
      continue;
    }
    ++stats.given_up;
    GapCell gap{.series = series[cell.series].number,
                .bucket = bucket.start,
                .last_observed = Value::from_bits(cell.bits()),
                .emitted = std::nullopt,
                .revision = cell.revision};
    if (cell.revision > 0) gap.emitted = Value::from_bits(cell.settled_bits());
    out[cell.scope].push_back(gap);
  }
  return out;
}

std::vector<Gap> Engine::State::release(Time before) {
  if (before <= from) return {};
  const auto end = std::lower_bound(buckets.begin(), buckets.end(), before,
                                    [](const auto& bucket, Time time) { return bucket->start < time; });
  const auto count = static_cast<std::size_t>(end - buckets.begin());
  std::map<std::string, Runs> runs;  // by scope name, as gaps are ordered
  for (const Scope& scope : scopes) {
    if (scope.known) runs[scope.name];
  }
  if (runs.empty()) runs[""];

  Time looked_to = from;
  const auto all_miss = [&](TimeRange range) {
    if (range.empty()) return;
    for (auto& [scope, run] : runs) run.add(scope, range);
  };
  for (std::size_t one = 0; one < count; ++one) {
    const Bucket& bucket = *buckets[one];
    all_miss({looked_to, bucket.start});
    looked_to = end_of(bucket.start);
    const TimeRange range{bucket.start, looked_to};
    const auto given_up = give_up(bucket);
    for (ScopeId id = 0; id < scopes.size(); ++id) {
      if (!scopes[id].known) continue;
      const Entry* entry = bucket.find_entry(id);
      const bool answered = entry != nullptr && is_past_watch(*entry, bucket.start);
      const auto cells_of_scope = given_up.find(id);
      if (answered && cells_of_scope == given_up.end()) continue;
      Runs& run = runs[scopes[id].name];
      run.add(scopes[id].name, range);
      if (cells_of_scope == given_up.end()) continue;
      auto& cells_out = run.gaps.back().cells;
      cells_out.insert(cells_out.end(), cells_of_scope->second.begin(), cells_of_scope->second.end());
    }
    for (const Cell& cell : bucket.cells) {
      const bool valued = cell.has(Cell::kQuiet) && !cell.has(Cell::kAbsent);
      forget_cell(bucket, cell, keeps_last() && valued, counts() && cell.revision > 0);
    }
  }
  all_miss({looked_to, before});
  from = before;
  drop_buckets(count);
  all_marked = true;  // what stopped a walk may be gone
  forget_scopes(before);
  std::vector<Gap> out;
  for (auto& [scope, run] : runs) {
    out.insert(out.end(), std::make_move_iterator(run.gaps.begin()), std::make_move_iterator(run.gaps.end()));
  }
  return out;
}

void Engine::State::forget_scopes(Time before) {
  std::vector<bool> used(scopes.size(), false);
  for (const auto& bucket : buckets) {
    for (const Entry& entry : bucket->entries) used[entry.scope] = true;
  }
  for (ScopeId id = 0; id < scopes.size(); ++id) {
    Scope& scope = scopes[id];
    if (!scope.known || used[id] || (scope.last_complete != kNever && scope.last_complete >= before))
      continue;
    scope = Scope{.name = std::move(scope.name)};
  }
  // The name stays while a series remembers it as its home.
  for (const SeriesId id : series.by_number()) {
    if (series[id].last_scope != kNone) used[series[id].last_scope] = true;
  }
  for (ScopeId id = 0; id < scopes.size(); ++id) {
    if (scopes[id].known || used[id] || !scope_ids.contains(scopes[id].name)) continue;
    if (scope_ids.find(scopes[id].name)->second != id) continue;
    scope_ids.erase(scopes[id].name);
    scopes[id] = {};
    free_scopes.push_back(id);
  }
}

}  // namespace settle::engine
