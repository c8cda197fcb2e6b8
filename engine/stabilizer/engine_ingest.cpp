#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <utility>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

namespace {

// In a series' slot of a bucket's index: the rest of the bits is the number of a claim, not of a cell.
constexpr std::uint32_t kClaimBit = 0x8000'0000;
// Rows looked up together, so that the memory reads of many overlap.
constexpr std::size_t kBlock = 64;

bool is_claim(std::uint32_t at) {
  return at != kNone && (at & kClaimBit) != 0;
}

bool is_nan(Value::Bits value) {
  return !value.is_count && std::isnan(std::bit_cast<double>(value.bits));
}

}  // namespace

std::vector<Sample> Engine::State::ingest(const Answer& answer, Time at) {
  advance(at);
  ++stamp;
  for (const auto& bucket : buckets) {
    for (Entry& entry : bucket->entries) {
      entry.seen = 0;
      entry.appeared = false;
      entry.was_final = entry.is_final;
      entry.moving_before = entry.moving;
    }
  }
  std::vector<const ScopeAnswer*> by_name;
  for (const ScopeAnswer& part : answer.scopes) by_name.push_back(&part);
  std::sort(by_name.begin(), by_name.end(), [](const auto* a, const auto* b) { return a->scope < b->scope; });

  std::vector<Lane> lanes;
  lanes.reserve(by_name.size());
  for (const ScopeAnswer* part : by_name) {
    lanes.push_back(open_lane(*part));
    take_rows(lanes.back());
  }
  for (const Claim& one : claims) {
    if (one.cell != kNone) apply_known(one);
  }
  admit_new();
  claims = std::vector<Claim>();  // a first answer makes many: not worth keeping
  sketches_claimed = std::vector<const Blob*>();
  for (const auto& bucket : buckets) {
    for (Entry& entry : bucket->entries) {
      if (!entry.appeared) continue;
      entry.appeared_at = entry.polls;
      reopen(entry);
    }
  }
  for (const Lane& lane : lanes) find_vanished(lane);
  for (const Lane& lane : lanes) take_evidence(lane);
  restart_conflicts();
  age_panels();
  look_at_ends();
  clear_buckets = 0;
  if (orders()) {
    decide_in_order(lanes);
  } else {
    for (const Lane& lane : lanes) decide(lane);
  }
  make_zeros();
  walk_totals(kNever);
  clear_marks();
  return take_samples();
}

Lane Engine::State::open_lane(const ScopeAnswer& answer) {
  const Duration step = options.granularity;
  Lane lane;
  lane.answer = &answer;
  lane.scope = know_scope(answer.scope);
  lane.from = std::max(from, ceil_to(answer.covered.from, step));
  lane.to = floor_to(answer.covered.to, step);  // a bucket that is covered in part is not covered
  const Time to = std::min(lane.to, floor_to(now, step) + step);
  for (Time start = lane.from; start < to; start += step) {
    if (lane.complete()) {
      Bucket& bucket = bucket_of(start);
      (void)bucket.entry_of(lane.scope);
      lane.buckets.push_back(&bucket);
    } else {
      lane.buckets.push_back(find_bucket(start));
    }
  }
  lane.seen.assign(lane.buckets.size(), 0);
  return lane;
}

void Engine::State::take_rows(Lane& lane) {
  const std::span<const Observation> rows = lane.answer->rows;
  for (std::size_t at = 0; at < rows.size();) {
    std::span<const Observation> block = rows.subspan(at, std::min(kBlock, rows.size() - at));
    at += block.size();
    if (sketches() || !lane.answer->sketches.empty()) {
      // A fingerprint is no number, and a number no sketch: up to the first that is the other.
      const auto other = [&](const auto& row) { return sketches() == (lane.sketch_of(row) == nullptr); };
      const auto refused = std::find_if(block.begin(), block.end(), other);
      if (refused != block.end()) {
        ++stats.rows_refused;
        at -= static_cast<std::size_t>(block.end() - refused) - 1;
      }
      block = {block.begin(), refused};
    }
    take_block(lane, block);
  }
  if (!lane.complete()) return;
  for (std::size_t slot = 0; slot < lane.buckets.size(); ++slot) {
    lane.buckets[slot]->find_entry(lane.scope)->seen += lane.seen[slot];
  }
}

