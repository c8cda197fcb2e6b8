// The backfill lane at work on asked ranges: how much is asked for, what the answer is worth, and its commit.
#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "engine/plan/backfill.hpp"
#include "runner/backfill/backfill_lane_impl.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Ranges;
using engine::Time;
using engine::TimeRange;

namespace {

constexpr std::chrono::milliseconds kFetchMax = std::chrono::hours{1};
// With a rate: a chunk is what may go out in so long, so that the flow is even.
constexpr double kRateSeconds = 10;
constexpr std::size_t kStepsKept = 16;
// What failed for its size cost two questions and a pause: it is not tried again after every answer.
constexpr std::uint32_t kHold = 8;
// Of the series that are live now, so many or more are expected in a bucket: one in so many.
constexpr double kSparsest = 8;
// Where neither the live lane nor an answer has said how many samples a bucket has.
constexpr std::int64_t kBucketsAtFirst = 10;

std::string at(Time time) {
  return engine::format_time(time);
}

/// The buckets of `range` that the scope did not answer, by reason.
void judge_scope(const engine::ClosedHistory::Scope& scope, TimeRange range, engine::Duration granularity,
                 Verdict& verdict) {
  if (scope.truncated) {
    verdict.too_large = true;
    verdict.missing.push_back({.scope = scope.name,
                               .buckets = Ranges{range},
                               .why = Unanswered::Why::truncated,
                               .detail = "scope " + scope.name + ": the answer is truncated"});
    return;
  }
  Ranges missing{range};
  missing.remove(scope.answered);
  if (missing.empty()) {
    return;
  }
  Ranges later = missing;
  later.keep({engine::floor_to(scope.reached, granularity), range.to});
  missing.remove(later);
  if (!missing.empty()) {
    verdict.missing.push_back(
        {.scope = scope.name,
         .buckets = missing,
         .why = Unanswered::Why::not_covered,
         .detail = "scope " + scope.name + ": the source does not cover " + at(missing.list().front().from)});
  }
  if (!later.empty()) {
    verdict.missing.push_back(
        {.scope = scope.name,
         .buckets = later,
         .why = Unanswered::Why::not_reached,
         .detail = "scope " + scope.name + ": the source has data through " + at(scope.reached) + " only"});
  }
}

}  // namespace

bool shrink(Longest& longest, const Wait& wait, std::span<const Unanswered> missing, engine::Duration length,
            engine::Duration granularity) {
  const bool may_help = wait.attempts > 0 && std::any_of(missing.begin(), missing.end(), [](const auto& one) {
                          return one.perhaps_too_large;
                        });
  const auto half = may_help ? engine::halve_chunk(length, granularity) : std::nullopt;
  if (half) {
    longest = {.length = *half, .hold = kHold};
  }
  return half.has_value();
}

Verdict judge_chunk(std::span<const engine::ClosedHistory::Scope> scopes,
                    std::span<const fetchers::ScopeFailure> failures, TimeRange range,
                    engine::Duration granularity) {
  Verdict verdict;
  verdict.spoke = !scopes.empty();
  for (const fetchers::ScopeFailure& failure : failures) {
    const bool large = failure.failure == fetchers::FetchFailure::too_large;
    verdict.too_large = verdict.too_large || large;
    verdict.missing.push_back(
        {.scope = failure.scope,
         .buckets = Ranges{range},
         .why = large ? Unanswered::Why::truncated : Unanswered::Why::failed,
         .detail = "scope " + failure.scope + ": " + std::string{fetchers::failure_text(failure.failure)} +
                   ": " + failure.detail,
         .perhaps_too_large =
             failure.perhaps_too_large || failure.failure == fetchers::FetchFailure::timed_out});
  }
  for (const engine::ClosedHistory::Scope& scope : scopes) {
    judge_scope(scope, range, granularity, verdict);
  }
  return verdict;
}

BackfillLane::Impl::Asked BackfillLane::Impl::ask(const Stream& stream, TimeRange range) const {
  const Time now = parts.clocks.source_now();
  Asked asked{.source = parts.source(stream),
              .request = {.range = engine::range_to_ask(stream.engine, range),
                          .granularity = stream.engine.granularity,
                          .selector = stream.selector,
                          .now = now,
                          .timeout = kFetchMax},
              .work = {},
              .late = {}};
  asked.work.tenant = stream.tenant;
  asked.work.stream_id = stream.id;
  asked.work.options = stream.engine;
  asked.work.range = range;
  asked.work.now = now;
  asked.work.wall = parts.clocks.wall_now();
  asked.work.ledgers_from = asked.work.wall - options.keep_ledger;
  return asked;
}

