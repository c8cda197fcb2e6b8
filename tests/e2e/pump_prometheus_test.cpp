// The pump with the remote_write sink against a real Prometheus, which keeps the first value of a series at a
// timestamp and takes samples in order.
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "runner/store/dead_letter.hpp"
#include "sinks/remote_write/remote_write.hpp"
#include "tests/e2e/pump_process.hpp"
#include "tests/runner/store/store_directory.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_process.hpp"

namespace settle::runner {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr int kSeries = 60;
constexpr int kMinutes = 12;

class PumpToPrometheus : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = test::start_prometheus(context_);
    ASSERT_TRUE(server_);
    const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    start_ = engine::floor_to(now, minutes{1}) - minutes{kMinutes + 10};
  }
  static std::string series_of(int i) { return "m{s=\"" + std::to_string(i) + "\"}"; }
  static std::uint64_t value_of(int i, int minute) {
    return static_cast<std::uint64_t>(i) + 1'000u * static_cast<std::uint64_t>(minute);
  }
  std::unique_ptr<PumpProcess> make_process() {
    PumpOptions options;
    options.backoff_max = milliseconds{200};
    options.uncertain_wait = milliseconds{50};
    const auto make_sink = [this](net::HttpClient& client) {
      sinks::RemoteWriteOptions to;
      to.name = "tsdb";
      to.endpoint.url = server_->url() + "/api/v1/write";
      to.timeout = std::chrono::seconds{5};
      to.batch_rows_max = 100;
      return std::make_unique<sinks::RemoteWrite>(client, to);
    };
    return std::make_unique<PumpProcess>(directory_.path(), make_sink, options);
  }
  /// One sample of each series; those of `late` ten hours earlier.
  void emit(PumpProcess& process, int minute, const std::set<int>& late = {}) const {
    std::vector<Point> points;
    for (int i = 0; i < kSeries; ++i) {
      points.push_back(
          {.series = series_of(i),
           .timestamp = start_ + minutes{minute} - (late.contains(i) ? minutes{600} : minutes{0}),
           .value = engine::Value::count(value_of(i, minute))});
    }
    process.emit(points);
  }
  /// (series, minute) -> value, as the server has them.
  std::map<std::pair<std::string, int>, std::uint64_t> kept(PumpProcess& process) {
    std::vector<std::string> series;
    for (int i = 0; i < kSeries; ++i) series.push_back(series_of(i));
    const engine::TimeRange range{start_ - minutes{700}, start_ + minutes{kMinutes}};
    const auto found = test::result_of(process.context, process.sink->stored(std::move(series), range));
    EXPECT_TRUE(found) << found.error().detail;
    std::map<std::pair<std::string, int>, std::uint64_t> values;
    if (!found) return values;
    for (const sinks::StoredSample& one : *found) {
      const auto minute = static_cast<int>((one.timestamp - start_) / minutes{1});
      values[{one.series, minute}] = one.value.as_count();
    }
    return values;
  }
  static std::map<std::pair<std::string, int>, std::uint64_t> expected(int minutes_sent) {
    std::map<std::pair<std::string, int>, std::uint64_t> values;
    for (int minute = 0; minute < minutes_sent; ++minute) {
      for (int i = 0; i < kSeries; ++i) values[{series_of(i), minute}] = value_of(i, minute);
    }
    return values;
  }

  boost::asio::io_context context_;
  std::unique_ptr<test::ServerProcess> server_;
  engine::Time start_;
  StoreDirectory directory_;
};

TEST_F(PumpToPrometheus, DeliversEverythingAlthoughBothSidesDieAndBuriesNothing) {
  auto process = make_process();
  for (int minute = 0; minute < kMinutes; ++minute) {
    emit(*process, minute);
    if (minute % 4 == 1) {
      // Somewhere between the first request and its acknowledgement.
      process->run_steps(5 + 7 * minute, milliseconds{2});
      process.reset();
      process = make_process();
    }
    if (minute == kMinutes / 2) {
      server_->kill();
      process->run_steps(20, milliseconds{2});
      ASSERT_TRUE(server_->restart(context_));
    }
  }
  ASSERT_TRUE(process->run_until_sent()) << process->pump->status().last_error;
  EXPECT_EQ(process->pump->status().rows_dead, 0u) << process->pump->status().last_error;
  EXPECT_EQ(kept(*process), expected(kMinutes));
}

TEST_F(PumpToPrometheus, BuriesTheRowsThatAreOutOfBoundsAndDeliversTheOthers) {
  const auto process = make_process();
  emit(*process, 0);
  emit(*process, 1, {7, 20, 21, 59});
  ASSERT_TRUE(process->run_until_sent()) << process->pump->status().last_error;
  EXPECT_EQ(process->pump->status().rows_dead, 4u);
  auto wanted = expected(2);
  for (const int late : {7, 20, 21, 59}) wanted.erase({series_of(late), 1});
  EXPECT_EQ(kept(*process), wanted);
  std::set<std::string> buried;
  process->store->read().scan(Table::dead_letters, "", "", [&](std::string_view, std::string_view bytes) {
    const auto letter = decode_dead_letter(bytes);
    EXPECT_TRUE(letter);
    EXPECT_NE(letter->reason.find("out of"), std::string::npos) << letter->reason;
    buried.insert(letter->series);
    return true;
  });
  EXPECT_EQ(buried, (std::set<std::string>{series_of(7), series_of(20), series_of(21), series_of(59)}));
}

}  // namespace
}  // namespace settle::runner
