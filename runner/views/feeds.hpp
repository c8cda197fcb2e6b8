// runner/views/feeds.hpp: which feed each view reads from: made with the first view of it, forgotten with the
// last.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "engine/result.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/clocks.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/store/store.hpp"
#include "runner/store/stream_log.hpp"
#include "runner/views/view_fetcher.hpp"

namespace settle::runner {

class Feeds {
 public:
  struct Parts {
    Store& store;
    Clocks& clocks;
    boost::asio::thread_pool& pool;
    const Registry& registry;
    std::function<std::shared_ptr<fetchers::Fetcher>(const std::string& source)> source;  // null: gone
  };
  explicit Feeds(Parts parts) : parts_(std::move(parts)) {}

  using Logs = std::map<std::pair<std::string, std::string>, LoadedStream>;
  /// At start: what is stored of the feeds of all views.
  [[nodiscard]] engine::Result<void> load(Logs& logs);

  /// Of a stream with a view; made if it is not there.
  [[nodiscard]] std::shared_ptr<ViewFetcher> of(const Stream& stream);
  /// Null: none was made.
  [[nodiscard]] const ViewFetcher* find(const std::string& tenant, const std::string& stream_id) const;
  /// Is it one of a feed that is in use? Its series table is not to be cleaned away.
  [[nodiscard]] bool knows(const std::string& tenant, const std::string& id) const;

  /// Forgets views whose streams are gone, and feeds without views, also those that only the store knows;
  /// says of the others from where on cells are needed.
  void tidy(const ReadTransaction& view, WriteBatch& batch);

 private:
  using Key = std::pair<std::string, std::string>;  // (tenant, id)
  [[nodiscard]] Feed::Parts feed_parts(const std::string& source) const;
  [[nodiscard]] static FeedSpec feed_spec(const Stream& stream);

  Parts parts_;
  std::map<Key, std::shared_ptr<Feed>> feeds_;
  std::map<Key, std::shared_ptr<ViewFetcher>> views_;
};

/// Names a stream's feed: 32 hex digits. Streams of one feed tick together.
[[nodiscard]] std::string feed_id(const Stream& stream);

}  // namespace settle::runner
