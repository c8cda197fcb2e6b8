// The prometheus source against a real VictoriaMetrics and a real Prometheus.
#include <chrono>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "fetchers/prometheus.hpp"
#include "sinks/remote_write/remote_write_body.hpp"
#include "tests/support/loopback.hpp"
#include "tests/support/server_process.hpp"

namespace settle::fetchers {
namespace {

namespace asio = boost::asio;
using engine::Duration;
using engine::Time;
using engine::Value;
using std::chrono::seconds;

asio::awaitable<void> send_into(net::HttpClient* client, net::ClientRequest request,
                                net::ClientResult* result) {
  *result = co_await client->send(std::move(request));
}

asio::awaitable<void> fetch_into(Fetcher* fetcher, FetchRequest request, FetchResult* result) {
  *result = co_await fetcher->fetch(std::move(request));
}

class PrometheusE2e : public testing::Test {
 protected:
  void SetUp() override {
    server_ = test::start_victoria_metrics(context_);
    if (!server_) GTEST_FAIL() << "no server";
  }
  void import(const std::string& zone, Time at, int value) {
    net::ClientRequest request;
    request.method = "POST";
    request.endpoint.url = server_->url();
    request.path = "/api/v1/import/prometheus";
    request.body =
        "in{zone=\"" + zone + "\"} " + std::to_string(value) + " " + std::to_string(engine::epoch_ms(at));
    send(request, 204);
  }
  void flush() {
    net::ClientRequest request;
    request.endpoint.url = server_->url();
    request.path = "/internal/force_flush";
    send(request, 200);
  }
  /// Into a Prometheus.
  void write(std::vector<sinks::Row> rows) {
    net::ClientRequest request;
    request.method = "POST";
    request.endpoint.url = server_->url();
    request.path = "/api/v1/write";
    request.headers = {{"Content-Type", "application/x-protobuf"}, {"Content-Encoding", "snappy"}};
    request.body = sinks::compress_snappy(sinks::encode_write_request(rows));
    send(request, 204);
  }
  FetchResult fetch(const std::string& expression, engine::TimeRange range, Duration granularity) {
    PrometheusOptions options;
    options.name = "vm";
    options.endpoint.url = server_->url();
    options.expressions = {{"out", expression}};
    PrometheusFetcher fetcher(options, client_);
    FetchRequest request;
    request.range = range;
    request.granularity = granularity;
    request.selector = *engine::parse_selector("out");
    request.now = range.to;
    FetchResult result;
    EXPECT_TRUE(test::run_until_done(context_, fetch_into(&fetcher, request, &result)));
    for (const auto& failure : result.failures) seen_ += failure.detail;
    return result;
  }
  void send(net::ClientRequest request, int expected) {
    net::ClientResult result;
    EXPECT_TRUE(test::run_until_done(context_, send_into(&client_, std::move(request), &result)));
    EXPECT_EQ(result.status, expected) << result.detail << result.body;
  }

