#include <algorithm>
#include <utility>

#include "engine/stabilizer/record.hpp"
#include "engine/stabilizer/state.hpp"

namespace settle::engine {

RecordShape Engine::State::shape() const {
  return {.granularity = options.granularity, .counter = counts(), .learned = learning.has_value()};
}

/// The small things, which every record holds in full. Returns the record's index of each scope.
std::vector<ScopeId> Engine::State::write_head(Record& record) const {
  record.number = record_number;
  record.from = from;
  record.now = now;
  record.next_number = next_number;
  record.stats = stats;
  std::vector<ScopeId> index(scopes.size(), kNone);
  for (const auto& [name, id] : scope_ids) {
    const Scope& scope = scopes[id];
    index[id] = static_cast<ScopeId>(record.scopes.size());
    record.scopes.push_back({.name = scope.name,
                             .known = scope.known,
                             .frontier = scope.frontier,
                             .last_complete = scope.last_complete,
                             .last_moved = scope.last_moved,
                             .pending = scope.pending});
  }
  for (const auto& bucket : buckets) {
    const std::size_t first = record.entries.size();
    for (Entry entry : bucket->entries) {
      entry.scope = index[entry.scope];
      record.entries.push_back({bucket->start, entry});
    }
    std::sort(record.entries.begin() + static_cast<std::ptrdiff_t>(first), record.entries.end(),
              [](const auto& a, const auto& b) { return a.entry.scope < b.entry.scope; });
  }
  if (learning) {
    record.learned = {.first_window = learning->learner.first_window(),
                      .windows_kept = learning->learner.windows(),
                      .life = learning->learner.usual_life(),
                      .levels = learning->learner.levels(),
                      .judged = learning->judged,
                      .wrong = learning->wrong,
                      .rechecked = learning->rechecked,
                      .rechecked_wrong = learning->rechecked_wrong,
                      .windows = {},
                      .rechecks = {}};
  }
  return index;
}

void Engine::State::write_learned(Record& record) {
  if (!learning) return;
  record.learned.windows = learning->learner.take_unsaved(record_number);
  for (auto& [bucket, one] : learning->rechecks.all()) {
    if (one.logged != 0) continue;
    one.logged = record_number;
    record.learned.rechecks.emplace_back(bucket, one);
  }
}

/// The dirty cells of a bucket by series number: a record's bytes must not depend on arrival.
std::vector<std::uint32_t> Engine::State::take_dirty(Bucket& bucket) {
  std::vector<std::uint32_t> list = std::exchange(bucket.dirty, {});
  const auto& order = series.by_number();
  if (list.size() * 8 < order.size()) {
    const auto number = [&](std::uint32_t at) { return series[bucket.cells[at].series].number; };
    std::sort(list.begin(), list.end(), [&](auto a, auto b) { return number(a) < number(b); });
    return list;
  }
  list.clear();
  for (const SeriesId id : order) {
    const std::uint32_t at = bucket.index.find(id);
    if (at != kNone && bucket.cells[at].has(Cell::kDirty)) list.push_back(at);
  }
  return list;
}

Changes Engine::State::drain() {
  ++record_number;
  Record record;
  std::vector<CellBlob> blobs;
  const std::vector<ScopeId> index = write_head(record);
  const std::size_t head_bytes = encode_record(record, shape()).size();
  for (const auto& bucket : buckets) {
    if (bucket->dirty.empty()) continue;
    for (const std::uint32_t at : take_dirty(*bucket)) {
      Cell& cell = bucket->cells[at];
      cell.flags &= ~std::uint32_t{Cell::kDirty};
      cell.logged = record_number;
      Record::CellState state{.bucket = bucket->start,
                              .number = series[cell.series].number,
                              .cell = cell,
                              .total = counts() ? bucket->totals[at] : 0};
      state.cell.scope = index[cell.scope];
      record.cells.push_back(state);
      if (const PanelCell* followed = find_panel(*bucket, at)) record.panels.push_back(*followed);
      if (!cell.has(Cell::kNewBlob)) continue;
      cell.flags &= ~std::uint32_t{Cell::kNewBlob};
      blobs.push_back({.number = state.number, .bucket = bucket->start, .sketch = bucket->blobs[at]});
    }
  }
  std::sort(dirty_series.begin(), dirty_series.end(),
            [&](SeriesId a, SeriesId b) { return series[a].number < series[b].number; });
  for (const SeriesId id : dirty_series) {
    Series& one = series[id];
    one.dirty = false;
    one.logged = record_number;
    Record::SeriesState state{.number = one.number, .series = one};
    if (one.last_scope != kNone) state.series.last_scope = index[one.last_scope];
    record.series.push_back(state);
  }
  dirty_series.clear();
  write_learned(record);
  return {.record_number = record_number,
          .record = encode_record(record, shape()),
          .series_added = std::exchange(added, {}),
          .series_retired = std::exchange(retired, {}),
          .cells = record.cells.size(),
          .head_bytes = head_bytes,
          .blobs = std::move(blobs)};
}

Result<void> Engine::renew(std::string_view bytes) {
  State& state = *state_;
  const Result<Record> record = decode_record(bytes, state.shape());
  if (!record) return record.error();
  Bucket* bucket = nullptr;
  for (const Record::CellState& old : record->cells) {
    if (bucket == nullptr || bucket->start != old.bucket) bucket = state.find_bucket(old.bucket);
    const SeriesId id = bucket == nullptr ? kNone : state.series.find_number(old.number);
    const std::uint32_t at = id == kNone ? kNone : bucket->index.find(id);
    if (at != kNone && bucket->cells[at].logged == record->number) state.touch(*bucket, at);
  }
  for (const Record::SeriesState& old : record->series) {
    const SeriesId id = state.series.find_number(old.number);
    if (id != kNone && state.series[id].logged == record->number) state.touch(id);
  }
  if (!state.learning) return {};
  for (const auto& [number, window] : record->learned.windows) {
    state.learning->learner.renew(number, record->number);
  }
  for (const auto& [bucket_start, one] : record->learned.rechecks) {
    const auto found = state.learning->rechecks.all().find(bucket_start);
    if (found == state.learning->rechecks.all().end()) continue;
    if (found->second.logged == record->number) found->second.logged = 0;
  }
  return {};
}

}  // namespace settle::engine
