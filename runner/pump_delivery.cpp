#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "runner/dead_letter.hpp"
#include "runner/keys.hpp"
#include "runner/pump_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using sinks::PushVerdict;
using std::chrono::milliseconds;

namespace {

// Acknowledgements within keep_acked / kGrains become one entry of the record.
constexpr int kGrains = 64;

const char* verdict_text(PushVerdict verdict) {
  switch (verdict) {
    case PushVerdict::accepted:
      return "accepted";
    case PushVerdict::retry:
      return "retry";
    case PushVerdict::refused:
      return "refused";
    case PushVerdict::uncertain:
      return "uncertain";
    case PushVerdict::misconfigured:
      return "misconfigured";
  }
  return "uncertain";
}

std::vector<sinks::Row> rows_of(const std::vector<OutboxRow>& from) {
  std::vector<sinks::Row> rows;
  rows.reserve(from.size());
  for (const OutboxRow& one : from) rows.push_back(one.row);
  return rows;
}

/// Takes the second half out of `segment`.
Segment split_off(Segment& segment) {
  const auto middle = segment.rows.begin() + static_cast<std::ptrdiff_t>(segment.rows.size() / 2);
  Segment second;
  second.doubtful = segment.doubtful;
  second.rows.assign(std::make_move_iterator(middle), std::make_move_iterator(segment.rows.end()));
  segment.rows.erase(middle, segment.rows.end());
  return second;
}

}  // namespace

void Pump::Impl::count(std::string_view outcome, std::uint64_t rows) {
  if (rows == 0) return;
  metrics.rows_sent.Add({{"sink", options.sink_name}, {"outcome", std::string{outcome}}})
      .Increment(static_cast<double>(rows));
}

void Pump::Impl::bury(const OutboxBatch& batch, const OutboxRow& row, std::string reason) {
  DeadLetter letter;
  letter.number = record.dead_letters + letters.size() + 1;
  letter.sink = options.sink_name;
  letter.job_id = batch.jobs[row.job];
  letter.series = row.row.series;
  letter.timestamp = row.row.timestamp;
  letter.value = row.row.value;
  letter.revision = row.row.revision;
  letter.reason = std::move(reason);
  letter.refused_at = clocks.wall_now();
  letters.push_back(std::move(letter));
}

/// What can be sent; the rest goes to the dead letters, but for stale markers that the sink does not take.
std::vector<OutboxRow> Pump::Impl::sort_out(OutboxBatch& batch) {
  const engine::Time now = clocks.wall_now();
  const sinks::Capabilities can = capabilities();
  const bool revisions = takes_revisions(can.overwrite);
  for (const OutboxRow& row : batch.lost) bury(batch, row, "the store no longer knows the series' labels");
  std::vector<OutboxRow> good;
  good.reserve(batch.rows.size());
  for (OutboxRow& row : batch.rows) {
    if (row.row.reason == engine::Reason::stale && !can.takes_stale_markers) {
      ++left_out;
    } else if (row.row.revision > 1 && !revisions) {
      bury(batch, row, "a correction, and the sink would keep both values: give the job corrections: hold");
    } else if (auto reason = sink.refuse(row.row, now)) {
      bury(batch, row, std::move(*reason));
    } else {
      good.push_back(std::move(row));
    }
  }
  return good;
}

asio::awaitable<sinks::PushOutcome> Pump::Impl::push(const std::vector<OutboxRow>& rows) {
  std::vector<sinks::Row> sent = rows_of(rows);
  auto answer = co_await (sink.push(std::move(sent)) || until_deadline());
  sinks::PushOutcome outcome;
  outcome.verdict = PushVerdict::uncertain;
  outcome.detail = "stopped while a request was in flight";
  if (answer.index() == 0) outcome = std::move(*std::get_if<0>(&answer));
  metrics.sink_requests.Add({{"sink", options.sink_name}, {"outcome", verdict_text(outcome.verdict)}})
      .Increment();
  co_return outcome;
}

/// False when the sink could not say what it holds; then they are as doubtful as before.
asio::awaitable<bool> Pump::Impl::leave_out_held(Segment& segment) {
  std::vector<sinks::Row> asked = rows_of(segment.rows);
  auto answer = co_await (sink.holds(std::move(asked)) || until_deadline());
  if (answer.index() != 0) co_return false;
  const engine::Result<std::vector<bool>>& held = *std::get_if<0>(&answer);
  if (!held) {
    shown.last_error = "cannot look up what the sink holds: " + held.error().detail;
    co_return false;
  }
  std::vector<OutboxRow> missing;
  for (std::size_t i = 0; i < segment.rows.size(); ++i) {
    if (!(*held)[i]) missing.push_back(std::move(segment.rows[i]));
  }
  count("held", segment.rows.size() - missing.size());
  segment.rows = std::move(missing);
  segment.doubtful = false;
  co_return true;
}

