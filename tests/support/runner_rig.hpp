// tests/support/runner_rig.hpp: a whole runner on a real store, with a scripted source, a sink in memory and
// clocks that the test moves. crash() drops everything but the folder, as a power cut would.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>

#include "fetchers/fetcher.hpp"
#include "runner/runner.hpp"
#include "sinks/sink.hpp"
#include "tests/support/manual_clocks.hpp"

namespace settle::test {

/// What the source says to this poll.
using Script = std::function<fetchers::FetchResult(const fetchers::FetchRequest&)>;
[[nodiscard]] fetchers::FetchResult unreachable(const std::string& scope);

struct SinkMemory {
  sinks::Overwrite overwrite = sinks::Overwrite::append_log;
  std::optional<engine::Duration> out_of_order_window;
  sinks::PushVerdict verdict = sinks::PushVerdict::accepted;
  bool answers = true;  // its checks; what it can do is known once it has
  bool can_read_back = false;
  bool takes_stale_markers = false;
  std::function<bool(const sinks::Row&)> refuses;  // a row, for good
  bool drops = false;                              // says accepted, and keeps nothing
  std::vector<sinks::Row> dropped;
  std::uint64_t asked = 0;       // how often it was asked what it has
  std::vector<sinks::Row> rows;  // in the order of arrival
};

class RunnerRig {
 public:
  RunnerRig(engine::Time start, Script script);
  ~RunnerRig();

  void start();  // opens the store, loads, runs
  void stop();   // orderly
  void crash();
  /// In the middle of what begins when the clocks move by `step`: after so many handlers of the loop.
  void crash_within(std::chrono::milliseconds step, int handlers);
  /// Between crash() or stop() and start().
  void stay_down(std::chrono::milliseconds time) { now_ += time; }

  /// Moves the clocks in steps of `step` and lets everything come to rest after each.
  void pass(std::chrono::milliseconds time, std::chrono::milliseconds step = std::chrono::seconds{1});
  /// As if the clock had been set back by so much.
  void set_back(engine::Duration by);
  [[nodiscard]] runner::Outcome<runner::Added> post(const std::string& json, bool replace = false);
  [[nodiscard]] runner::Outcome<runner::AddedBackfill> backfill(const std::string& job_id,
                                                                const std::string& json);
  [[nodiscard]] runner::Outcome<runner::BackfillStatus> steer(const std::string& job_id,
                                                              const std::string& id, runner::Steer steer);
  /// As SIGHUP does, with another script for the source.
  [[nodiscard]] runner::Outcome<std::vector<std::string>> reload(const Script& script,
                                                                 std::vector<std::string> jobs);
  /// As the daemon does at its start.
  [[nodiscard]] runner::Outcome<std::vector<std::string>> configure(std::vector<std::string> jobs);
  [[nodiscard]] runner::Outcome<bool> remove(const std::string& job_id, bool flush = false);
  [[nodiscard]] runner::Outcome<std::vector<std::string>> reload_without_source();
  /// Begun now, done while time passes: for what a script does in the middle of a poll.
  void remove_soon(const std::string& job_id);
  void steer_soon(const std::string& job_id, const std::string& id, runner::Steer steer);
  [[nodiscard]] runner::Outcome<runner::VerifyReport> verify(const std::string& job_id,
                                                             engine::TimeRange timestamps,
                                                             std::size_t limit = 100);
  [[nodiscard]] runner::Service& service();
  [[nodiscard]] runner::Store& store() { return *store_; }
  [[nodiscard]] engine::Time now() { return now_; }
  /// Values by (series, timestamp), every one that arrived, in order.
  [[nodiscard]] std::map<std::pair<std::string, engine::Time>, std::vector<engine::Value>> received() const;

  SinkMemory sink;
  SinkMemory other;        // named so,
  bool has_other = false;  // and configured at the next start()
  runner::RunnerOptions options;
  std::string source_refuses;          // "" : it accepts every selector; else why it does not
  std::string source_name = "source";  // as configured at the next start()
  std::string sink_name = "memory";
  std::uint64_t queue_rows_max = 1'000'000;
  std::uint64_t fetches = 0;

 private:
  void settle_down();
  struct Parts;
  std::string folder_;
  engine::Time now_;
  Script script_;
  std::unique_ptr<runner::Store> store_;
  std::unique_ptr<Parts> parts_;
};

/// The body a controller POSTs, with `more` (e.g. R"(,"watch":"10m")") before the closing brace.
[[nodiscard]] std::string job_json(const std::string& store_path, const std::string& more = {},
                                   const std::string& query = "requests_total");

}  // namespace settle::test
