// runner/views/feed_impl.hpp: the parts of a feed, shared by its source files only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan/ranges.hpp"
#include "engine/plan/schedule.hpp"
#include "runner/views/feed.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Duration;
using engine::Ranges;
using engine::Sample;
using engine::Time;
using engine::TimeRange;

// What a configured `timeout` may ask for; the source's own is what usually counts.
inline constexpr std::chrono::milliseconds kFetchMax = std::chrono::hours{1};

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

}  // namespace settle::runner
