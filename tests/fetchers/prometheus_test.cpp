#include "fetchers/prometheus.hpp"

#include <deque>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <gtest/gtest.h>

#include "net/http_server.hpp"
#include "tests/support/loopback.hpp"

namespace settle::fetchers {
namespace {

namespace asio = boost::asio;
using engine::from_epoch_ms;
using engine::Time;
using engine::Value;
using std::chrono::milliseconds;

constexpr engine::Duration kMinute = std::chrono::minutes{1};
const std::string kEmpty = R"({"status":"success","data":{"resultType":"matrix","result":[]}})";

Time minute(int n) {
  return from_epoch_ms(60'000LL * n);
}

/// Plays the answers in order and remembers the questions.
struct FakePrometheus {
  explicit FakePrometheus(asio::io_context& context)
      : server(
            context.get_executor(), {},
            [this](net::ServerRequest request) { return answer(this, std::move(request)); },
            [](int status, const std::string&) { return net::ServerResponse{.status = status}; }) {
    EXPECT_EQ(server.listen("127.0.0.1:0"), "");
  }
  static asio::awaitable<net::ServerResponse> answer(FakePrometheus* fake, net::ServerRequest request) {
    fake->requests.push_back(std::move(request));
    net::ServerResponse response;
    response.status = 404;
    if (fake->answers.empty()) co_return response;
    response.status = fake->answers.front().first;
    response.body = fake->answers.front().second;
    fake->answers.pop_front();
    co_return response;
  }
  [[nodiscard]] std::string parameter(std::size_t request, const std::string& name) const {
    for (const auto& [key, value] : requests.at(request).query) {
      if (key == name) return value;
    }
    return "(none)";
  }

  std::deque<std::pair<int, std::string>> answers;
  std::vector<net::ServerRequest> requests;
  net::HttpServer server;
};

asio::awaitable<void> fetch_into(Fetcher* fetcher, FetchRequest request, FetchResult* result) {
  *result = co_await fetcher->fetch(std::move(request));
}

class PrometheusTest : public testing::Test {
 protected:
  PrometheusOptions options() {
    PrometheusOptions made;
    made.name = "prom";
    made.endpoint.url = "http://127.0.0.1:" + std::to_string(fake_.server.port()) + "/prefix";
    made.expressions = {{"out", "increase(in{a=\"b\"}[1m])"}, {"other", "1"}};
    return made;
  }
  static FetchRequest request(int from, int to) {
    FetchRequest made;
    made.range = {minute(from), minute(to)};
    made.granularity = kMinute;
    made.selector = *engine::parse_selector("out{zone!=\"c\"}");
    made.now = minute(to);
    return made;
  }
  FetchResult fetch(PrometheusOptions with, FetchRequest asked) {
    FetchResult result;
    auto fetcher = PrometheusFetcher::make(std::move(with), client_);
    EXPECT_TRUE(fetcher) << fetcher.error().detail;
    EXPECT_TRUE(test::run_until_done(context_, fetch_into(fetcher->get(), std::move(asked), &result)));
    return result;
  }
  /// One failure of this kind, and nothing in the answer.
  void expect_failure(const FetchResult& result, FetchFailure failure, const std::string& words) {
    EXPECT_TRUE(result.answer.scopes.empty());
    ASSERT_EQ(result.failures.size(), 1U);
    EXPECT_EQ(result.failures[0].scope, "prom");
    EXPECT_EQ(failure_text(result.failures[0].failure), failure_text(failure)) << result.failures[0].detail;
    EXPECT_NE(result.failures[0].detail.find(words), std::string::npos) << result.failures[0].detail;
    EXPECT_EQ(result.rows_without_value, 0U);
  }

  asio::io_context context_{1};
  net::HttpClient client_{context_.get_executor()};
  FakePrometheus fake_{context_};
};

TEST_F(PrometheusTest, AsksForTheEndsOfTheBucketsAndReadsThem) {
  fake_.answers = {{200, R"({"status":"success","data":{"resultType":"matrix","result":[
      {"metric":{"zone":"a"},"values":[[660,"5"],[720,"NaN"],[780,"0.5"]]},
      {"metric":{"zone":"c"},"values":[[660,"9"]]}]}})"}};
  const FetchResult result = fetch(options(), request(10, 13));
  ASSERT_TRUE(result.failures.empty()) << result.failures[0].detail;
  EXPECT_EQ(fake_.requests.at(0).path, "/prefix/api/v1/query_range");
  EXPECT_EQ(fake_.parameter(0, "query"), "increase(in{a=\"b\"}[1m])");
  EXPECT_EQ(fake_.parameter(0, "start"), "660");
  EXPECT_EQ(fake_.parameter(0, "end"), "780");
  EXPECT_EQ(fake_.parameter(0, "step"), "60");
  ASSERT_EQ(result.answer.scopes.size(), 1U);
  const engine::ScopeAnswer& scope = result.answer.scopes[0];
  EXPECT_EQ(scope.scope, "prom");
  EXPECT_EQ(scope.covered, (engine::TimeRange{minute(10), minute(13)}));
  EXPECT_EQ(scope.completeness, engine::Completeness::complete);
  EXPECT_EQ(scope.frontier, minute(13) - std::chrono::seconds{30});
  ASSERT_EQ(scope.rows.size(), 2U);
  EXPECT_EQ(scope.rows[0].series, "out{zone=\"a\"}");
  EXPECT_EQ(scope.rows[0].bucket, minute(10));
  EXPECT_EQ(scope.rows[0].value, Value::count(5));
  EXPECT_EQ(scope.rows[1].value, Value::number(0.5));
  EXPECT_EQ(result.rows_without_value, 1U);
}

TEST_F(PrometheusTest, DecodesInThePoolWhenThereIsOne) {
  fake_.answers = {
      {200,
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[660,"5"]]}]}})"}};
  asio::thread_pool pool(1);
  PrometheusOptions with = options();
  with.pool = pool.get_executor();
  const FetchResult result = fetch(with, request(10, 11));
  ASSERT_EQ(result.answer.scopes.size(), 1U);
  EXPECT_EQ(result.answer.scopes[0].rows.size(), 1U);
  pool.join();
}

