#include "engine/stabilizer/engine.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

// ---- State: what all operations share

Engine::State::State(EngineOptions given, Time live_from)
    : options(given), from(live_from), learning(Learning::of(given)) {
  assert(!sketches() || (!counts() && !zeroes() && !options.rising_only));
}

std::unique_ptr<Engine::State> Engine::State::clone() const {
  auto out = std::make_unique<State>(options, from);
  out->now = now;
  out->stats = stats;
  out->scopes = scopes;
  out->scope_ids = scope_ids;
  out->free_scopes = free_scopes;
  out->buckets.reserve(buckets.size());
  for (const auto& bucket : buckets) out->buckets.push_back(std::make_unique<Bucket>(*bucket));
  out->series = series.clone();
  out->next_number = next_number;
  out->cells = cells;
  out->withheld = withheld;
  out->no_retirement_before = no_retirement_before;
  out->learning = learning;
  out->record_number = record_number;
  out->added = added;
  out->retired = retired;
  out->dirty_series = dirty_series;
  out->stamp = stamp;
  out->marked = marked;
  out->all_marked = all_marked;
  return out;
}

Bucket* Engine::State::find_bucket(Time start) const {
  const auto at = std::lower_bound(buckets.begin(), buckets.end(), start,
                                   [](const auto& bucket, Time time) { return bucket->start < time; });
  return at != buckets.end() && (*at)->start == start ? at->get() : nullptr;
}

Bucket& Engine::State::bucket_of(Time start) {
  auto at = std::lower_bound(buckets.begin(), buckets.end(), start,
                             [](const auto& bucket, Time time) { return bucket->start < time; });
  if (at == buckets.end() || (*at)->start != start) {
    at = buckets.insert(at, std::make_unique<Bucket>());
    (*at)->start = start;
  }
  return **at;
}

ScopeId Engine::State::know_scope(std::string_view name) {
  const auto found = scope_ids.find(name);
  if (found != scope_ids.end()) {
    scopes[found->second].known = true;
    return found->second;
  }
  ScopeId id = static_cast<ScopeId>(scopes.size());
  if (free_scopes.empty()) {
    scopes.emplace_back();
  } else {
    id = free_scopes.back();
    free_scopes.pop_back();
  }
  scopes[id] = Scope{.name = std::string(name), .known = true};
  scope_ids.emplace(scopes[id].name, id);
  return id;
}

void Engine::State::touch(Bucket& bucket, std::uint32_t cell) {
  if (bucket.cells[cell].has(Cell::kDirty)) return;
  bucket.cells[cell].flags |= Cell::kDirty;
  bucket.dirty.push_back(cell);
}

void Engine::State::touch(SeriesId id) {
  if (series[id].dirty) return;
  series[id].dirty = true;
  dirty_series.push_back(id);
}

void Engine::State::mark(SeriesId id) {
  if (!keeps_last() || all_marked || series[id].marked) return;
  series[id].marked = true;
  marked.push_back(id);
}

void Engine::State::unquiet(Entry& entry, Cell& cell, std::uint32_t at_change) {
  cell.at_change = at_change;
  entry.oldest_change = entry.unquiet == 0 ? at_change : std::min(entry.oldest_change, at_change);
  if (!cell.has(Cell::kQuiet)) return;
  cell.flags &= ~std::uint32_t{Cell::kQuiet};
  ++entry.unquiet;
  mark(cell.series);
}

/// Zeros follow from the newest final value, so where one is final no more an older one may take its place.
void Engine::State::reopen(Entry& entry) {
  if (entry.is_final && zeroes()) all_marked = true;
  entry.is_final = false;
}

std::uint32_t Engine::State::add_cell(Bucket& bucket, Entry& entry, SeriesId id, Value::Bits value) {
  bucket.reserve_cells(1);
  const auto at = static_cast<std::uint32_t>(bucket.cells.size());
  Cell& cell = bucket.cells.emplace_back();
  cell.series = id;
  cell.scope = entry.scope;
  cell.put(value);
  if (counts()) {
    bucket.totals.reserve(bucket.cells.capacity());
    bucket.totals.push_back(0);
  }
  bucket.index.set(id, at, series.width());
  ++entry.cells;
  ++entry.unquiet;
  ++cells;
  Series& one = series[id];
  ++one.cells;
  one.last_bucket = std::max(one.last_bucket, bucket.start);
  touch(bucket, at);
  mark(id);
  return at;
}