bool Engine::State::admits(Lane& lane, const Observation& row, Value::Bits value) {
  const std::int64_t step = options.granularity.count();
  const auto slots = static_cast<std::int64_t>(lane.buckets.size());
  const auto last = static_cast<std::int64_t>(lane.last_slot);
  // Unsigned: what a source says may be any instant.
  const auto offset = static_cast<std::int64_t>(static_cast<std::uint64_t>(epoch_ms(row.bucket)) -
                                                static_cast<std::uint64_t>(epoch_ms(lane.from)));
  // Rows mostly come by bucket or by series: no division then.
  std::int64_t slot = last + (offset == last * step ? 0 : 1);
  if (offset != slot * step) slot = offset >= 0 ? offset / step : slots;
  if (slot < slots && slot * step == offset && !is_nan(value)) [[likely]] {
    lane.last_slot = static_cast<std::size_t>(slot);
    if (!counts() || (value.is_count && value.bits <= kCountMax)) return true;
    ++stats.rows_uncountable;
    return false;
  }
  const bool aligned = epoch_ms(row.bucket) % step == 0;
  if (!aligned || row.bucket < lane.answer->covered.from || row.bucket >= lane.to || row.bucket > now ||
      is_nan(value)) {
    ++stats.rows_refused;
  } else {
    ++stats.rows_late;
  }
  return false;
}

/// Whether the row says what its cell holds, and is the first in this answer to do so; then all is done.
inline bool Engine::State::is_unchanged(Lane& lane, std::size_t slot, std::uint32_t at, Value::Bits value) {
  constexpr std::uint32_t kPlain = Cell::kCount | Cell::kAbsent | Cell::kGone;
  Bucket* bucket = lane.buckets[slot];
  if (bucket == nullptr || at >= bucket->cells.size()) return false;
  Cell& cell = bucket->cells[at];
  const std::uint32_t plain = value.is_count ? std::uint32_t{Cell::kCount} : 0;
  if (cell.value != value.bits || (cell.flags & kPlain) != plain || cell.scope != lane.scope ||
      cell.stamp == stamp) {
    return false;
  }
  cell.stamp = stamp;
  ++lane.seen[slot];
  return true;
}

/// Four passes over a block, each of which asks memory for what the next one reads.
void Engine::State::take_block(Lane& lane, std::span<const Observation> rows) {
  assert(rows.size() <= kBlock);
  struct Row {  // no initialisers: clearing a block would cost as much as a pass
    const Observation* row;
    std::uint64_t hash;
    std::size_t slot;
    SeriesId id;
    std::uint32_t cell;
    bool repeated;  // the series of the row before
  };
  std::array<Row, kBlock> taken;
  std::size_t count = 0;
  for (const Observation& row : rows) __builtin_prefetch(row.series.data());
  for (const Observation& row : rows) {
    if (!admits(lane, row, row.value.held_bits())) continue;
    Row& out = taken[count++];
    out.row = &row;
    out.slot = lane.last_slot;
    out.repeated = lane.has_last && row.series.data() == lane.last_text.data() &&
                   row.series.size() == lane.last_text.size();
    if (out.repeated) continue;
    out.hash = SeriesTable::hash(row.series);
    series.prefetch(out.hash);
    lane.has_last = true;
    lane.last_text = row.series;
  }
  stats.observations += count;
  const std::span<Row> block(taken.data(), count);
  for (const Row& row : block) {
    if (!row.repeated) series.prefetch_text(row.hash);
  }
  for (Row& row : block) {
    if (!row.repeated) {
      const SeriesTable::Interned found = series.intern(row.row->series, row.hash);
      if (found.is_new) provisional.push_back(found.id);
      lane.last_id = found.id;
    }
    row.id = lane.last_id;
    if (const Bucket* bucket = lane.buckets[row.slot]) bucket->index.prefetch(row.id);
  }
  for (Row& row : block) {
    const Bucket* bucket = lane.buckets[row.slot];
    row.cell = bucket == nullptr ? kNone : bucket->index.find(row.id);
    if (bucket != nullptr && row.cell < bucket->cells.size()) {
      __builtin_prefetch(&bucket->cells[row.cell], 1);
    }
  }
  const std::size_t claims_before = claims.size();
  for (const Row& row : block) {
    const Value::Bits value = row.row->value.held_bits();
    // A claim of an earlier row of the block may be for this very cell.
    if (claims.size() == claims_before && is_unchanged(lane, row.slot, row.cell, value)) continue;
    observe(lane, row.slot, row.id, *row.row);
  }
}