TEST_F(PrometheusTest, SplitsALongRangeIntoSeveralQuestions) {
  const int last = 25'000 * 60;  // the end of the 25,000th bucket, in seconds
  fake_.answers = {
      {200,
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[60,"1"]]}]}})"},
      {200, kEmpty},
      {200, R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[)" +
                std::to_string(last) + R"(,"2"]]}]}})"}};
  const FetchResult result = fetch(options(), request(0, 25'000));
  ASSERT_EQ(fake_.requests.size(), 3U);
  EXPECT_EQ(fake_.parameter(1, "start"), std::to_string(11'001 * 60));
  EXPECT_EQ(fake_.parameter(1, "end"), std::to_string(22'000 * 60));
  ASSERT_EQ(result.answer.scopes.size(), 1U);
  EXPECT_EQ(result.answer.scopes[0].rows.size(), 2U);
}

TEST_F(PrometheusTest, GivesNothingWhenOneOfSeveralQuestionsFails) {
  fake_.answers = {
      {200,
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[60,"NaN"]]}]}})"},
      {503, "away"}};
  expect_failure(fetch(options(), request(0, 25'000)), FetchFailure::status, "503: away");
}

TEST_F(PrometheusTest, PostsALongExpression) {
  fake_.answers = {{200, kEmpty}};
  PrometheusOptions with = options();
  with.expressions["out"] = std::string(5'000, ' ') + "up";
  EXPECT_TRUE(fetch(with, request(10, 11)).failures.empty());
  EXPECT_EQ(fake_.requests.at(0).method, "POST");
  EXPECT_EQ(fake_.requests[0].body.rfind("query=%20", 0), 0U);
  EXPECT_EQ(net::header_value(fake_.requests[0].headers, "content-type"),
            "application/x-www-form-urlencoded");
}

TEST_F(PrometheusTest, FailsTheScopeOnBadAnswers) {
  struct Case {
    int status;
    std::string body;
    FetchFailure failure;
    std::string words;
  };
  const std::vector<Case> cases{
      {422, R"({"status":"error","errorType":"execution","error":"too many samples"})", FetchFailure::status,
       "422: too many samples"},
      {503, "", FetchFailure::status, "503"},
      {302, "", FetchFailure::status, "302"},
      {200, "<html>", FetchFailure::malformed, "not JSON"},
      {200, kEmpty.substr(0, 40), FetchFailure::malformed, "not JSON"},
      {200, R"({"status":"success","warnings":["w1"],"data":{"resultType":"matrix","result":[]}})",
       FetchFailure::partial, "w1"},
      {200, R"({"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}})",
       FetchFailure::partial, "partial"},
      {200,
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[]},{"metric":{},"values":[]}]}})",
       FetchFailure::malformed, "two series"},
      {200,
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[661,"1"]]}]}})",
       FetchFailure::malformed, "not asked for"},
  };
  for (const Case& one : cases) {
    fake_.answers = {{one.status, one.body}};
    expect_failure(fetch(options(), request(10, 13)), one.failure, one.words);
  }
}

