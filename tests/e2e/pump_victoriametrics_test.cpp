// The pump against a real VictoriaMetrics without dedup, where every second value would show in the raw
// export.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "runner/keys.hpp"
#include "runner/ledger.hpp"
#include "runner/metrics.hpp"
#include "runner/pump.hpp"
#include "runner/real_clocks.hpp"
#include "sinks/victoriametrics.hpp"
#include "sinks/victoriametrics_export.hpp"
#include "tests/runner/store_directory.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_process.hpp"

namespace settle::runner {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;

constexpr int kSeries = 400;
constexpr int kMinutes = 20;

engine::Time now() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

asio::awaitable<void> send_into(net::HttpClient* client, net::ClientRequest request,
                                net::ClientResult* result) {
  *result = co_await client->send(std::move(request));
}

/// What one process of ours holds; destroying it is kill -9, but for the pages that the kernel has.
struct Process {
  Process(const std::string& directory, const std::string& url) {
    auto opened = Store::open({.directory = directory, .bytes_max = 256u << 20});
    EXPECT_TRUE(opened) << opened.error().detail;
    store = std::move(*opened);
    sinks::VictoriaMetricsOptions to;
    to.name = "tsdb";
    to.endpoint.url = url;
    to.timeout = std::chrono::seconds{5};
    to.batch_rows_max = 500;
    sink = std::make_unique<sinks::VictoriaMetrics>(client, to);
    PumpOptions options;
    options.sink_name = "tsdb";
    options.backoff_max = milliseconds{500};
    options.check_interval = milliseconds{500};
    pump = std::make_unique<Pump>(*store, *sink, clocks, metrics, options);
    const auto loaded = pump->load();
    EXPECT_TRUE(loaded) << loaded.error().detail;
    asio::co_spawn(context, pump->run(), asio::detached);
  }
  ~Process() {
    pump.reset();
    store.reset();
  }
  Process(const Process&) = delete;

  template <class Done>
  bool run_until(const Done& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!done() && std::chrono::steady_clock::now() < end) context.run_one_for(milliseconds{20});
    return done();
  }

  asio::io_context context;
  net::HttpClient client{context.get_executor()};
  RealClocks clocks{context.get_executor(), {}};
  Metrics metrics;
  std::unique_ptr<Store> store;
  std::unique_ptr<sinks::VictoriaMetrics> sink;
  std::unique_ptr<Pump> pump;
};

class PumpE2e : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = test::start_victoria_metrics(context_);
    ASSERT_TRUE(server_);
    start_ = engine::floor_to(now(), std::chrono::minutes{1}) - std::chrono::minutes{kMinutes};
  }
  void emit(Process& process, int minute) {
    WriteBatch batch;
    LedgerBlock block;
    block.tenant = "default";
    block.job_id = "job";
    block.stream_id = "stream";
    block.sinks = {"tsdb"};
    for (int i = 0; i < kSeries; ++i) {
      const auto number = static_cast<std::uint64_t>(i);
      batch.put(Table::series, series_key("default", "stream", number), "m{s=\"" + std::to_string(i) + "\"}");
      engine::Sample sample;
      sample.series = number;
      sample.bucket = start_ + std::chrono::minutes{minute};
      // Whole numbers and fractions, so that both comparisons are used.
      sample.value = i % 2 == 0 ? engine::Value::count(number + 1'000'000u * static_cast<unsigned>(minute))
                                : engine::Value::number(0.123456789 * i + minute);
      sample.revision = 1;
      block.samples.push_back(sample);
    }
    append_to_ledger(batch, std::move(block));
    ASSERT_TRUE(process.store->commit_now(std::move(batch)));
    process.pump->wake(kSeries);
  }
  sinks::Exported raw_export() {
    asio::io_context context;
    net::HttpClient client{context.get_executor()};
    net::ClientResult result;
    for (const char* path : {"/internal/force_flush", "/api/v1/export?match%5B%5D=m&reduce_mem_usage=1"}) {
      net::ClientRequest request;
      request.endpoint.url = server_->url();
      request.path = path;
      EXPECT_TRUE(test::run_until_done(context, send_into(&client, std::move(request), &result)));
      EXPECT_EQ(result.status, 200) << result.body;
    }
    auto exported = sinks::parse_export(result.body);
    EXPECT_TRUE(exported);
    return *exported;
  }
  /// Exactly one raw value for each (series, timestamp).
  void expect_each_once(int minutes) {
    const sinks::Exported exported = raw_export();
    EXPECT_EQ(exported.size(), static_cast<std::size_t>(kSeries));
    std::size_t wrong = 0;
    for (const auto& [series, samples] : exported) {
      std::map<std::int64_t, int> times;
      for (const auto& [ms, value] : samples) ++times[ms];
      wrong += times.size() == static_cast<std::size_t>(minutes) && samples.size() == times.size() ? 0 : 1;
    }
    EXPECT_EQ(wrong, 0u) << "series with lost or doubled values";
  }

  asio::io_context context_;
  std::unique_ptr<test::ServerProcess> server_;
  engine::Time start_;
  StoreDirectory directory_;
};

TEST_F(PumpE2e, DeliversEachValueOnceAlthoughThePumpDiesAgainAndAgain) {
  auto process = std::make_unique<Process>(directory_.path(), server_->url());
  for (int minute = 0; minute < kMinutes; ++minute) {
    emit(*process, minute);
    if (minute % 4 == 3) {
      // Somewhere between the first request and its acknowledgement.
      for (int step = 0; step < 10 + 13 * minute; ++step) process->context.run_one_for(milliseconds{5});
      process.reset();
      process = std::make_unique<Process>(directory_.path(), server_->url());
    }
  }
  ASSERT_TRUE(process->run_until([&] { return process->pump->status().rows_waiting == 0; }))
      << process->pump->status().last_error;
  expect_each_once(kMinutes);
}

TEST_F(PumpE2e, DeliversEachValueOnceAlthoughTheServerIsKilledAndForgetsWhatItAcknowledged) {
  Process process{directory_.path(), server_->url()};
  for (int minute = 0; minute < kMinutes / 2; ++minute) emit(process, minute);
  ASSERT_TRUE(process.run_until([&] { return process.pump->status().rows_waiting == 0; }))
      << process.pump->status().last_error;
  // Its start is reported in whole seconds: a restart within the same second would not show.
  const engine::Time acknowledged = now();
  ASSERT_TRUE(process.run_until([&] { return now() - acknowledged > milliseconds{1'100}; }));
  server_->kill();
  for (int minute = kMinutes / 2; minute < kMinutes; ++minute) emit(process, minute);
  ASSERT_TRUE(server_->restart(context_));
  const auto all_sent = [&] {
    const PumpStatus status = process.pump->status();
    return status.rows_resent > 0 && status.rows_waiting == 0;
  };
  ASSERT_TRUE(process.run_until(all_sent)) << process.pump->status().last_error;
  expect_each_once(kMinutes);
}

}  // namespace
}  // namespace settle::runner
