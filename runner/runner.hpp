// runner/runner.hpp: the daemon without its front door: registry, streams, scheduler, pumps and retention.
//
// Lives on one event loop. Sources and sinks are made by the caller (cli/serve.cpp), which alone knows their
// classes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "engine/result.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/backfill/backfill_lane.hpp"
#include "runner/clocks.hpp"
#include "runner/push/pump.hpp"
#include "runner/service.hpp"
#include "runner/store/store.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

struct RunnerOptions {
  std::string tenant = "default";
  std::size_t series_max = 100'000;  // per job
  std::size_t open_cells_max = 10'000'000;
  std::size_t metrics_jobs_max = 500;  // jobs with a label of their own in /metrics
  std::size_t fetches_max = 64;        // at one time
  std::chrono::milliseconds job_grace{std::chrono::hours{24}};
  std::chrono::milliseconds keep_ledger{std::chrono::hours{24 * 30}};
  std::chrono::milliseconds keep_dead_letters{std::chrono::hours{24 * 7}};
  std::uint64_t dead_letter_bytes_max = 1ull << 30;
  /// Between two samples of acknowledged rows that sinks are asked for again; 0: never.
  std::chrono::milliseconds read_back_interval{300'000};
  BackfillOptions backfill = {};
};

struct SourceEntry {
  std::string name;
  std::string server;  // scheme, host and port; "" : none. To notice a job that writes where it reads
  std::shared_ptr<fetchers::Fetcher> fetcher;
};
struct SinkEntry {
  std::string name;
  std::string server;
  bool is_default = false;
  std::unique_ptr<sinks::Sink> sink;
  PumpOptions pump;
};

class Runner {
 public:
  Runner(boost::asio::any_io_executor loop, boost::asio::thread_pool& pool, Store& store, Clocks& clocks,
         RunnerOptions options, std::vector<SourceEntry> sources, std::vector<SinkEntry> sinks);
  ~Runner();

  /// Reads jobs, streams and cursors from the store. Once, before run().
  [[nodiscard]] engine::Result<void> load();
  /// Asks every sink once, all at the same time, what it can do; returns when all have answered or failed,
  /// and after `limit` in any case. Before run().
  boost::asio::awaitable<void> ask_sinks(std::chrono::milliseconds limit);
  /// Makes the jobs of the configuration equal to `jobs` (JSON as POSTed); returns a line for each that
  /// changed. A new or changed job whose sink has not answered yet waits until it has; one whose sink cannot
  /// take it is left out, with an error in the log.
  boost::asio::awaitable<Outcome<std::vector<std::string>>> reconcile(std::vector<std::string> jobs);
  /// The same with these sources, beside those there are, and without those that are `gone`; when a job is
  /// refused, be it for its sink, the sources stay as they were, too. Streams at work end their tick with the
  /// one they have.
  boost::asio::awaitable<Outcome<std::vector<std::string>>> reload(std::vector<SourceEntry> sources,
                                                                   std::vector<std::string> gone,
                                                                   std::vector<std::string> jobs);
  /// Until stop(), then until ticks and pumps have ended.
  boost::asio::awaitable<void> run();
  void stop();
  /// No tick is at work, and every pump waits: for work, for its sink, or for an operator.
  [[nodiscard]] bool at_rest() const;

  [[nodiscard]] Service& service();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
