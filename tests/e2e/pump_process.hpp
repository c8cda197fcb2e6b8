// tests/e2e/pump_process.hpp: a store and a pump that may die at any moment, for tests against real servers.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "runner/metrics.hpp"
#include "runner/push/pump.hpp"
#include "runner/real_clocks.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"

namespace settle::runner {

struct Point {
  std::string series;
  engine::Time timestamp;
  engine::Value value;
};

/// What one process of ours holds; destroying it is kill -9, but for the pages that the kernel has. Its sink
/// is called `tsdb`.
struct PumpProcess {
  using MakeSink = std::function<std::unique_ptr<sinks::Sink>(net::HttpClient&)>;

  PumpProcess(const std::string& directory, const MakeSink& make_sink, PumpOptions options) {
    auto opened = Store::open({.directory = directory, .bytes_max = 256u << 20});
    EXPECT_TRUE(opened) << opened.error().detail;
    store = std::move(*opened);
    sink = make_sink(client);
    options.sink_name = "tsdb";
    options.check_interval = std::chrono::milliseconds{500};
    pump = std::make_unique<Pump>(*store, *sink, clocks, metrics, options);
    const auto loaded = pump->load();
    EXPECT_TRUE(loaded) << loaded.error().detail;
    boost::asio::co_spawn(context, pump->run(), boost::asio::detached);
  }
  ~PumpProcess() {
    pump.reset();
    store.reset();
  }
  PumpProcess(const PumpProcess&) = delete;

  /// In one commit, as a tick of a job with one series for each of the points.
  void emit(const std::vector<Point>& points) {
    WriteBatch batch;
    LedgerBlock block;
    block.tenant = "default";
    block.job_id = "job";
    block.stream_id = "stream";
    block.sinks = {"tsdb"};
    for (const Point& point : points) {
      engine::Sample sample;
      sample.series = block.samples.size();
      sample.bucket = point.timestamp;
      sample.value = point.value;
      sample.revision = 1;
      batch.put(Table::series, series_key("default", "stream", sample.series), point.series);
      block.samples.push_back(sample);
    }
    append_to_ledger(batch, block);
    ASSERT_TRUE(store->commit_now(std::move(batch)));
    pump->wake(points.size());
  }
  void run_steps(int steps, std::chrono::milliseconds step) {
    for (int i = 0; i < steps; ++i) context.run_one_for(step);
  }
  template <class Done>
  bool run_until(const Done& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    while (!done() && std::chrono::steady_clock::now() < end) run_steps(1, std::chrono::milliseconds{20});
    return done();
  }
  bool run_until_sent() {
    return run_until([this] { return pump->status().rows_waiting == 0; });
  }

  boost::asio::io_context context;
  net::HttpClient client{context.get_executor()};
  RealClocks clocks{context.get_executor(), {}};
  Metrics metrics;
  std::unique_ptr<Store> store;
  std::unique_ptr<sinks::Sink> sink;
  std::unique_ptr<Pump> pump;
};

}  // namespace settle::runner
