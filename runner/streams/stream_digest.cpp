// What a poll brought goes through the engine, in the pool.
#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include "runner/pool.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/streams/stream_runner_impl.hpp"
#include "runner/streams/stream_views.hpp"

namespace settle::runner {

namespace {

/// What came of the buckets before `end`, for those who got nothing of them: the newest value of each cell,
/// which takes the place of none.
std::vector<Sample> newest_before(Time end, const std::vector<Sample>& samples, const engine::Engine& engine,
                                  Time now) {
  const Time reached = std::min(now, engine.frontier().value_or(now));
  std::map<std::pair<Time, engine::SeriesNumber>, std::size_t> places;
  std::vector<Sample> out;
  for (const Sample& sample : samples) {
    if (sample.bucket >= end) {
      continue;
    }
    const auto [place, is_new] = places.try_emplace({sample.bucket, sample.series}, out.size());
    if (is_new) {
      out.push_back(sample);
    } else {
      out[place->second] = sample;
    }
    Sample& newest = out[place->second];
    newest.replaced.reset();
    if (newest.reason == engine::Reason::correction) {
      const bool ended = newest.bucket + engine.options().granularity <= reached;
      newest.reason = ended ? engine::Reason::settled : engine::Reason::ttl;
    }
  }
  return out;
}

}  // namespace

/// For outputs that are new here, and for all of them after a restart while there is still something to leave
/// out. Whoever has the turn.
asio::awaitable<void> StreamRunner::Impl::inherit(const Stream& of, Time wall) {
  std::vector<Job> heirs;
  for (const Job* job : jobs(of)) {
    if (inheritance_unread || is_new(*job)) {
      heirs.push_back(*job);
    }
  }
  auto work = [this, &heirs, wall] {
    const ReadTransaction view = parts.store.read();
    const std::uint64_t first = sequence_reached(view, wall - 2 * engine.options().watch - kLedgerMarkEvery);
    for (const Job& job : heirs) {
      inherited.read(view, job, engine.live_from(), first);
    }
  };
  co_await run_on(parts.pool, std::move(work));
  inheritance_unread = false;
}

void StreamRunner::Impl::forget_inheritance(Pending& out) {
  if (inherited.empty()) {
    return;
  }
  inherited.forget_before(engine.live_from());
  if (inherited.empty()) {
    out.base.erase(Table::meta, inherits_key(tenant, stream_id));
  }
}

void StreamRunner::Impl::look_for_ends(Time now, Pending& out) {
  out.ended = find_ended(engine, ends_known_until, now);
  if (out.ended.looked_until != ends_known_until) {
    out.base.put(Table::meta, markers_key(tenant, stream_id),
                 key_u64(static_cast<std::uint64_t>(engine::epoch_ms(*out.ended.looked_until))));
  }
}

/// Runs in the pool: nobody else touches the engine or the log meanwhile.
Pending StreamRunner::Impl::digest(const Polled& polled, std::set<std::string> comers, bool with_ends) {
  const fetchers::FetchResult& fetched = polled.fetched;
  const Time now = polled.at.source;
  Pending out;
  forget_inheritance(out);  // before this tick moves the boundary: its own samples still need it
  out.status = status;
  const Time owned_from = engine.live_from();
  out.owned_from = owned_from;
  if (polled.live.release_before) {
    const std::vector<std::string> scopes = never_answered(fetched);
    give_up(*polled.live.release_before, now, out);
    give_up_left_out(scopes, owned_from, now, out);
  }
  const Time from = engine.live_from();
  const std::vector<std::string> scopes = left_out(fetched);
  out.samples = engine.ingest(fetched.answer, now);
  const std::vector<Sample> closed = engine.expire(now);
  out.samples.insert(out.samples.end(), closed.begin(), closed.end());
  std::stable_sort(out.samples.begin(), out.samples.end(),
                   [](const Sample& left, const Sample& right) { return left.bucket < right.bucket; });
  give_up_left_out(scopes, from, now, out);
  if (polled.again && !polled.again_answer.scopes.empty()) {
    engine.recheck(polled.again_answer, now);
  }
  if (!comers.empty()) {
    out.comers = std::move(comers);
    out.emitted = emitted_cells(engine, now);
    out.served_from = engine.live_from();
    // What this very tick gave up or sealed has no cell any more.
    const std::vector<Sample> sealed = newest_before(out.served_from, out.samples, engine, now);
    std::vector<Sample>& newest = out.emitted.samples;
    newest.insert(newest.begin(), sealed.begin(), sealed.end());
    if (served.empty()) {
      out.served_from = owned_from;  // there is nothing else of those buckets
    }
  }
  if (with_ends) {
    look_for_ends(now, out);
  }
  read_engine(out.status, engine);
  const engine::Result<std::size_t> drained = log.drain(parts.store, engine, polled.at.wall, out.base);
  if (!drained) {
    throw std::runtime_error("the stream's log is damaged: " + drained.error().detail);
  }
  return out;
}

}  // namespace settle::runner
