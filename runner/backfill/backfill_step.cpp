// The backfill lane at work on asked ranges: one chunk after the other, the next one fetched while the one
// before is worked on.
#include <algorithm>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "runner/backfill/backfill_lane_impl.hpp"
#include "runner/pool.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator&&;
using engine::Ranges;
using engine::Time;
using engine::TimeRange;

namespace {

// What was fetched ahead is no older (source time) when it is worked on: the source may correct itself.
constexpr engine::Duration kAheadAge = std::chrono::minutes{1};

double rows_of(const engine::Answer& answer) {
  std::size_t rows = 0;
  for (const engine::ScopeAnswer& scope : answer.scopes) rows += scope.rows.size();
  return static_cast<double>(rows);
}

}  // namespace

/// A backfill keeps to a rate, and may be due soon.
bool BackfillLane::Impl::is_paced() const {
  return std::any_of(backfills.begin(), backfills.end(), [](const auto& one) {
    const BackfillRecord& record = one.second.record;
    return record.request.rate && !is_over(record.state) && record.state != BackfillState::paused;
  });
}

asio::awaitable<void> BackfillLane::Impl::step(BackfillId id) {
  BackfillItem& item = backfills.at(id);  // an item is erased only when it is over
  const Job* job = parts.registry.find(item.record.tenant, id.first);
  if (job == nullptr) {
    co_await finish(id, BackfillState::cancelled, "the job was deleted");
    co_return;
  }
  const Stream* stream = parts.registry.find_stream(job->tenant, job->stream_id);
  const std::optional<Time> served = served_from(*job);
  if (stream == nullptr || !served) {
    fail(item.wait, id.second, "the live lane had no answer for the job yet");
    co_return;
  }
  if (!item.record.served) {
    co_await widen(id, *served, job->spec.engine.granularity);
    co_return;  // what may be done now is looked at anew
  }
  if (item.record.todo.empty()) {
    co_await finish(id, BackfillState::done, {});
    co_return;
  }
  Asked asked = ask_chunk(item, *job, *stream, item.record.todo);
  if (!asked.source) {
    fail(item.wait, id.second, "source " + stream->source + " is not configured any more");
    co_return;
  }
  if (engine::Result<void> can = asked.source->accepts(stream->selector, stream->engine.granularity); !can) {
    co_await finish(id, BackfillState::failed, can.error().detail);
    co_return;
  }
  if (!asked.late.sinks.empty()) {
    const bool nobody = asked.work.targets.empty();
    if (nobody) {
      std::string why = late_reason(asked.late);
      co_await give_up(id, asked.work.range, std::move(why));
      co_return;
    }
    item.record.last_error = engine::format_time(asked.work.range.from) + " on: " + late_reason(asked.late);
    item.record.last_error_at = parts.clocks.source_now();
  }
  item.record.state = item.record.state == BackfillState::queued ? BackfillState::running : item.record.state;
  item.begun_at = parts.clocks.steady_now();
  const engine::Duration granularity = asked.work.options.granularity;
  // What was asked ahead was not cut where a sink has stopped taking it since.
  std::optional<FetchedAhead> ahead = asked.late.sinks.empty() ? take_ahead(item, asked) : std::nullopt;
  fetchers::FetchResult fetched;
  if (ahead) {
    fetched = std::move(ahead->result);
  } else {
    fetched = co_await asked.source->fetch(std::move(asked.request));
  }
  const TimeRange range = asked.work.range;
  if (!item.samples_per_bucket && fetched.failures.empty()) {
    item.samples_per_bucket = rows_of(fetched.answer) / static_cast<double>(Ranges{range}.count(granularity));
  }
  co_await (digest(id, std::move(fetched), std::move(asked.work)) && fetch_ahead(id, range));
}

/// What was fetched ahead, if it is still the answer to what is asked now; then `asked` becomes its question.
std::optional<FetchedAhead> BackfillLane::Impl::take_ahead(BackfillItem& item, Asked& asked) const {
  std::optional<FetchedAhead> ahead = std::exchange(item.ahead, std::nullopt);
  if (!ahead) {
    return std::nullopt;
  }
  const engine::Duration length = ahead->range.to - ahead->range.from;
  const TimeRange& next = item.record.todo.list().front();
  const bool fits = ahead->range.from == next.from && ahead->range.to <= next.to &&
                    length <= item.longest.length.value_or(length) &&
                    asked.work.now - ahead->now <= kAheadAge;
  if (!fits) {
    return std::nullopt;
  }
  asked.work.range = ahead->range;
  asked.work.now = ahead->now;
  for (FillTarget& target : asked.work.targets) {
    target.range = ahead->range;
  }
  return ahead;
}

/// While a chunk is worked on and committed, the source works on the next one.
asio::awaitable<void> BackfillLane::Impl::fetch_ahead(BackfillId id, TimeRange after) {
  BackfillItem& item = backfills.at(id);
  const Job* job = parts.registry.find(item.record.tenant, id.first);
  const Stream* stream = job == nullptr ? nullptr : parts.registry.find_stream(job->tenant, job->stream_id);
  Ranges todo = item.record.todo;
  todo.remove(after);
  const bool wanted = stream != nullptr && !todo.empty() && !item.record.request.rate && !stopped &&
                      item.record.state == BackfillState::running && !parts.live_is_busy() &&
                      parts.why_wait(*job).empty();
  if (!wanted) {
    co_return;
  }
  Asked asked = ask_chunk(item, *job, *stream, todo);
  FetchedAhead ahead{.range = asked.work.range, .now = asked.work.now, .result = {}};
  if (!asked.source || asked.work.targets.empty()) {
    co_return;
  }
  ahead.result = co_await asked.source->fetch(std::move(asked.request));
  if (ahead.result.failures.empty() && item.record.state == BackfillState::running) {
    item.ahead = std::move(ahead);
  }
}

asio::awaitable<void> BackfillLane::Impl::digest(BackfillId id, fetchers::FetchResult fetched,
                                                 ChunkWork work) {
  BackfillItem& item = backfills.at(id);
  const TimeRange range = work.range;
  const engine::Duration granularity = work.options.granularity;
  auto working_out = [this, &fetched, &work] { return work_chunk(parts.store, fetched.answer, work); };
  engine::Result<ChunkDone> worked = co_await run_on(parts.pool, std::move(working_out));
  if (!worked) {
    fail(item.wait, id.second, worked.error().detail);
    co_return;
  }
  ChunkDone done = *std::move(worked);
  Verdict verdict = judge_chunk(done.scopes, fetched.failures, range, granularity);
  if (accept(item, verdict, range)) {
    co_await commit_chunk(id, range, std::move(verdict), std::move(done));
  }
}

}  // namespace settle::runner
