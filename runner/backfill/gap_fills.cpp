// The backfill lane at work on gaps: oldest buckets first, the answered part is closed, the rest stays.
#include <algorithm>
#include <bit>
#include <utility>

#include <spdlog/spdlog.h>

#include "engine/plan/backfill.hpp"
#include "runner/backfill/backfill_lane_impl.hpp"
#include "runner/pool.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::GapCell;
using engine::Ranges;
using engine::Time;
using engine::TimeRange;

namespace {

// A gap that often failed is tried at this many times the longest backoff, or when the source has reached it.
constexpr int kSlowly = 6;

/// What the gap's own scope did not answer.
std::vector<Unanswered> missing_of(const Verdict& verdict, const ChunkDone& done, const GapEntry& entry,
                                   TimeRange range) {
  const std::string& scope = entry.gap.scope;
  std::vector<Unanswered> missing;
  for (const Unanswered& one : verdict.missing) {
    if (scope.empty() || one.scope == scope) {
      missing.push_back(one);
    }
  }
  const auto same = [&](const auto& one) { return scope.empty() || one.name == scope; };
  if (missing.empty() && std::none_of(done.scopes.begin(), done.scopes.end(), same)) {
    missing.push_back({.scope = scope,
                       .buckets = Ranges{range},
                       .why = Unanswered::Why::failed,
                       .detail = scope.empty() ? "the source answered for no scope"
                                               : "the source did not answer for scope " + scope});
  }
  return missing;
}

/// Cells of the entry in the range; they leave the entry.
std::vector<GapCell> take_cells(GapEntry& entry, TimeRange range) {
  const auto cut = std::stable_partition(entry.gap.cells.begin(), entry.gap.cells.end(),
                                         [&](const GapCell& cell) { return !range.contains(cell.bucket); });
  std::vector<GapCell> taken(cut, entry.gap.cells.end());
  entry.gap.cells.erase(cut, entry.gap.cells.end());
  return taken;
}

/// The part of the entry from its start to the end of `range`, without cells; the entry keeps the rest.
GapEntry cut_off(GapEntry& entry, TimeRange range) {
  GapEntry part = entry;
  part.gap.cells.clear();
  part.gap.range = range;
  part.cells_seen = take_cells(entry, range).size();
  entry.gap.range.from = range.to;
  entry.cells_seen = entry.gap.cells.size();
  return part;
}

/// True: the next attempt, at once, asks for less: what the source answered, or half of what it cut off.
bool shorten(GapItem& item, TimeRange range, engine::Duration granularity,
             const std::vector<Unanswered>& missing) {
  Ranges answered{range};
  for (const Unanswered& one : missing) {
    answered.remove(one.buckets);
  }
  if (!answered.empty() && answered.list().front().from == range.from) {
    item.longest.length = answered.list().front().to - range.from;
    return true;
  }
  const bool truncated = std::any_of(missing.begin(), missing.end(), [](const Unanswered& one) {
    return one.why == Unanswered::Why::truncated;
  });
  const auto half = truncated ? engine::halve_chunk(range.to - range.from, granularity) : std::nullopt;
  if (half) {
    item.longest.length = *half;
  }
  return half.has_value();
}

}  // namespace

std::optional<Time> frontier_of(const StreamStatus* status, const std::string& scope) {
  if (status == nullptr || scope.empty()) {
    return status == nullptr ? std::nullopt : status->frontier;
  }
  const auto same = [&scope](const engine::ScopeView& view) { return view.name == scope; };
  const auto found = std::find_if(status->scopes.begin(), status->scopes.end(), same);
  return found == status->scopes.end() ? std::nullopt : found->frontier;
}

std::vector<FillTarget> BackfillLane::Impl::targets_of(const GapEntry& entry, const Stream& stream,
                                                       TimeRange chunk) {
  std::vector<FillTarget> targets;
  for (const Job* job : jobs_of(stream)) {
    TimeRange range = chunk;
    if (stream.engine.output == engine::Output::counter) {
      targets.push_back({.job_id = job->id, .spec = job->spec, .range = chunk, .sent = {}});
      continue;  // the totals are those of the stream, for all its jobs
    }
    if (entry.job_id.empty()) {
      const std::optional<Time> served = served_from(*job);
      range.from = std::max(range.from, served.value_or(range.to));
    } else if (entry.job_id != job->id) {
      continue;
    }
    if (!range.empty()) {
      targets.push_back({.job_id = job->id, .spec = job->spec, .range = range, .sent = sent_of(*job)});
    }
  }
  return targets;
}

