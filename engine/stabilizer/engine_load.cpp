#include <algorithm>
#include <utility>

#include "engine/stabilizer/record.hpp"
#include "engine/stabilizer/state.hpp"

namespace settle::engine {

namespace {

Error damaged(std::uint64_t record, std::string what) {
  return corrupt("engine record " + std::to_string(record) + ": " + std::move(what) +
                 "; the store is damaged, restore a backup");
}

}  // namespace

Result<void> Engine::State::load_series(std::span<const NewSeries> given) {
  std::vector<const NewSeries*> order;
  order.reserve(given.size());
  for (const NewSeries& one : given) order.push_back(&one);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->number < b->number; });
  SeriesNumber last = 0;
  for (const NewSeries* one : order) {
    const SeriesTable::Interned found = series.intern(one->text, SeriesTable::hash(one->text));
    if (one->number <= last || !found.is_new) {
      return corrupt("series table: number " + std::to_string(one->number) +
                     " or its text occurs twice; the store is damaged, restore a backup");
    }
    last = one->number;
    series.admit(found.id, one->number);
  }
  return {};
}

/// What only the newest record says.
void Engine::State::load_head(const Record& record) {
  from = record.from;
  now = record.now;
  next_number = record.next_number;
  stats = record.stats;
  record_number = record.number;
  for (const Record::ScopeState& one : record.scopes) {
    Scope& scope = scopes[know_scope(one.name)];
    scope.known = one.known;
    scope.frontier = one.frontier;
    scope.last_complete = one.last_complete;
    scope.last_moved = one.last_moved;
    scope.pending = one.pending;
  }
  for (const Record::EntryState& one : record.entries) {
    Bucket& bucket = bucket_of(one.bucket);
    const ScopeId scope = know_scope(record.scopes[one.entry.scope].name);
    Entry& entry = bucket.entry_of(scope);
    entry = one.entry;
    entry.scope = scope;
  }
  if (!learning) return;
  const Record::LearnedState& learned = record.learned;
  learning->learner.load(learned.first_window, learned.windows_kept, learned.life, learned.levels);
  learning->judged = learned.judged;
  learning->wrong = learned.wrong;
  learning->rechecked = learned.rechecked;
  learning->rechecked_wrong = learned.rechecked_wrong;
}

void Engine::State::load_learned(const Record& record) {
  if (!learning) return;
  for (const auto& [number, window] : record.learned.windows) {
    learning->learner.load_window(number, window, record.number);
  }
  for (const auto& [bucket, one] : record.learned.rechecks) {
    if (one.stage == Recheck::Stage::done) {
      learning->rechecks.all().erase(bucket);
      continue;
    }
    Recheck& loaded = learning->rechecks.all()[bucket];
    loaded = one;
    loaded.logged = record.number;
  }
}

/// False when a panel is larger than any that was ever written.
bool Engine::State::load_panel(Bucket& bucket, std::uint32_t at, const PanelCell* given) {
  std::erase_if(bucket.panel, [&](const PanelCell& one) { return one.cell == at; });
  if (given == nullptr) return true;
  bucket.panel.push_back(*given);
  bucket.panel.back().cell = at;
  // A cell and the one that it took the place of are in the same record, in any order.
  return bucket.panel.size() <= 2 * kPanelMax;
}

void Engine::State::rank_panels() {
  for (const auto& bucket : buckets) {
    const auto id = [&](const PanelCell& one) { return bucket->cells[one.cell].series; };
    for (PanelCell& one : bucket->panel) {
      one.rank = panel_rank(SeriesTable::hash(series.text(id(one))), bucket->start);
    }
    std::sort(bucket->panel.begin(), bucket->panel.end(), [&](const PanelCell& a, const PanelCell& b) {
      return a.rank != b.rank ? a.rank < b.rank : series[id(a)].number < series[id(b)].number;
    });
  }
}

