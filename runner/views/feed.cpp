#include "runner/views/feed.hpp"

#include <algorithm>
#include <map>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

#include "engine/plan/closed_history.hpp"
#include "engine/plan/schedule.hpp"
#include "engine/query/gather.hpp"
#include "runner/pool.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Duration;
using engine::Ranges;
using engine::Sample;
using engine::Time;
using engine::TimeRange;

namespace {

// What a configured `timeout` may ask for; the source's own is what usually counts.
constexpr std::chrono::milliseconds kFetchMax = std::chrono::hours{1};
// History is asked for in pieces: sources limit what one answer may hold.
constexpr std::int64_t kBucketsAtOnce = 720;

fetchers::ScopeFailure failure(fetchers::FetchFailure kind, std::string detail) {
  return {.scope = {}, .failure = kind, .detail = std::move(detail)};
}

/// Of a cell of the feed, as views know it.
struct Said {
  std::string series;
  CellKey key;
  engine::Blob sketch;
};

/// What a poll did to the engine, and what of it is not yet durable.
struct Digested {
  WriteBatch batch;
  std::vector<Said> emitted;
  Ranges said;
  Ranges given_up;
  Time kept_from = Time::min();  // what is older is gone
  StreamStatus status;
  std::uint64_t rows_refused = 0;
  std::string why;
};

/// The buckets that every scope answered for good.
Ranges answered_by_all(const engine::ClosedHistory& history, TimeRange range) {
  Ranges all;
  if (history.scopes.empty()) {
    return all;
  }
  all.add(range);
  for (const engine::ClosedHistory::Scope& scope : history.scopes) {
    Ranges others{range};
    others.remove(scope.answered);
    all.remove(others);
  }
  return all;
}

/// What is covered of `from`, which holds nothing else.
void take_over(const query::FinalCells& from, query::FinalCells& into) {
  for (const TimeRange& range : from.covered().list()) {
    for (query::SeriesId id = 0; id < from.id_end(); ++id) {
      for (Time bucket = range.from; bucket < range.to; bucket += from.granularity()) {
        if (const engine::Blob* cell = from.cell(id, bucket)) {
          into.put(from.series(id), bucket, *cell);
        }
      }
    }
    into.cover(range);
  }
}

}  // namespace

struct Feed::Impl {
  Parts parts;
  FeedSpec spec;
  engine::Engine engine;
  StreamLog log;
  std::unique_ptr<query::FinalCells> cells;
  Ranges said = {};  // by the live lane: what the store has
  std::optional<Digested> pending = {};
  std::optional<Time> polled_at = {};
  Polled last = {};
  Time fill_from = Time::min();  // history is not asked for before
  int fills_failed = 0;
  Time kept_from = Time::min();
  std::uint64_t rows_refused = 0;
  std::string why_refused = {};
  StreamStatus status = {};
  Turns turns = {};

  [[nodiscard]] Duration granularity() const { return spec.options.granularity; }
  [[nodiscard]] fetchers::FetchRequest request(TimeRange range, Time now) const {
    return {.range = range,
            .granularity = granularity(),
            .selector = spec.selector,
            .now = now,
            .timeout = kFetchMax};
  }

  Digested digest(const engine::LivePlan& plan, const fetchers::FetchResult& fetched, Time now, Time wall);
  [[nodiscard]] bool lacks_a_scope(const fetchers::FetchResult& fetched) const;
  void note_said(Digested& out, Time owned_from);
  void write(Digested& out, const std::vector<Sample>& samples, const std::vector<engine::CellBlob>& blobs);
  asio::awaitable<std::string> commit();
  void publish(const Digested& done);
};

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