TEST_F(PrometheusTest, FailsTheScopeOnBadConnections) {
  test::ScriptedServer silent(context_, {{"", false}});
  test::ScriptedServer cutting(context_, {{"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{\"status\":"}});
  PrometheusOptions with = options();
  with.endpoint.url = "http://127.0.0.1:" + std::to_string(test::unused_port(context_));
  expect_failure(fetch(with, request(10, 13)), FetchFailure::unreachable, with.endpoint.url);
  with.endpoint.url = cutting.url();
  expect_failure(fetch(with, request(10, 13)), FetchFailure::unreachable, cutting.url());
  with.endpoint.url = silent.url();
  with.timeout = milliseconds{500};
  expect_failure(fetch(with, request(10, 13)), FetchFailure::timed_out, "500 ms");
  with = options();
  with.response_bytes_max = 10;
  fake_.answers = {{200, kEmpty}};
  expect_failure(fetch(with, request(10, 13)), FetchFailure::too_large, "10 bytes");
  client_.stop();
  expect_failure(fetch(with, request(10, 13)), FetchFailure::stopped, "stopped");
}

TEST_F(PrometheusTest, AcceptsConfiguredMetricsOnly) {
  const PrometheusFetcher fetcher(options(), client_);
  EXPECT_TRUE(fetcher.accepts(*engine::parse_selector("out{a=\"b\"}"), kMinute));
  const auto refused = fetcher.accepts(*engine::parse_selector("up"), kMinute);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("it has: other, out"), std::string::npos) << refused.error().detail;
}

TEST_F(PrometheusTest, RefusesOptionsThatCannotWork) {
  const auto refused = [&](auto change) {
    PrometheusOptions with = options();
    change(with);
    const auto made = PrometheusFetcher::make(with, client_);
    return made ? std::string{} : made.error().detail;
  };
  EXPECT_EQ(refused([](PrometheusOptions&) {}), "");
  EXPECT_NE(refused([](auto& o) { o.endpoint.url = "ftp://x"; }).find("http://"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.endpoint.url = "http://u:p@x"; }).find("password"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.expressions.clear(); }).find("no metric"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.expressions["a b"] = "up"; }).find("'a b'"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.expressions["a"] = " "; }).find("empty"), std::string::npos);
  EXPECT_NE(refused([](auto& o) { o.lag = engine::Duration{-1}; }).find("lag"), std::string::npos);
}

}  // namespace
}  // namespace settle::fetchers
