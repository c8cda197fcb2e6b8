// The backfill lane at work on gaps: oldest buckets first, the answered part is closed, the rest stays.
#include <algorithm>
#include <bit>
#include <utility>

#include <spdlog/spdlog.h>

#include "engine/plan/backfill.hpp"
#include "runner/backfill_lane_impl.hpp"
#include "runner/keys.hpp"
#include "runner/pool.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::GapCell;
using engine::Ranges;
using engine::Time;
using engine::TimeRange;

namespace {

constexpr const char* kLost = "the source has it no more; what was last observed went out with reason ttl";
// A gap that often failed is tried at this many times the longest backoff.
constexpr int kSlowly = 6;
constexpr std::uint64_t kJoinedCellsMax = 200'000;

GapEntry read_gap(const Store& store, const std::string& key) {
  const ReadTransaction view = store.read();
  const auto bytes = view.get(Table::gaps, key);
  const engine::Result<GapEntry> entry = bytes ? decode_gap(*bytes) : engine::Result<GapEntry>{GapEntry{}};
  return entry ? *entry : GapEntry{};
}

/// The gaps as one, or nothing when one of them is gone.
GapEntry read_run(const Store& store, const std::vector<std::string>& keys) {
  GapEntry joined = read_gap(store, keys.front());
  for (std::size_t i = 1; i < keys.size(); ++i) {
    GapEntry next = read_gap(store, keys[i]);
    if (next.gap.range.from != joined.gap.range.to) {
      return {};
    }
    joined.gap.range.to = next.gap.range.to;
    joined.noticed_at = std::min(joined.noticed_at, next.noticed_at);
    joined.attempts = std::max(joined.attempts, next.attempts);
    joined.gap.cells.insert(joined.gap.cells.end(), next.gap.cells.begin(), next.gap.cells.end());
  }
  joined.cells_seen = joined.gap.cells.size();
  return joined;
}

bool is_closed(const GapEntry& entry) {
  return entry.state == GapState::filled || entry.state == GapState::impossible;
}

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

}  // namespace

std::vector<FillTarget> BackfillLane::Impl::targets_of(const GapEntry& entry, const Stream& stream,
                                                       TimeRange chunk) {
  std::vector<FillTarget> targets;
  for (const Job* job : jobs_of(stream)) {
    TimeRange range = chunk;
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
                            .longest = item.longest});
  return engine::next_chunk(Ranges{item.entry.gap.range}, length, stream.engine.granularity);
}

/// True: something was joined, and what is next has to be looked at anew.
asio::awaitable<bool> BackfillLane::Impl::join_gaps(GapStream of, std::string key) {
  std::map<std::string, GapItem>& items = gap_items.at(of);
  const GapEntry& mine = items.at(key).entry;
  // Those that touch it, in time order, it among them.
  std::vector<std::string> run;
  Time end = Time::min();
  std::uint64_t cells = 0;
  bool among = false;
  for (const auto& [other_key, other] : items) {
    const GapEntry& entry = other.entry;
    if (is_closed(entry) || entry.gap.scope != mine.gap.scope || entry.job_id != mine.job_id ||
        !entry.reason.empty()) {
      continue;  // one with a reason was cut off because it holds up others
    }
    if (entry.gap.range.from != end || cells + entry.cells_seen > kJoinedCellsMax) {
      if (among) {
        break;
      }
      run.clear();
      cells = 0;
    }
    run.push_back(other_key);
    among = among || other_key == key;
    cells += entry.cells_seen;
    end = entry.gap.range.to;
  }
  if (!among || run.size() < 2) {
    co_return false;
  }
  auto read = [this, &run] { return read_run(parts.store, run); };
  GapEntry joined = co_await run_on(parts.pool, std::move(read));
  if (joined.gap.range.empty()) {
    co_return false;
  }
  WriteBatch batch;
  for (const std::string& one : run) {
    batch.erase(Table::gaps, one);
  }
  put_gap(batch, of.first, of.second, joined);
  std::string why;
  std::vector<std::string> job_ids;
  const bool committed = co_await commit(std::move(batch), of, std::move(job_ids), &why);
  if (!committed) {
    co_return false;
  }
  Wait wait;
  for (const std::string& one : run) {
    const Wait& its = items.at(one).wait;
    wait.until = std::max(wait.until, its.until);
    wait.attempts = std::max(wait.attempts, its.attempts);
    if (its.live_fails_since) {
      wait.live_fails_since =
          std::min(wait.live_fails_since.value_or(SteadyTime::max()), *its.live_fails_since);
    }
    items.erase(one);
  }
  std::string joined_key = gap_key_of(of.first, of.second, joined);
  joined.gap.cells.clear();
  items[std::move(joined_key)] = {.entry = std::move(joined), .wait = std::move(wait), .longest = {}};
  co_return true;
}

