#include <algorithm>
#include <utility>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

namespace {

Reason own_reason(const Cell& cell) {
  if (cell.has(Cell::kByTtl)) return Reason::ttl;
  if (cell.has(Cell::kByFlush)) return Reason::flush;
  return cell.has(Cell::kLate) ? Reason::correction : Reason::settled;
}

std::optional<Value> find_replaced(const std::vector<Replaced>& by_cell, std::uint32_t cell) {
  const auto at = std::lower_bound(by_cell.begin(), by_cell.end(), cell,
                                   [](const Replaced& one, std::uint32_t id) { return one.cell < id; });
  if (at == by_cell.end() || at->cell != cell) return std::nullopt;
  return Value::from_bits(at->value);
}

}  // namespace

/// The cell's newest value is taken as final.
void Engine::State::settle(Bucket& bucket, Entry& entry, std::uint32_t at, How how) {
  Cell& cell = bucket.cells[at];
  if (how == How::decided && !cell.has(Cell::kHasSettled)) note_decided(bucket, at);
  if (!cell.has(Cell::kQuiet)) --entry.unquiet;
  cell.flags &= ~std::uint32_t{Cell::kByTtl | Cell::kByFlush};
  cell.flags |= Cell::kQuiet;
  if (how == How::ttl) cell.flags |= Cell::kByTtl | Cell::kForcedNow;
  if (how == How::flush) cell.flags |= Cell::kByFlush | Cell::kForcedNow;
  if (how != How::decided) forced.push_back({&bucket, at});
  touch(bucket, at);
  mark(cell.series);
  if (counts()) {
    settle_counter(bucket, at);
  } else {
    settle_gauge(bucket, at, how);
  }
  cell.flags |= Cell::kHasSettled;
}

void Engine::State::settle_gauge(Bucket& bucket, std::uint32_t at, How how) {
  Cell& cell = bucket.cells[at];
  const bool first = cell.revision == 0;
  if (!first && cell.bits() == cell.settled_bits()) return;
  if (!first && holds_back(cell)) {
    if (how == How::decided && !is_close(cell)) ++stats.held_back;
    return;
  }
  if (!first) bucket.replaced.push_back({at, cell.settled_bits()});
  cell.put_settled(cell.bits());
  ++cell.revision;
  const Reason reason = first || how != How::decided ? own_reason(cell) : Reason::correction;
  bucket.emissions.push_back({at, reason});
}

/// Its newest value is what was emitted, for all that the policy's tolerance cares.
bool Engine::State::is_close(const Cell& cell) const {
  return learning && !differs(cell.settled_bits(), cell.bits(), learning->tolerance);
}

/// Its newest value must not follow what was emitted.
bool Engine::State::holds_back(const Cell& cell) const {
  return holds() || is_close(cell) ||
         (options.rising_only && Value::from_bits(cell.bits()) < Value::from_bits(cell.settled_bits()));
}

void Engine::State::settle_counter(Bucket& bucket, std::uint32_t at) {
  Cell& cell = bucket.cells[at];
  const bool moved = cell.has(Cell::kHasSettled) && cell.bits() != cell.settled_bits();
  if (moved && holds() && cell.revision > 0) ++stats.held_back;
  cell.put_settled(cell.bits());
}

// ---- zeros from absence

void Engine::State::make_zeros() {
  if (!zeroes()) return;
  clear_buckets = 0;
  if (orders()) note_clear();
  if (all_marked) {
    for (const SeriesId id : series.by_number()) make_zeros_of(id);
    return;
  }
  // A zero marks nothing new: only cells of its own series are looked at.
  for (std::size_t at = 0; at < marked.size(); ++at) make_zeros_of(marked[at]);
}

void Engine::State::make_zeros_of(SeriesId id, Time sealed_to) {
  Time latest = series[id].last_valued;
  ScopeId home = series[id].last_scope;
  for (const auto& bucket : buckets) {
    if (sealed_to != kNever && bucket->start >= sealed_to) break;
    const std::uint32_t at = bucket->index.find(id);
    if (at != kNone) {
      const Cell& cell = bucket->cells[at];
      if (cell.has(Cell::kAbsent)) continue;
      const bool is_final = cell.has(Cell::kQuiet) && bucket->find_entry(cell.scope)->is_final;
      if (!is_final && sealed_to == kNever) continue;
      latest = bucket->start;
      home = cell.scope;
      continue;
    }
    if (latest == kNever || bucket->start - latest > options.absent_for) continue;
    Entry* entry = bucket->find_entry(home);
    if (entry == nullptr || !entry->is_final || !has_ended(scopes[home], bucket->start)) continue;
    if (orders() && sealed_to == kNever && !in_turn(bucket->start, id, home)) continue;
    Cell& zero = bucket->cells[add_cell(*bucket, *entry, id, Value::Bits{})];
    zero.at_change = entry->appeared_at;
    zero.flags |= Cell::kAbsent | Cell::kQuiet | Cell::kHasSettled | Cell::kSettledCount;
    if (entry->by_expiry) zero.flags |= Cell::kByTtl;
    --entry->unquiet;
    ++entry->missing;
    ++stats.zeros;
    if (counts()) continue;
    zero.revision = 1;
    bucket->emissions.push_back({static_cast<std::uint32_t>(bucket->cells.size() - 1), own_reason(zero)});
  }
}

