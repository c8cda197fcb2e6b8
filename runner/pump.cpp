#include "runner/pump.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runner/keys.hpp"
#include "runner/pump_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using engine::Time;
using std::chrono::milliseconds;

namespace {

// Of the 5 s that stop() may take, what a request in flight gets to end by itself.
constexpr milliseconds kGrace{4'000};

}  // namespace

std::string_view pump_state_text(PumpState state) {
  switch (state) {
    case PumpState::starting:
      return "starting";
    case PumpState::idle:
      return "idle";
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
      outbox(store, options.tenant, options.sink_name, options.external_labels),
      backoff(options.backoff_min, options.backoff_max, options.jitter_seed) {
  shown.sink = options.sink_name;
}

engine::Result<void> Pump::Impl::look_ahead() {
  // What is announced later than this is seen later, too.
  rows_announced = 0;
  for (bool more = true; more;) {
    const auto sight = outbox.look_ahead(record.next);
    if (!sight) return sight.error();
    rows_seen += sight->rows;
    more = !sight->to_the_end;
  }
  return {};
}

engine::Result<void> Pump::Impl::load() {
  bool known = false;
  {
    const ReadTransaction read = store.read();
    if (const auto bytes = read.get(Table::sinks, key_of(options.tenant, options.sink_name))) {
      const auto decoded = decode_sink_record(*bytes);
      if (!decoded) return decoded.error();
      record = *decoded;
      known = true;
    }
  }
  if (auto looked = look_ahead(); !looked) return looked.error();
  if (known) {
    const auto doubtful_end = outbox.after(record.next, record.batch_rows);
    if (!doubtful_end) return doubtful_end.error();
    record.uncertain_until = std::max(record.uncertain_until, *doubtful_end);
  }
  const OutboxLimits one{.rows_max = 1};
  const auto first = outbox.next(record.next, one);
  if (!first) return first.error();
  if (!first->rows.empty()) shown.oldest_timestamp = first->rows.front().row.timestamp;
  return {};
}

void Pump::Impl::ring() {
  rung = true;
  if (bell) bell->cancel();
}

asio::awaitable<void> Pump::Impl::wait_for_ring() {
  // Looked at here: the bell may ring before a wait that runs beside another has begun.
  while (!rung) (void)co_await bell->async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> Pump::Impl::wait(milliseconds limit, bool until_woken) {
  const SteadyTime until = clocks.steady_now() + limit;
  while (!stopping && !(until_woken && woken)) {
    const auto left = std::chrono::ceil<milliseconds>(until - clocks.steady_now());
    if (left <= milliseconds::zero()) co_return;
    rung = false;
    co_await (clocks.sleep_for(left) || wait_for_ring());
    // Clocks that return early were stopped: nothing more is worth waiting for.
    if (!rung && clocks.steady_now() < until) stopping = true;
  }
}

asio::awaitable<void> Pump::Impl::back_off(PumpState why, milliseconds delay) {
  shown.state = why;
  co_await wait(delay, false);
  if (!stopping && clocks.steady_now() >= next_check) co_await check_sink();
}

asio::awaitable<void> Pump::Impl::until_deadline() {
  while (!stopping) (void)co_await bell->async_wait(asio::as_tuple(asio::use_awaitable));
  co_await clocks.sleep_for(kGrace);
}

sinks::Capabilities Pump::Impl::capabilities() const {
  return shown.health && shown.health->reachable ? shown.health->capabilities : sink.capabilities();
}

asio::awaitable<bool> Pump::Impl::save(SinkRecord changed, WriteBatch batch) {
  batch.put(Table::sinks, key_of(options.tenant, options.sink_name), encode_sink_record(changed));
  for (;;) {
    WriteBatch copy = batch;
    const engine::Result<Committed> committed = co_await store.commit(std::move(copy));
    if (committed) break;
    shown.last_error = "the cursor cannot be saved: " + committed.error().detail;
    if (stopping) co_return false;
    // No check of the sink here: what it says would change the record that is being saved.
    shown.state = PumpState::backing_off;
    const milliseconds delay = backoff.next(std::nullopt);
    co_await wait(delay, false);
  }
  record = std::move(changed);
  co_return true;
}

/// A server that restarted may have lost what it acknowledged shortly before.
asio::awaitable<void> Pump::Impl::go_back(Time restarted_at) {
  SinkRecord changed = record;
  changed.started_at = restarted_at;
  // Two clocks may disagree: the newest check before the restart was taken with ours.
  const Time since = std::min(restarted_at, healthy_at.value_or(restarted_at)) - options.keep_acked;
  const std::size_t first = first_since(changed.recent, since);
  const bool lost_some = first < changed.recent.size();
  // What was sent of the batch in hand, or found there, may be lost as well: it is done again.
  const bool in_hand = !batch_end.key.empty();
  if (in_hand) changed.uncertain_until = std::max(changed.uncertain_until, batch_end);
  if (lost_some) {
    changed.uncertain_until = std::max({changed.uncertain_until, record.next, batch_end});
    resending_until = std::max(resending_until, record.next);
    changed.next = changed.recent[first].from;
    changed.recent.resize(first);
  }
  WriteBatch batch;
  const bool saved = co_await save(std::move(changed), std::move(batch));
  if (!saved) co_return;
  went_back = in_hand || lost_some;
  if (!lost_some) co_return;
  // Seen anew, so that an older revision is not sent again after the newer one.
  outbox.start_over();
  rows_seen = 0;
  rows_done = 0;
  if (auto looked = look_ahead(); !looked) shown.last_error = looked.error().detail;
}

asio::awaitable<void> Pump::Impl::check_sink() {
  auto answer = co_await (sink.check() || until_deadline());
  if (answer.index() != 0) co_return;
  sinks::SinkHealth health = std::move(*std::get_if<0>(&answer));
  next_check = clocks.steady_now() + options.check_interval;
  shown.health = health;
  if (!health.reachable) {
    shown.last_error = health.server;
    unreachable = true;
    if (!checked) next_check = clocks.steady_now();  // the caller backs off
    co_return;
  }
  if (unreachable) shown.last_error.clear();
  unreachable = false;
  checked = true;
  const sinks::Overwrite now_does = health.capabilities.overwrite;
  if (record.overwrite && is_worse(*record.overwrite, now_does)) {
    capability_lost = "the sink lost a capability: overwrite was " +
                      std::string{sinks::overwrite_text(*record.overwrite)} + " and is now " +
                      std::string{sinks::overwrite_text(now_does)} + "; corrections can no longer be pushed";
  } else if (record.overwrite && is_worse(now_does, *record.overwrite)) {
    capability_lost.clear();
  }
  record.overwrite = now_does;
  const Time now = clocks.wall_now();
  if (record.started_at && health.started_at && *health.started_at > *record.started_at) {
    co_await go_back(*health.started_at);
  } else if (health.started_at) {
    record.started_at = health.started_at;
  }
  healthy_at = now;
  // Only a server that is still the same has kept what it acknowledged so long ago.
  auto& recent = record.recent;
  const Time kept_since = now - options.keep_acked;
  std::erase_if(recent, [kept_since](const Acknowledged& one) { return one.last <= kept_since; });
}

asio::awaitable<void> Pump::Impl::step() {
  if (clocks.steady_now() >= next_check) co_await check_sink();
  if (stopping) co_return;
  if (!checked) {
    shown.state = PumpState::backing_off;
    const milliseconds delay = backoff.next(std::nullopt);
    co_await wait(delay, false);
    co_return;
  }
  woken = false;
  const sinks::Capabilities can = capabilities();
  engine::Result<void> looked = look_ahead();
  engine::Result<OutboxBatch> batch = engine::retry_later("");
  if (looked) {
    const OutboxLimits limits{.rows_max = std::max<std::size_t>(can.batch_rows_max, 1),
                              .bytes_max = can.batch_bytes_max,
                              .replace = takes_revisions(can.overwrite)};
    batch = outbox.next(record.next, limits);
  }
  if (!looked || !batch) {
    shown.last_error = looked ? batch.error().detail : looked.error().detail;
    const milliseconds delay = backoff.slow();
    co_await back_off(PumpState::misconfigured, delay);
    co_return;
  }
  if (batch->covered > 0) {
    OutboxBatch taken = std::move(*batch);
    co_await deliver(std::move(taken));
  } else if (batch->end > record.next) {
    record.next = batch->end;  // blocks of other sinks only: nothing to acknowledge
  } else {
    shown.state = PumpState::idle;
    shown.oldest_timestamp.reset();
    const auto left = std::chrono::ceil<milliseconds>(next_check - clocks.steady_now());
    co_await wait(left, true);
  }
}

asio::awaitable<void> Pump::Impl::run() {
  const auto executor = co_await asio::this_coro::executor;
  bell.emplace(executor, SteadyTime::max());
  while (!stopping) co_await step();
  shown.state = PumpState::stopped;
}

std::uint64_t Pump::Impl::rows_waiting() const {
  return rows_seen + rows_announced - std::min(rows_done, rows_seen + rows_announced);
}

PumpStatus Pump::Impl::status() const {
  PumpStatus now = shown;
  now.rows_waiting = rows_waiting();
  if (now.last_error.empty()) now.last_error = capability_lost;
  return now;
}

LedgerPosition Pump::Impl::safe_to_forget() const {
  return record.recent.empty() ? record.next : std::min(record.next, record.recent.front().from);
}

Pump::Pump(Store& store, sinks::Sink& sink, Clocks& clocks, Metrics& metrics, PumpOptions options)
    : impl_(std::make_unique<Impl>(store, sink, clocks, metrics, std::move(options))) {}
Pump::~Pump() = default;

engine::Result<void> Pump::load() {
  return impl_->load();
}

asio::awaitable<void> Pump::run() {
  return impl_->run();
}

void Pump::stop() {
  impl_->stopping = true;
  impl_->ring();
}

void Pump::wake(std::uint64_t rows) {
  impl_->rows_announced += rows;
  impl_->woken = true;
  impl_->ring();
}

bool Pump::full() const {
  return impl_->rows_waiting() >= impl_->options.queue_rows_max;
}

PumpStatus Pump::status() const {
  return impl_->status();
}

LedgerPosition Pump::safe_to_forget() const {
  return impl_->safe_to_forget();
}

}  // namespace settle::runner