Feed::Feed(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Feed::~Feed() = default;

Feed::Feed(Parts parts, FeedSpec spec) {
  const Duration granularity = spec.options.granularity;
  engine::Engine engine{
      spec.options, engine::first_live_bucket(parts.clocks.source_now(), granularity, spec.options.watch)};
  StreamLog log{spec.name.tenant, spec.name.id};
  impl_ = std::make_unique<Impl>(Impl{.parts = std::move(parts),
                                      .spec = std::move(spec),
                                      .engine = std::move(engine),
                                      .log = std::move(log),
                                      .cells = std::make_unique<query::FinalCells>(granularity)});
}

engine::Result<std::shared_ptr<Feed>> Feed::load(Parts parts, FeedSpec spec, LoadedStream stored) {
  const ReadTransaction view = parts.store.read();
  engine::Result<StoredCells> held = load_cells(view, spec.name);
  if (!held) {
    return held.error();
  }
  const auto blob_of = [&held](engine::SeriesNumber number, Time bucket) {
    for (const auto* rows : {&held->observed, &held->emitted}) {
      if (const auto found = rows->find({bucket, number}); found != rows->end()) return found->second;
    }
    return engine::Blob{};
  };
  const std::vector<std::string_view> records{stored.records.begin(), stored.records.end()};
  engine::Result<engine::Engine> engine = engine::Engine::load(spec.options, stored.series, records, blob_of);
  if (!engine) {
    return engine::corrupt("feed " + spec.name.id + " does not load: " + engine.error().detail);
  }
  auto cells = std::make_unique<query::FinalCells>(spec.options.granularity);
  for (const auto& [key, sketch] : held->emitted) {
    const auto text = series_text_of(view, spec.name.tenant, spec.name.id, key.second);
    if (text) {
      cells->put(*text, key.first, sketch);
    } else {
      held->said.remove(TimeRange{key.first, key.first + spec.options.granularity});
    }
  }
  for (const TimeRange& range : held->said.list()) {
    cells->cover(range);
  }
  return std::shared_ptr<Feed>{new Feed{std::make_unique<Impl>(Impl{.parts = std::move(parts),
                                                                    .spec = std::move(spec),
                                                                    .engine = *std::move(engine),
                                                                    .log = std::move(stored.log),
                                                                    .cells = std::move(cells),
                                                                    .said = std::move(held->said)})}};
}

asio::awaitable<Turns::Turn> Feed::take_turn() {
  co_return co_await impl_->turns.take();
}

asio::awaitable<Feed::Polled> Feed::poll(Time now, Duration fresh_for) {
  Impl& self = *impl_;
  Polled polled;
  if (self.pending) {
    std::string why = co_await self.commit();
    if (!why.empty()) {
      polled.failures.push_back(failure(fetchers::FetchFailure::stopped, std::move(why)));
      co_return polled;
    }
  }
  if (self.polled_at && now - *self.polled_at < fresh_for) {
    polled = self.last;
    polled.is_new = false;
    co_return polled;
  }
  const std::shared_ptr<fetchers::Fetcher> source = self.parts.source();  // a reload may replace it meanwhile
  if (!source) {
    polled.failures.push_back(
        failure(fetchers::FetchFailure::unreachable, "the source is not configured any more"));
    co_return polled;
  }
  const engine::LivePlan plan = engine::plan_live({.live_from = self.engine.live_from(),
                                                   .now = now,
                                                   .granularity = self.granularity(),
                                                   .watch = self.engine.options().watch,
                                                   .valid_until = std::nullopt});
  const Time wall = self.parts.clocks.wall_now();
  fetchers::FetchRequest request = self.request(plan.range, now);
  fetchers::FetchResult fetched;
  if (!plan.range.empty()) {
    fetched = co_await source->fetch(std::move(request));
  }
  self.polled_at = now;
  polled.failures = fetched.failures;
  polled.rows_without_value = fetched.rows_without_value;
  polled.answered = !fetched.answer.scopes.empty();
  if (polled.answered) {
    auto work = [&self, &plan, &fetched, now, wall] { return self.digest(plan, fetched, now, wall); };
    Digested digested = co_await run_on(self.parts.pool, std::move(work));
    self.pending = std::move(digested);
    std::string why = co_await self.commit();
    if (!why.empty()) {
      polled.answered = false;
      polled.failures.push_back(failure(fetchers::FetchFailure::stopped, std::move(why)));
      self.polled_at.reset();
    }
  }
  self.last = polled;
  co_return polled;
}

asio::awaitable<Feed::History> Feed::history(TimeRange buckets, Time now) {
  Impl& self = *impl_;
  History out{.cells = std::make_unique<query::FinalCells>(self.granularity()), .failures = {}};
  const std::shared_ptr<fetchers::Fetcher> source = self.parts.source();
  if (!source) {
    out.failures.push_back(
        failure(fetchers::FetchFailure::unreachable, "the source is not configured any more"));
    co_return out;
  }
  const Duration length = self.granularity() * kBucketsAtOnce;
  for (Time from = buckets.from; from < buckets.to; from += length) {
    const TimeRange piece{from, std::min(from + length, buckets.to)};
    fetchers::FetchRequest request = self.request(piece, now);
    fetchers::FetchResult fetched = co_await source->fetch(std::move(request));
    auto work = [&self, &fetched, &out, piece, now] {
      const query::Gathered gathered = query::gather(fetched.answer, self.spec.cells, self.granularity());
      const engine::ClosedHistory closed =
          engine::close_history(self.engine.options(), gathered.answer, piece, now);
      for (std::size_t at = 0; at < closed.points.size(); ++at) {
        const engine::ClosedHistory::Point& point = closed.points[at];
        out.cells->put(closed.series[point.series], point.bucket, closed.sketches[at]);
      }
      if (fetched.failures.empty() && !closed.limited) {
        const Ranges answered = answered_by_all(closed, piece);
        for (const TimeRange& range : answered.list()) {
          out.cells->cover(range);
        }
      }
      return true;
    };
    (void)co_await run_on(self.parts.pool, std::move(work));
    out.failures.insert(out.failures.end(), std::make_move_iterator(fetched.failures.begin()),
                        std::make_move_iterator(fetched.failures.end()));
  }
  co_return out;
}

asio::awaitable<void> Feed::fill(TimeRange buckets, Time now) {
  Impl& self = *impl_;
  if (now < self.fill_from) {
    co_return;
  }
  const Ranges holes = self.cells->uncovered(buckets);
  for (const TimeRange& hole : holes.list()) {
    const History found = co_await history(hole, now);
    take_over(*found.cells, *self.cells);
  }
  if (self.cells->covers(buckets)) {
    self.fills_failed = 0;
    co_return;
  }
  constexpr int kDoublingsMax = 20;
  self.fill_from =
      now + std::min<Duration>(self.granularity() * (1 << std::min(self.fills_failed, kDoublingsMax)),
                               self.engine.options().watch);
  self.fills_failed += 1;
}

void Feed::keep_from(Time bucket) {
  impl_->kept_from = bucket;
}

const FeedSpec& Feed::spec() const {
  return impl_->spec;
}
asio::thread_pool& Feed::pool() const {
  return impl_->parts.pool;
}
const StreamStatus& Feed::status() const {
  return impl_->status;
}
Time Feed::live_from() const {
  return impl_->engine.live_from();
}
const engine::Engine& Feed::engine() const {
  return impl_->engine;
}
const query::FinalCells& Feed::cells() const {
  return *impl_->cells;
}
std::uint64_t Feed::rows_refused() const {
  return impl_->rows_refused;
}
const std::string& Feed::why_refused() const {
  return impl_->why_refused;
}

}  // namespace settle::runner