// ---- counter output

void Engine::State::walk_totals(Time passable) {
  if (!counts()) return;
  if (all_marked) {
    for (const SeriesId id : series.by_number()) walk_totals_of(id, passable);
    return;
  }
  for (const SeriesId id : marked) walk_totals_of(id, passable);
}

ScopeId Engine::State::home_scope(SeriesId id) const {
  for (auto bucket = buckets.rbegin(); bucket != buckets.rend(); ++bucket) {
    const std::uint32_t at = (*bucket)->index.find(id);
    if (at != kNone) return (*bucket)->cells[at].scope;
  }
  return series[id].last_scope;
}

void Engine::State::walk_totals_of(SeriesId id, Time passable) {
  Series& one = series[id];
  if (one.cells == 0) return;
  const ScopeId home = home_scope(id);
  std::uint64_t total = one.base;
  Time expected = from;
  for (const auto& bucket : buckets) {
    if (bucket->start > one.last_bucket) break;
    // A bucket that is not there has no final entry.
    if (bucket->start != expected && bucket->start > passable) break;
    expected = end_of(bucket->start);
    const std::uint32_t at = bucket->index.find(id);
    if (at == kNone) {
      if (bucket->start < passable) continue;
      const Entry* entry = bucket->find_entry(home);
      if (entry == nullptr || !entry->is_final) break;
      continue;
    }
    const Cell& cell = bucket->cells[at];
    if (!cell.has(Cell::kHasSettled)) break;
    total += cell.settled;
    if (total > kCountMax) {
      if (!std::exchange(one.overflowed, true)) {
        ++stats.rows_uncountable;
        touch(id);
      }
      break;
    }
    emit_total(*bucket, at, one, total);
  }
  count_withheld(id);
}

void Engine::State::emit_total(Bucket& bucket, std::uint32_t at, Series& one, std::uint64_t total) {
  Cell& cell = bucket.cells[at];
  Reason reason = own_reason(cell);
  if (holds()) {
    if (cell.revision > 0 || cell.has(Cell::kHeld)) return;
    if (bucket.start <= one.emitted_through) {
      ++stats.held_back;
      cell.flags |= Cell::kHeld;
      touch(bucket, at);
      return;
    }
    total = std::max(total, one.last_total);
  } else if (cell.revision > 0) {
    if (bucket.totals[at] == total) return;
    if (!cell.has(Cell::kForcedNow)) reason = Reason::correction;
  }
  bucket.totals[at] = total;
  ++cell.revision;
  touch(bucket, at);
  if (bucket.start >= one.emitted_through) {
    one.last_total = total;
    one.emitted_through = bucket.start;
  }
  touch(cell.series);
  bucket.emissions.push_back({at, reason});
}

/// Under hold: what the last total is above what the amounts so far come to.
void Engine::State::count_withheld(SeriesId id) {
  if (!counts() || !holds()) return;
  Series& one = series[id];
  std::uint64_t due = one.base;
  for (const auto& bucket : buckets) {
    if (bucket->start > one.emitted_through) break;
    const std::uint32_t at = bucket->index.find(id);
    if (at != kNone && bucket->cells[at].has(Cell::kHasSettled)) due += bucket->cells[at].settled;
  }
  withheld -= one.withheld;
  one.withheld = one.last_total > due ? one.last_total - due : 0;
  withheld += one.withheld;
  stats.withheld = static_cast<double>(withheld);
}

/// The series that takes the amount; kNone: none does. One that has no cell yet counts as last seen just
/// before L, so that it waits for `series_idle` and no longer.
SeriesId Engine::State::carrier(const Carry& one) {
  const SeriesTable::Interned found = series.intern(one.series, SeriesTable::hash(one.series));
  if (!found.is_new) return found.id;
  if (one.amount <= 0 || series.size() >= options.series_max) {
    if (one.amount > 0) ++stats.rows_over_limit;
    series.drop(found.id);
    return kNone;
  }
  series.admit(found.id, next_number++);
  series[found.id].last_bucket = from - options.granularity;
  no_retirement_before = std::min(no_retirement_before, from + options.series_idle);
  added.push_back({series[found.id].number, std::string(one.series)});
  return found.id;
}

