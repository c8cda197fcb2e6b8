#include "runner/push/pump.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runner/push/pump_impl.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using std::chrono::milliseconds;

namespace {

// Of the 5 s that stop() may take, what a request in flight gets to end by itself.
constexpr milliseconds kGrace{4'000};

milliseconds until(SteadyTime at, SteadyTime now) {
  return std::chrono::ceil<milliseconds>(at - now);
}

}  // namespace

std::string_view pump_state_text(PumpState state) {
  switch (state) {
    case PumpState::starting:
      return "starting";
    case PumpState::idle:
      return "idle";
    case PumpState::gathering:
      return "gathering";
    case PumpState::sending:
      return "sending";
    case PumpState::backing_off:
      return "backing_off";
    case PumpState::misconfigured:
      return "misconfigured";
    case PumpState::stopped:
      return "stopped";
  }
  return "stopped";
}

Pump::Impl::Impl(Store& in_store, sinks::Sink& to_sink, Clocks& by_clocks, Metrics& in_metrics,
                 PumpOptions with)
    : store(in_store),
      sink(to_sink),
      clocks(by_clocks),
      metrics(in_metrics),
      options(std::move(with)),
      live(store, options, Lane::live),
      backfill(store, options, Lane::backfill) {}

void Pump::Impl::ring() {
  rung = true;
  if (bell) bell->cancel();
}

asio::awaitable<void> Pump::Impl::wait_for_ring() {
  // Looked at here: the bell may ring before a wait that runs beside another has begun.
  while (!rung) (void)co_await bell->async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> Pump::Impl::wait(milliseconds limit, bool until_woken) {
  const SteadyTime end = clocks.steady_now() + limit;
  while (!stopping && !(until_woken && woken)) {
    const milliseconds left = until(end, clocks.steady_now());
    if (left <= milliseconds::zero()) co_return;
    rung = false;
    co_await (clocks.sleep_for(left) || wait_for_ring());
    // Clocks that return early were stopped: nothing more is worth waiting for.
    if (!rung && clocks.steady_now() < end) stopping = true;
  }
}

/// What holds the backfill lane up does not hold up the live lane.
asio::awaitable<void> Pump::Impl::back_off(PumpLane& lane, PumpState why, milliseconds delay) {
  const bool lets_live_pass = lane.lane == Lane::backfill;
  const SteadyTime end = clocks.steady_now() + delay;
  while (!stopping && clocks.steady_now() < end) {
    lane.shown.state = why;
    woken = false;
    const milliseconds left = until(end, clocks.steady_now());
    co_await wait(left, lets_live_pass);
    if (lets_live_pass) co_await live_first();
  }
  if (!stopping && clocks.steady_now() >= next_check) co_await check_sink();
}

asio::awaitable<void> Pump::Impl::until_deadline() {
  while (!stopping) (void)co_await bell->async_wait(asio::as_tuple(asio::use_awaitable));
  co_await clocks.sleep_for(kGrace);
}

asio::awaitable<bool> Pump::Impl::save(PumpLane& lane, SinkRecord changed, WriteBatch batch) {
  batch.put(Table::sinks, lane.key, encode_sink_record(changed));
  for (;;) {
    WriteBatch copy = batch;
    const engine::Result<Committed> committed = co_await store.commit(std::move(copy));
    if (committed) break;
    lane.shown.last_error = "the cursor cannot be saved: " + committed.error().detail;
    if (stopping) co_return false;
    // No check of the sink here: what it says would change the record that is being saved.
    lane.shown.state = PumpState::backing_off;
    const milliseconds delay = lane.backoff.next(std::nullopt);
    co_await wait(delay, false);
  }
  lane.record = std::move(changed);
  co_return true;
}

OutboxLimits Pump::Impl::limits_of(const PumpLane& lane) const {
  const sinks::Capabilities can = capabilities();
  OutboxLimits limits;
  limits.replace = takes_revisions(can.overwrite);
  limits.series_once = lane.lane == Lane::backfill;
  limits.rows_max = lane.lane == Lane::live ? can.batch_rows_max : options.backfill_batch_rows_max;
  limits.rows_max = std::max<std::size_t>(limits.rows_max, 1);
  limits.bytes_max = lane.lane == Lane::live ? can.batch_bytes_max : options.backfill_batch_bytes_max;
  return limits;
}

/// Are the rows of the backfill lane too few for a request, and may more be on their way?
bool Pump::Impl::gathers() {
  const std::uint64_t waiting = backfill.rows_waiting();
  if (waiting == 0 || waiting >= options.backfill_batch_rows_max || gathered) {
    gathered = gathered && waiting > 0;
    gathering_from.reset();
    return false;
  }
  const SteadyTime now = clocks.steady_now();
  if (!gathering_from) gathering_from = now;
  if (*gathering_from == now || gathered_rows != waiting) gathered_at = now;
  gathered_rows = waiting;
  gather_until = std::min(*gathering_from + options.gather_max, gathered_at + options.gather_quiet);
  return now < gather_until;
}

/// False when the lane has nothing to send now.
asio::awaitable<bool> Pump::Impl::take_turn(PumpLane& lane) {
  const engine::Result<void> looked = lane.look_ahead();
  if (looked && lane.lane == Lane::backfill && gathers()) {
    lane.shown.state = PumpState::gathering;
    co_return false;
  }
  const OutboxLimits limits = limits_of(lane);
  engine::Result<OutboxBatch> batch = engine::retry_later("");
  if (looked) batch = lane.outbox.next(lane.record.next, limits);
  if (!looked || !batch) {
    lane.shown.last_error = looked ? batch.error().detail : looked.error().detail;
    const milliseconds delay = lane.backoff.slow();
    co_await back_off(lane, PumpState::misconfigured, delay);
    co_return true;
  }
  if (batch->covered > 0) {
    OutboxBatch taken = std::move(*batch);
    co_await deliver(lane, std::move(taken));
    overtaken = overtaken || lane.lane == Lane::live;
    co_return true;
  }
  if (batch->end > lane.record.next) {
    lane.record.next = batch->end;  // blocks of other sinks only: nothing to acknowledge
    co_return true;
  }
  lane.shown.state = PumpState::idle;
  lane.shown.oldest_timestamp.reset();
  co_return false;
}

/// All that the live lane has, before the next request of the backfill lane.
asio::awaitable<void> Pump::Impl::live_first() {
  bool busy = true;
  while (busy && !stopping) busy = co_await take_turn(live);
}

asio::awaitable<void> Pump::Impl::step() {
  if (clocks.steady_now() >= next_check) co_await check_sink();
  if (stopping) co_return;
  if (!checked) {
    live.shown.state = PumpState::backing_off;
    backfill.shown.state = PumpState::backing_off;
    const milliseconds delay = live.backoff.next(std::nullopt);
    co_await wait(delay, false);
    co_return;
  }
  woken = false;
  bool busy = co_await take_turn(live);
  if (busy || stopping) co_return;
  busy = co_await take_turn(backfill);
  if (busy || stopping) co_return;
  const bool gathering = backfill.shown.state == PumpState::gathering;
  const SteadyTime end = gathering ? std::min(next_check, gather_until) : next_check;
  const milliseconds left = until(end, clocks.steady_now());
  co_await wait(left, true);
}

asio::awaitable<void> Pump::Impl::run() {
  const auto executor = co_await asio::this_coro::executor;
  bell.emplace(executor, SteadyTime::max());
  while (!stopping) co_await step();
  live.shown.state = PumpState::stopped;
  backfill.shown.state = PumpState::stopped;
}

PumpStatus Pump::Impl::status(Lane lane) const {
  const PumpLane& from = lane == Lane::live ? live : backfill;
  PumpStatus now = from.shown;
  now.health = health;
  now.rows_waiting = from.rows_waiting();
  if (now.last_error.empty()) now.last_error = capability_lost;
  const PumpState before = live.shown.state;
  const bool held_up = before == PumpState::backing_off || before == PumpState::misconfigured;
  if (held_up) now.state = before;  // live goes first
  return now;
}

std::optional<LedgerPosition> Pump::Impl::safe_to_forget(Lane lane) const {
  std::optional<LedgerPosition> of_backfill = backfill.safe_to_forget();
  if (lane == Lane::backfill) return of_backfill;
  std::optional<LedgerPosition> safe = live.safe_to_forget();
  // Rows of the live lane that are newer than what waits here say what is not to be sent.
  const bool backfill_waits = backfill.rows_waiting() > 0 || !backfill.record.recent.empty();
  if (of_backfill && backfill_waits) {
    const LedgerPosition since{of_backfill->key.substr(0, 8), 0};
    safe = safe ? std::min(*safe, since) : since;
  }
  return safe;
}

Pump::Pump(Store& store, sinks::Sink& sink, Clocks& clocks, Metrics& metrics, PumpOptions options)
    : impl_(std::make_unique<Impl>(store, sink, clocks, metrics, std::move(options))) {}
Pump::~Pump() = default;

engine::Result<void> Pump::load() {
  if (auto loaded = impl_->live.load(impl_->store); !loaded) return loaded;
  return impl_->backfill.load(impl_->store);
}

asio::awaitable<void> Pump::run() {
  return impl_->run();
}

void Pump::stop() {
  impl_->stopping = true;
  impl_->ring();
}

void Pump::wake(std::uint64_t rows, Lane lane) {
  impl_->of(lane).rows_announced += rows;
  impl_->woken = true;
  impl_->ring();
}

RefusedRows Pump::refused(const std::string& job_id) const {
  const auto found = impl_->refused.find(job_id);
  return found == impl_->refused.end() ? RefusedRows{} : found->second;
}

void Pump::gathered() {
  impl_->gathered = true;
  impl_->woken = true;
  impl_->ring();
}

bool Pump::full(Lane lane) const {
  const std::uint64_t most =
      lane == Lane::live ? impl_->options.queue_rows_max : impl_->options.backfill_queue_rows_max;
  return impl_->of(lane).rows_waiting() >= most;
}

PumpStatus Pump::status(Lane lane) const {
  return impl_->status(lane);
}

LedgerPosition Pump::next(Lane lane) const {
  return impl_->of(lane).record.next;
}

std::optional<LedgerPosition> Pump::safe_to_forget(Lane lane) const {
  return impl_->safe_to_forget(lane);
}

}  // namespace settle::runner
