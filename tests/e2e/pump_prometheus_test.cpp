// The pump with the remote_write sink against a real Prometheus, which keeps the first value of a series at a
// timestamp and takes samples in order.
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "runner/dead_letter.hpp"
#include "runner/keys.hpp"
#include "runner/ledger.hpp"
#include "runner/metrics.hpp"
#include "runner/pump.hpp"
#include "runner/real_clocks.hpp"
#include "sinks/remote_write.hpp"
#include "tests/runner/store_directory.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_process.hpp"

namespace settle::runner {
namespace {

namespace asio = boost::asio;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr int kSeries = 60;
constexpr int kMinutes = 12;

/// What one process of ours holds; destroying it is kill -9, but for the pages that the kernel has.
struct Process {
  Process(const std::string& directory, const std::string& url) {
    auto opened = Store::open({.directory = directory, .bytes_max = 256u << 20});
    EXPECT_TRUE(opened) << opened.error().detail;
    store = std::move(*opened);
    sinks::RemoteWriteOptions to;
    to.name = "tsdb";
    to.endpoint.url = url + "/api/v1/write";
    to.timeout = std::chrono::seconds{5};
    to.batch_rows_max = 100;
    sink = std::make_unique<sinks::RemoteWrite>(client, to);
    PumpOptions options;
    options.sink_name = "tsdb";
    options.backoff_max = milliseconds{200};
    options.uncertain_wait = milliseconds{50};
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
  bool run_until_sent() {
    return run_until([this] { return pump->status().rows_waiting == 0; });
  }

  asio::io_context context;
  net::HttpClient client{context.get_executor()};
  RealClocks clocks{context.get_executor(), {}};
  Metrics metrics;
  std::unique_ptr<Store> store;
  std::unique_ptr<sinks::RemoteWrite> sink;
  std::unique_ptr<Pump> pump;
};

asio::awaitable<void> stored_into(sinks::Sink* sink, std::vector<std::string> series,
                                  engine::TimeRange timestamps,
                                  engine::Result<std::vector<sinks::StoredSample>>* stored) {
  *stored = co_await sink->stored(std::move(series), timestamps);
}

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
  /// One sample of each series; those of `late` one hour and more behind everything.
  void emit(Process& process, int minute, const std::set<int>& late = {}) {
    WriteBatch batch;
    LedgerBlock block;
    block.tenant = "default";
    block.job_id = "job";
    block.stream_id = "stream";
    block.sinks = {"tsdb"};
    for (int i = 0; i < kSeries; ++i) {
      const auto number = static_cast<std::uint64_t>(i);
      batch.put(Table::series, series_key("default", "stream", number), series_of(i));
      engine::Sample sample;
      sample.series = number;
      sample.bucket = start_ + minutes{minute} - (late.contains(i) ? minutes{600} : minutes{0});
      sample.value = engine::Value::count(value_of(i, minute));
      sample.revision = 1;
      block.samples.push_back(sample);
    }
    append_to_ledger(batch, std::move(block));
    ASSERT_TRUE(process.store->commit_now(std::move(batch)));
    process.pump->wake(kSeries);
  }
  /// (series, minute) -> value, as the server has them.
  std::map<std::pair<std::string, int>, std::uint64_t> kept(Process& process) {
    std::vector<std::string> series;
    for (int i = 0; i < kSeries; ++i) series.push_back(series_of(i));
    engine::Result<std::vector<sinks::StoredSample>> found;
    const engine::TimeRange range{start_ - minutes{700}, start_ + minutes{kMinutes}};
    EXPECT_TRUE(
        test::run_until_done(process.context, stored_into(process.sink.get(), series, range, &found)));
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

  asio::io_context context_;
  std::unique_ptr<test::ServerProcess> server_;
  engine::Time start_;
  StoreDirectory directory_;
};

TEST_F(PumpToPrometheus, DeliversEverythingAlthoughBothSidesDieAndBuriesNothing) {
  auto process = std::make_unique<Process>(directory_.path(), server_->url());
  for (int minute = 0; minute < kMinutes; ++minute) {
    emit(*process, minute);
    if (minute % 4 == 1) {
      // Somewhere between the first request and its acknowledgement.
      for (int step = 0; step < 5 + 7 * minute; ++step) process->context.run_one_for(milliseconds{2});
      process.reset();
      process = std::make_unique<Process>(directory_.path(), server_->url());
    }
    if (minute == kMinutes / 2) {
      server_->kill();
      for (int step = 0; step < 20; ++step) process->context.run_one_for(milliseconds{2});
      ASSERT_TRUE(server_->restart(context_));
    }
  }
  ASSERT_TRUE(process->run_until_sent()) << process->pump->status().last_error;
  EXPECT_EQ(process->pump->status().rows_dead, 0u) << process->pump->status().last_error;
  EXPECT_EQ(kept(*process), expected(kMinutes));
}

TEST_F(PumpToPrometheus, BuriesTheRowsThatAreOutOfBoundsAndDeliversTheOthers) {
  Process process{directory_.path(), server_->url()};
  emit(process, 0);
  emit(process, 1, {7, 20, 21, 59});
  ASSERT_TRUE(process.run_until_sent()) << process.pump->status().last_error;
  EXPECT_EQ(process.pump->status().rows_dead, 4u);
  auto wanted = expected(2);
  for (const int late : {7, 20, 21, 59}) wanted.erase({series_of(late), 1});
  EXPECT_EQ(kept(process), wanted);
  std::set<std::string> buried;
  process.store->read().scan(Table::dead_letters, "", "", [&](std::string_view, std::string_view bytes) {
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
