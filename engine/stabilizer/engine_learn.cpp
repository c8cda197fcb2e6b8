#include <algorithm>
#include <utility>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

namespace {

bool covers(const Answer& answer, TimeRange range) {
  return std::any_of(answer.scopes.begin(), answer.scopes.end(), [&](const ScopeAnswer& part) {
    return part.covered.from <= range.from && range.to <= part.covered.to;
  });
}

}  // namespace

Learning::Learning(const Learned& policy, const EngineOptions& options)
    : tolerance(policy.tolerance),
      learner(policy, options.watch, options.granularity),
      rechecks(options.watch, options.granularity) {}

std::optional<Learning> Learning::of(const EngineOptions& options) {
  const auto* policy = std::get_if<Learned>(&options.finality);
  if (policy == nullptr) return std::nullopt;
  return Learning{*policy, options};
}

// ---- the panel of a live bucket

PanelCell* Engine::State::find_panel(Bucket& bucket, std::uint32_t at) {
  if (!bucket.cells[at].has(Cell::kPanel)) return nullptr;
  for (PanelCell& one : bucket.panel) {
    if (one.cell == at) return &one;
  }
  return nullptr;
}

/// A cell is reported for the first time. The panel is the cells of the smallest ranks, whenever they came.
PanelCell* Engine::State::join_panel(Bucket& bucket, std::uint32_t at) {
  if (!learning) return nullptr;
  const Series& one = series[bucket.cells[at].series];
  PanelCell made{.cell = at,
                 .rank = panel_rank(SeriesTable::hash(series.text(bucket.cells[at].series)), bucket.start),
                 .band = Learner::band_of(one.pace)};
  const auto number = [&](const PanelCell& cell) { return series[bucket.cells[cell.cell].series].number; };
  const auto place = std::find_if(bucket.panel.begin(), bucket.panel.end(), [&](const PanelCell& other) {
    return made.rank < other.rank || (made.rank == other.rank && number(made) < number(other));
  });
  if (place == bucket.panel.end() && bucket.panel.size() >= kPanelMax) return nullptr;
  bucket.cells[at].flags |= Cell::kPanel;
  const auto index = place - bucket.panel.begin();
  bucket.panel.insert(place, std::move(made));
  if (bucket.panel.size() > kPanelMax) {
    const std::uint32_t out = bucket.panel.back().cell;
    bucket.panel.pop_back();
    bucket.cells[out].flags &= ~std::uint32_t{Cell::kPanel};
    touch(bucket, out);
  }
  return &bucket.panel[static_cast<std::size_t>(index)];
}

void Engine::State::note_change(Bucket& bucket, std::uint32_t at) {
  PanelCell* cell = find_panel(bucket, at);
  if (cell == nullptr) return;
  cell->changed = true;
  moved_panels.push_back(&bucket);
}

/// A zero made from absence that is reported after all: until now it was 0.
void Engine::State::join_late(Bucket& bucket, std::uint32_t at) {
  if (!learning || find_panel(bucket, at) != nullptr) return;
  PanelCell* one = join_panel(bucket, at);
  if (one == nullptr) return;
  const Cell& cell = bucket.cells[at];
  one->judged = cell.has(Cell::kHasSettled) && !cell.has(Cell::kByTtl);
  one->first = cell.settled_bits();
  if (learning->tolerance > 0)
    add_step(one->steps, Duration{}, Value::from_bits(cell.bits()).as_double(), learning->tolerance);
}

/// After the evidence of an answer: how old the entries of the cells are that changed in it.
void Engine::State::age_panels() {
  for (Bucket* bucket : moved_panels) {
    for (PanelCell& one : bucket->panel) {
      if (!std::exchange(one.changed, false)) continue;
      const Cell& cell = bucket->cells[one.cell];
      const Entry& entry = *bucket->find_entry(cell.scope);
      // A change in an answer that was no evidence comes after every decision at this age.
      const bool moved = entry.moving > entry.moving_before;
      one.age = moved ? entry.moving : entry.moving + Duration{1} + options.watch / kUnsettled;
      if (learning->tolerance > 0) {
        add_step(one.steps, one.age, Value::from_bits(cell.bits()).as_double(), learning->tolerance);
      }
    }
  }
  moved_panels.clear();
}

void Engine::State::note_decided(Bucket& bucket, std::uint32_t at) {
  PanelCell* one = find_panel(bucket, at);
  if (one == nullptr) return;
  one->judged = true;
  one->first = bucket.cells[at].bits();
}

Demand Engine::State::demand_of_bucket(Time bucket) const {
  return learning ? learning->learner.demand_of_bucket(bucket_draw(bucket)) : Demand{};
}

// ---- what a sealed bucket teaches

