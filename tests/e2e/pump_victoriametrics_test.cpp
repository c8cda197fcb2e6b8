// The pump against a real VictoriaMetrics without dedup, where every second value would show in the raw
// export.
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "sinks/victoriametrics/victoriametrics.hpp"
#include "sinks/victoriametrics/victoriametrics_export.hpp"
#include "tests/e2e/pump_process.hpp"
#include "tests/runner/store/store_directory.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_process.hpp"

namespace settle::runner {
namespace {

using std::chrono::milliseconds;

constexpr int kSeries = 400;
constexpr int kMinutes = 20;

engine::Time now() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

class PumpE2e : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = test::start_victoria_metrics(context_);
    ASSERT_TRUE(server_);
    start_ = engine::floor_to(now(), std::chrono::minutes{1}) - std::chrono::minutes{kMinutes};
  }
  std::unique_ptr<PumpProcess> make_process() {
    PumpOptions options;
    options.backoff_max = milliseconds{500};
    const auto make_sink = [this](net::HttpClient& client) {
      sinks::VictoriaMetricsOptions to;
      to.name = "tsdb";
      to.endpoint.url = server_->url();
      to.timeout = std::chrono::seconds{5};
      to.batch_rows_max = 500;
      return std::make_unique<sinks::VictoriaMetrics>(client, to);
    };
    return std::make_unique<PumpProcess>(directory_.path(), make_sink, options);
  }
  void emit(PumpProcess& process, int minute) const {
    std::vector<Point> points;
    for (int i = 0; i < kSeries; ++i) {
      const std::uint64_t whole = static_cast<unsigned>(i) + 1'000'000u * static_cast<unsigned>(minute);
      // Whole numbers and fractions, so that both comparisons are used.
      points.push_back({.series = "m{s=\"" + std::to_string(i) + "\"}",
                        .timestamp = start_ + std::chrono::minutes{minute},
                        .value = i % 2 == 0 ? engine::Value::count(whole)
                                            : engine::Value::number(0.123456789 * i + minute)});
    }
    process.emit(points);
  }
  sinks::Exported raw_export() {
    boost::asio::io_context context;
    net::HttpClient client{context.get_executor()};
    net::ClientResult result;
    for (const char* path : {"/internal/force_flush", "/api/v1/export?match%5B%5D=m&reduce_mem_usage=1"}) {
      net::ClientRequest request;
      request.endpoint.url = server_->url();
      request.path = path;
      result = test::result_of(context, client.send(std::move(request)));
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

  boost::asio::io_context context_;
  std::unique_ptr<test::ServerProcess> server_;
  engine::Time start_;
  StoreDirectory directory_;
};

TEST_F(PumpE2e, DeliversEachValueOnceAlthoughThePumpDiesAgainAndAgain) {
  auto process = make_process();
  for (int minute = 0; minute < kMinutes; ++minute) {
    emit(*process, minute);
    if (minute % 4 == 3) {
      // Somewhere between the first request and its acknowledgement.
      process->run_steps(10 + 13 * minute, milliseconds{5});
      process.reset();
      process = make_process();
    }
  }
  ASSERT_TRUE(process->run_until_sent()) << process->pump->status().last_error;
  expect_each_once(kMinutes);
}

TEST_F(PumpE2e, DeliversEachValueOnceAlthoughTheServerIsKilledAndForgetsWhatItAcknowledged) {
  const auto process = make_process();
  for (int minute = 0; minute < kMinutes / 2; ++minute) emit(*process, minute);
  ASSERT_TRUE(process->run_until_sent()) << process->pump->status().last_error;
  // Its start is reported in whole seconds: a restart within the same second would not show.
  const engine::Time acknowledged = now();
  ASSERT_TRUE(process->run_until([&] { return now() - acknowledged > milliseconds{1'100}; }));
  server_->kill();
  for (int minute = kMinutes / 2; minute < kMinutes; ++minute) emit(*process, minute);
  ASSERT_TRUE(server_->restart(context_));
  const auto all_sent = [&] {
    const PumpStatus status = process->pump->status();
    return status.rows_resent > 0 && status.rows_waiting == 0;
  };
  ASSERT_TRUE(process->run_until(all_sent)) << process->pump->status().last_error;
  expect_each_once(kMinutes);
}

}  // namespace
}  // namespace settle::runner
