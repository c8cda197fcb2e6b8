#include <algorithm>
#include <utility>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "runner/push/pump_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using engine::Time;

sinks::Capabilities Pump::Impl::capabilities() const {
  return health && health->reachable ? health->capabilities : sink.capabilities();
}

/// A server that restarted may have lost what it acknowledged shortly before.
asio::awaitable<void> Pump::Impl::go_back(PumpLane& lane, Time restarted_at) {
  SinkRecord changed = lane.record;
  changed.started_at = restarted_at;
  // Two clocks may disagree: the newest check before the restart was taken with ours. Without one since our
  // own start, the server may have restarted more than once: nothing is proven to have been kept.
  const Time since = healthy_at ? std::min(restarted_at, *healthy_at) - options.keep_acked : Time::min();
  const std::size_t first = first_since(changed.recent, since);
  const bool lost_some = first < changed.recent.size();
  // What was sent of the batch in hand, or found there, may be lost as well: it is done again.
  const bool in_hand = !lane.batch_end.key.empty();
  if (in_hand) changed.uncertain_until = std::max(changed.uncertain_until, lane.batch_end);
  if (lost_some) {
    changed.uncertain_until = std::max({changed.uncertain_until, lane.record.next, lane.batch_end});
    lane.resending_until = std::max(lane.resending_until, lane.record.next);
    changed.next = changed.recent[first].from;
    changed.recent.resize(first);
  }
  WriteBatch batch;
  const bool saved = co_await save(lane, std::move(changed), std::move(batch));
  if (!saved) co_return;
  lane.went_back = in_hand || lost_some;
  if (!lost_some) co_return;
  // Seen anew, so that an older revision is not sent again after the newer one.
  lane.outbox.start_over();
  lane.rows_seen = 0;
  lane.rows_done = 0;
  if (auto looked = lane.look_ahead(); !looked) lane.shown.last_error = looked.error().detail;
}

/// Each lane by itself: the server it was sent to is in its own record.
asio::awaitable<void> Pump::Impl::look_for_restart(PumpLane& lane) {
  SinkRecord& record = lane.record;
  if (record.started_at && health->started_at && *health->started_at > *record.started_at) {
    const Time restarted_at = *health->started_at;
    co_await go_back(lane, restarted_at);
  } else if (health->started_at) {
    record.started_at = health->started_at;
  }
}

void Pump::Impl::note_overwrite(sinks::Overwrite now_does) {
  const std::optional<sinks::Overwrite> before =
      live.record.overwrite ? live.record.overwrite : backfill.record.overwrite;
  if (before && is_worse(*before, now_does)) {
    capability_lost = "the sink lost a capability: overwrite was " +
                      std::string{sinks::overwrite_text(*before)} + " and is now " +
                      std::string{sinks::overwrite_text(now_does)} + "; corrections can no longer be pushed";
  } else if (before && is_worse(now_does, *before)) {
    capability_lost.clear();
  }
  live.record.overwrite = now_does;
  backfill.record.overwrite = now_does;
}

asio::awaitable<void> Pump::Impl::check_sink() {
  auto answer = co_await (sink.check() || until_deadline());
  if (answer.index() != 0) co_return;
  health = std::move(*std::get_if<0>(&answer));
  next_check = clocks.steady_now() + options.check_interval;
  if (!health->reachable) {
    live.shown.last_error = health->server;
    backfill.shown.last_error = health->server;
    unreachable = true;
    if (!checked) next_check = clocks.steady_now();  // the caller backs off
    co_return;
  }
  if (unreachable) {
    live.shown.last_error.clear();
    backfill.shown.last_error.clear();
  }
  unreachable = false;
  if (!std::exchange(checked, true) && options.answered) options.answered();
  note_overwrite(health->capabilities.overwrite);
  const Time now = clocks.wall_now();
  co_await look_for_restart(live);
  co_await look_for_restart(backfill);
  healthy_at = now;
  // Only a server that is still the same has kept what it acknowledged so long ago.
  const Time kept_since = now - options.keep_acked;
  for (PumpLane* lane : {&live, &backfill}) {
    std::erase_if(lane->record.recent,
                  [kept_since](const Acknowledged& one) { return one.last <= kept_since; });
  }
}

}  // namespace settle::runner