void Engine::State::learn_from(Bucket& bucket) {
  if (!learning) return;
  Window window;
  std::vector<JudgedCell> judged;
  std::vector<Recheck::Cell> sampled;
  Duration longest{};
  for (const Entry& entry : bucket.entries) longest = std::max(longest, entry.moving);
  learning->learner.note_life(longest);
  const bool is_sampled = learning->rechecks.takes(bucket.start);
  for (const PanelCell& one : bucket.panel) {
    const Cell& cell = bucket.cells[one.cell];
    if (one.judged) {
      const bool wrong = differs(one.first, cell.bits(), learning->tolerance);
      judged.push_back({.band = one.band, .wrong = wrong});
      ++learning->judged;
      learning->wrong += wrong ? 1 : 0;
    }
    if (is_sampled && !cell.has(Cell::kAbsent)) {
      sampled.push_back({.number = series[cell.series].number, .value = cell.bits()});
    }
    const Entry& entry = *bucket.find_entry(cell.scope);
    // When those cells settled nobody saw.
    if (entry.unwatched || !learning->learner.is_aged(entry.moving)) continue;
    const Duration life = entry.moving;
    const Duration age = settled_age(one, cell.bits(), learning->tolerance);
    const Score score = learning->learner.score_of(age, life);
    window.push_back({.band = one.band, .score = score});
    Series& owner = series[cell.series];
    owner.pace = Learner::after(owner.pace, score);
    touch(cell.series);
  }
  learning->rechecks.add(bucket.start, std::move(sampled));
  learning->learner.judge(judged);
  learning->learner.learn(window);
}

// ---- what was sealed, read again

std::optional<Time> Engine::recheck_due(Time now) const {
  if (!state_->learning) return std::nullopt;
  return state_->learning->rechecks.due(std::max(now, state_->now));
}

void Engine::State::recheck(const Answer& answer, Time at) {
  if (!learning) return;
  advance(at);
  std::vector<Time> covered;
  for (const auto& [bucket, one] : learning->rechecks.all()) {
    const bool is_covered = covers(answer, {bucket, end_of(bucket)});
    if (is_covered && learning->rechecks.is_due(bucket, one, now)) covered.push_back(bucket);
  }
  for (const Time bucket : covered) recheck_bucket(answer, bucket);
}

void Engine::State::recheck_bucket(const Answer& answer, Time bucket) {
  Recheck& due = learning->rechecks.all().at(bucket);
  std::uint64_t found = 0;
  std::uint64_t wrong = 0;
  for (Recheck::Cell& cell : due.cells) {
    const SeriesId id = series.find_number(cell.number);
    if (id == kNone) continue;
    std::optional<Value> newest;  // of rows in conflict the greatest, as ever
    for (const ScopeAnswer& part : answer.scopes) {
      for (const Observation& row : part.rows) {
        if (row.bucket != bucket || row.series != series.text(id) || row.value.is_nan()) continue;
        const Value::Bits bits = row.value.held_bits();
        if (counts() && (!bits.is_count || bits.bits > kCountMax)) continue;
        if (!newest || row.value > *newest) newest = row.value;
      }
    }
    if (!newest) continue;  // the source has it no more: that says nothing
    ++found;
    if (!differs(cell.value, newest->held_bits(), learning->tolerance)) continue;
    ++wrong;
    cell.value = newest->held_bits();
  }
  learning->rechecked += found;
  learning->rechecked_wrong += wrong;
  learning->rechecks.advance(bucket, now);
  if (found > 0) learning->learner.judge_late(static_cast<double>(wrong) / static_cast<double>(found));
}

void Engine::recheck(const Answer& answer, Time now) {
  state_->recheck(answer, now);
}

FinalityView Engine::finality_view() const {
  FinalityView out;
  if (!state_->learning) return out;
  const Learning& learned = *state_->learning;
  const Demand& demand = learned.learner.demand(0);
  if (learned.learner.is_warm() && demand.moving_age != Duration::max()) out.settling_age = demand.moving_age;
  out.windows = learned.learner.windows();
  out.error_level = learned.learner.level(0);
  out.judged = learned.judged;
  out.wrong = learned.wrong;
  out.rechecked = learned.rechecked;
  out.rechecked_wrong = learned.rechecked_wrong;
  out.late_share = learned.learner.unsettled_share();
  if (out.late_share > kLateShareMax) {
    const Duration life = learned.learner.usual_life();
    out.advised_watch = advise_watch({.watch = state_->options.watch,
                                      .life = life,
                                      .middle_share = learned.learner.share_above(life * 2 / 5),
                                      .late_share = out.late_share});
  }
  return out;
}

}  // namespace settle::engine
