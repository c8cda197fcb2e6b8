#include "fetchers/prometheus_matrix.hpp"

#include <gtest/gtest.h>

namespace settle::fetchers {
namespace {

using engine::from_epoch_ms;
using engine::Time;
using engine::TimeRange;
using engine::Value;

constexpr engine::Duration kMinute = std::chrono::minutes{1};

Time minute(int n) {
  return from_epoch_ms(60'000LL * n);
}

/// Buckets 10 to 13, evaluated at minutes 11 to 14 (660 s to 840 s).
MatrixQuestion question(const std::string& selector = "out") {
  MatrixQuestion asked;
  asked.range = {minute(10), minute(14)};
  asked.granularity = kMinute;
  asked.selector = *engine::parse_selector(selector);
  return asked;
}

std::string matrix_of(const std::string& series) {
  return R"({"status": "success", "data": {"resultType": "matrix", "result": [)" + series + "]}}";
}

TEST(PrometheusMatrix, TurnsEvaluationsIntoBucketsOfTheMetric) {
  const Matrix matrix = decode_matrix(
      matrix_of(R"({"metric": {"__name__": "in", "zone": "b"}, "values": [[660, "1"], [840.000, "2.5"]]},
                   {"metric": {"zone": "a"}, "values": [[720, "18446744073709551615"], [780, "+Inf"]]})"),
      question());
  ASSERT_FALSE(matrix.failed) << matrix.detail;
  EXPECT_EQ(matrix.series, (std::vector<std::string>{"out{zone=\"b\"}", "out{zone=\"a\"}"}));
  ASSERT_EQ(matrix.rows.size(), 4U);
  EXPECT_EQ(matrix.rows[0].bucket, minute(10));
  EXPECT_EQ(matrix.rows[0].value, Value::count(1));
  EXPECT_EQ(matrix.rows[1].bucket, minute(13));
  EXPECT_EQ(matrix.rows[1].value, Value::number(2.5));
  EXPECT_EQ(matrix.rows[2].series, 1U);
  EXPECT_EQ(matrix.rows[2].value, Value::count(~0ULL));
  EXPECT_FALSE(matrix.rows[3].value.is_finite());
}

TEST(PrometheusMatrix, KeepsOnlyWhatTheSelectorMatches) {
  const Matrix matrix = decode_matrix(matrix_of(R"({"metric": {"zone": "b"}, "values": [[660, "1"]]},
                                                   {"metric": {"zone": "a"}, "values": [[660, "NaN"]]})"),
                                      question("out{zone=\"b\"}"));
  ASSERT_FALSE(matrix.failed);
  EXPECT_EQ(matrix.series, (std::vector<std::string>{"out{zone=\"b\"}"}));
  EXPECT_EQ(matrix.rows.size(), 1U);
  EXPECT_EQ(matrix.rows_without_value, 0U);
}

TEST(PrometheusMatrix, CountsNanAsNoRow) {
  const Matrix matrix = decode_matrix(
      matrix_of(R"({"metric": {}, "values": [[660, "NaN"], [720, "7"], [780, "NaN"]]})"), question());
  ASSERT_FALSE(matrix.failed);
  EXPECT_EQ(matrix.rows.size(), 1U);
  EXPECT_EQ(matrix.rows_without_value, 2U);
}

TEST(PrometheusMatrix, TakesNotesAboutTheExpressionForNoFailure) {
  const char* const info = R"("warnings": ["PromQL info: metric might not be a counter: \"x\""])";
  for (const auto* field : {R"("warnings": [])", R"("warnings": null)", R"("isPartial": false)",
                            R"("infos": ["something to know"])", info}) {
    const std::string body = std::string("{\"status\": \"success\", ") + field +
                             R"(, "data": {"resultType": "matrix", "result": []}})";
    EXPECT_FALSE(decode_matrix(body, question()).failed) << body;
  }
}

TEST(PrometheusMatrix, FailsAsPartialOnWarningsAndPartialAnswers) {
  for (const auto* field : {R"("warnings": ["a store is away"])", R"("warnings": [1])",
                            R"("warnings": ["PromQL info: a note", "a store is away"])",
                            R"("warnings": ["PromQL warning: x"])", R"("isPartial": true)"}) {
    const std::string body = std::string("{\"status\": \"success\", ") + field +
                             R"(, "data": {"resultType": "matrix", "result": []}})";
    const Matrix matrix = decode_matrix(body, question());
    EXPECT_TRUE(matrix.failed) << body;
    EXPECT_EQ(matrix.failure, FetchFailure::partial);
  }
}

TEST(PrometheusMatrix, FailsOnWhatIsNotAsDocumented) {
  const std::string good = R"({"metric": {"a": "1"}, "values": [[660, "1"]]})";
  const std::vector<std::string> bad_series{
      good + "," + good,  // equal labels
      R"({"metric": {"__name__": "x"}, "values": []}, {"metric": {"__name__": "y"}, "values": []})",
      R"({"metric": {"a": 1}, "values": []})",
      R"({"metric": [], "values": []})",
      R"({"values": []})",
      R"({"metric": {"not a name": "1"}, "values": []})",
      R"({"metric": {}})",
      R"({"metric": {}, "values": {}})",
      R"({"metric": {}, "value": [660, "1"]})",
      R"({"metric": {}, "values": [], "histograms": [[660, {}]]})",
      R"({"metric": {}, "values": [[660]]})",
      R"({"metric": {}, "values": [[660, "1", 2]]})",
      R"({"metric": {}, "values": [[660, 1]]})",
      R"({"metric": {}, "values": [["660", "1"]]})",
      R"({"metric": {}, "values": [[660, "one"]]})",
      R"({"metric": {}, "values": [[661, "1"]]})",  // off the grid
      R"({"metric": {}, "values": [[660.5, "1"]]})",
      R"({"metric": {}, "values": [[600, "1"]]})",  // before the range
      R"({"metric": {}, "values": [[900, "1"]]})",  // after it
      R"({"metric": {}, "values": [[1e300, "1"]]})",
      R"({"metric": {}, "values": [[660, "1"], [660, "2"]]})",  // one instant twice
      R"({"metric": {}, "values": [[720, "1"], [660, "2"]]})",
      "1",
  };
  std::vector<std::string> bodies{"",
                                  "{",
                                  "null",
                                  "[]",
                                  "\"x\"",
                                  R"({"status": "error"})",
                                  R"({"status": "success", "data": {"resultType": "vector", "result": []}})",
                                  R"({"status": "success", "data": {"resultType": "matrix", "result": {}}})",
                                  R"({"status": "success", "data": {"resultType": "matrix"}})",
                                  R"({"status": "success", "warnings": "x", "data": {}})",
                                  R"({"status": "success", "isPartial": 1, "data": {}})",
                                  R"({"status": "success"})"};
  const std::string before = good + ",";
  for (const std::string& series : bad_series) bodies.push_back(matrix_of(before + series));
  bodies.push_back(matrix_of(good).substr(0, 90));
  for (const std::string& body : bodies) {
    const Matrix matrix = decode_matrix(body, question());
    EXPECT_TRUE(matrix.failed) << body;
    EXPECT_EQ(matrix.failure, FetchFailure::malformed) << body;
    EXPECT_FALSE(matrix.detail.empty());
    EXPECT_TRUE(matrix.rows.empty() && matrix.series.empty());
  }
}

TEST(PrometheusMatrix, SplitsLongRanges) {
  const TimeRange range{minute(0), minute(25)};
  EXPECT_EQ(
      split_range(range, kMinute, 10),
      (std::vector<TimeRange>{{minute(0), minute(10)}, {minute(10), minute(20)}, {minute(20), minute(25)}}));
  EXPECT_EQ(split_range(range, kMinute, 25), (std::vector<TimeRange>{range}));
  EXPECT_TRUE(split_range({minute(1), minute(1)}, kMinute, 10).empty());
}

TEST(PrometheusMatrix, QuotesTheServersError) {
  EXPECT_EQ(error_words(R"({"status":"error","errorType":"bad_data","error":"parse error"})"), "parse error");
  EXPECT_EQ(error_words("upstream\nis away"), "upstream is away");
  EXPECT_LT(error_words(std::string(10'000, 'x')).size(), 310U);
}

TEST(BareSelector, IsTold) {
  for (const auto* bare : {"m", " m ", "m{}", "m{a=\"}\"}", "{__name__=\"m\"}", "{a='x\\'}'}", "m{a=`\\`}",
                           "((m))", "m offset 5m", "m{a=\"b\"} offset 5m", "m @ 1609746000", "ns:m:rate"}) {
    EXPECT_TRUE(is_bare_selector(bare)) << bare;
  }
  for (const auto* other :
       {"", "1", "()", "increase(m[1m])", "sum by (a) (m)", "m + m", "m[1m]", "m{a=\"b\"", "time()",
        "m{a=\"b\"}[1m]", "{", "\"text\"", "(m) + (m)", "sum_over_time(m[1m]) offset 5m"}) {
    EXPECT_FALSE(is_bare_selector(other)) << other;
  }
}

}  // namespace
}  // namespace settle::fetchers