TimeRange BackfillLane::Impl::gap_chunk(GapItem& item, const Stream& stream) const {
  const StreamStatus* status = parts.stream_status(stream.tenant, stream.id);
  const engine::Duration length =
      engine::choose_chunk({.granularity = stream.engine.granularity,
                            .asked = std::nullopt,
                            .samples_per_bucket = status == nullptr ? 1 : static_cast<double>(status->series),
                            .samples_wanted = options.samples_per_chunk,
                            .longest = item.longest.length});
  TimeRange range = engine::next_chunk(Ranges{item.entry.gap.range}, length, stream.engine.granularity);
  for (const Job* job : jobs_of(stream)) {
    range = cut_for_sinks(range, job->spec);
  }
  return range;
}

asio::awaitable<void> BackfillLane::Impl::fill_gap(GapStream of, std::string key) {
  const bool joined = co_await join_gaps(of, key);
  if (joined) {
    co_return;
  }
  GapItem& item = gap_items.at(of).at(key);
  item.entry.state = GapState::scheduled;
  auto read = [this, &key] { return read_gap(parts.store, key); };
  StoredGap stored = co_await run_on(parts.pool, std::move(read));
  GapEntry entry = std::move(stored.entry);
  const Stream* stream = parts.registry.find_stream(of.first, of.second);
  if (stream == nullptr || entry.gap.range.empty()) {
    gap_items.at(of).erase(key);  // the stream was forgotten with all it had
    co_return;
  }
  entry.attempts = std::max(entry.attempts, item.entry.attempts);
  const TimeRange range = gap_chunk(item, *stream);
  Asked asked = ask(*stream, range);
  asked.work.targets = targets_of(entry, *stream, range);
  asked.work.stream_record = stream->record;
  asked.work.gap_key = key;
  asked.work.gap_record = std::move(stored.record);
  GapEntry rest = entry;
  asked.work.cells = take_cells(rest, range);
  if (!entry.gap.scope.empty()) {
    asked.work.scope = entry.gap.scope;
  }
  if (stream->job_ids.empty()) {
    co_return;  // its last job went meanwhile: whoever comes back finds the gap
  }
  const bool counts = stream->engine.output == engine::Output::counter;  // its totals go out live
  Late late = counts ? Late{} : leave_out_late(asked.work.targets);
  if (asked.work.targets.empty()) {
    GapEntry closed = cut_off(entry, range);
    closed.state = GapState::impossible;
    closed.reason = late.sinks.empty() ? "no job that is here now was served then" : late_reason(late);
    ChunkDone nothing;
    Late nobody;
    co_await close_part(of, key, std::move(entry), std::move(nothing), std::move(closed), std::move(nobody));
    co_return;
  }
  if (!asked.source) {
    fail(item.wait, key, "source " + stream->source + " is not configured any more");
    co_return;
  }
  const engine::Duration granularity = stream->engine.granularity;
  const fetchers::FetchResult fetched = co_await asked.source->fetch(std::move(asked.request));
  auto digest = [this, &fetched, &asked] { return work_chunk(parts.store, fetched.answer, asked.work); };
  engine::Result<ChunkDone> worked = co_await run_on(parts.pool, std::move(digest));
  if (!worked) {
    fail(item.wait, key, worked.error().detail);
    co_return;
  }
  ChunkDone done = *std::move(worked);
  const Verdict verdict = judge_chunk(done.scopes, fetched.failures, range, granularity);
  std::vector<Unanswered> missing = missing_of(verdict, done, entry, range);
  if (missing.empty()) {
    GapEntry closed = cut_off(entry, range);
    closed.state = GapState::filled;
    closed.reason = late.sinks.empty() ? closed.reason : "filled, but not in sink " + late.sinks;
    co_await close_part(of, key, std::move(entry), std::move(done), std::move(closed), std::move(late));
    co_return;
  }
  if (shorten(item, range, granularity, missing)) {
    co_return;
  }
  const bool shorter = shrink(item.longest, item.wait, missing, range.to - range.from, granularity);
  Unanswered first = std::move(missing.front());
  ChunkWork work = std::move(asked.work);
  co_await note_attempt(of, key, std::move(entry), std::move(work), std::move(first), shorter);
}

