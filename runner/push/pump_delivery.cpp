#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "runner/push/pump_impl.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using sinks::PushVerdict;
using std::chrono::milliseconds;

namespace {

// Acknowledgements within keep_acked / kGrains become one entry of the record.
constexpr int kGrains = 64;
constexpr std::size_t kMany = 4;  // a quarter
// Before rows of a request that was cut are looked for.
constexpr milliseconds kFirstLook{1'000};

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

/// The first half of the last segment becomes the last one: rows go out in order.
void halve_last(std::vector<Segment>& segments) {
  Segment second = split_off(segments.back());
  segments.insert(segments.end() - 1, std::move(second));
}

}  // namespace

void Pump::Impl::count(const PumpLane& lane, std::string_view outcome, std::uint64_t rows) {
  if (rows == 0) return;
  metrics.rows_sent
      .Add({{"sink", options.sink_name},
            {"lane", std::string{lane_text(lane.lane)}},
            {"outcome", std::string{outcome}}})
      .Increment(static_cast<double>(rows));
}

void Pump::Impl::bury(PumpLane& lane, const OutboxBatch& batch, const OutboxRow& row, std::string reason) {
  DeadLetter letter;
  letter.sink = options.sink_name;
  letter.job_id = batch.jobs[row.job];
  letter.series = row.row.series;
  letter.timestamp = row.row.timestamp;
  letter.value = row.row.value;
  letter.revision = row.row.revision;
  letter.reason = std::move(reason);
  letter.refused_at = clocks.wall_now();
  lane.letters.push_back(std::move(letter));
}

/// All that the sink would refuse for the reason it just gave goes, in one step; but for doubtful rows, which
/// may be there. Those of the segment that was `sent` had been looked up before.
void Pump::Impl::bury_refused(PumpLane& lane, const OutboxBatch& batch, std::vector<Segment>& segments,
                              const Segment* sent, const std::string& reason) {
  for (Segment& segment : segments) {
    if (segment.doubtful && must_compare(capabilities()) && &segment != sent) continue;
    std::erase_if(segment.rows, [&](const OutboxRow& row) {
      const bool is_refused = sink.lateness(row.row) == sinks::Lateness::refused;
      if (is_refused) bury(lane, batch, row, reason);
      return is_refused;
    });
  }
}

/// The sink says that the last segment has rows it takes no more. Those that may be it, because it has newer
/// ones, are looked through newest first: the first that is refused settles the older ones. The others keep
/// their order.
void Pump::Impl::look_for_late(PumpLane& lane, const OutboxBatch& batch, std::vector<Segment>& segments,
                               const std::string& reason) {
  const std::size_t before = segments.back().rows.size();
  bury_refused(lane, batch, segments, &segments.back(), reason);
  Segment& segment = segments.back();
  const std::size_t buried = before - segment.rows.size();
  if (buried > 0 && buried >= before / kMany) return;  // the rest may be good
  const auto is_behind = [this](const OutboxRow& row) {
    return sink.lateness(row.row) != sinks::Lateness::none;
  };
  const auto cut = std::stable_partition(segment.rows.begin(), segment.rows.end(),
                                         [&](const OutboxRow& row) { return !is_behind(row); });
  std::sort(cut, segment.rows.end(), [](const OutboxRow& one, const OutboxRow& other) {
    return one.row.timestamp > other.row.timestamp;
  });
  if (cut == segment.rows.begin() || cut == segment.rows.end()) {
    if (segment.rows.size() > 1) halve_last(segments);
    return;
  }
  Segment late;
  late.doubtful = segment.doubtful;
  late.rows.assign(std::make_move_iterator(cut), std::make_move_iterator(segment.rows.end()));
  segment.rows.erase(cut, segment.rows.end());
  segments.push_back(std::move(late));
}

/// What can be sent; the rest goes to the dead letters, but for stale markers that the sink does not take.
std::vector<OutboxRow> Pump::Impl::sort_out(PumpLane& lane, OutboxBatch& batch) {
  const engine::Time now = clocks.wall_now();
  const sinks::Capabilities can = capabilities();
  const bool revisions = takes_revisions(can.overwrite);
  for (const OutboxRow& row : batch.lost)
    bury(lane, batch, row, "the store no longer knows the series' labels");
  std::vector<OutboxRow> good;
  good.reserve(batch.rows.size());
  for (OutboxRow& row : batch.rows) {
    if (row.row.reason == engine::Reason::stale && !can.takes_stale_markers) {
      ++lane.left_out;
    } else if (row.row.revision > 1 && !revisions) {
      bury(lane, batch, row,
           "a correction, and the sink would keep both values: give the job corrections: hold");
    } else if (auto reason = sink.refuse(row.row, now)) {
      bury(lane, batch, row, std::move(*reason));
    } else {
      good.push_back(std::move(row));
    }
  }
  return good;
}

asio::awaitable<sinks::PushOutcome> Pump::Impl::push(const PumpLane& lane,
                                                     const std::vector<OutboxRow>& rows) {
  std::vector<sinks::Row> sent = rows_of(rows);
  auto answer = co_await (sink.push(std::move(sent)) || until_deadline());
  sinks::PushOutcome outcome;
  outcome.verdict = PushVerdict::uncertain;
  outcome.detail = "stopped while a request was in flight";
  if (answer.index() == 0) outcome = std::move(*std::get_if<0>(&answer));
  metrics.sink_requests
      .Add({{"sink", options.sink_name},
            {"lane", std::string{lane_text(lane.lane)}},
            {"outcome", verdict_text(outcome.verdict)}})
      .Increment();
  co_return outcome;
}

/// False when the sink could not say what it holds.
asio::awaitable<bool> Pump::Impl::leave_out_held(PumpLane& lane, Segment& segment) {
  std::vector<sinks::Row> asked = rows_of(segment.rows);
  auto answer = co_await (sink.holds(std::move(asked)) || until_deadline());
  if (answer.index() != 0) co_return false;
  const engine::Result<std::vector<bool>>& held = *std::get_if<0>(&answer);
  if (!held) {
    lane.shown.last_error = "cannot look up what the sink holds: " + held.error().detail;
    co_return false;
  }
  std::vector<OutboxRow> missing;
  for (std::size_t i = 0; i < segment.rows.size(); ++i) {
    if (!(*held)[i]) missing.push_back(std::move(segment.rows[i]));
  }
  count(lane, "held", segment.rows.size() - missing.size());
  segment.rows = std::move(missing);
  co_return true;
}

/// Live rows were sent since the batch was taken: some may be newer revisions of rows in it. False when that
/// cannot be found out; the batch is then taken anew.
bool Pump::Impl::leave_out_overtaken(OutboxBatch& batch, std::vector<Segment>& segments) {
  overtaken = false;
  if (!takes_revisions(capabilities().overwrite)) return true;
  if (const auto looked = backfill.look_ahead(); !looked) {
    backfill.shown.last_error = looked.error().detail;
    backfill.record.uncertain_until = std::max(backfill.record.uncertain_until, batch.end);
    return false;
  }
  for (Segment& segment : segments) {
    batch.replaced += std::erase_if(
        segment.rows, [this](const OutboxRow& row) { return backfill.outbox.is_replaced(row); });
  }
  return true;
}

/// Ends when the last segment may be sent as it is; false when the batch is not to be gone on with.
asio::awaitable<bool> Pump::Impl::may_send(PumpLane& lane, OutboxBatch& batch,
                                           std::vector<Segment>& segments) {
  for (;;) {
    if (lane.lane == Lane::backfill) co_await live_first();
    if (stopping || lane.went_back) co_return false;
    if (lane.lane == Lane::backfill && overtaken && !leave_out_overtaken(batch, segments)) co_return false;
    Segment& segment = segments.back();
    if (segment.rows.empty() || !segment.doubtful || !must_compare(capabilities())) co_return true;
    const SteadyTime began = clocks.steady_now();
    const bool known = co_await leave_out_held(lane, segment);
    if (!known) {
      const milliseconds delay = lane.backoff.next(std::nullopt);
      co_await back_off(lane, PumpState::backing_off, delay);
      continue;
    }
    // What is not there counts as missing when the sink says so again, some time after it first answered: the
    // request may have been in a queue.
    if (!lane.answered_at) lane.answered_at = clocks.steady_now();
    const SteadyTime believed_at = *lane.answered_at + options.uncertain_wait;
    const bool may_come = lane.in_the_air && !segment.rows.empty();
    if (!may_come || began >= believed_at) {
      if (may_come) lane.in_the_air = false;
      if (segment.rows.empty()) lane.shown.last_error.clear();
      segment.doubtful = false;
      co_return true;
    }
    lane.shown.last_error =
        std::to_string(segment.rows.size()) +
        " rows that were sent are not there yet: looked for again before they are sent again";
    const auto delay = std::chrono::ceil<milliseconds>(believed_at - clocks.steady_now());
    co_await back_off(lane, PumpState::backing_off, std::max(delay, milliseconds{1}));
  }
}

asio::awaitable<void> Pump::Impl::after_push(PumpLane& lane, const OutboxBatch& batch,
                                             std::vector<Segment>& segments, sinks::PushOutcome outcome) {
  Segment& segment = segments.back();
  const AfterPush after = decide_after_push(outcome.verdict, segment.rows.size());
  segment.doubtful = segment.doubtful || after.doubtful;
  if (outcome.verdict == PushVerdict::uncertain) {
    lane.in_the_air = true;
    lane.answered_at.reset();
  }
  if (after.step != NextStep::done) lane.shown.last_error = outcome.detail;
  switch (after.step) {
    case NextStep::done:
      lane.backoff.reset();
      lane.shown.last_error.clear();
      count(lane, "accepted", segment.rows.size());
      if (batch.start < lane.resending_until) lane.shown.rows_resent += segment.rows.size();
      segments.pop_back();
      break;
    case NextStep::split:
      if (outcome.too_old) {
        look_for_late(lane, batch, segments, outcome.detail);
      } else {
        halve_last(segments);
      }
      break;
    case NextStep::bury:
      bury(lane, batch, segment.rows.front(), outcome.detail);
      segments.pop_back();
      if (outcome.too_old) bury_refused(lane, batch, segments, nullptr, outcome.detail);
      break;
    case NextStep::wait: {
      milliseconds delay = lane.backoff.next(outcome.retry_after);
      if (after.doubtful) delay = std::max(delay, kFirstLook);
      // A body that takes the server longer than it may would take it as long again.
      if (after.doubtful && segment.rows.size() > capabilities().batch_rows_max) halve_last(segments);
      co_await back_off(lane, PumpState::backing_off, delay);
      break;
    }
    case NextStep::wait_slowly: {
      const milliseconds delay = lane.backoff.slow();
      co_await back_off(lane, PumpState::misconfigured, delay);
      break;
    }
  }
}

/// Returns early, with segments left, when the pump stops or the batch is to be taken anew.
asio::awaitable<void> Pump::Impl::send_segments(PumpLane& lane, OutboxBatch& batch,
                                                std::vector<Segment>& segments) {
  while (!segments.empty()) {
    const bool may = co_await may_send(lane, batch, segments);
    if (!may) co_return;
    if (segments.back().rows.empty()) {
      segments.pop_back();
      continue;
    }
    lane.shown.state = PumpState::sending;
    const std::vector<OutboxRow>& rows = segments.back().rows;
    sinks::PushOutcome outcome = co_await push(lane, rows);
    co_await after_push(lane, batch, segments, std::move(outcome));
  }
}

asio::awaitable<void> Pump::Impl::acknowledge(PumpLane& lane, const OutboxBatch& batch) {
  SinkRecord changed = lane.record;
  changed.next = batch.end;
  if (changed.uncertain_until <= batch.end) changed.uncertain_until = {};
  if (!capabilities().durable_when_acknowledged) {
    const engine::Time now = clocks.wall_now();
    remember_acknowledged(changed.recent, {now, now, batch.start, batch.covered},
                          options.keep_acked / kGrains);
  }
  WriteBatch writes;
  if (!lane.letters.empty()) {
    // One numbering for both lanes; each saves the newest it knows.
    changed.dead_letters = std::max(live.record.dead_letters, backfill.record.dead_letters);
    for (DeadLetter& letter : lane.letters) {
      letter.number = ++changed.dead_letters;
      writes.put(Table::dead_letters, key_of(options.tenant, options.sink_name) + key_u64(letter.number),
                 encode_dead_letter(letter));
    }
  }
  const bool saved = co_await save(lane, std::move(changed), std::move(writes));
  if (!saved) co_return;
  for (DeadLetter& letter : lane.letters) {
    RefusedRows& of_job = refused[letter.job_id];
    of_job.rows += 1;
    of_job.last_at = letter.refused_at;
    of_job.reason = std::move(letter.reason);
  }
  lane.rows_done += batch.covered;
  lane.shown.rows_dead += lane.letters.size();
  lane.shown.rows_replaced += batch.replaced;
  lane.shown.rows_acknowledged += batch.covered - batch.replaced - lane.letters.size() - lane.left_out;
  count(lane, "left_out", lane.left_out);
  count(lane, "dead", lane.letters.size());
  count(lane, "replaced", batch.replaced);
  lane.outbox.forget_before(batch.end);
}

asio::awaitable<void> Pump::Impl::deliver(PumpLane& lane, OutboxBatch batch) {
  const OutboxLimits limits = limits_of(lane);
  if (lane.record.batch_rows < limits.rows_max) {
    // Known before the first row leaves: after a crash it says how many rows are doubtful.
    SinkRecord changed = lane.record;
    changed.batch_rows = limits.rows_max;
    WriteBatch nothing_else;
    const bool saved = co_await save(lane, std::move(changed), std::move(nothing_else));
    if (!saved) co_return;
  }
  lane.letters.clear();
  lane.left_out = 0;
  lane.went_back = false;
  if (lane.lane == Lane::backfill) {
    overtaken = false;
    gathering_from.reset();
  }
  lane.batch_end = batch.end;
  std::vector<Segment> segments(1);
  segments.front().doubtful = batch.start < lane.record.uncertain_until;
  segments.front().rows = sort_out(lane, batch);
  if (!segments.front().rows.empty())
    lane.shown.oldest_timestamp = segments.front().rows.front().row.timestamp;
  co_await send_segments(lane, batch, segments);
  lane.batch_end = {};
  if (segments.empty() && !lane.went_back) co_await acknowledge(lane, batch);
}

}  // namespace settle::runner
