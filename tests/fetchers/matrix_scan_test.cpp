// What the scan reads it reads as the tree does; what it must not read it leaves to the tree.
#include "fetchers/matrix_scan.hpp"

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace settle::fetchers {
namespace {

using engine::from_epoch_ms;
using engine::Value;

constexpr engine::Duration kMinute = std::chrono::minutes{1};
constexpr int kBuckets = 8;  // from minute 10 on

MatrixQuestion question(const std::string& selector = "out") {
  MatrixQuestion asked;
  asked.range = {from_epoch_ms(600'000), from_epoch_ms(600'000 + 60'000LL * kBuckets)};
  asked.granularity = kMinute;
  asked.selector = *engine::parse_selector(selector);
  return asked;
}

std::string answer_of(const std::string& series) {
  return R"({"status":"success","data":{"resultType":"matrix","result":[)" + series + "]}}";
}

void expect_equal(const Matrix& a, const Matrix& b, const std::string& body) {
  ASSERT_EQ(a.failed, b.failed) << body;
  EXPECT_EQ(a.series, b.series) << body;
  EXPECT_EQ(a.rows_without_value, b.rows_without_value) << body;
  ASSERT_EQ(a.rows.size(), b.rows.size()) << body;
  for (std::size_t i = 0; i < a.rows.size(); ++i) {
    EXPECT_EQ(a.rows[i].series, b.rows[i].series) << body;
    EXPECT_EQ(a.rows[i].bucket, b.rows[i].bucket) << body;
    EXPECT_EQ(a.rows[i].value, b.rows[i].value) << body;
  }
}

const std::vector<std::string> kValues{"0",
                                       "7",
                                       "12345",
                                       "1e3",
                                       "0.5",
                                       "-3",
                                       "NaN",
                                       "+Inf",
                                       "-Inf",
                                       "1.25e-7",
                                       "999999999999999999",
                                       "18446744073709551615",
                                       "18446744073709551616",
                                       "-0"};

std::string any_series(std::mt19937_64& random, std::uint64_t number) {
  std::string text = R"({"metric":{"__name__":"in","zone":"z)" + std::to_string(number) + "\"";
  if (random() % 3 == 0) text += R"(,"host":"caf\u00e9")";
  if (random() % 3 == 0) text += R"(,"empty":"")";
  text += R"(},"values":[)";
  bool first = true;
  for (int bucket = 0; bucket < kBuckets; ++bucket) {
    if (random() % 4 == 0) continue;
    if (!first) text += ',';
    first = false;
    text += "[" + std::to_string(660 + 60 * bucket) + (random() % 5 == 0 ? ".000" : "");
    text += ",\"" + kValues[random() % kValues.size()] + "\"]";
  }
  return text + "]}";
}

std::string any_answer(std::mt19937_64& random) {
  std::string series;
  const std::uint64_t count = random() % 5;
  for (std::uint64_t number = 0; number < count; ++number) {
    series += (number == 0 ? "" : ",") + any_series(random, number);
  }
  std::string body = answer_of(series);
  if (random() % 4 == 0) body.insert(20, R"("isPartial":false,)");
  if (random() % 4 == 0) body.insert(body.size() - 1, R"(,"stats":{"seriesFetched":"3","n":[1,{}]})");
  return body;
}

TEST(MatrixScan, ReadsTheUsualFormAsTheTreeDoes) {
  std::mt19937_64 random{21};
  int scanned = 0;
  for (int round = 0; round < 2'000; ++round) {
    const std::string body = any_answer(random);
    const MatrixQuestion asked = question(random() % 2 == 0 ? "out" : R"(out{zone=~"z[02]"})");
    const auto matrix = scan_matrix(body, asked);
    if (!matrix) continue;
    ++scanned;
    expect_equal(*matrix, read_matrix_tree(body, asked), body);
  }
  EXPECT_GT(scanned, 600);  // the others have escapes
}

TEST(MatrixScan, NeverReadsWhatTheTreeReadsOtherwise) {
  std::mt19937_64 random{22};
  const std::string bytes = "0123456789.,:[]{}\"\\-+eE NaInf\n\x01\xff";
  int scanned = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string body = any_answer(random);
    const MatrixQuestion asked = question(random() % 2 == 0 ? "out" : R"(out{zone="z1"})");
    for (std::uint64_t edits = random() % 3; edits > 0; --edits) {
      const std::size_t at = random() % body.size();
      const char byte = bytes[random() % bytes.size()];
      switch (random() % 4) {
        case 0:
          body.erase(at, 1 + random() % 3);
          break;
        case 1:
          body.insert(at, 1, byte);
          break;
        case 2:
          body.insert(at, body.substr(random() % body.size(), random() % 40));
          break;
        default:
          body[at] = byte;
      }
    }
    const auto matrix = scan_matrix(body, asked);
    if (!matrix) continue;
    ++scanned;
    expect_equal(*matrix, read_matrix_tree(body, asked), body);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(scanned, 10'000);
}

TEST(MatrixScan, LeavesAllElseToTheTree) {
  const std::string good = R"({"metric":{"a":"x"},"values":[[660,"1"]]})";
  ASSERT_TRUE(scan_matrix(answer_of(good), question()));
  for (const std::string& body : {
           answer_of(good + "," + good),                                         // one series twice
           answer_of(R"({"metric":{"a":"x\n"},"values":[[660,"1"]]})"),          // an escape
           answer_of(R"({"metric":{"a":"x","a":"y"},"values":[[660,"1"]]})"),    // a label twice
           answer_of(R"({"metric":{"a":"x"},"values":[[661,"1"]]})"),            // not on the grid
           answer_of(R"({"metric":{"a":"x"},"values":[[720,"1"],[660,"1"]]})"),  // out of order
           answer_of(R"({"metric":{"a":"x"},"values":[[6000,"1"]]})"),           // not asked for
           answer_of(R"({"metric":{"a":"x"},"values":[[660,"01"]]})"),           // no number
           answer_of(R"({"metric":{"a":"x"},"histograms":[[660,{}]]})"),         // no values
           answer_of(R"({"metric": {"a":"x"},"values":[[660,"1"]]})"),           // white space
           std::string{R"({"status":"success","isPartial":true,"data":{"resultType":"matrix","result":[]}})"},
           std::string{R"({"status":"success","warnings":["w"],"data":{"resultType":"matrix","result":[]}})"},
           std::string{R"({"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["w"]})"},
           std::string{R"({"status":"success","data":{"resultType":"matrix","result":[]},"stats":{},"a":1})"},
       }) {
    EXPECT_FALSE(scan_matrix(body, question())) << body;
  }
}

}  // namespace
}  // namespace settle::fetchers
