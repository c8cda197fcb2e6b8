// runner/views/feed.hpp: final cells for the views of one (source, selector, cells):
// docs/adr/0014-feeds-and-views.md.
//
// A feed polls the source, makes cells of what it says, and stabilizes them in an engine of its own; what
// that engine emits, and of which buckets everything is said, is what views merge into windows. It has no
// schedule: the first view that ticks polls, and the others of that moment find the answer here. Lives on the
// event loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/query/final_cells.hpp"
#include "engine/query/view_spec.hpp"
#include "engine/stabilizer/engine.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/clocks.hpp"
#include "runner/store/store.hpp"
#include "runner/store/stream_log.hpp"
#include "runner/streams/stream_views.hpp"
#include "runner/turns.hpp"
#include "runner/views/cell_table.hpp"

namespace settle::runner {

struct FeedSpec {
  FeedName name;
  engine::Selector selector;
  query::CellSpec cells;
  engine::EngineOptions options;
};

class Feed {
 public:
  struct Parts {
    Store& store;
    Clocks& clocks;
    boost::asio::thread_pool& pool;
    std::function<std::shared_ptr<fetchers::Fetcher>()> source;  // none: it is not configured any more
  };
  /// Where nothing is stored of it.
  Feed(Parts parts, FeedSpec spec);
  /// `corrupt`: what was stored of it does not decode.
  [[nodiscard]] static engine::Result<std::shared_ptr<Feed>> load(Parts parts, FeedSpec spec,
                                                                  LoadedStream stored);
  ~Feed();

  /// Whoever has it may use everything below. A turn is held while a view is made of the cells, so that they
  /// stay what they are.
  boost::asio::awaitable<Turns::Turn> take_turn();

  /// As of now; nobody answered: what failed, as the fetcher says it. `fresh_for`: an answer of so long ago
  /// will do. Committed when it returns, else a failure says why not.
  struct Polled {
    bool answered = false;
    bool is_new = true;  // its failures were not told to another view before
    std::vector<fetchers::ScopeFailure> failures;
    std::uint64_t rows_without_value = 0;
  };
  boost::asio::awaitable<Polled> poll(engine::Time now, engine::Duration fresh_for);

  /// What the source says today of buckets that are closed: by series, what is complete, and what failed.
  struct History {
    std::unique_ptr<query::FinalCells> cells;
    std::vector<fetchers::ScopeFailure> failures;
  };
  boost::asio::awaitable<History> history(engine::TimeRange buckets, engine::Time now);
  /// Asks the source for what is not said of the range, which lies before live_from(). Not at every call:
  /// what it does not have it is asked for more and more seldom.
  boost::asio::awaitable<void> fill(engine::TimeRange buckets, engine::Time now);

  /// Nothing older is needed by any view; the caller knows all of them.
  void keep_from(engine::Time bucket);

  [[nodiscard]] const FeedSpec& spec() const;
  [[nodiscard]] boost::asio::thread_pool& pool() const;
  [[nodiscard]] engine::Time live_from() const;
  [[nodiscard]] const engine::Engine& engine() const;
  [[nodiscard]] const query::FinalCells& cells() const;

  // For everybody, at any time.
  /// Of the engine, as of the last poll.
  [[nodiscard]] const StreamStatus& status() const;
  /// Rows that could not be made into cells since the start, and why the first of the newest poll was not.
  [[nodiscard]] std::uint64_t rows_refused() const;
  [[nodiscard]] const std::string& why_refused() const;

 private:
  struct Impl;
  explicit Feed(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