void Engine::State::sort_by_text(const Bucket& bucket, std::vector<std::uint32_t>& list) {
  const auto& order = series.by_text();
  const auto rank = [&](std::uint32_t cell) { return series.rank(bucket.cells[cell].series); };
  if (list.size() * 8 < order.size()) {
    std::sort(list.begin(), list.end(), [&](std::uint32_t a, std::uint32_t b) { return rank(a) < rank(b); });
    return;
  }
  // Most series take part: placing each by its rank is linear.
  order_space.assign(order.size(), kNone);
  for (const std::uint32_t cell : list) order_space[rank(cell)] = cell;
  list.clear();
  for (const std::uint32_t cell : order_space) {
    if (cell != kNone) list.push_back(cell);
  }
}

/// By (bucket, series text). Texts are compared once for each series, not for each of its cells.
void Engine::State::sort_by_text(std::vector<const Claim*>& list) {
  std::vector<SeriesId> met;
  std::vector<std::uint32_t> rank;
  for (const Claim* one : list) {
    if (one->series >= rank.size()) rank.resize(one->series + 1, kNone);
    if (std::exchange(rank[one->series], 0) == kNone) met.push_back(one->series);
  }
  std::sort(met.begin(), met.end(), [&](auto a, auto b) { return series.text(a) < series.text(b); });
  for (std::uint32_t at = 0; at < met.size(); ++at) rank[met[at]] = at;
  std::sort(list.begin(), list.end(), [&](const Claim* a, const Claim* b) {
    if (a->bucket != b->bucket) return a->bucket->start < b->bucket->start;
    return rank[a->series] < rank[b->series];
  });
}

CellView Engine::State::view(const Bucket& bucket, const Cell& cell) const {
  CellView out{.series = series.text(cell.series),
               .number = series[cell.series].number,
               .bucket = bucket.start,
               .scope = scopes[cell.scope].name,
               .value = Value::from_bits(cell.bits()),
               .emitted = std::nullopt,
               .revision = cell.revision,
               .quiet = cell.has(Cell::kQuiet)};
  const auto at = static_cast<std::size_t>(&cell - bucket.cells.data());
  if (sketches()) out.sketch = bucket.blobs[at];
  if (cell.revision > 0) {
    out.emitted = counts() ? Value::count(bucket.totals[at]) : Value::from_bits(cell.settled_bits());
  }
  return out;
}

void Engine::State::append_views(const Bucket& bucket, std::vector<CellView>& out) {
  std::vector<std::uint32_t> list(bucket.cells.size());
  for (std::uint32_t cell = 0; cell < list.size(); ++cell) list[cell] = cell;
  sort_by_text(bucket, list);
  for (const std::uint32_t cell : list) out.push_back(view(bucket, bucket.cells[cell]));
}

// ---- Engine

Engine::Engine(EngineOptions options, Time live_from) : state_(std::make_unique<State>(options, live_from)) {}
Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;
Engine Engine::clone() const {
  return Engine{state_->clone()};
}

std::vector<Sample> Engine::ingest(const Answer& answer, Time now) {
  return state_->ingest(answer, now);
}
std::vector<Sample> Engine::expire(Time now) {
  return state_->expire(now);
}
std::vector<Sample> Engine::flush(Time now) {
  return state_->flush(now);
}
std::vector<Gap> Engine::release(Time before) {
  return state_->release(before);
}
void Engine::carry(std::span<const Carry> amounts) {
  state_->carry(amounts);
}
Changes Engine::drain_changes() {
  return state_->drain();
}

const EngineOptions& Engine::options() const {
  return state_->options;
}
const EngineStats& Engine::stats() const {
  return state_->stats;
}
Time Engine::live_from() const {
  return state_->from;
}
std::size_t Engine::open_cells() const {
  return state_->cells;
}
std::size_t Engine::final_cells() const {
  std::size_t unquiet = 0;
  for (const auto& bucket : state_->buckets) {
    for (const Entry& entry : bucket->entries) unquiet += entry.unquiet;
  }
  return state_->cells - unquiet;
}
std::size_t Engine::series_count() const {
  return state_->series.size();
}