void Engine::State::observe(Lane& lane, std::size_t slot, SeriesId id, const Observation& row) {
  if (lane.buckets[slot] == nullptr) {
    lane.buckets[slot] = &bucket_of(lane.from + static_cast<std::int64_t>(slot) * options.granularity);
  }
  const std::uint32_t at = lane.buckets[slot]->index.find(id);
  if (!is_unchanged(lane, slot, at, row.value.held_bits())) claim(lane, slot, id, row, at);
}

void Engine::State::claim_sketch(Claim& claim, const Lane& lane, const Observation& row) {
  claim.sketch = static_cast<std::uint32_t>(sketches_claimed.size());
  sketches_claimed.push_back(lane.sketch_of(row));
}

void Engine::State::put_sketch(const Claim& claim, std::uint32_t at) {
  claim.bucket->put_blob(at, *sketches_claimed[claim.sketch]);
  claim.bucket->cells[at].flags |= Cell::kNewBlob;
}

void Engine::State::claim(Lane& lane, std::size_t slot, SeriesId id, const Observation& row,
                          std::uint32_t at) {
  const Value::Bits value = row.value.held_bits();
  Bucket& bucket = *lane.buckets[slot];
  if (is_claim(at)) {
    Claim& made = claims[at & ~kClaimBit];
    if (made.value == value) return;
    made.conflict = true;
    // Scopes come by name, so the first that reports the greatest value is the smallest name.
    if (Value::from_bits(value) > Value::from_bits(made.value)) {
      made.value = value;
      made.scope = lane.scope;
      if (sketches()) claim_sketch(made, lane, row);
    }
    return;
  }
  Claim made{.bucket = &bucket, .series = id, .cell = at, .scope = lane.scope, .value = value};
  if (at != kNone && bucket.cells[at].stamp == stamp) {
    // A row before said what the cell holds.
    const Cell& cell = bucket.cells[at];
    if (cell.bits() == value) return;
    made.conflict = true;
    made.counted = true;
    if (Value::from_bits(cell.bits()) > Value::from_bits(value)) {
      made.value = cell.bits();
      made.scope = cell.scope;
    }
  }
  if (sketches()) claim_sketch(made, lane, row);
  bucket.index.set(id, kClaimBit | static_cast<std::uint32_t>(claims.size()), series.width());
  claims.push_back(made);
}

void Engine::State::apply_known(const Claim& claim) {
  Bucket& bucket = *claim.bucket;
  bucket.index.set(claim.series, claim.cell, series.width());
  Cell& cell = bucket.cells[claim.cell];
  touch(bucket, claim.cell);
  cell.stamp = stamp;
  Entry* before = bucket.find_entry(cell.scope);
  if (cell.has(Cell::kAbsent | Cell::kGone)) --before->missing;
  if (cell.has(Cell::kAbsent)) {
    mark(cell.series);  // a reported zero is a value that later zeros follow from
    join_late(bucket, claim.cell);
  }
  cell.flags &= ~std::uint32_t{Cell::kAbsent | Cell::kGone};
  if (claim.counted) --before->seen;
  if (cell.scope != claim.scope) {
    ++stats.scope_moves;
    --before->cells;
    if (!cell.has(Cell::kQuiet)) --before->unquiet;
    Entry& entry = bucket.entry_of(claim.scope);
    cell.scope = claim.scope;
    ++entry.cells;
    if (!cell.has(Cell::kQuiet)) ++entry.unquiet;
    unquiet(entry, cell, entry.polls);
    entry.appeared = true;
    mark(cell.series);
  }
  Entry& entry = bucket.entry_of(claim.scope);
  ++entry.seen;
  if (cell.bits() != claim.value) {
    change(scopes[claim.scope], bucket, entry, cell, claim.value);
    if (sketches()) put_sketch(claim, claim.cell);
  }
  if (!claim.conflict) return;
  ++stats.conflicts;
  unquiet(entry, cell, entry.polls);
  conflicts.push_back({&bucket, claim.cell});
}

