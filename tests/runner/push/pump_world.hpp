// tests/runner/push/pump_world.hpp: a pump with a real store, clocks moved by hand and a server that can fail
// in every way.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "runner/metrics.hpp"
#include "runner/push/pump.hpp"
#include "runner/service.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "sinks/remote_write/row_order.hpp"
#include "tests/runner/store/store_directory.hpp"
#include "tests/support/manual_clocks.hpp"

namespace settle::test {

/// A server that keeps every value it is given, in the order in which they came; outlives pumps and stores.
struct FakeServer {
  using Key = std::pair<std::string, std::int64_t>;  // series, epoch ms
  struct Kept {
    Key key;
    engine::Value value;
    std::uint32_t revision = 0;
  };
  std::vector<Kept> durable;
  std::vector<Kept> recent;  // forgotten by a kill
  std::optional<engine::Time> started_at;

  void take(const sinks::Row& row) {
    recent.push_back({{std::string{row.series}, engine::epoch_ms(row.timestamp)}, row.value, row.revision});
  }
  void flush() {
    durable.insert(durable.end(), recent.begin(), recent.end());
    recent.clear();
  }
  void restart_without_recent(engine::Time now) {
    recent.clear();
    started_at = now;
  }
  [[nodiscard]] std::map<Key, std::vector<std::uint32_t>> revisions() const {
    std::map<Key, std::vector<std::uint32_t>> all;
    for (const auto* part : {&durable, &recent}) {
      for (const Kept& one : *part) all[one.key].push_back(one.revision);
    }
    return all;
  }
  [[nodiscard]] bool holds(const sinks::Row& row) const {
    for (const auto* part : {&durable, &recent}) {
      for (const Kept& one : *part) {
        if (one.key == Key{std::string{row.series}, engine::epoch_ms(row.timestamp)} &&
            one.value == row.value)
          return true;
      }
    }
    return false;
  }
};

/// How the next push ends, and how many of its rows arrive all the same.
struct Fate {
  sinks::PushVerdict verdict = sinks::PushVerdict::accepted;
  std::size_t applied = SIZE_MAX;  // of the rows, from the first
  std::optional<std::chrono::milliseconds> retry_after{};
  bool never_answers = false;
  bool too_old = false;
};

class FakeSink final : public sinks::Sink {
 public:
  explicit FakeSink(FakeServer& server) : server_(server) {
    can.overwrite = sinks::Overwrite::none;
    can.can_read_back = true;
    can.durable_when_acknowledged = false;
    can.batch_rows_max = 100;
  }
  sinks::Capabilities can;
  bool reachable = true;
  std::deque<Fate> fates;                                              // used up; then everything is accepted
  std::function<Fate(const std::vector<sinks::Row>&)> decide;          // instead of fates
  std::function<std::optional<std::string>(const sinks::Row&)> fault;  // what refuse() says
  sinks::RowOrder* order = nullptr;                                    // what lateness() says
  bool can_look_up = true;
  std::vector<std::vector<sinks::Row>> pushes;
  std::size_t look_ups = 0;
  bool hangs = false;  // in a push that never answers

  [[nodiscard]] sinks::Capabilities capabilities() const override { return can; }
  boost::asio::awaitable<sinks::SinkHealth> check() override {
    sinks::SinkHealth health;
    health.reachable = reachable;
    health.server = reachable ? "fake" : "nobody answers";
    health.capabilities = can;
    health.started_at = server_.started_at;
    co_return health;
  }
  [[nodiscard]] std::optional<std::string> refuse(const sinks::Row& row, engine::Time) const override {
    return fault ? fault(row) : std::nullopt;
  }
  [[nodiscard]] sinks::Lateness lateness(const sinks::Row& row) const override {
    return order != nullptr ? order->lateness(row) : sinks::Lateness::none;
  }
  boost::asio::awaitable<sinks::PushOutcome> push(std::vector<sinks::Row> rows) override {
    pushes.push_back(rows);
    const Fate fate = next_fate(rows);
    const bool applies = fate.verdict == sinks::PushVerdict::accepted ||
                         fate.verdict == sinks::PushVerdict::uncertain || fate.never_answers;
    for (std::size_t i = 0; applies && i < std::min(rows.size(), fate.applied); ++i) {
      server_.take(rows[i]);
    }
    if (fate.never_answers) {
      const auto executor = co_await boost::asio::this_coro::executor;
      boost::asio::steady_timer never{executor, boost::asio::steady_timer::time_point::max()};
      hangs = true;
      co_await never.async_wait(boost::asio::use_awaitable);
    }
    sinks::PushOutcome outcome;
    outcome.verdict = fate.verdict;
    outcome.detail = fate.verdict == sinks::PushVerdict::accepted ? "" : "scripted";
    outcome.retry_after = fate.retry_after;
    outcome.too_old = fate.too_old;
    co_return outcome;
  }
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<sinks::Row> rows) override {
    ++look_ups;
    if (!can_look_up) co_return engine::retry_later("no answer");
    std::vector<bool> held;
    for (const sinks::Row& row : rows) held.push_back(server_.holds(row));
    co_return held;
  }

 private:
  Fate next_fate(const std::vector<sinks::Row>& rows) {
    if (decide) return decide(rows);
    Fate fate;
    if (!fates.empty()) {
      fate = fates.front();
      fates.pop_front();
    }
    return fate;
  }
  FakeServer& server_;
};