std::size_t Engine::memory_bytes() const {
  std::size_t out = sizeof(State) + state_->buckets.capacity() * sizeof(state_->buckets[0]) +
                    state_->order_space.capacity() * sizeof(std::uint32_t) +
                    state_->claims.capacity() * sizeof(Claim);
  for (const auto& bucket : state_->buckets) out += bucket->memory_bytes();
  if (state_->learning) out += state_->learning->learner.memory_bytes();
  return out;
}

std::size_t Engine::series_memory_bytes() const {
  return state_->series.memory_bytes();
}

bool Engine::knows_scope(std::string_view name) const {
  const auto found = state_->scope_ids.find(name);
  return found != state_->scope_ids.end() && state_->scopes[found->second].known;
}

std::optional<Time> Engine::frontier() const {
  std::optional<Time> lowest;
  for (const Scope& scope : state_->scopes) {
    if (!scope.known || scope.frontier == kNever) continue;
    lowest = lowest ? std::min(*lowest, scope.frontier) : scope.frontier;
  }
  return lowest;
}

std::vector<ScopeView> Engine::scopes() const {
  const auto known = [](Time time) { return time == kNever ? std::nullopt : std::optional{time}; };
  std::vector<ScopeView> out;
  for (const auto& [name, id] : state_->scope_ids) {
    const Scope& scope = state_->scopes[id];
    if (!scope.known) continue;
    out.push_back({.name = name, .frontier = known(scope.frontier), .last_moved = known(scope.last_moved)});
  }
  return out;
}

bool Engine::limited() const {
  return std::any_of(state_->buckets.begin(), state_->buckets.end(), [](const auto& bucket) {
    return std::any_of(bucket->entries.begin(), bucket->entries.end(),
                       [](const Entry& entry) { return entry.limited; });
  });
}

std::string_view Engine::series_name(SeriesNumber number) const {
  const SeriesId id = state_->series.find_number(number);
  return id == kNone ? std::string_view{} : state_->series.text(id);
}

std::vector<CellView> Engine::cells() const {
  std::vector<CellView> out;
  out.reserve(state_->cells);
  for (const auto& bucket : state_->buckets) state_->append_views(*bucket, out);
  return out;
}

std::vector<CellView> Engine::cells_of(Time bucket) const {
  std::vector<CellView> out;
  if (const Bucket* found = state_->find_bucket(bucket)) state_->append_views(*found, out);
  return out;
}

std::optional<Time> Engine::newest_final_bucket() const {
  const auto known = static_cast<std::size_t>(std::count_if(state_->scopes.begin(), state_->scopes.end(),
                                                            [](const Scope& scope) { return scope.known; }));
  // Every scope with an entry is known, so counting final entries is enough.
  const auto is_final = [&](const std::unique_ptr<Bucket>& bucket) {
    const auto& entries = bucket->entries;
    return known > 0 && entries.size() == known &&
           std::all_of(entries.begin(), entries.end(),
                       [](const Entry& entry) { return entry.is_final && entry.unquiet == 0; });
  };
  const auto newest = std::find_if(state_->buckets.rbegin(), state_->buckets.rend(), is_final);
  if (newest == state_->buckets.rend()) return std::nullopt;
  return (*newest)->start;
}

std::vector<Time> Engine::said_buckets() const {
  const auto known = static_cast<std::size_t>(std::count_if(state_->scopes.begin(), state_->scopes.end(),
                                                            [](const Scope& scope) { return scope.known; }));
  const auto is_said = [&](const Bucket& bucket) {
    const auto& entries = bucket.entries;
    const auto is_final = [](const Entry& entry) { return entry.is_final && !entry.limited; };
    if (known == 0 || entries.size() != known || !std::all_of(entries.begin(), entries.end(), is_final)) {
      return false;
    }
    // A quiet gauge cell was emitted: mostly there is no need to look at cells.
    const auto is_quiet = [](const Entry& entry) { return entry.unquiet == 0; };
    if (!state_->counts() && std::all_of(entries.begin(), entries.end(), is_quiet)) return true;
    return std::all_of(bucket.cells.begin(), bucket.cells.end(),
                       [](const Cell& cell) { return cell.revision > 0 || cell.has(Cell::kHeld); });
  };
  std::vector<Time> out;
  for (const auto& bucket : state_->buckets) {
    if (is_said(*bucket)) out.push_back(bucket->start);
  }
  return out;
}

}  // namespace settle::engine
