// runner/backfill/backfill_lane.hpp: fills gaps and asked ranges, a chunk at a time, behind the live lane.
//
// Lives on the event loop. A source answers one chunk at a time; a chunk's samples, its progress and what it
// changes in the gap ledger are one commit, so a crash goes on with the chunk it was in. Gaps come before
// backfills, newest first; backfills of one source take turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/plan/closed_history.hpp"
#include "engine/result.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/backfill/backfill.hpp"
#include "runner/clocks.hpp"
#include "runner/jobs/job.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/metrics.hpp"
#include "runner/store/store.hpp"
#include "runner/streams/stream_views.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

struct BackfillOptions {
  engine::Duration gap_give_up{std::chrono::hours{24 * 7}};  // source time: then a gap is impossible
  std::chrono::milliseconds backoff_min{1'000};
  std::chrono::milliseconds backoff_max{300'000};
  std::chrono::milliseconds keep{std::chrono::hours{24 * 30}};         // what is over is forgotten after this
  std::chrono::milliseconds keep_ledger{std::chrono::hours{24 * 30}};  // RunnerOptions::keep_ledger
  double samples_per_chunk = 200'000;  // bounds memory, and how long a crash sets back
  std::uint32_t attempts_max = 5;      // of a chunk of which some scopes answer and others do not
  std::size_t open_max = 100;          // backfills of a job that are not over
  std::size_t kept_max = 1'000;        // of a job; then the oldest that are over are forgotten
  double store_fill_max = 0.6;         // of store.max_bytes: below where the live lane stops
};

/// How many gaps there are, for metrics.
struct GapCounts {
  std::map<GapState, std::uint64_t> by_state;
  std::optional<engine::Time> oldest;  // start of the oldest that is open or scheduled
};

class BackfillLane {
 public:
  /// All of it outlives the lane.
  struct Parts {
    boost::asio::any_io_executor loop;
    boost::asio::thread_pool& pool;
    Store& store;
    const Registry& registry;
    Clocks& clocks;
    Metrics& metrics;
    std::function<std::shared_ptr<fetchers::Fetcher>(const Stream&)> source;  // null: not configured
    std::function<const StreamStatus*(const std::string& tenant, const std::string& stream)> stream_status;
    /// "" or why nothing may be emitted for the job now: the store, or a sink's queue.
    std::function<std::string(const Job&)> why_wait;
    std::function<bool()> live_is_busy;  // live ticks wait for their turn
    /// None: no such sink is configured.
    std::function<std::optional<sinks::Capabilities>(const std::string& sink)> sink;
    std::function<void(const std::string& sink, std::uint64_t rows)> committed;
    std::function<void(const std::string& sink)> over;  // a backfill to it is
    /// Counter output: StreamRunner::carry() of the stream.
    std::function<boost::asio::awaitable<std::string>(std::string tenant, std::string stream,
                                                      engine::Amounts amounts, WriteBatch with)>
        carry;
  };
  BackfillLane(Parts parts, BackfillOptions options);
  ~BackfillLane();

  /// Reads backfills and gaps from the store. Once, before run().
  [[nodiscard]] engine::Result<void> load();
  /// Until stop() and the end of the chunks in hand.
  boost::asio::awaitable<void> run();
  void stop();
  /// Nothing is at work: what is left waits.
  [[nodiscard]] bool at_rest() const;
  /// A commit of the live lane added gaps.
  void gaps_added(const std::string& tenant, const std::string& stream_id);

  boost::asio::awaitable<Outcome<AddedBackfill>> add(std::string tenant, std::string job_id,
                                                     std::string json);
  boost::asio::awaitable<Outcome<BackfillStatus>> steer(std::string tenant, std::string job_id,
                                                        std::string id, Steer steer);
  [[nodiscard]] std::vector<BackfillStatus> list(const std::string& tenant, const std::string& job_id,
                                                 const std::string& after, std::size_t limit) const;
  [[nodiscard]] std::optional<BackfillStatus> find(const std::string& tenant, const std::string& job_id,
                                                   const std::string& id) const;
  [[nodiscard]] std::vector<GapStatus> gaps(const Job& job, std::size_t skip, std::size_t limit) const;
  [[nodiscard]] GapCounts gap_counts(const Job& job) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
