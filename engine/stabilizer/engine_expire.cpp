#include <algorithm>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

std::vector<Sample> Engine::State::expire(Time at) {
  advance(at);
  look_at_ends();
  close_old();
  make_zeros();
  const std::size_t sealed = sealable();
  for (std::size_t one = 0; one < sealed; ++one) force_all(*buckets[one], How::ttl);
  // As if they had been sealed one by one: what leaves with a bucket counts for those after it.
  if (zeroes() && sealed > 1) {
    const Time sealed_to = end_of(buckets[sealed - 1]->start);
    for (const SeriesId id : series.by_number()) make_zeros_of(id, sealed_to);
  }
  // A bucket that is sealed stops no walk any more.
  if (sealed > 0) all_marked = true;
  walk_totals(sealed > 0 ? end_of(buckets[sealed - 1]->start) : kNever);
  clear_marks();
  std::vector<Sample> out = take_samples();
  if (sealed > 0) {
    for (std::size_t one = 0; one < sealed; ++one) stats.sealed += buckets[one]->cells.size();
    for (std::size_t one = 0; one < sealed; ++one) learn_from(*buckets[one]);
    from = end_of(buckets[sealed - 1]->start);
    remove_buckets(sealed);
  }
  if (learning) learning->rechecks.clean(now);
  retire_idle();
  return out;
}

void Engine::State::close_old() {
  for (const auto& bucket : buckets) {
    for (Entry& entry : bucket->entries) {
      if (!is_older(entry, bucket->start, options.ttl)) continue;
      for (std::uint32_t at = 0; entry.unquiet > 0 && at < bucket->cells.size(); ++at) {
        const Cell& cell = bucket->cells[at];
        if (cell.scope != entry.scope || cell.has(Cell::kHasSettled)) continue;
        settle(*bucket, entry, at, How::ttl);
      }
      if (entry.is_final || entry.limited || !has_ended(scopes[entry.scope], bucket->start)) continue;
      entry.is_final = true;
      entry.by_expiry = true;
      all_marked = true;
    }
  }
}

/// How many of the oldest buckets every known scope has reached, and answered completely at an age past
/// `watch`.
std::size_t Engine::State::sealable() const {
  const auto known = static_cast<std::size_t>(
      std::count_if(scopes.begin(), scopes.end(), [](const Scope& scope) { return scope.known; }));
  std::size_t count = 0;
  Time expected = from;
  for (const auto& bucket : buckets) {
    const auto answered = [&](const Entry& entry) { return is_past_watch(entry, bucket->start); };
    const auto& entries = bucket->entries;
    if (bucket->start != expected || entries.empty() || entries.size() != known) break;
    if (!std::all_of(entries.begin(), entries.end(), answered)) break;
    expected = end_of(bucket->start);
    ++count;
  }
  return count;
}

/// Before a bucket goes: what was never emitted, or moved since, goes out now where that is allowed.
void Engine::State::force_all(Bucket& bucket, How how) {
  std::vector<std::uint32_t> list;
  for (std::uint32_t at = 0; at < bucket.cells.size(); ++at) {
    const Cell& cell = bucket.cells[at];
    const bool same = cell.has(Cell::kHasSettled) && cell.bits() == cell.settled_bits();
    // A flush is the reason of all totals that it lets out.
    if (!same || (counts() && how == How::flush)) list.push_back(at);
  }
  const bool adds_up = !counts() && (holds() || options.rising_only || (learning && learning->tolerance > 0));
  if (adds_up) sort_by_text(bucket, list);  // a sum of doubles must not depend on arrival
  for (const std::uint32_t at : list) {
    const Cell& cell = bucket.cells[at];
    if (adds_up && cell.revision > 0 && holds_back(cell)) {
      if (sketches()) continue;  // fingerprints do not add up to anything
      const Value observed = Value::from_bits(cell.bits());
      const Value emitted = Value::from_bits(cell.settled_bits());
      stats.unpropagated += observed.as_double() - emitted.as_double();
      continue;
    }
    settle(bucket, *bucket.find_entry(cell.scope), at, how);
  }
}

void Engine::State::forget_cell(const Bucket& bucket, const Cell& cell, bool valued, bool to_base) {
  Series& one = series[cell.series];
  --one.cells;
  --cells;
  if (to_base) one.base += cell.settled;
  if (valued && bucket.start > one.last_valued) {
    one.last_valued = bucket.start;
    one.last_scope = cell.scope;
  }
  // While a series has cells they tell its newest bucket, and a record need not.
  if (keeps_last() || one.cells == 0) touch(cell.series);
}

void Engine::State::drop_buckets(std::size_t count) {
  std::vector<SeriesId> changed;
  if (counts() && holds()) {
    for (std::size_t one = 0; one < count; ++one) {
      for (const Cell& cell : buckets[one]->cells) changed.push_back(cell.series);
    }
  }
  buckets.erase(buckets.begin(), buckets.begin() + static_cast<std::ptrdiff_t>(count));
  for (const SeriesId id : changed) count_withheld(id);
  // A value that left for `last_valued` counts whether or not its bucket was final.
  if (zeroes() && count > 0) all_marked = true;
}

void Engine::State::remove_buckets(std::size_t count) {
  for (std::size_t one = 0; one < count; ++one) {
    for (const Cell& cell : buckets[one]->cells) {
      forget_cell(*buckets[one], cell, keeps_last() && !cell.has(Cell::kAbsent), counts());
    }
  }
  drop_buckets(count);
}

void Engine::State::retire_idle() {
  if (now < no_retirement_before) return;
  std::vector<SeriesId> idle;
  Time next = Time::max();
  for (const SeriesId id : series.by_number()) {
    const Series& one = series[id];
    const bool is_idle = one.cells == 0 && now - end_of(one.last_bucket) > options.series_idle;
    if (is_idle) {
      idle.push_back(id);
      withheld -= one.withheld;
      retired.push_back(one.number);
    } else {
      next = std::min(next, end_of(one.last_bucket) + options.series_idle);
    }
  }
  no_retirement_before = series.size() == 0 ? kNever : next;
  if (idle.empty()) return;
  write_off(idle);
  stats.withheld = static_cast<double>(withheld);
  series.retire(idle);
  std::erase_if(dirty_series, [&](SeriesId id) { return series[id].number == 0; });
}

std::vector<Sample> Engine::State::flush(Time at) {
  advance(at);
  for (const auto& bucket : buckets) force_all(*bucket, How::flush);
  all_marked = true;
  walk_totals(Time::max());
  clear_marks();
  std::vector<Sample> out = take_samples();
  if (!buckets.empty()) from = std::max(from, end_of(buckets.back()->start));
  remove_buckets(buckets.size());
  give_up_carry();
  return out;
}

}  // namespace settle::engine