BackfillLane::Impl::Asked BackfillLane::Impl::ask_chunk(BackfillItem& item, const Job& job,
                                                        const Stream& stream, const Ranges& todo) {
  const BackfillRequest& request = item.record.request;
  const StreamStatus* status = parts.stream_status(job.tenant, job.stream_id);
  const double live_series = status == nullptr ? 1 : std::max<double>(1, static_cast<double>(status->series));
  const double wanted = request.rate ? std::min(options.samples_per_chunk, *request.rate * kRateSeconds)
                                     : options.samples_per_chunk;
  std::optional<engine::Duration> longest = item.longest.length;
  const bool nothing_known = !item.samples_per_bucket && (status == nullptr || status->series == 0);
  if (nothing_known) {
    const engine::Duration first = kBucketsAtFirst * stream.engine.granularity;
    longest = std::min(longest.value_or(first), first);
  }
  const engine::Duration length = engine::choose_chunk(
      {.granularity = stream.engine.granularity,
       .asked = request.chunk,
       .samples_per_bucket = std::max(item.samples_per_bucket.value_or(live_series), live_series / kSparsest),
       .samples_wanted = wanted,
       .longest = longest});
  item.chunk = length;
  Asked asked =
      ask(stream, cut_for_sinks(engine::next_chunk(todo, length, stream.engine.granularity), job.spec));
  asked.work.targets.push_back(
      {.job_id = job.id, .spec = job.spec, .range = asked.work.range, .sent = sent_of(job)});
  asked.late = leave_out_late(asked.work.targets);
  return asked;
}

/// The live lane began to serve the job only now: what was sealed in between is the backfill's. In its turn:
/// a steering that is being committed puts the record in its place as it was before.
asio::awaitable<void> BackfillLane::Impl::widen(BackfillId id, Time served, engine::Duration granularity) {
  const Turns::Turn turn = co_await commits.take();
  BackfillRecord& record = backfills.at(id).record;
  if (is_over(record.state)) {
    co_return;  // cancelled meanwhile
  }
  const Time end = std::max(record.end_effective, std::min(record.request.range.to, served));
  Ranges more{{record.end_effective, end}};
  record.buckets_total += more.count(granularity);
  if (!record.request.force) {
    more.remove(done_for(record.job_id));
  }
  record.todo.add(more);
  record.planned.add(more);
  record.end_effective = end;
  record.served = true;
}

asio::awaitable<void> BackfillLane::Impl::finish(BackfillId id, BackfillState state, std::string why) {
  const Turns::Turn turn = co_await commits.take();
  BackfillItem& item = backfills.at(id);
  if (is_over(item.record.state)) {
    co_return;  // cancelled meanwhile
  }
  BackfillRecord record = item.record;
  record.state = state;
  record.finished_at = parts.clocks.wall_now();
  if (!why.empty()) {
    record.last_error = std::move(why);
    record.last_error_at = parts.clocks.source_now();
  }
  const bool saved = co_await save(std::move(record));
  if (saved) {
    item.wait = {};
    say_over(item.record);
  }
}

asio::awaitable<bool> BackfillLane::Impl::save(BackfillRecord record) {
  WriteBatch batch;
  batch.put(Table::backfills, backfill_key(record), encode_backfill(record));
  const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
  BackfillItem& item = backfills.at({record.job_id, record.id});
  if (!done) {
    fail(item.wait, record.id, done.error().detail);
    co_return false;
  }
  item.record = std::move(record);
  co_return true;
}

void BackfillLane::Impl::say_over(const BackfillRecord& record) const {
  spdlog::info("event=backfill_over backfill={} job={} state={} samples={}", record.id, record.job_id,
               backfill_state_text(record.state), record.samples);
  const Job* job = parts.registry.find(record.tenant, record.job_id);
  for (const std::string& sink : job == nullptr ? std::vector<std::string>{} : job->spec.sinks) {
    parts.over(sink);
  }
}

/// False: the chunk is tried again, later or in another size. `missing` then says why.
bool BackfillLane::Impl::accept(BackfillItem& item, const Verdict& verdict, TimeRange range) {
  BackfillRecord& record = item.record;
  const engine::Duration length = range.to - range.from;
  const auto note = [&](std::string why) {
    record.errors += 1;
    record.last_error = why;
    record.last_error_at = parts.clocks.source_now();
    fail(item.wait, record.id, std::move(why));
    return false;
  };
  const Stream* stream = parts.registry.find_stream(record.tenant, record.stream_id);
  if (stream == nullptr) {
    return note("its stream is gone");
  }
  if (verdict.too_large) {
    if (const auto half = engine::halve_chunk(length, stream->engine.granularity)) {
      item.longest.length = *half;
      return false;  // at once
    }
  }
  shrink(item.longest, item.wait, verdict.missing, length, stream->engine.granularity);
  if (verdict.missing.empty() && !verdict.spoke) {
    return note("the source answered for no scope");
  }
  // Where the live lane has answers meanwhile, it is this range that the source refuses.
  const StreamStatus* status = parts.stream_status(record.tenant, record.stream_id);
  const std::optional<Time> since = item.wait.failing_since;
  const bool lives = status != nullptr && status->last_error.empty() && since && status->last_tick &&
                     *status->last_tick > *since;
  if (!verdict.spoke && !lives) {
    return note(verdict.missing.front().detail);
  }
  const auto patient = [&](const Unanswered& one) {
    return one.why == Unanswered::Why::not_reached ||
           (one.why != Unanswered::Why::truncated && item.wait.attempts + 1 < options.attempts_max);
  };
  const auto waits = std::find_if(verdict.missing.begin(), verdict.missing.end(), patient);
  return waits == verdict.missing.end() || note(waits->detail);
}

