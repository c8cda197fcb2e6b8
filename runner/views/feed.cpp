#include "runner/views/feed.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/plan/closed_history.hpp"
#include "engine/query/gather.hpp"
#include "runner/pool.hpp"
#include "runner/store/series_names.hpp"
#include "runner/views/feed_impl.hpp"

namespace settle::runner {

namespace {

// History is asked for in pieces: sources limit what one answer may hold.
constexpr std::int64_t kBucketsAtOnce = 720;

fetchers::ScopeFailure failure(fetchers::FetchFailure kind, std::string detail) {
  return {.scope = {}, .failure = kind, .detail = std::move(detail)};
}

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