/// Returns early, with segments left, when the pump stops or has to go back.
asio::awaitable<void> Pump::Impl::send_segments(const OutboxBatch& batch, std::vector<Segment>& segments) {
  while (!segments.empty() && !stopping && !went_back) {
    Segment& segment = segments.back();
    if (segment.doubtful && must_compare(capabilities())) {
      const bool known = co_await leave_out_held(segment);
      if (!known) {
        const milliseconds delay = backoff.next(std::nullopt);
        co_await back_off(PumpState::backing_off, delay);
        continue;
      }
    }
    if (segment.rows.empty()) {
      segments.pop_back();
      continue;
    }
    shown.state = PumpState::sending;
    sinks::PushOutcome outcome = co_await push(segment.rows);
    const AfterPush after = decide_after_push(outcome.verdict, segment.rows.size());
    segment.doubtful = segment.doubtful || after.doubtful;
    if (after.step != NextStep::done) shown.last_error = outcome.detail;
    switch (after.step) {
      case NextStep::done:
        backoff.reset();
        shown.last_error.clear();
        count("accepted", segment.rows.size());
        if (batch.start < resending_until) shown.rows_resent += segment.rows.size();
        segments.pop_back();
        break;
      case NextStep::split: {
        Segment second = split_off(segment);
        segments.insert(segments.end() - 1, std::move(second));
        break;
      }
      case NextStep::bury:
        bury(batch, segment.rows.front(), std::move(outcome.detail));
        segments.pop_back();
        break;
      case NextStep::wait: {
        milliseconds delay = backoff.next(outcome.retry_after);
        if (after.doubtful) delay = std::max(delay, options.uncertain_wait);
        co_await back_off(PumpState::backing_off, delay);
        break;
      }
      case NextStep::wait_slowly: {
        const milliseconds delay = backoff.slow();
        co_await back_off(PumpState::misconfigured, delay);
        break;
      }
    }
  }
}

asio::awaitable<void> Pump::Impl::acknowledge(const OutboxBatch& batch) {
  SinkRecord changed = record;
  changed.next = batch.end;
  if (changed.uncertain_until <= batch.end) changed.uncertain_until = {};
  changed.dead_letters += letters.size();
  if (!capabilities().durable_when_acknowledged) {
    const engine::Time now = clocks.wall_now();
    remember_acknowledged(changed.recent, {now, now, batch.start, batch.covered},
                          options.keep_acked / kGrains);
  }
  WriteBatch writes;
  for (const DeadLetter& letter : letters) {
    writes.put(Table::dead_letters, key_of(options.tenant, options.sink_name) + key_u64(letter.number),
               encode_dead_letter(letter));
  }
  const bool saved = co_await save(std::move(changed), std::move(writes));
  if (!saved) co_return;
  rows_done += batch.covered;
  shown.rows_dead += letters.size();
  shown.rows_replaced += batch.replaced;
  shown.rows_acknowledged += batch.covered - batch.replaced - letters.size() - left_out;
  count("left_out", left_out);
  count("dead", letters.size());
  count("replaced", batch.replaced);
  outbox.forget_before(batch.end);
}

asio::awaitable<void> Pump::Impl::deliver(OutboxBatch batch) {
  const sinks::Capabilities can = capabilities();
  if (record.batch_rows < can.batch_rows_max) {
    // Known before the first row leaves: after a crash it says how many rows are doubtful.
    SinkRecord changed = record;
    changed.batch_rows = can.batch_rows_max;
    WriteBatch nothing_else;
    const bool saved = co_await save(std::move(changed), std::move(nothing_else));
    if (!saved) co_return;
  }
  letters.clear();
  left_out = 0;
  went_back = false;
  batch_end = batch.end;
  std::vector<Segment> segments(1);
  segments.front().doubtful = batch.start < record.uncertain_until;
  segments.front().rows = sort_out(batch);
  if (!segments.front().rows.empty()) shown.oldest_timestamp = segments.front().rows.front().row.timestamp;
  co_await send_segments(batch, segments);
  batch_end = {};
  if (segments.empty() && !went_back) co_await acknowledge(batch);
}

}  // namespace settle::runner
