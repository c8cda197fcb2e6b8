#include "runner/views/view_fetcher.hpp"

#include <algorithm>
#include <utility>

#include "runner/pool.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Duration;
using engine::Ranges;
using engine::Time;
using engine::TimeRange;

namespace {

// Views of one feed tick at the same instant, one after the other.
constexpr Duration kSameTick = std::chrono::seconds{5};

/// The windows of which every bucket is said, by their last bucket.
Ranges complete_windows(const query::FinalCells& cells, const query::ViewSpec& spec, TimeRange buckets) {
  const Duration before = spec.query.window - spec.feed.granularity;
  Ranges complete{buckets};
  const Ranges holes = cells.uncovered({buckets.from - before, buckets.to});
  for (const TimeRange& hole : holes.list()) {
    complete.remove(TimeRange{hole.from, hole.to + before});
  }
  return complete;
}

engine::ScopeAnswer scope_answer(const query::View::Answer& answer, engine::TextArena& texts) {
  engine::ScopeAnswer out;
  out.covered = answer.complete;
  out.rows.reserve(answer.rows.size());
  std::map<std::string_view, std::string_view> kept;
  for (const query::ViewRow& row : answer.rows) {
    const auto [text, is_new] = kept.try_emplace(row.series);
    if (is_new) {
      text->second = texts.keep(row.series);
    }
    out.rows.push_back(
        {.series = text->second, .bucket = row.bucket, .value = engine::Value::number(row.value)});
  }
  return out;
}

std::map<std::string, ViewFetcher::Bound, std::less<>> bounds_in(const query::View::Answer& answer,
                                                                 Time bucket) {
  std::map<std::string, ViewFetcher::Bound, std::less<>> bounds;
  for (auto row = answer.rows.rbegin(); row != answer.rows.rend() && row->bucket == bucket; ++row) {
    bounds.emplace(row->series,
                   ViewFetcher::Bound{
                       .value = row->value, .low = row->low, .high = row->high, .degraded = row->degraded});
  }
  return bounds;
}

/// A view is one scope, whatever the source has: a gap of one of the source's could never be filled.
std::vector<fetchers::ScopeFailure> as_one_scope(std::vector<fetchers::ScopeFailure> failures) {
  for (fetchers::ScopeFailure& one : failures) {
    if (!one.scope.empty()) one.detail.insert(0, "scope " + std::exchange(one.scope, {}) + ": ");
  }
  return failures;
}

}  // namespace

ViewFetcher::ViewFetcher(std::shared_ptr<Feed> feed, query::ViewSpec spec)
    : feed_(std::move(feed)), spec_(std::move(spec)), live_(spec_) {}

engine::Result<void> ViewFetcher::accepts(const engine::Selector& /*selector*/,
                                          Duration /*granularity*/) const {
  return {};  // asked of the source itself when the job was posted
}

TimeRange ViewFetcher::needed(TimeRange buckets) const {
  return {buckets.from - (spec_.query.window - spec_.feed.granularity), buckets.to};
}

/// The feed waits for part of the source and did not seal what it ought to: corrections may still come, so
/// windows must not age on what it has.
bool ViewFetcher::is_behind(Time now) const {
  const Duration granularity = spec_.feed.granularity;
  return now - (feed_->live_from() + granularity) > spec_.feed.watch + 2 * granularity;
}

asio::awaitable<fetchers::FetchResult> ViewFetcher::fetch(fetchers::FetchRequest request) {
  const Turns::Turn turn = co_await feed_->take_turn();
  if (request.range.to > feed_->live_from()) {
    co_return co_await fetch_live(std::move(request));
  }
  co_return co_await fetch_closed(std::move(request));
}

asio::awaitable<fetchers::FetchResult> ViewFetcher::fetch_live(fetchers::FetchRequest request) {
  fetchers::FetchResult out;
  const TimeRange range = request.range;
  const Duration fresh_for = std::min<Duration>(spec_.feed.granularity / 2, kSameTick);
  Feed::Polled polled = co_await feed_->poll(request.now, fresh_for);
  out.failures = as_one_scope(std::move(polled.failures));
  out.told_before = !polled.is_new;
  out.rows_without_value = polled.is_new ? polled.rows_without_value : 0;
  if (!polled.answered || is_behind(request.now)) {
    co_return out;
  }
  needs_from_ = needed(range).from;
  const TimeRange older{*needs_from_, std::min(range.to, feed_->live_from())};
  if (!older.empty() && !feed_->cells().covers(older)) {
    co_await feed_->fill(older, request.now);
  }
  // Where a hole parts the windows, the newer ones are answered; the others become a gap, and are filled.
  const Ranges complete = complete_windows(feed_->cells(), spec_, range);
  if (complete.empty()) {
    co_return out;
  }
  const TimeRange newest = complete.list().back();
  struct Worked {
    std::map<std::string, Bound, std::less<>> bounds;
    std::optional<Unfit> unfit;
  };
  auto work = [this, &out, newest] {
    query::View::Answer answer = live_.rows(feed_->cells(), newest);
    out.answer.scopes.push_back(scope_answer(answer, out.answer.texts));
    Worked done{.bounds = bounds_in(answer, newest.to - spec_.feed.granularity), .unfit = {}};
    if (answer.unfit > 0) {
      done.unfit = Unfit{.windows = answer.unfit, .why = std::move(answer.why), .until = newest.to};
    }
    return done;
  };
  Worked done = co_await run_on(feed_->pool(), std::move(work));
  bounds_ = std::move(done.bounds);
  if (done.unfit) {
    unfit_ = std::move(done.unfit);
  }
  newest_ = newest.to - spec_.feed.granularity;
  out.answer.scopes.front().frontier = feed_->engine().frontier();
  co_return out;
}

asio::awaitable<fetchers::FetchResult> ViewFetcher::fetch_closed(fetchers::FetchRequest request) {
  fetchers::FetchResult out;
  Feed::History history = co_await feed_->history(needed(request.range), request.now);
  out.failures = as_one_scope(std::move(history.failures));
  const Ranges complete = complete_windows(*history.cells, spec_, request.range);
  if (complete.empty()) {
    co_return out;
  }
  const auto& runs = complete.list();
  const TimeRange longest = *std::max_element(
      runs.begin(), runs.end(), [](TimeRange a, TimeRange b) { return a.to - a.from < b.to - b.from; });
  auto work = [this, &out, &history, longest] {
    query::View view{spec_};
    const query::View::Answer answer = view.rows(*history.cells, longest);
    out.answer.scopes.push_back(scope_answer(answer, out.answer.texts));
    return true;
  };
  (void)co_await run_on(feed_->pool(), std::move(work));
  co_return out;
}

std::optional<ViewFetcher::Bound> ViewFetcher::bound(std::string_view series, Time bucket) const {
  const auto found = bounds_.find(series);
  return found == bounds_.end() || bucket != newest_ ? std::nullopt : std::optional{found->second};
}

}  // namespace settle::runner
