#include "tests/support/runner_rig.hpp"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace settle::test {

namespace asio = boost::asio;

namespace {

class ScriptedFetcher final : public fetchers::Fetcher {
 public:
  ScriptedFetcher(const Script& script, RunnerRig& rig) : script_(script), rig_(rig) {}

  asio::awaitable<fetchers::FetchResult> fetch(fetchers::FetchRequest request) override {
    rig_.fetches += 1;
    co_return script_(request);
  }
  engine::Result<void> accepts(const engine::Selector&, engine::Duration) const override {
    if (rig_.source_refuses.empty()) return {};
    return engine::refused(rig_.source_refuses);
  }
  engine::Liveness liveness() const override { return engine::Liveness::automatic; }

 private:
  const Script& script_;
  RunnerRig& rig_;
};

class MemorySink final : public sinks::Sink {
 public:
  explicit MemorySink(SinkMemory& memory) : memory_(memory) {}

  sinks::Capabilities capabilities() const override {
    sinks::Capabilities can;
    can.overwrite = memory_.overwrite;
    can.can_read_back = memory_.can_read_back;
    can.out_of_order_window = memory_.out_of_order_window;
    can.takes_stale_markers = memory_.takes_stale_markers;
    can.overwrite_known = answered_;
    can.window_known = answered_;
    return can;
  }
  asio::awaitable<sinks::SinkHealth> check() override {
    sinks::SinkHealth health;
    answered_ = answered_ || memory_.answers;
    health.reachable = memory_.answers;
    health.capabilities = capabilities();
    co_return health;
  }
  std::optional<std::string> refuse(const sinks::Row& row, engine::Time) const override {
    const bool refused = memory_.refuses && memory_.refuses(row);
    return refused ? std::optional<std::string>{"out of order sample"} : std::nullopt;
  }
  asio::awaitable<sinks::PushOutcome> push(std::vector<sinks::Row> rows) override {
    sinks::PushOutcome outcome;
    outcome.verdict = memory_.verdict;
    if (outcome.verdict == sinks::PushVerdict::accepted) {
      std::vector<sinks::Row>& to = memory_.drops ? memory_.dropped : memory_.rows;
      to.insert(to.end(), rows.begin(), rows.end());
    }
    co_return outcome;
  }
  asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<sinks::Row> rows) override {
    std::vector<bool> held;
    for (const sinks::Row& row : rows) {
      held.push_back(std::any_of(memory_.rows.begin(), memory_.rows.end(), [&row](const sinks::Row& kept) {
        return kept.series == row.series && kept.timestamp == row.timestamp && kept.value == row.value;
      }));
    }
    co_return held;
  }
  asio::awaitable<engine::Result<std::vector<sinks::StoredSample>>> stored(
      std::vector<std::string> series, engine::TimeRange timestamps) override {
    std::vector<sinks::StoredSample> found;
    ++memory_.asked;
    for (const sinks::Row& row : memory_.rows) {
      const std::string text{row.series};
      if (timestamps.contains(row.timestamp) && std::count(series.begin(), series.end(), text) > 0) {
        found.push_back({.series = text, .timestamp = row.timestamp, .value = row.value});
      }
    }
    co_return found;
  }

 private:
  SinkMemory& memory_;
  bool answered_ = false;
};

}  // namespace

fetchers::FetchResult unreachable(const std::string& scope) {
  fetchers::FetchResult result;
  result.failures.push_back(
      {.scope = scope, .failure = fetchers::FetchFailure::unreachable, .detail = "as the script says"});
  return result;
}

struct RunnerRig::Parts {
  asio::io_context loop{1};
  asio::thread_pool pool{1};
  ManualClocks clocks;
  runner::Runner runner;
  bool ended = false;

  Parts(engine::Time now, runner::Store& store, const runner::RunnerOptions& options,
        std::vector<runner::SourceEntry> sources, std::vector<runner::SinkEntry> sinks)
      : clocks(loop.get_executor(), now),
        runner(loop.get_executor(), pool, store, clocks, options, std::move(sources), std::move(sinks)) {}

  asio::awaitable<void> run() {
    co_await runner.run();
    ended = true;
  }
  /// The coroutine's result, with nothing but the loop moving.
  template <class T>
  T wait_for(asio::awaitable<T> work) {
    std::optional<T> got;
    asio::co_spawn(loop, std::move(work), [&got](std::exception_ptr failed, T value) {
      if (failed) {
        std::rethrow_exception(failed);
      }
      got = std::move(value);
    });
    while (!got) {
      loop.run_one();
    }
    return *std::move(got);
  }
};

RunnerRig::RunnerRig(engine::Time start, Script script) : now_(start), script_(std::move(script)) {
  std::string name = (std::filesystem::temp_directory_path() / "settle-rig-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error("no temporary folder");
  }
  folder_ = name;
}

RunnerRig::~RunnerRig() {
  crash();
  std::filesystem::remove_all(folder_);
}

