#include <algorithm>

#include "engine/stabilizer/state.hpp"

namespace settle::engine {

namespace {

/// Answers decide_final for cells of one entry, that is for one moving age, asking the policy only where the
/// answer does not follow from those before: more evidence never makes a cell less final.
class Judge {
 public:
  Judge(const Finality& policy, Duration moving, Demand learned)
      : policy_(policy), moving_(moving), learned_(learned) {}
  [[nodiscard]] bool is_final(std::uint32_t polls) {
    if (polls >= enough_) return true;
    if (asked_ && polls <= too_few_) return false;
    const bool final_now = decide_final(policy_, {.evidence_polls = polls, .moving_age = moving_}, learned_);
    if (final_now) {
      enough_ = polls;
    } else {
      asked_ = true;
      too_few_ = polls;
    }
    return final_now;
  }

 private:
  const Finality& policy_;
  Duration moving_;
  Demand learned_;
  std::uint32_t enough_ = kNone;
  std::uint32_t too_few_ = 0;
  bool asked_ = false;
};

/// Whether cells may have settled since the last look at an entry, so long ago that their age would say
/// little. With the first answer of a scope everything that is there already seems to settle.
bool is_unwatched(const EngineOptions& options, const Scope& scope, const Entry& entry, Time end, Time now) {
  const bool starts = scope.last_complete == kNever;
  const Duration late = starts ? options.granularity : std::max(options.watch / 5, options.granularity);
  if (entry.covered == kNever) return now - end > late;
  return now - std::max(entry.covered, end) > options.watch / 2;
}

/// From when on the scope is known to have been alive, now that it moved: since it last moved, if that is no
/// longer ago than a source may well be silent; else only since the last answer.
Time alive_from(const EngineOptions& options, const Scope& scope, Time now) {
  const Duration silence = std::min(options.granularity, options.watch / 20);
  const bool is_near = scope.last_moved != kNever && now - scope.last_moved <= silence;
  return is_near ? scope.last_moved : scope.last_complete;
}

}  // namespace

void Engine::State::take_evidence(const Lane& lane) {
  if (!lane.complete()) {
    ++stats.answers_truncated;
    return;
  }
  Scope& scope = scopes[lane.scope];
  const auto reported = lane.answer->frontier;
  const bool rose = reported && *reported > scope.frontier;
  if (rose) scope.frontier = *reported;
  Liveness mode = options.liveness;
  if (mode == Liveness::automatic) {
    mode = scope.frontier != kNever ? Liveness::frontier : Liveness::movement;
  }
  const bool unmoved =
      (mode == Liveness::frontier && !rose) || (mode == Liveness::movement && scope.pending == kNever);
  if (unmoved) ++stats.answers_unmoved;
  const Time since = alive_from(options, scope, now);
  if (!unmoved || scope.last_moved == kNever) scope.last_moved = now;
  for (Bucket* bucket : lane.buckets) {
    Entry& entry = *bucket->find_entry(lane.scope);
    const bool moved = mode == Liveness::answers || (mode == Liveness::frontier && rose) ||
                       (mode == Liveness::movement && bucket->start < scope.pending);
    if (!unmoved) entry.alive += std::max(now - std::max(since, end_of(bucket->start)), Duration{});
    if (moved) {
      entry.moving = entry.alive;
      if (has_ended(scope, bucket->start)) ++entry.polls;
    }
    if (is_unwatched(options, scope, entry, end_of(bucket->start), now)) entry.unwatched = true;
    entry.covered = now;
  }
  scope.last_complete = now;
  scope.pending = kNever;
}

void Engine::State::restart_conflicts() {
  for (const CellRef& at : conflicts) {
    Cell& cell = at.bucket->cells[at.cell];
    cell.at_change = at.bucket->find_entry(cell.scope)->polls;
  }
  conflicts.clear();
}

/// A final entry whose bucket ends only now may have zeros.
void Engine::State::look_at_ends() {
  if (!zeroes()) return;
  for (const auto& bucket : buckets) {
    for (Entry& entry : bucket->entries) {
      const bool ended = has_ended(scopes[entry.scope], bucket->start);
      if (ended && !entry.ended && entry.is_final) all_marked = true;
      entry.ended = ended;
    }
  }
}

void Engine::State::decide(const Lane& lane) {
  if (!lane.complete()) return;
  for (Bucket* bucket : lane.buckets) {
    if (!has_ended(scopes[lane.scope], bucket->start)) continue;
    decide_entry(*bucket, *bucket->find_entry(lane.scope));
  }
}

/// Buckets upwards, so that the cells a later one has to wait for are decided before it.
void Engine::State::decide_in_order(const std::vector<Lane>& lanes) {
  for (const auto& bucket : buckets) {
    note_clear();
    for (const Lane& lane : lanes) {
      const bool is_covered = bucket->start >= lane.from && bucket->start < lane.to && bucket->start <= now;
      if (!lane.complete() || !is_covered || !has_ended(scopes[lane.scope], bucket->start)) continue;
      decide_entry(*bucket, *bucket->find_entry(lane.scope));
    }
  }
}

void Engine::State::decide_entry(Bucket& bucket, Entry& entry) {
  // What is asked for may fall while the source stands still; that is no evidence.
  if (learning && entry.moving == entry.moving_before) return;
  decide_cells(bucket, entry);
  if (entry.is_final || entry.limited) return;
  const Quiet seen{.evidence_polls = entry.polls - entry.appeared_at, .moving_age = entry.moving};
  if (!decide_final(options.finality, seen, demand_of_bucket(bucket.start))) return;
  entry.is_final = true;
  entry.by_expiry = false;
  all_marked = true;
}

/// Goes on where it stood: in a call nothing that is final becomes open after the first decision.
void Engine::State::note_clear() {
  const auto known = static_cast<std::size_t>(
      std::count_if(scopes.begin(), scopes.end(), [](const Scope& scope) { return scope.known; }));
  for (; clear_buckets < buckets.size(); ++clear_buckets) {
    const Bucket& bucket = *buckets[clear_buckets];
    const auto is_final = [](const Entry& entry) { return entry.is_final && entry.unquiet == 0; };
    const Time expected = clear_buckets == 0 ? from : end_of(buckets[clear_buckets - 1]->start);
    if (bucket.start != expected || bucket.entries.size() != known) return;
    if (!std::all_of(bucket.entries.begin(), bucket.entries.end(), is_final)) return;
  }
}

bool Engine::State::in_turn(Time start, SeriesId id, ScopeId scope) const {
  Time expected = clear_buckets == 0 ? from : end_of(buckets[clear_buckets - 1]->start);
  for (std::size_t one = clear_buckets; one < buckets.size() && expected < start; ++one) {
    const Bucket& bucket = *buckets[one];
    if (bucket.start != expected) return false;  // one that is not there has no final entry
    expected = end_of(bucket.start);
    const std::uint32_t at = bucket.index.find(id);
    if (at != kNone) {
      if (bucket.cells[at].revision == 0) return false;
      continue;
    }
    const Entry* entry = bucket.find_entry(scope);
    if (entry == nullptr || !entry->is_final) return false;
  }
  return expected >= start;
}

void Engine::State::decide_cells(Bucket& bucket, Entry& entry) {
  if (entry.unquiet == 0) return;
  const bool splits = learning && learning->learner.splits();
  std::vector<Judge> judges;  // by group
  const std::uint8_t groups = splits ? kBands : 1;
  for (std::uint8_t group = 0; group < groups; ++group) {
    judges.emplace_back(options.finality, entry.moving,
                        learning ? learning->learner.demand(group, bucket_draw(bucket.start)) : Demand{});
  }
  const std::uint32_t polls_most = entry.polls - entry.oldest_change;
  if (std::none_of(judges.begin(), judges.end(), [&](Judge& one) { return one.is_final(polls_most); }))
    return;
  std::uint32_t oldest = kNone;
  for (std::uint32_t at = 0; at < bucket.cells.size(); ++at) {
    const Cell& cell = bucket.cells[at];
    if (cell.has(Cell::kQuiet) || cell.scope != entry.scope) continue;
    const std::uint8_t band = splits ? Learner::band_of(series[cell.series].pace) : 0;
    const bool is_final = judges[band].is_final(entry.polls - cell.at_change);
    const bool waits = is_final && orders() && cell.revision == 0;
    if (is_final && (!waits || in_turn(bucket.start, cell.series, cell.scope))) {
      settle(bucket, entry, at, How::decided);
    } else {
      oldest = std::min(oldest, cell.at_change);
    }
  }
  entry.oldest_change = oldest;
}

}  // namespace settle::engine