Result<void> Engine::State::load_record(const Record& record) {
  std::vector<ScopeId> ids;
  for (const Record::ScopeState& scope : record.scopes) {
    const auto found = scope_ids.find(scope.name);
    ids.push_back(found == scope_ids.end() ? kNone : found->second);
  }
  Bucket* bucket = nullptr;
  std::size_t panel_next = 0;
  for (const Record::CellState& state : record.cells) {
    const PanelCell* followed = state.cell.has(Cell::kPanel) ? &record.panels[panel_next++] : nullptr;
    if (state.bucket < from) continue;  // sealed or given up since
    if (bucket == nullptr || bucket->start != state.bucket) bucket = find_bucket(state.bucket);
    const SeriesId id = series.find_number(state.number);
    if (bucket == nullptr || id == kNone)
      return damaged(record.number, "a cell of an unknown bucket or series");
    std::uint32_t at = bucket->index.find(id);
    if (at == kNone) {
      at = static_cast<std::uint32_t>(bucket->cells.size());
      bucket->reserve_cells(1);
      bucket->cells.emplace_back();
      if (counts()) {
        bucket->totals.reserve(bucket->cells.capacity());
        bucket->totals.push_back(0);
      }
      bucket->index.set(id, at, series.width());
    }
    Cell& cell = bucket->cells[at];
    cell = state.cell;
    cell.series = id;
    cell.scope = ids[state.cell.scope];
    cell.logged = record.number;
    if (counts()) bucket->totals[at] = state.total;
    if (!load_panel(*bucket, at, followed)) return damaged(record.number, "too many cells are followed");
  }
  for (const Record::SeriesState& state : record.series) {
    const SeriesId id = series.find_number(state.number);
    if (id == kNone) continue;  // retired since
    series[id] = state.series;
    series[id].number = state.number;
    series[id].logged = record.number;
    if (state.series.last_scope != kNone) series[id].last_scope = ids[state.series.last_scope];
  }
  load_learned(record);
  return {};
}

/// Counts over cells are not written: they follow from the cells.
Result<void> Engine::State::finish_load() {
  for (const auto& bucket : buckets) {
    for (const Cell& cell : bucket->cells) {
      Entry* entry = cell.scope == kNone ? nullptr : bucket->find_entry(cell.scope);
      if (entry == nullptr || cell.at_change > entry->polls) {
        return damaged(record_number, "a cell without its scope's entry");
      }
      ++entry->cells;
      if (cell.has(Cell::kAbsent | Cell::kGone)) ++entry->missing;
      if (!cell.has(Cell::kQuiet)) {
        ++entry->unquiet;
        entry->oldest_change = std::min(entry->oldest_change, cell.at_change);
      }
      ++cells;
      Series& one = series[cell.series];
      ++one.cells;
      one.last_bucket = std::max(one.last_bucket, bucket->start);
    }
  }
  for (const SeriesId id : series.by_number()) {
    const Series& one = series[id];
    const bool is_lost = one.last_bucket == kNever || one.number >= next_number ||
                         (one.last_valued != kNever && one.last_scope == kNone);
    if (is_lost) return damaged(record_number, "nothing is known of series " + std::to_string(one.number));
    count_withheld(id);
  }
  if (learning && !learning->learner.finish_load()) return damaged(record_number, "a window is missing");
  rank_panels();
  all_marked = true;
  return {};
}

Result<void> Engine::State::load_blobs(const BlobOf& blob_of) {
  if (!sketches()) return {};
  for (const auto& bucket : buckets) {
    for (std::uint32_t at = 0; at < bucket->cells.size(); ++at) {
      const Cell& cell = bucket->cells[at];
      const Blob blob = blob_of ? blob_of(series[cell.series].number, bucket->start) : Blob{};
      const bool is_right = !blob.empty() && fingerprint(blob).held_bits() == cell.bits();
      if (!is_right) {
        const std::string which = std::string(series.text(cell.series)) + " at " + format_time(bucket->start);
        return damaged(record_number,
                       (blob.empty() ? "no sketch is stored of " : "another sketch is stored of ") + which);
      }
      bucket->put_blob(at, blob);
    }
  }
  return {};
}

Result<Engine> Engine::load(EngineOptions options, std::span<const NewSeries> series,
                            std::span<const std::string_view> records, const BlobOf& blob_of) {
  if (records.empty()) return corrupt("engine: a stream without a record cannot be loaded; make a new one");
  auto state = std::make_unique<State>(options, Time{});
  if (auto loaded = state->load_series(series); !loaded) return loaded.error();
  const Result<Record> newest = decode_record(records.back(), state->shape());
  if (!newest) return newest.error();
  state->load_head(*newest);
  std::uint32_t last = 0;
  for (const std::string_view bytes : records) {
    const Result<Record> record = decode_record(bytes, state->shape());
    if (!record) return record.error();
    if (record->number <= last) return damaged(record->number, "records are not in order");
    last = record->number;
    if (auto loaded = state->load_record(*record); !loaded) return loaded.error();
  }
  if (auto loaded = state->finish_load(); !loaded) return loaded.error();
  if (auto loaded = state->load_blobs(blob_of); !loaded) return loaded.error();
  return Engine{std::move(state)};
}

}  // namespace settle::engine