/// Everything of one process. Destroying it is a crash; another one on the same directory is the restart.
class Process {
 public:
  Process(const std::string& directory, FakeServer& server, engine::Time now, runner::PumpOptions options)
      : clocks(context.get_executor(), now), sink(server), options_(std::move(options)) {
    auto opened = runner::Store::open({.directory = directory, .bytes_max = 64u << 20});
    EXPECT_TRUE(opened) << opened.error().detail;
    store = std::move(*opened);
  }
  ~Process() {
    pump.reset();
    store.reset();
  }
  Process(const Process&) = delete;

  void start() {
    pump = std::make_unique<runner::Pump>(*store, sink, clocks, metrics, options_);
    const auto loaded = pump->load();
    EXPECT_TRUE(loaded) << loaded.error().detail;
    boost::asio::co_spawn(context, run_pump(), boost::asio::detached);
  }
  /// Runs what is ready; when nothing is, moves the clocks to the next sleeper, but not past `limit`. False
  /// when `done` did not come true.
  bool run_until(const std::function<bool()>& done,
                 std::chrono::milliseconds limit = std::chrono::hours{24}) {
    const runner::SteadyTime end = clocks.steady_now() + limit;
    // While nobody sleeps, the store's thread is at work, or a push that never answers is waited for.
    for (int idle_turns = 0; idle_turns < 1'000;) {
      if (done()) return true;
      if (context.run_one_for(std::chrono::milliseconds{1}) > 0) {
        idle_turns = 0;
        continue;
      }
      if (context.stopped()) context.restart();
      const runner::SteadyTime next = clocks.next_wake();
      if (next == runner::SteadyTime::max()) {
        ++idle_turns;
      } else if (next <= end) {
        clocks.advance(std::chrono::ceil<std::chrono::milliseconds>(next - clocks.steady_now()));
      } else {
        break;
      }
    }
    return done();
  }
  bool run_until_sent() {
    return run_until([this] { return pump->status().rows_waiting == 0; });
  }
  bool run_until_both_lanes_sent() {
    return run_until([this] {
      return pump->status(runner::Lane::live).rows_waiting == 0 &&
             pump->status(runner::Lane::backfill).rows_waiting == 0;
    });
  }
  /// Lets everything happen that needs no time to pass.
  void run_ready() {
    while (context.run_one_for(std::chrono::milliseconds{20}) > 0) {
    }
  }
  [[nodiscard]] std::vector<runner::DeadLetter> dead_letters() const {
    std::vector<runner::DeadLetter> letters;
    store->read().scan(runner::Table::dead_letters, "", "", [&](std::string_view, std::string_view value) {
      const auto letter = runner::decode_dead_letter(value);
      EXPECT_TRUE(letter);
      if (letter) letters.push_back(*letter);
      return true;
    });
    return letters;
  }

  boost::asio::io_context context;
  ManualClocks clocks;
  runner::Metrics metrics;
  FakeSink sink;
  std::unique_ptr<runner::Store> store;
  std::unique_ptr<runner::Pump> pump;
  bool ended = false;

 private:
  boost::asio::awaitable<void> run_pump() {
    co_await pump->run();
    ended = true;
  }
  runner::PumpOptions options_;
};

inline constexpr engine::Time kNow = engine::from_epoch_ms(1'800'000'000'000);

inline runner::PumpOptions pump_options() {
  runner::PumpOptions options;
  options.sink_name = "tsdb";
  options.jitter_seed = 7;
  return options;
}

/// One sample of series m{s="<series>"}, `minute` minutes after kNow.
inline engine::Sample sample(std::uint64_t series, int minute, std::uint64_t value,
                             std::uint32_t revision = 1) {
  engine::Sample one;
  one.series = series;
  one.bucket = kNow - std::chrono::hours{1} + std::chrono::minutes{minute};
  one.value = engine::Value::count(value);
  one.revision = revision;
  one.reason = revision == 1 ? engine::Reason::settled : engine::Reason::correction;
  return one;
}

/// One sample a minute of each of so many series, in the order of time.
inline std::vector<engine::Sample> history(int series, int first_minute, int count) {
  std::vector<engine::Sample> samples;
  for (int minute = first_minute; minute < first_minute + count; ++minute) {
    for (int i = 0; i < series; ++i) samples.push_back(sample(static_cast<std::uint64_t>(i), minute, 5));
  }
  return samples;
}

/// Commits the samples to the ledger with the names of their series, as a tick does, and wakes the pump.
inline void emit(Process& process, std::vector<engine::Sample> samples,
                 std::vector<std::string> sinks = {"tsdb"}, runner::Lane lane = runner::Lane::live) {
  runner::WriteBatch batch;
  for (const engine::Sample& one : samples) {
    batch.put(runner::Table::series, runner::series_key("default", "stream", one.series),
              "m{s=\"" + std::to_string(one.series) + "\"}");
  }
  const std::uint64_t rows = samples.size();
  const bool mine = std::find(sinks.begin(), sinks.end(), "tsdb") != sinks.end();
  runner::LedgerBlock block;
  block.tenant = "default";
  block.job_id = "job";
  block.stream_id = "stream";
  block.policy = "consecutive:3";
  block.sinks = std::move(sinks);
  block.samples = std::move(samples);
  runner::append_to_ledger(batch, block, lane);
  const auto committed = process.store->commit_now(std::move(batch));
  ASSERT_TRUE(committed) << committed.error().detail;
  if (process.pump && mine) process.pump->wake(rows, lane);
}

/// As a chunk of a backfill does.
inline void emit_backfill(Process& process, std::vector<engine::Sample> samples) {
  emit(process, std::move(samples), {"tsdb"}, runner::Lane::backfill);
}

}  // namespace settle::test