void Engine::State::change(Scope& scope, Bucket& bucket, Entry& entry, Cell& cell, Value::Bits value) {
  ++stats.changes;
  if (cell.has(Cell::kHasSettled)) ++stats.changed_after_final;
  cell.put(value);
  unquiet(entry, cell, entry.polls);
  scope.pending = std::max(scope.pending, bucket.start);
  note_change(bucket, static_cast<std::uint32_t>(&cell - bucket.cells.data()));
}

void Engine::State::admit_new() {
  std::vector<const Claim*> fresh;
  for (const Claim& one : claims) {
    if (one.cell == kNone) fresh.push_back(&one);
  }
  // Order decides numbers and who finds room; where neither is at stake, sorting is saved.
  if (!provisional.empty() || cells + fresh.size() > options.open_cells_max) {
    sort_by_text(fresh);
  }
  for (const Claim* one : fresh) ++one->bucket->incoming;
  const std::size_t room = options.open_cells_max - std::min(cells, options.open_cells_max);
  for (const Claim* one : fresh) {
    const std::size_t incoming = std::exchange(one->bucket->incoming, 0);
    if (incoming > 0) one->bucket->reserve_cells(std::min(incoming, room));
    admit_cell(*one);
  }
  for (const SeriesId id : provisional) {
    if (series[id].number == 0) series.drop(id);
  }
  provisional.clear();
}

void Engine::State::admit_cell(const Claim& claim) {
  Bucket& bucket = *claim.bucket;
  Entry& entry = bucket.entry_of(claim.scope);
  const bool known = series[claim.series].number != 0;
  if (claim.conflict) ++stats.conflicts;
  if (cells >= options.open_cells_max || (!known && series.size() >= options.series_max)) {
    ++stats.rows_over_limit;
    entry.limited = true;
    reopen(entry);
    bucket.index.erase(claim.series);
    return;
  }
  if (!known) {
    series.admit(claim.series, next_number++);
    no_retirement_before = std::min(no_retirement_before, end_of(bucket.start) + options.series_idle);
    added.push_back({series[claim.series].number, std::string(series.text(claim.series))});
  }
  const std::uint32_t at = add_cell(bucket, entry, claim.series, claim.value);
  Cell& cell = bucket.cells[at];
  cell.stamp = stamp;
  if (sketches()) put_sketch(claim, at);
  if (entry.was_final) cell.flags |= Cell::kLate;
  if (join_panel(bucket, at) != nullptr) note_change(bucket, at);
  unquiet(entry, cell, entry.polls);
  entry.appeared = true;
  ++entry.seen;
  ++stats.changes;
  Scope& scope = scopes[claim.scope];
  scope.pending = std::max(scope.pending, bucket.start);
  if (claim.conflict) conflicts.push_back({&bucket, at});
}

void Engine::State::find_vanished(const Lane& lane) {
  if (!lane.complete()) return;
  for (Bucket* bucket : lane.buckets) {
    Entry& entry = *bucket->find_entry(lane.scope);
    if (entry.seen == entry.cells - entry.missing) continue;
    for (std::uint32_t at = 0; at < bucket->cells.size(); ++at) {
      const Cell& cell = bucket->cells[at];
      if (cell.scope == lane.scope && cell.stamp != stamp) vanish(*bucket, entry, at);
    }
  }
}

void Engine::State::vanish(Bucket& bucket, Entry& entry, std::uint32_t at) {
  Cell& cell = bucket.cells[at];
  const std::uint32_t flag = zeroes() ? Cell::kAbsent : Cell::kGone;
  if (cell.has(flag)) return;
  ++stats.vanished;
  ++entry.missing;
  mark(cell.series);
  cell.flags |= flag;
  touch(bucket, at);
  const Value::Bits zero{};
  if (zeroes() && cell.bits() != zero) change(scopes[cell.scope], bucket, entry, cell, zero);
}

}  // namespace settle::engine
