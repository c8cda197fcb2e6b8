// runner/streams/stream_runner.hpp: one stream at work: fetch, ingest, expire, one commit, publish.
//
// Lives on the event loop; the engine is touched only by the tick in progress, in the pool or here, never by
// both. What the engine gave out is kept until its commit succeeded, so a full disk delays and loses nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/plan/closed_history.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/clocks.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/metrics.hpp"
#include "runner/store/store.hpp"
#include "runner/store/stream_log.hpp"
#include "runner/streams/finality_metrics.hpp"
#include "runner/streams/stream_views.hpp"

namespace settle::runner {

class StreamRunner {
 public:
  /// All of it outlives the stream runner.
  struct Parts {
    Store& store;
    const Registry& registry;
    Clocks& clocks;
    Metrics& metrics;
    FinalityMetrics& finality;
    boost::asio::thread_pool& pool;
    std::function<void(const std::string& sink, std::uint64_t rows)> committed;
    std::function<void(const std::string& tenant, const std::string& stream_id)> gaps_added;
    /// Is the sink told where a series ends?
    std::function<bool(const std::string& sink)> takes_stale_markers;
  };
  StreamRunner(Parts parts, std::shared_ptr<fetchers::Fetcher> fetcher, std::string tenant,
               std::string stream_id, engine::Engine engine, StreamLog log);
  ~StreamRunner();

  /// One poll, or the commit that the last one still owes. Never runs twice at once. When it throws, the
  /// engine is in doubt: drop this runner and load the stream anew.
  boost::asio::awaitable<void> tick();
  struct Parting {
    bool flush = false;  // what is open goes out, as it is
    /// Those that are told of each series that its newest sample was the last: a marker 1 ms after it.
    std::vector<std::string> marked_sinks;
  };
  /// Removes the job from the registry and sends what is due at parting, in one commit. Other jobs of the
  /// stream see nothing of it. Waits for the work on the engine that is under way, not for the source.
  boost::asio::awaitable<Outcome<bool>> part(Registry& registry, std::string job_id, Parting with);
  /// Counter output: adds to the totals what a filled gap brought, in one commit with `with`. "" when it was
  /// committed; else why not, and nothing changed. Waits for the work on the engine that is under way.
  boost::asio::awaitable<std::string> carry(engine::Amounts amounts, WriteBatch with);
  void use(std::shared_ptr<fetchers::Fetcher> fetcher);
  [[nodiscard]] const StreamStatus& status() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