void RunnerRig::start() {
  runner::StoreOptions store_options;
  store_options.directory = folder_;
  store_options.bytes_max = 64u << 20;
  engine::Result<std::unique_ptr<runner::Store>> opened = runner::Store::open(store_options);
  if (!opened) {
    throw std::runtime_error(opened.error().detail);
  }
  store_ = *std::move(opened);
  std::vector<runner::SourceEntry> sources(1);
  sources[0].name = source_name;
  sources[0].fetcher = std::make_shared<ScriptedFetcher>(script_, *this);
  std::vector<runner::SinkEntry> sinks(has_other ? 2 : 1);
  sinks[0].name = sink_name;
  sinks[0].sink = std::make_unique<MemorySink>(sink);
  sinks[0].pump.queue_rows_max = queue_rows_max;
  if (has_other) {
    sinks[1].name = "other";
    sinks[1].sink = std::make_unique<MemorySink>(other);
  }
  parts_ = std::make_unique<Parts>(now_, *store_, options, std::move(sources), std::move(sinks));
  if (const engine::Result<void> loaded = parts_->runner.load(); !loaded) {
    throw std::runtime_error(loaded.error().detail);
  }
  asio::co_spawn(parts_->loop, parts_->run(), asio::detached);
  settle_down();
}

void RunnerRig::stop() {
  parts_->runner.stop();
  while (!parts_->ended) {
    parts_->loop.run_one();
  }
  parts_->pool.join();
  parts_.reset();
  store_.reset();
}

void RunnerRig::crash() {
  if (parts_) {
    parts_->pool.stop();
    parts_->pool.join();
  }
  store_.reset();  // its writer hands results to the loop: the loop goes last
  parts_.reset();
}

void RunnerRig::crash_within(std::chrono::milliseconds step, int handlers) {
  now_ += step;
  parts_->clocks.advance(step);
  for (int done = 0; done < handlers; ++done) {
    if (parts_->loop.poll_one() > 0) continue;
    if (parts_->runner.at_rest()) break;
    parts_->loop.run_one();
  }
  crash();
}

void RunnerRig::settle_down() {
  // Ticks and commits hop between threads; what is still to come holds the runner from rest.
  for (;;) {
    while (parts_->loop.poll() > 0) {
    }
    if (parts_->runner.at_rest()) {
      return;
    }
    parts_->loop.run_one();
  }
}

void RunnerRig::pass(std::chrono::milliseconds time, std::chrono::milliseconds step) {
  for (std::chrono::milliseconds passed{0}; passed < time; passed += step) {
    now_ += step;
    parts_->clocks.advance(step);
    settle_down();
  }
}

void RunnerRig::set_back(engine::Duration by) {
  parts_->clocks.behind_by = by;
}

runner::Outcome<runner::Added> RunnerRig::post(const std::string& json, bool replace) {
  auto added = parts_->wait_for(service().add_job("default", json, replace));
  settle_down();
  return added;
}

runner::Outcome<runner::AddedBackfill> RunnerRig::backfill(const std::string& job_id,
                                                           const std::string& json) {
  auto added = parts_->wait_for(service().add_backfill("default", job_id, json));
  settle_down();
  return added;
}

runner::Outcome<runner::BackfillStatus> RunnerRig::steer(const std::string& job_id, const std::string& id,
                                                         runner::Steer steer) {
  auto steered = parts_->wait_for(service().steer_backfill("default", job_id, id, steer));
  settle_down();
  return steered;
}

runner::Outcome<std::vector<std::string>> RunnerRig::reload(const Script& script,
                                                            std::vector<std::string> jobs) {
  std::vector<runner::SourceEntry> sources(1);
  sources[0].name = source_name;
  sources[0].fetcher = std::make_shared<ScriptedFetcher>(script, *this);
  std::vector<std::string> gone;
  auto changed =
      parts_->wait_for(parts_->runner.reload(std::move(sources), std::move(gone), std::move(jobs)));
  settle_down();
  return changed;
}

runner::Outcome<std::vector<std::string>> RunnerRig::reload_without_source() {
  std::vector<runner::SourceEntry> sources;
  std::vector<std::string> gone{source_name};
  std::vector<std::string> jobs;
  auto changed =
      parts_->wait_for(parts_->runner.reload(std::move(sources), std::move(gone), std::move(jobs)));
  settle_down();
  return changed;
}

runner::Outcome<std::vector<std::string>> RunnerRig::configure(std::vector<std::string> jobs) {
  auto changed = parts_->wait_for(parts_->runner.reconcile(std::move(jobs)));
  settle_down();
  return changed;
}

runner::Outcome<bool> RunnerRig::remove(const std::string& job_id, bool flush) {
  auto removed = parts_->wait_for(service().remove_job("default", job_id, flush));
  settle_down();
  return removed;
}

void RunnerRig::remove_soon(const std::string& job_id) {
  asio::co_spawn(parts_->loop, service().remove_job("default", job_id), asio::detached);
}

void RunnerRig::steer_soon(const std::string& job_id, const std::string& id, runner::Steer steer) {
  asio::co_spawn(parts_->loop, service().steer_backfill("default", job_id, id, steer), asio::detached);
}

runner::Outcome<runner::VerifyReport> RunnerRig::verify(const std::string& job_id,
                                                        engine::TimeRange timestamps, std::size_t limit) {
  return parts_->wait_for(service().verify("default", job_id, timestamps, limit));
}

runner::Service& RunnerRig::service() {
  return parts_->runner.service();
}

std::map<std::pair<std::string, engine::Time>, std::vector<engine::Value>> RunnerRig::received() const {
  std::map<std::pair<std::string, engine::Time>, std::vector<engine::Value>> values;
  for (const sinks::Row& row : sink.rows) {
    values[{std::string{row.series}, row.timestamp}].push_back(row.value);
  }
  return values;
}

std::string job_json(const std::string& store_path, const std::string& more, const std::string& query) {
  return R"({"query":")" + query +
         R"(","granularity":"1m","source":"source","sketch_type":"scalar","store_path":")" + store_path +
         "\"" + more + "}";
}

}  // namespace settle::test