  asio::io_context context_{1};
  net::HttpClient client_{context_.get_executor()};
  std::unique_ptr<test::ServerProcess> server_;
  std::string seen_;
};

Time wall_second() {
  return std::chrono::floor<seconds>(std::chrono::system_clock::now());
}

TEST_F(PrometheusE2e, GivesABucketTheSamplesThatEndWithIt) {
  constexpr Duration kMinute = std::chrono::minutes{1};
  const Time start = engine::floor_to(wall_second(), kMinute) - 60 * kMinute;
  for (int i = 0; i < 8; ++i) import("a", start + (i + 1) * seconds{15}, 1 << i);
  import("b", start + seconds{30}, 7);
  flush();
  const engine::TimeRange range{start, start + 2 * kMinute};
  FetchResult result = fetch("sum_over_time(in[1m])", range, kMinute);
  ASSERT_EQ(result.answer.scopes.size(), 1U) << seen_;
  const auto& rows = result.answer.scopes[0].rows;
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[0].series, "out{zone=\"a\"}");
  EXPECT_EQ(rows[0].bucket, start);
  EXPECT_EQ(rows[0].value, Value::count(1 + 2 + 4 + 8));  // the sample at the bucket's end is in it
  EXPECT_EQ(rows[1].value, Value::count(16 + 32 + 64 + 128));
  EXPECT_EQ(rows[2].series, "out{zone=\"b\"}");
  EXPECT_EQ(rows[2].value, Value::count(7));
  // Late data is seen at the next poll: nothing of the answer came from a cache.
  import("a", start + seconds{20}, 1'000);
  flush();
  const FetchResult later = fetch("sum_over_time(in[1m])", range, kMinute);
  ASSERT_EQ(later.answer.scopes.size(), 1U) << seen_;
  EXPECT_EQ(later.answer.scopes[0].rows.at(0).value, Value::count(1'015));
}

// This server repeats the last older value for every evaluation in its newest 30 seconds
// (-search.latencyOffset), so that what lies past the frontier may be made up. What lies before it must not
// be.
TEST_F(PrometheusE2e, ReadsWhatEndsBeforeTheFrontierAsItIs) {
  const Time now = wall_second();
  for (int i = 0; i < 60; ++i) import("a", now - i * seconds{1}, 100 + i);
  flush();
  const FetchResult result = fetch("sum_over_time(in[1s])", {now - seconds{60}, now}, seconds{1});
  ASSERT_EQ(result.answer.scopes.size(), 1U) << seen_;
  const engine::ScopeAnswer& scope = result.answer.scopes[0];
  ASSERT_EQ(scope.rows.size(), 60U);
  ASSERT_EQ(scope.frontier, now - seconds{30});
  for (int i = 30; i < 60; ++i) {
    const auto& row = scope.rows[static_cast<std::size_t>(59 - i)];
    EXPECT_EQ(row.bucket + seconds{1}, now - i * seconds{1});
    EXPECT_EQ(row.value, Value::count(static_cast<std::uint64_t>(100 + i)));
  }
}

TEST_F(PrometheusE2e, ReportsAnExpressionThatTheServerRefuses) {
  const Time now = wall_second();
  const FetchResult result = fetch("sum(((", {now - seconds{10}, now}, seconds{1});
  EXPECT_TRUE(result.answer.scopes.empty());
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].failure, FetchFailure::status) << result.failures[0].detail;
}

class RealPrometheusE2e : public PrometheusE2e {
 protected:
  void SetUp() override {
    server_ = test::start_prometheus(context_);
    if (!server_) GTEST_FAIL() << "no server";
  }
  /// 1, 2, 4, … at `offsets` from start_.
  void write_at(const std::vector<seconds>& offsets) {
    std::vector<sinks::Row> rows;
    for (std::size_t i = 0; i < offsets.size(); ++i) {
      sinks::Row row;
      row.series = "in{zone=\"a\"}";
      row.timestamp = start_ + offsets[i];
      row.value = Value::count(1ull << i);
      rows.push_back(row);
    }
    write(std::move(rows));
  }
  /// The values of the two buckets that begin with start_; ~0: there is none.
  std::vector<std::uint64_t> buckets(const std::string& expression) {
    const FetchResult result = fetch(expression, {start_, start_ + 2 * kMinute}, kMinute);
    EXPECT_EQ(result.answer.scopes.size(), 1U) << seen_;
    std::vector<std::uint64_t> values(2, ~0ull);
    for (const auto& scope : result.answer.scopes) {
      for (const auto& row : scope.rows) {
        EXPECT_EQ(row.series, "out{zone=\"a\"}");
        values.at(static_cast<std::size_t>((row.bucket - start_) / kMinute)) = row.value.as_count();
      }
    }
    return values;
  }
  static constexpr Duration kMinute = std::chrono::minutes{1};
  Time start_ = engine::floor_to(wall_second(), kMinute) - 20 * kMinute;
};

TEST_F(RealPrometheusE2e, GivesABucketTheSamplesInside) {
  write_at({seconds{15}, seconds{30}, seconds{45}, seconds{61}, seconds{119}});
  EXPECT_EQ(buckets("sum_over_time(in[1m])"), (std::vector<std::uint64_t>{1 + 2 + 4, 8 + 16}));
  write_at({seconds{180}});  // another answer, nothing cached
  EXPECT_EQ(buckets("sum_over_time(in[1m])"), (std::vector<std::uint64_t>{1 + 2 + 4, 8 + 16}));
  EXPECT_EQ(buckets("sum_over_time(in[1m] offset 10m)"), (std::vector<std::uint64_t>{~0ull, ~0ull}));
}

// Up to version 2 a range holds both its ends, so that a sample on the edge is in two buckets;
// docs/configuration.md says how to write an expression that it is in one of.
TEST_F(RealPrometheusE2e, CountsASampleOnTheEdgeTwiceUnlessTheExpressionSaysWhichSideItIsOn) {
  write_at({seconds{0}, seconds{30}, seconds{60}, seconds{90}, seconds{120}});
  EXPECT_EQ(buckets("sum_over_time(in[1m])"), (std::vector<std::uint64_t>{1 + 2 + 4, 4 + 8 + 16}));
  // (b, b + g]
  EXPECT_EQ(buckets("sum_over_time(in[59999ms])"), (std::vector<std::uint64_t>{2 + 4, 8 + 16}));
  // [b, b + g)
  EXPECT_EQ(buckets("sum_over_time(in[59999ms] offset 1ms)"), (std::vector<std::uint64_t>{1 + 2, 4 + 8}));
}

TEST_F(RealPrometheusE2e, LeavesOutASeriesThatEndedWithAStaleMarker) {
  sinks::Row row;
  row.series = "in{zone=\"a\"}";
  row.timestamp = start_ + seconds{30};
  row.value = Value::count(5);
  sinks::Row marker = row;
  marker.timestamp = start_ + seconds{90};
  marker.reason = engine::Reason::stale;
  write({row, marker});
  EXPECT_EQ(buckets("in"), (std::vector<std::uint64_t>{5, ~0ull}));
}

TEST_F(RealPrometheusE2e, ReportsAnExpressionThatTheServerRefuses) {
  const FetchResult result = fetch("sum(((", {start_, start_ + kMinute}, kMinute);
  EXPECT_TRUE(result.answer.scopes.empty());
  ASSERT_EQ(result.failures.size(), 1U);
  EXPECT_EQ(result.failures[0].failure, FetchFailure::status) << result.failures[0].detail;
}

}  // namespace
}  // namespace settle::fetchers