namespace {

/// What the source will not say now becomes gaps of this job; what it cannot say is impossible.
std::uint64_t leave_gaps(const Verdict& verdict, const BackfillRecord& record, engine::Duration granularity,
                         Time now, WriteBatch& batch) {
  Ranges impossible;
  for (const Unanswered& one : verdict.missing) {
    if (one.why == Unanswered::Why::not_covered) {
      impossible.add(one.buckets);
      continue;
    }
    for (const TimeRange& range : one.buckets.list()) {
      GapEntry gap;
      gap.gap.scope = one.scope;
      gap.gap.range = range;
      gap.noticed_at = now;
      gap.job_id = record.job_id;
      gap.reason = one.detail;
      put_gap(batch, record.tenant, record.stream_id, gap);
    }
  }
  return impossible.count(granularity);
}

void note_step(BackfillItem& item, BackfillItem::Step step) {
  item.steps.push_back(step);
  if (item.steps.size() > kStepsKept) {
    item.steps.pop_front();
  }
}

}  // namespace

asio::awaitable<void> BackfillLane::Impl::commit_chunk(BackfillId id, TimeRange range, Verdict verdict,
                                                       ChunkDone done) {
  const Turns::Turn turn = co_await commits.take();
  BackfillItem& item = backfills.at(id);
  if (is_over(item.record.state)) {
    co_return;  // cancelled meanwhile: nothing of the chunk is wanted
  }
  const Stream* stream = parts.registry.find_stream(item.record.tenant, item.record.stream_id);
  if (stream == nullptr) {
    fail(item.wait, id.second, "its stream is gone");
    co_return;
  }
  const engine::Duration granularity = stream->engine.granularity;
  const std::uint64_t buckets = Ranges{range}.count(granularity);
  BackfillRecord record = item.record;
  record.todo.remove(range);
  record.samples += done.samples;
  record.held_back += done.held_back;
  record.buckets_impossible +=
      leave_gaps(verdict, record, granularity, parts.clocks.source_now(), done.batch);
  if (done.limited) {
    record.last_error = "series_max or open_cells_max refuses series: narrow the query or raise the limit";
    record.last_error_at = parts.clocks.source_now();
  }
  if (record.todo.empty()) {
    record.state = BackfillState::done;
    record.finished_at = parts.clocks.wall_now();
  }
  const SteadyTime now = parts.clocks.steady_now();
  const SteadyTime paced = pace(item, done.samples);
  record.pace = std::chrono::ceil<engine::Duration>(std::max(paced - now, SteadyTime::duration{}));
  record.paced_until = parts.clocks.wall_now() + record.pace;
  std::vector<BackfillRecord> others = without(id, range);
  done.batch.put(Table::backfills, backfill_key(record), encode_backfill(record));
  for (const BackfillRecord& other : others) {
    done.batch.put(Table::backfills, backfill_key(other), encode_backfill(other));
  }
  std::string why;
  const GapStream of{record.tenant, record.stream_id};
  WriteBatch batch = std::move(done.batch);
  std::vector<std::string> job_ids{record.job_id};
  const bool committed = co_await commit(std::move(batch), of, std::move(job_ids), &why);
  if (!committed) {
    fail(item.wait, id.second, std::move(why));
    co_return;
  }
  item.record = std::move(record);
  item.wait = {};
  for (BackfillRecord& other : others) {
    backfills.at({other.job_id, other.id}).record = std::move(other);
  }
  // Falls slowly: after an empty stretch the next chunk must not be too large to hold.
  const double now_seen =
      static_cast<double>(done.points) / static_cast<double>(std::max<std::uint64_t>(buckets, 1));
  item.samples_per_bucket = std::max(now_seen, item.samples_per_bucket.value_or(0) / 2);
  item.longest.answered();
  item.paced_until = paced;
  if (paced > now && !is_over(item.record.state)) {
    item.wait.until = paced;
    item.wait.why = kWhyPaced;
  }
  note_step(item, {.at = now, .samples = done.samples, .buckets = buckets});
  count(done);
  if (is_over(item.record.state)) {
    say_over(item.record);  // after count(): the pump is told of the rows first
  }
  if (!verdict.missing.empty()) {
    load_gaps(of);
  }
}

}  // namespace settle::runner
