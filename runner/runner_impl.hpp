// runner/runner_impl.hpp: the parts of the runner, shared by its source files only.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "runner/backfill/backfill_lane.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/metrics.hpp"
#include "runner/runner.hpp"
#include "runner/scheduler.hpp"
#include "runner/service.hpp"
#include "runner/store/store.hpp"
#include "runner/turns.hpp"
#include "runner/verify/read_back_check.hpp"
#include "runner/views/feeds.hpp"

namespace settle::runner {

struct SinkPart {
  std::string server;
  bool is_default = false;
  std::unique_ptr<sinks::Sink> sink;
  std::unique_ptr<Pump> pump;
  engine::Labels external_labels;
};
struct SourcePart {
  std::string server;
  std::shared_ptr<fetchers::Fetcher> fetcher;
};

/// Of a job of the configuration that one of its sinks cannot take: is everything refused for it?
enum class Unfit : std::uint8_t { refuse_all, leave_out };

/// `work`, which is one less of what runs when it ends.
inline boost::asio::awaitable<void> counted(boost::asio::awaitable<void> work, std::size_t& running) {
  co_await std::move(work);
  running -= 1;
}

struct Runner::Impl final : Service, JobContext {
  Impl(boost::asio::any_io_executor loop, boost::asio::thread_pool& pool, Store& store, Clocks& clocks,
       RunnerOptions options);

  // Service: runner_service.cpp
  [[nodiscard]] const std::string& tenant() const override { return options.tenant; }
  boost::asio::awaitable<Outcome<Added>> add_job(std::string tenant, std::string json, bool replace) override;
  boost::asio::awaitable<Outcome<bool>> remove_job(std::string tenant, std::string id, bool flush) override;
  [[nodiscard]] const Job* find_job(const std::string& tenant, const std::string& id) const override;
  [[nodiscard]] std::vector<const Job*> list_jobs(const std::string& tenant, const std::string& after,
                                                  std::size_t limit) const override;
  [[nodiscard]] JobStatus job_status(const Job& job) const override;
  void warn_of_sinks(const Job& job, JobStatus& out) const;
  [[nodiscard]] Outcome<ResultView> result(const std::string& tenant,
                                           const std::string& store_path) const override;
  void add_bounds(const Job& job, const FinalBucket& of, ResultView& view) const;
  [[nodiscard]] std::vector<PumpStatus> outbox() const override;
  [[nodiscard]] std::vector<DeadLetter> dead_letters(const std::string& tenant, const std::string& sink,
                                                     std::uint64_t after, std::size_t limit) const override;
  [[nodiscard]] Outcome<Revisions> revisions(const RevisionQuery& query) const override;
  boost::asio::awaitable<Outcome<AddedBackfill>> add_backfill(std::string tenant, std::string job_id,
                                                              std::string json) override;
  [[nodiscard]] std::vector<BackfillStatus> list_backfills(const std::string& tenant,
                                                           const std::string& job_id,
                                                           const std::string& after,
                                                           std::size_t limit) const override;
  [[nodiscard]] std::optional<BackfillStatus> find_backfill(const std::string& tenant,
                                                            const std::string& job_id,
                                                            const std::string& id) const override;
  boost::asio::awaitable<Outcome<BackfillStatus>> steer_backfill(std::string tenant, std::string job_id,
                                                                 std::string id, Steer steer) override;
  [[nodiscard]] std::vector<GapStatus> gaps(const std::string& tenant, const std::string& job_id,
                                            std::size_t skip, std::size_t limit) const override;
  boost::asio::awaitable<Outcome<VerifyReport>> verify(std::string tenant, std::string job_id,
                                                       engine::TimeRange timestamps,
                                                       std::size_t limit) override;
  [[nodiscard]] std::string not_ready() const override;
  [[nodiscard]] std::string metrics_text() const override;
  [[nodiscard]] engine::Time source_now() const override;

  // JobContext: runner_context.cpp
  [[nodiscard]] engine::Result<engine::Liveness> source(const std::string& name,
                                                        const engine::Selector& selector,
                                                        engine::Duration granularity) const override;
  [[nodiscard]] SinkFacts sink(const std::string& name) const override;
  [[nodiscard]] std::string default_sink() const override;
  [[nodiscard]] std::vector<std::string> source_names() const override;
  [[nodiscard]] std::vector<std::string> sink_names() const override;
  [[nodiscard]] bool same_server(const std::string& source, const std::string& sink) const override;
  [[nodiscard]] std::size_t series_max() const override { return options.series_max; }
  [[nodiscard]] std::size_t open_cells_max() const override { return options.open_cells_max; }

  [[nodiscard]] std::vector<std::string> marked_sinks(const JobSpec& spec) const;

  // runner.cpp
  [[nodiscard]] std::string why_paused(const Stream& stream) const;
  /// What the stream polls: its source, or the view of a feed of that. Null: the source is not configured.
  [[nodiscard]] std::shared_ptr<fetchers::Fetcher> fetcher_of(const Stream& stream);
  void stream_changed(const Stream& stream);
  void start_stream(const Stream& stream, engine::Engine engine, StreamLog log, bool at_once);
  void committed(const std::string& sink, std::uint64_t rows, Lane lane = Lane::live);
  /// "" : the backfill lane of each of the sinks takes more rows. Else why not; a backfill waits then, live
  /// streams do not.
  [[nodiscard]] std::string why_backfill_waits(const std::vector<std::string>& to_sinks) const;
  [[nodiscard]] const StreamStatus* stream_status(const Job& job) const;

  // runner_lanes.cpp
  [[nodiscard]] BackfillLane::Parts backfill_parts();
  boost::asio::awaitable<std::string> carry(std::string tenant, std::string stream, engine::Amounts amounts,
                                            WriteBatch with);
  [[nodiscard]] std::string why_no_backfill(const Job& job) const;

  // config_jobs.cpp
  using Lines = std::vector<std::string>;
  boost::asio::awaitable<Outcome<Lines>> reconcile(std::vector<std::string> jobs, Unfit unfit);
  void sink_answered();
  boost::asio::awaitable<void> take_up();

  // retention.cpp
  boost::asio::awaitable<void> maintain();
  boost::asio::awaitable<void> maintain_once();
  boost::asio::awaitable<void> look_back();

  boost::asio::any_io_executor loop;
  boost::asio::thread_pool& pool;
  Store& store;
  Clocks& clocks;
  RunnerOptions options;
  Metrics metrics;
  FinalityMetrics finality_metrics{metrics};
  Registry registry;
  std::map<std::string, SourcePart> sources;
  std::map<std::string, SinkPart> sinks;
  Feeds feeds;
  Scheduler scheduler;
  BackfillLane backfills;
  ReadBackCheck read_back;
  SteadyTime next_read_back{};
  Turns config_turns;
  std::vector<std::string> config_jobs;             // as last taken over
  std::map<std::string, std::string> jobs_waiting;  // of them, for a sink to answer: store_path, why
  std::size_t taking_up = 0;                        // answers of sinks in hand
  bool stopped = false;
  std::size_t running = 0;  // pumps and maintenance at work
};

}  // namespace settle::runner