/// It often failed: now and then, or as soon as the source has reached what it had not.
void BackfillLane::Impl::slow_down(const GapStream& of, GapItem& item, TimeRange range,
                                   const Unanswered& why) const {
  item.slowly = item.wait.until + kSlowly * options.backoff_max;
  const std::optional<Time> frontier =
      frontier_of(parts.stream_status(of.first, of.second), item.entry.gap.scope);
  const bool is_behind = !frontier || *frontier < range.to;
  const bool may_come = why.why == Unanswered::Why::not_reached || why.why == Unanswered::Why::failed;
  if (may_come && is_behind) {
    item.awaits = range.to;
  }
}

/// An attempt failed: later again, or given up when the gap is old.
asio::awaitable<void> BackfillLane::Impl::note_attempt(GapStream of, std::string key, GapEntry entry,
                                                       ChunkWork work, Unanswered why, bool shorter) {
  const TimeRange range = work.range;
  GapItem& item = gap_items.at(of).at(key);
  entry.attempts += 1;
  entry.state = GapState::scheduled;
  entry.last_error = why.detail;
  item.entry.attempts = entry.attempts;
  item.entry.last_error = entry.last_error;
  fail(item.wait, key, why.detail);
  item.awaits.reset();
  item.slowly = {};
  if (entry.attempts > options.attempts_max && !shorter) {
    slow_down(of, item, range, why);
  }
  const bool gone = why.why == Unanswered::Why::not_covered && entry.attempts >= options.attempts_max;
  if (gone || parts.clocks.source_now() - entry.noticed_at > options.gap_give_up) {
    const Stream* stream = parts.registry.find_stream(of.first, of.second);
    if (stream == nullptr) {
      co_return;
    }
    // As if the source said that it has nothing: what was seen and never went out does so now.
    engine::Answer nothing;
    engine::ScopeAnswer& silent = nothing.scopes.emplace_back();
    silent.scope = entry.gap.scope;
    silent.covered = range;
    auto digest = [this, &nothing, &work] { return work_chunk(parts.store, nothing, work); };
    engine::Result<ChunkDone> worked = co_await run_on(parts.pool, std::move(digest));
    ChunkDone last = worked ? *std::move(worked) : ChunkDone{};
    GapEntry closed = cut_off(entry, range);
    closed.state = GapState::impossible;
    closed.reason = gone ? lost_reason(stream) : "given up: " + why.detail;
    Late nobody;
    co_await close_part(of, key, std::move(entry), std::move(last), std::move(closed), std::move(nobody));
    co_return;
  }
  // A bucket that never comes whole must not hold up those after it.
  const bool stuck = why.why == Unanswered::Why::truncated && range.to < entry.gap.range.to;
  if (!stuck && !std::has_single_bit(entry.attempts)) {
    co_return;  // what is in the store is near enough
  }
  WriteBatch batch;
  std::optional<GapEntry> rest;
  if (stuck) {
    rest = entry;
    GapEntry part = cut_off(*rest, range);
    part.reason = why.detail;
    part.gap.cells = take_cells(entry, range);
    entry = std::move(part);
    rest->attempts = 0;
    rest->last_error.clear();
    put_gap(batch, of.first, of.second, *rest);
  }
  put_gap(batch, of.first, of.second, entry);
  const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
  if (!done) {
    co_return;
  }
  std::map<std::string, GapItem>& items = gap_items.at(of);
  entry.gap.cells.clear();
  items.at(key).entry = std::move(entry);
  if (rest) {
    std::string rest_key = gap_key_of(of.first, of.second, *rest);
    rest->gap.cells.clear();
    items[std::move(rest_key)] = {.entry = *std::move(rest), .wait = {}, .longest = {}};
  }
}

}  // namespace settle::runner