void Engine::State::carry(std::span<const Carry> amounts) {
  if (!counts()) return;
  for (const Carry& one : amounts) {
    const SeriesId id = carrier(one);
    if (id == kNone) {
      stats.unpropagated += static_cast<double>(one.amount);
      continue;
    }
    std::uint64_t& base = series[id].base;
    const std::uint64_t less = one.amount < 0 ? ~static_cast<std::uint64_t>(one.amount) + 1 : 0;
    if (less > base) {
      stats.unpropagated -= static_cast<double>(less - base);
      base = 0;
    } else {
      base += static_cast<std::uint64_t>(one.amount);
    }
    touch(id);
    mark(id);
    count_withheld(id);
  }
}

/// What the totals of series without cells are above or below their amounts will never be mended.
void Engine::State::write_off(std::vector<SeriesId> gone) {
  if (!counts()) return;
  (void)series.by_text();
  std::sort(gone.begin(), gone.end(), [&](auto a, auto b) { return series.rank(a) < series.rank(b); });
  for (const SeriesId id : gone) {
    const Series& one = series[id];
    if (one.base > one.last_total) stats.unpropagated += static_cast<double>(one.base - one.last_total);
    if (one.base < one.last_total) stats.unpropagated -= static_cast<double>(one.last_total - one.base);
  }
}

/// After a flush no total follows, as far as anybody knows: what waits for one is given up. What the totals
/// are too high stays `withheld` under hold.
void Engine::State::give_up_carry() {
  if (!counts()) return;
  std::vector<SeriesId> waiting;
  for (const SeriesId id : series.by_number()) {
    const Series& one = series[id];
    const bool waits = holds() ? one.base > one.last_total : one.base != one.last_total;
    if (waits && !one.overflowed) waiting.push_back(id);
  }
  write_off(waiting);
  for (const SeriesId id : waiting) {
    series[id].base = series[id].last_total;
    touch(id);
  }
}

void Engine::State::clear_marks() {
  for (const SeriesId id : marked) series[id].marked = false;
  marked.clear();
  all_marked = false;
}

void Engine::State::count_sample(Reason reason) {
  switch (reason) {
    case Reason::settled:
      ++stats.settled;
      return;
    case Reason::ttl:
      ++stats.ttl;
      return;
    case Reason::correction:
      ++stats.corrections;
      return;
    case Reason::flush:
      ++stats.flushed;
      return;
    case Reason::backfill:
    case Reason::stale:
      return;  // not this engine's
  }
}

std::vector<Sample> Engine::State::take_samples() {
  std::size_t count = 0;
  for (const auto& bucket : buckets) count += bucket->emissions.size();
  for (const CellRef& at : forced) at.bucket->cells[at.cell].flags &= ~std::uint32_t{Cell::kForcedNow};
  forced.clear();
  std::vector<Sample> out;
  out.reserve(count);
  std::vector<Reason> reasons;
  std::vector<std::uint32_t> list;
  for (const auto& bucket : buckets) {
    if (bucket->emissions.empty()) continue;
    reasons.resize(bucket->cells.size());
    list.clear();
    for (const Emission& emission : bucket->emissions) {
      list.push_back(emission.cell);
      reasons[emission.cell] = emission.reason;
    }
    bucket->emissions = std::vector<Emission>();  // gives the memory back
    std::vector<Replaced> replaced = std::exchange(bucket->replaced, {});
    std::sort(replaced.begin(), replaced.end(), [](const auto& a, const auto& b) { return a.cell < b.cell; });
    sort_by_text(*bucket, list);
    for (const std::uint32_t at : list) {
      const Cell& cell = bucket->cells[at];
      const Value value = counts() ? Value::count(bucket->totals[at]) : Value::from_bits(cell.settled_bits());
      out.push_back({.series = series[cell.series].number,
                     .bucket = bucket->start,
                     .value = value,
                     .revision = cell.revision,
                     .reason = reasons[at],
                     .replaced = find_replaced(replaced, at),
                     .age = now - end_of(bucket->start),
                     .evidence_polls = bucket->find_entry(cell.scope)->polls - cell.at_change});
      // What goes out in a call is what was observed last.
      if (sketches()) out.back().sketch = bucket->blobs[at];
      count_sample(out.back().reason);
    }
  }
  return out;
}

}  // namespace settle::engine
