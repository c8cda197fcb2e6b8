#include <algorithm>
#include <tuple>

#include "tests/support/naive_engine.hpp"

namespace settle::test {

using engine::Reason;

namespace {
constexpr std::uint64_t kTotalMax = std::uint64_t{1} << 53;
}

void NaiveEngine::begin_call(Time now) {
  now_ = std::max(now_, now);
  out_.clear();
  forced_.clear();
}

std::vector<NaiveSample> NaiveEngine::end_call() {
  std::sort(out_.begin(), out_.end(), [](const NaiveSample& a, const NaiveSample& b) {
    return std::tie(a.bucket, a.series) < std::tie(b.bucket, b.series);
  });
  return std::move(out_);
}

void NaiveEngine::emit(Time bucket, const SeriesKey& key, Cell& cell, const Value& value, Reason reason) {
  const std::optional<Value> before = counter() ? std::nullopt : cell.emitted;
  cell.emitted = value;
  ++cell.revision;
  const std::uint32_t polls = entries_[{bucket, cell.scope}].polls;
  out_.push_back({.series = key.text,
                  .bucket = bucket,
                  .value = value,
                  .revision = cell.revision,
                  .reason = reason,
                  .age = now_ - end_of(bucket),
                  .evidence_polls = polls - cell.at_change,
                  .replaced = before,
                  .sketch = options_.sketches ? cell.sketch : engine::Blob{}});
  switch (reason) {
    case Reason::settled:
      ++stats_.settled;
      break;
    case Reason::ttl:
      ++stats_.ttl;
      break;
    case Reason::correction:
      ++stats_.corrections;
      break;
    case Reason::flush:
      ++stats_.flushed;
      break;
    case Reason::backfill:
    case Reason::stale:
      break;
  }
}

void NaiveEngine::become_quiet(Time bucket, const SeriesKey& key, Cell& cell) {
  const bool moved = cell.settled && *cell.settled != cell.value;
  if (!cell.settled) cell.first_final = cell.value;
  cell.quiet = true;
  cell.settled = cell.value;
  cell.own_reason = cell.late ? Reason::correction : Reason::settled;
  if (counter()) {
    if (hold() && moved && cell.revision > 0) ++stats_.held_back;
    return;
  }
  if (cell.revision == 0) {
    emit(bucket, key, cell, cell.value, cell.own_reason);
  } else if (cell.emitted != cell.value) {
    if (held_back(cell)) {
      if (!close(*cell.emitted, cell.value)) ++stats_.held_back;
    } else {
      emit(bucket, key, cell, cell.value, Reason::correction);
    }
  }
}

bool NaiveEngine::held_back(const Cell& cell) const {
  return hold() || close(*cell.emitted, cell.value) || (options_.rising_only && cell.value < *cell.emitted);
}

void NaiveEngine::force(Time bucket, const SeriesKey& key, Cell& cell, Reason reason) {
  const bool moved = cell.settled && *cell.settled != cell.value;
  cell.quiet = true;
  cell.settled = cell.value;
  cell.own_reason = reason;
  forced_.insert({bucket, key});
  if (counter()) {
    if (hold() && moved && cell.revision > 0) ++stats_.held_back;
    return;
  }
  if (cell.emitted && held_back(cell)) {
    if (!options_.sketches) stats_.unpropagated += cell.value.as_double() - cell.emitted->as_double();
  } else if (cell.emitted != cell.value) {
    emit(bucket, key, cell, cell.value, reason);
  }
}

std::optional<std::pair<Time, std::string>> NaiveEngine::latest_value(const SeriesKey& key, Time below,
                                                                      bool is_sealed) const {
  std::optional<std::pair<Time, std::string>> latest;
  for (const auto& [at, held] : cells_) {
    if (at.second.text != key.text || at.first >= below || held.absent) continue;
    const Entry* const of = entry(at.first, held.scope);
    if (is_sealed || (held.quiet && of != nullptr && of->final))
      latest = {at.first, held.scope};  // ascending: the last one is the newest
  }
  const Series& series = series_.at(key);
  if (series.last_valued && (!latest || *series.last_valued > latest->first)) {
    latest = {*series.last_valued, series.last_scope};
  }
  return latest;
}

/// With `sealed_to` only in buckets below it, where every value counts.
void NaiveEngine::make_zeros(std::optional<Time> sealed_to) {
  if (options_.absent != engine::Absent::zero) return;
  for (const auto& [entry_key, entry] : entries_) {
    const auto& [bucket, scope] = entry_key;
    if (!entry.final || !ended(bucket, scope) || (sealed_to && bucket >= *sealed_to)) continue;
    for (auto& [key, series] : series_) {
      if (cells_.contains({bucket, key})) continue;
      const auto latest = latest_value(key, bucket, sealed_to.has_value());
      if (!latest || latest->second != scope || latest->first < bucket - options_.absent_for) continue;
      if (!sealed_to && !in_turn(bucket, key, scope)) continue;
      Cell& cell = cells_[{bucket, key}];
      cell.scope = scope;
      cell.value = Value::count(0);
      cell.settled = cell.value;
      cell.quiet = true;
      cell.absent = true;
      cell.at_change = entry.appeared_at;
      cell.own_reason = entry.by_expiry ? Reason::ttl : Reason::settled;
      series.last_bucket = std::max(series.last_bucket, bucket);
      ++stats_.zeros;
      if (!counter()) emit(bucket, key, cell, cell.value, cell.own_reason);
    }
  }
}

/// Buckets below `sealed_below` and, with `pass_empty`, all buckets do not stop a walk by being empty.
void NaiveEngine::emit_totals(Time sealed_below, bool pass_empty) {
  if (!counter()) return;
  for (auto& [key, series] : series_) {
    std::optional<Time> newest;
    std::string home = series.last_scope;
    for (const auto& [at, held] : cells_) {
      if (at.second.text != key.text) continue;
      newest = at.first;
      home = held.scope;
    }
    if (!newest) continue;
    std::uint64_t total = series.base;
    for (Time bucket = live_from_; bucket <= *newest; bucket += options_.granularity) {
      const auto found = cells_.find({bucket, key});
      if (found == cells_.end()) {
        const Entry* const of = entry(bucket, home);
        if (pass_empty || bucket < sealed_below || (of != nullptr && of->final)) continue;
        break;
      }
      if (!found->second.settled) break;
      total += found->second.settled->as_count();
      if (total > kTotalMax) {
        if (!series.overflowed) ++stats_.rows_uncountable;
        series.overflowed = true;
        break;
      }
      emit_total(bucket, key, series, found->second, total);
    }
  }
}

void NaiveEngine::emit_total(Time bucket, const SeriesKey& key, Series& series, Cell& cell,
                             std::uint64_t total) {
  Reason reason = cell.own_reason;
  if (hold()) {
    if (cell.revision > 0 || cell.passed_over) return;
    if (series.emitted_through && bucket <= *series.emitted_through) {
      cell.passed_over = true;
      ++stats_.held_back;
      return;
    }
    total = std::max(series.last_total, total);
  } else if (cell.revision > 0) {
    if (*cell.emitted == Value::count(total)) return;
    if (!forced_.contains({bucket, key})) reason = Reason::correction;
  }
  emit(bucket, key, cell, Value::count(total), reason);
  if (series.emitted_through && bucket < *series.emitted_through) return;
  series.last_total = total;
  series.emitted_through = bucket;
}

void NaiveEngine::carry(const std::string& text, std::int64_t amount) {
  if (!counter()) return;
  const SeriesKey named{.labels = *engine::parse_series(text), .text = text};
  if (amount > 0 && !series_.contains(named)) {
    if (series_.size() < options_.series_max) {
      series_[named].last_bucket = live_from_ - options_.granularity;
    } else {
      ++stats_.rows_over_limit;
    }
  }
  for (auto& [key, series] : series_) {
    if (key.text != text) continue;
    for (; amount > 0; --amount) ++series.base;
    for (; amount < 0 && series.base > 0; ++amount) --series.base;
  }
  stats_.unpropagated += static_cast<double>(amount);
}

/// What the totals never say.
void NaiveEngine::write_off(const Series& series) {
  if (!counter()) return;
  if (series.base >= series.last_total) {
    stats_.unpropagated += static_cast<double>(series.base - series.last_total);
  } else {
    stats_.unpropagated -= static_cast<double>(series.last_total - series.base);
  }
}

double NaiveEngine::withheld() const {
  if (!counter() || !hold()) return 0;
  std::uint64_t sum = 0;
  for (const auto& [key, series] : series_) {
    if (!series.emitted_through) continue;
    std::uint64_t settled = series.base;
    for (const auto& [at, held] : cells_) {
      if (at.second.text != key.text || at.first > *series.emitted_through) continue;
      if (held.settled) settled += held.settled->as_count();
    }
    if (series.last_total > settled) sum += series.last_total - settled;
  }
  return static_cast<double>(sum);
}

}  // namespace settle::test