asio::awaitable<void> BackfillLane::Impl::fill_gap(GapStream of, std::string key) {
  const bool joined = co_await join_gaps(of, key);
  if (joined) {
    co_return;
  }
  const Stream* stream = nullptr;
  GapItem& item = gap_items.at(of).at(key);
  item.entry.state = GapState::scheduled;
  auto read = [this, &key] { return read_gap(parts.store, key); };
  GapEntry entry = co_await run_on(parts.pool, std::move(read));
  stream = parts.registry.find_stream(of.first, of.second);
  if (stream == nullptr || entry.gap.range.empty()) {
    gap_items.at(of).erase(key);  // the stream was forgotten with all it had
    co_return;
  }
  entry.attempts = std::max(entry.attempts, item.entry.attempts);
  const TimeRange range = gap_chunk(item, *stream);
  Asked asked = ask(*stream, range);
  asked.work.targets = targets_of(entry, *stream, range);
  GapEntry rest = entry;
  asked.work.cells = take_cells(rest, range);
  if (!entry.gap.scope.empty()) {
    asked.work.scope = entry.gap.scope;
  }
  if (asked.work.targets.empty()) {
    ChunkDone nothing;
    GapEntry closed = cut_off(entry, range);
    closed.state = GapState::impossible;
    closed.reason = "no job that is here now was served then";
    co_await close_part(of, key, std::move(entry), std::move(nothing), std::move(closed));
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
    co_await close_part(of, key, std::move(entry), std::move(done), std::move(closed));
    co_return;
  }
  Ranges answered{range};
  for (const Unanswered& one : missing) {
    answered.remove(one.buckets);
  }
  const bool prefix = !answered.empty() && answered.list().front().from == range.from;
  const bool truncated = std::any_of(missing.begin(), missing.end(), [](const Unanswered& one) {
    return one.why == Unanswered::Why::truncated;
  });
  if (prefix) {
    item.longest = answered.list().front().to - range.from;
    co_return;  // at once, so far as it answers
  }
  if (const auto half = truncated ? engine::halve_chunk(range.to - range.from, granularity) : std::nullopt) {
    item.longest = *half;
    co_return;
  }
  Unanswered first = std::move(missing.front());
  co_await note_attempt(of, key, std::move(entry), range, std::move(first));
}

/// Commits what a chunk brought; `closed` was the beginning of the gap, `entry` is what is left of it.
asio::awaitable<void> BackfillLane::Impl::close_part(GapStream of, std::string key, GapEntry entry,
                                                     ChunkDone done, GapEntry closed) {
  std::map<std::string, GapItem>& items = gap_items.at(of);
  const Time now = parts.clocks.source_now();
  closed.closed_at = now;
  closed.last_error.clear();
  std::vector<GapEntry> parts_of_it;
  Ranges filled{closed.gap.range};
  filled.remove(done.lost);
  Ranges lost{closed.gap.range};
  lost.remove(filled);
  for (const bool is_lost : {false, true}) {
    for (const TimeRange& range : (is_lost ? lost : filled).list()) {
      GapEntry part = closed;
      part.gap.range = range;
      if (is_lost && part.state == GapState::filled) {
        part.state = GapState::impossible;
        part.reason = kLost;
      }
      parts_of_it.push_back(std::move(part));
    }
  }
  WriteBatch batch = std::move(done.batch);
  batch.erase(Table::gaps, key);
  std::vector<std::string> merged;
  for (GapEntry& part : parts_of_it) {
    for (const auto& [other_key, other] : items) {  // a gap filled in many chunks is one entry
      const GapEntry& before = other.entry;
      if (other_key != key && before.state == part.state && before.gap.range.to == part.gap.range.from &&
          before.gap.scope == part.gap.scope && before.job_id == part.job_id &&
          before.noticed_at == part.noticed_at && before.reason == part.reason) {
        part.gap.range.from = before.gap.range.from;
        part.cells_seen += before.cells_seen;
        merged.push_back(other_key);
        break;
      }
    }
    put_gap(batch, of.first, of.second, part);
  }
  const bool more = !entry.gap.range.empty();
  entry.state = GapState::scheduled;
  if (more) {
    put_gap(batch, of.first, of.second, entry);
  }
  std::string why;
  std::vector<std::string> job_ids;
  const bool committed = co_await commit(std::move(batch), of, std::move(job_ids), &why);
  GapItem& item = items.at(key);
  if (!committed) {
    fail(item.wait, key, std::move(why));
    co_return;
  }
  GapItem rest{.entry = std::move(entry), .wait = {}, .longest = item.longest};
  if (rest.longest) {
    *rest.longest *= 2;
  }
  rest.entry.gap.cells.clear();
  items.erase(key);
  for (GapEntry& part : parts_of_it) {
    spdlog::info("event=gap_{} stream={} scope={:?} from={} to={}", gap_state_text(part.state), of.second,
                 part.gap.scope, engine::format_time(part.gap.range.from),
                 engine::format_time(part.gap.range.to));
    std::string part_key = gap_key_of(of.first, of.second, part);
    items[std::move(part_key)] = {.entry = std::move(part), .wait = {}, .longest = {}};
  }
  if (more) {
    std::string rest_key = gap_key_of(of.first, of.second, rest.entry);
    items[std::move(rest_key)] = std::move(rest);
  }
  count(done);
}

/// An attempt failed: later again, or given up when the gap is old.
asio::awaitable<void> BackfillLane::Impl::note_attempt(GapStream of, std::string key, GapEntry entry,
                                                       TimeRange range, Unanswered why) {
  GapItem& item = gap_items.at(of).at(key);
  entry.attempts += 1;
  entry.state = GapState::scheduled;
  entry.last_error = why.detail;
  item.entry.attempts = entry.attempts;
  item.entry.last_error = entry.last_error;
  fail(item.wait, key, why.detail);
  if (entry.attempts > options.attempts_max) {
    item.wait.until += kSlowly * options.backoff_max;
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
    ChunkWork work = ask(*stream, range).work;
    work.targets = targets_of(entry, *stream, range);
    work.scope = entry.gap.scope;
    GapEntry rest = entry;
    work.cells = take_cells(rest, range);
    auto digest = [this, &nothing, &work] { return work_chunk(parts.store, nothing, work); };
    engine::Result<ChunkDone> worked = co_await run_on(parts.pool, std::move(digest));
    ChunkDone last = worked ? *std::move(worked) : ChunkDone{};
    GapEntry closed = cut_off(entry, range);
    closed.state = GapState::impossible;
    closed.reason = gone ? kLost : "given up: " + why.detail;
    co_await close_part(of, key, std::move(entry), std::move(last), std::move(closed));
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
