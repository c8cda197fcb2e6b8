// What a poll brought goes through the engine, in the pool, into the store, and to the views.
#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "engine/query/gather.hpp"
#include "runner/views/feed_impl.hpp"

namespace settle::runner {

/// Runs in the pool: nobody else touches the engine or the log meanwhile.
Digested Feed::Impl::digest(const engine::LivePlan& plan, const fetchers::FetchResult& fetched, Time now,
                            Time wall) {
  Digested out;
  const query::Gathered gathered = query::gather(fetched.answer, spec.cells, granularity());
  out.rows_refused = gathered.rows_refused;
  out.why = gathered.why;
  const Time owned_from = engine.live_from();
  if (plan.release_before) {
    (void)engine.release(*plan.release_before);  // holes, which views ask to be filled
    if (engine.live_from() > owned_from) {
      out.given_up.add(TimeRange{owned_from, engine.live_from()});
    }
  }
  const Time from = engine.live_from();
  std::vector<Sample> samples = engine.ingest(gathered.answer, now);
  const bool all_here = !engine.limited() && !lacks_a_scope(fetched);
  std::vector<Sample> closed = engine.expire(now);
  samples.insert(samples.end(), std::make_move_iterator(closed.begin()),
                 std::make_move_iterator(closed.end()));
  // Texts first: the drain forgets series that have no cell any more.
  out.emitted.reserve(samples.size());
  for (const Sample& sample : samples) {
    out.emitted.push_back({.series = std::string{engine.series_name(sample.series)},
                           .key = {sample.bucket, sample.series},
                           .sketch = sample.sketch});
  }
  if (all_here) {
    note_said(out, from);
  }
  std::vector<engine::CellBlob> blobs;
  const engine::Result<std::size_t> drained = log.drain(parts.store, engine, wall, out.batch, &blobs);
  if (!drained) {
    throw std::runtime_error("the feed's log is damaged: " + drained.error().detail);
  }
  write(out, samples, blobs);
  read_engine(out.status, engine);
  return out;
}

/// Of a scope that fails and that the engine does not wait for, because it never met it or forgot it in its
/// silence, nobody knows what the buckets lack.
bool Feed::Impl::lacks_a_scope(const fetchers::FetchResult& fetched) const {
  return std::any_of(fetched.failures.begin(), fetched.failures.end(),
                     [this](const fetchers::ScopeFailure& one) { return !engine.knows_scope(one.scope); });
}

void Feed::Impl::note_said(Digested& out, Time owned_from) {
  // Sealed by this poll: after `watch`, on a complete answer.
  if (engine.live_from() > owned_from) {
    out.said.add(TimeRange{owned_from, engine.live_from()});
  }
  for (const Time bucket : engine.said_buckets()) {
    out.said.add(TimeRange{bucket, bucket + granularity()});
  }
}

void Feed::Impl::write(Digested& out, const std::vector<Sample>& samples,
                       const std::vector<engine::CellBlob>& blobs) {
  for (const engine::CellBlob& one : blobs) {
    put_observed(out.batch, spec.name, one);
  }
  for (const Sample& sample : samples) {
    put_emitted(out.batch, spec.name, {sample.bucket, sample.series}, sample.sketch);
  }
  Ranges all = said;
  all.remove(out.given_up);
  all.add(out.said);
  out.kept_from = std::min(kept_from, engine.live_from());  // the engine needs its own
  if (out.kept_from > Time::min()) {
    erase_cells_before(out.batch, spec.name, out.kept_from);
    all.remove(TimeRange{Time::min(), out.kept_from});
  }
  put_said(out.batch, spec.name, all);
}

/// "" when what a poll brought is durable, and seen by views; else why not: it is kept.
asio::awaitable<std::string> Feed::Impl::commit() {
  WriteBatch batch = pending->batch;
  const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
  if (!done) {
    co_return "the store did not take the cells, they are kept and tried again: " + done.error().detail;
  }
  log.committed(done->sequence);
  const Digested digested = *std::exchange(pending, std::nullopt);
  publish(digested);
  co_return std::string{};
}

void Feed::Impl::publish(const Digested& done) {
  for (const TimeRange& range : done.given_up.list()) {
    cells->uncover(range);
  }
  for (const Said& one : done.emitted) {
    cells->put(one.series, one.key.first, one.sketch);
  }
  for (const TimeRange& range : done.said.list()) {
    cells->cover(range);
  }
  said.remove(done.given_up);
  said.add(done.said);
  if (done.kept_from > Time::min()) {
    cells->forget_before(done.kept_from);
    said.remove(TimeRange{Time::min(), done.kept_from});
  }
  status = done.status;
  rows_refused += done.rows_refused;
  why_refused = done.why;
}

}  // namespace settle::runner
