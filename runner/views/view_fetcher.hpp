// runner/views/view_fetcher.hpp: a feed's windows as a source of numbers, so that a job with a function is a
// stream like any other: docs/adr/0014-feeds-and-views.md.
//
// A row is the result of one complete window; its bucket is the window's last. What the stream asks of its
// live range comes out of the feed's final cells; older ranges, of backfills and gaps, out of what the source
// says of them today.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/query/view.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/views/feed.hpp"

namespace settle::runner {

class ViewFetcher final : public fetchers::Fetcher {
 public:
  ViewFetcher(std::shared_ptr<Feed> feed, query::ViewSpec spec);

  boost::asio::awaitable<fetchers::FetchResult> fetch(fetchers::FetchRequest request) override;
  [[nodiscard]] engine::Result<void> accepts(const engine::Selector& selector,
                                             engine::Duration granularity) const override;
  [[nodiscard]] engine::Liveness liveness() const override { return engine::Liveness::answers; }

  /// Of a result in the last bucket of the newest live answer. None: there is none.
  struct Bound {
    double value = 0;
    double low = 0;
    double high = 0;
    sketch::Degraded degraded = sketch::Degraded::nothing;
  };
  [[nodiscard]] std::optional<Bound> bound(std::string_view series, engine::Time bucket) const;
  /// The newest live answer that lacked windows because their sketches do not fit. None: there was none since
  /// the start.
  struct Unfit {
    std::uint64_t windows = 0;
    std::string why;
    engine::Time until;  // the end of that answer
  };
  [[nodiscard]] const std::optional<Unfit>& unfit() const { return unfit_; }
  [[nodiscard]] const Feed& feed() const { return *feed_; }
  /// The first bucket that its live windows need.
  [[nodiscard]] std::optional<engine::Time> needs_from() const { return needs_from_; }

 private:
  boost::asio::awaitable<fetchers::FetchResult> fetch_live(fetchers::FetchRequest request);
  boost::asio::awaitable<fetchers::FetchResult> fetch_closed(fetchers::FetchRequest request);
  [[nodiscard]] bool is_behind(engine::Time now) const;
  [[nodiscard]] engine::TimeRange needed(engine::TimeRange buckets) const;

  std::shared_ptr<Feed> feed_;
  query::ViewSpec spec_;
  query::View live_;
  std::optional<Unfit> unfit_;
  engine::Time newest_;                               // the last bucket of the newest live answer
  std::map<std::string, Bound, std::less<>> bounds_;  // of its rows, by series
  std::optional<engine::Time> needs_from_;
};

}  // namespace settle::runner
