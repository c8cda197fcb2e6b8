#include "fetchers/trace.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "fetchers/trace_fetcher.hpp"
#include "tests/support/loopback.hpp"

namespace settle::fetchers {
namespace {

using engine::from_epoch_ms;
using engine::Time;
using engine::Value;

constexpr engine::Duration kMinute = std::chrono::minutes{1};

Time minute(int n) {
  return from_epoch_ms(60'000LL * n);
}

engine::Selector selector(const std::string& text) {
  auto parsed = engine::parse_selector(text);
  EXPECT_TRUE(parsed) << text;
  return *parsed;
}

Trace trace(const std::string& text) {
  auto parsed = parse_trace(text, "t.jsonl");
  EXPECT_TRUE(parsed) << parsed.error().detail;
  return *std::move(parsed);
}

/// `scope|series|bucket in minutes=value`.
std::string row_text(const std::string& scope, std::string_view series, Time bucket, const Value& value) {
  return scope + "|" + std::string(series) + "|" + std::to_string(engine::epoch_ms(bucket) / 60'000) + "=" +
         engine::format_value(value);
}

std::vector<std::string> rows(const engine::Answer& answer) {
  std::vector<std::string> texts;
  for (const auto& scope : answer.scopes) {
    for (const auto& row : scope.rows)
      texts.push_back(row_text(scope.scope, row.series, row.bucket, row.value));
  }
  return texts;
}

using Rows = std::vector<std::string>;

TEST(TraceFile, ReadsLinesOfBothKindsInAnyOrder) {
  const Trace read = trace(
      "# a comment\n\n"
      "{\"at\": 120000, \"series\": {\"__name__\": \"m\", \"zone\": \"a\"}, \"bucket\": "
      "\"1970-01-01T00:00:00Z\", "
      "\"value\": 7}\r\n"
      "  {\"at\": \"1970-01-01T00:01:00Z\", \"frontier\": 0, \"scope\": \"s\"}\n"
      "{\"at\": 90000, \"series\": {\"zone\": \"a\", \"__name__\": \"m\"}, \"bucket\": 0, \"value\": null}");
  ASSERT_EQ(read.lines.size(), 2U);
  EXPECT_EQ(read.lines[0].at, from_epoch_ms(90'000));
  EXPECT_EQ(read.lines[0].value, std::nullopt);
  EXPECT_EQ(read.lines[1].value, Value::count(7));
  ASSERT_EQ(read.series.size(), 1U);
  EXPECT_EQ(read.series[0].text, "m{zone=\"a\"}");
  ASSERT_EQ(read.frontiers.size(), 1U);
  EXPECT_EQ(read.scopes, (Rows{"", "s"}));
  EXPECT_EQ(read.first, minute(1));
  EXPECT_EQ(read.last, minute(2));
}

TEST(TraceFile, NamesTheLineThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"{", "cannot be read"},
      {R"({"at": 0, "at": 1, "frontier": 0})", "given twice"},
      {R"({"at": 0, "series": {"__name__": "m", "z": "a", "z": "b"}, "bucket": 0, "value": 1})",
       "given twice"},
      {"[]", "expected a JSON object"},
      {R"({"series": {"__name__": "m"}, "bucket": 0, "value": 1})", "'at' is missing"},
      {R"({"at": 1.5, "frontier": 0})", "'at'"},
      {R"({"at": "yesterday", "frontier": 0})", "'at'"},
      {R"({"at": 0, "frontier": null})", "'frontier'"},
      {R"({"at": 0, "frontier": 0, "value": 1})", "'value' does not belong"},
      {R"({"at": 0, "series": {"__name__": "m"}, "bucket": 0})", "'value' is missing"},
      {R"({"at": 0, "series": {"__name__": "m"}, "bucket": 0, "value": "1"})",
       "'value': not a finite number"},
      {R"({"at": 0, "series": {"__name__": "m"}, "bucket": 0, "value": 1e999})",
       "'value': not a finite number"},
      {R"({"at": 0, "series": {"zone": "a"}, "bucket": 0, "value": 1})", "'series'"},
      {R"({"at": 0, "series": {"__name__": 1}, "bucket": 0, "value": 1})", "'series': the label '__name__'"},
      {R"({"at": 0, "series": "m", "bucket": 0, "value": 1})", "'series'"},
      {R"({"at": 0, "series": {"__name__": "m"}, "bucket": {}, "value": 1})", "'bucket'"},
      {R"({"at": 0, "scope": 1, "frontier": 0})", "'scope'"},
      {R"({"at": 0, "frontier": 0, "scope": ")" + std::string(129, 's') + "\"}", "'scope'"},
      {R"({"at": 0, "frontier": 0, "note": ""})", "'note' does not belong"},
  };
  for (const auto& [line, expected] : cases) {
    const auto read = parse_trace("# one\n" + line + "\n", "t.jsonl");
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().detail.rfind("t.jsonl:2: ", 0), 0U) << read.error().detail;
    EXPECT_NE(read.error().detail.find(expected), std::string::npos) << read.error().detail;
  }
}

const std::string kLive =
    R"({"at": 60000, "series": {"__name__": "m", "zone": "a"}, "bucket": 0, "value": 1}
{"at": 120000, "series": {"__name__": "m", "zone": "a"}, "bucket": 0, "value": 2}
{"at": 120000, "series": {"__name__": "m", "zone": "a"}, "bucket": 0, "value": 3}
{"at": 120000, "series": {"__name__": "m", "zone": "b"}, "bucket": 60000, "value": 9}
{"at": 120000, "frontier": 60000}
{"at": 180000, "series": {"__name__": "m", "zone": "a"}, "bucket": 0, "value": null}
{"at": 180000, "series": {"__name__": "n"}, "bucket": 60000, "value": 0.5, "scope": "other"}
{"at": 180000, "frontier": 90000}
)";

TEST(TraceHistory, SaysWhatTheSourceSaidAtThatInstant) {
  const TraceHistory history(trace(kLive), "src");
  const engine::TimeRange all{minute(0), minute(10)};
  const auto m = selector("m");
  EXPECT_EQ(rows(history.answer_at(all, m, from_epoch_ms(59'999))), Rows{});
  EXPECT_EQ(rows(history.answer_at(all, m, from_epoch_ms(60'000))), Rows{"src|m{zone=\"a\"}|0=1"});
  EXPECT_EQ(rows(history.answer_at(all, m, from_epoch_ms(119'999))), Rows{"src|m{zone=\"a\"}|0=1"});
  EXPECT_EQ(rows(history.answer_at(all, m, minute(2))),
            (Rows{"src|m{zone=\"a\"}|0=3", "src|m{zone=\"b\"}|1=9"}));
  EXPECT_EQ(rows(history.answer_at(all, m, minute(3))), Rows{"src|m{zone=\"b\"}|1=9"});
  EXPECT_EQ(rows(history.answer_at({minute(1), minute(2)}, m, minute(2))), Rows{"src|m{zone=\"b\"}|1=9"});
  EXPECT_EQ(rows(history.answer_at({minute(0), minute(1)}, selector("m{zone=\"b\"}"), minute(2))), Rows{});
  EXPECT_EQ(rows(history.answer_at(all, selector("n"), minute(3))), Rows{"other|n|1=0.5"});
  EXPECT_EQ(history.metrics(), (Rows{"m", "n"}));
}

TEST(TraceHistory, ReportsTheFrontierOfEachScopeAndNowAfterTheLastLine) {
  const TraceHistory history(trace(kLive), "src");
  const auto frontiers = [&](Time now) {
    std::map<std::string, std::optional<Time>> by_scope;
    for (const auto& scope : history.answer_at({minute(0), minute(1)}, selector("m"), now).scopes) {
      EXPECT_EQ(scope.completeness, engine::Completeness::complete);
      EXPECT_EQ(scope.covered, (engine::TimeRange{minute(0), minute(1)}));
      by_scope[scope.scope] = scope.frontier;
    }
    return by_scope;
  };
  using Expected = std::map<std::string, std::optional<Time>>;
  EXPECT_EQ(frontiers(from_epoch_ms(119'999)), (Expected{{"other", std::nullopt}, {"src", std::nullopt}}));
  EXPECT_EQ(frontiers(minute(2)), (Expected{{"other", std::nullopt}, {"src", minute(1)}}));
  EXPECT_EQ(frontiers(minute(3)), (Expected{{"other", std::nullopt}, {"src", from_epoch_ms(90'000)}}));
  const Time after = from_epoch_ms(180'001);
  EXPECT_EQ(frontiers(after), (Expected{{"other", after}, {"src", after}}));
}

TEST(TraceHistory, MakesOneScopeOfTheDefaultAndItsName) {
  const TraceHistory history(trace(R"({"at": 0, "series": {"__name__": "m"}, "bucket": 0, "value": 1}
{"at": 1, "series": {"__name__": "m"}, "bucket": 0, "value": 2, "scope": "src"})"),
                             "src");
  const auto answer = history.answer_at({minute(0), minute(1)}, selector("m"), minute(1));
  EXPECT_EQ(answer.scopes.size(), 1U);
  EXPECT_EQ(rows(answer), Rows{"src|m|0=2"});
}

TEST(TraceHistory, AgreesWithAScanOfTheLines) {
  std::mt19937 random(7);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  for (int round = 0; round < 200; ++round) {
    std::string text;
    for (int i = pick(40); i > 0; --i) {
      text += "{\"at\": " + std::to_string(pick(10)) + ", \"series\": {\"__name__\": \"m\", \"z\": \"" +
              std::to_string(pick(3)) + "\"}, \"bucket\": " + std::to_string(60'000 * pick(4)) +
              ", \"scope\": \"s" + std::to_string(pick(2)) +
              "\", \"value\": " + (pick(5) == 0 ? "null" : std::to_string(pick(100))) + "}\n";
    }
    const Trace read = trace(text);
    const TraceHistory history(read, "src");
    for (int now = -1; now < 11; ++now) {
      const engine::TimeRange range{minute(pick(3)), minute(pick(5))};
      std::map<std::tuple<std::string, Time, std::string>, std::optional<Value>> naive;
      for (const TraceLine& line : read.lines) {  // by instant, equal ones in file order
        if (line.at > from_epoch_ms(now) || !range.contains(line.bucket)) continue;
        naive[{read.scopes[line.scope], line.bucket, read.series[line.series].text}] = line.value;
      }
      Rows expected;
      for (const auto& [key, value] : naive) {
        const auto& [scope, bucket, series] = key;
        if (!value) continue;
        expected.push_back(row_text(scope, series, bucket, *value));
      }
      ASSERT_EQ(rows(history.answer_at(range, selector("m"), from_epoch_ms(now))), expected) << text;
    }
  }
}

TEST(RecordedFetch, IsFinalHistoryFromTheStart) {
  const auto read = load_trace({std::string(SETTLE_TEST_DATA) + "/cloudflare"});
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->lines.size(), 60U);
  EXPECT_EQ(read->first, std::nullopt);
  const TraceHistory history(*read, "cf");
  const Time start = *engine::parse_time("2026-06-26T13:22:00Z");
  const auto answer =
      history.answer_at({start, start + 60 * kMinute}, selector("cloudflare_zone_requests_total"), start);
  ASSERT_EQ(answer.scopes.size(), 1U);
  EXPECT_EQ(answer.scopes[0].frontier, start);
  ASSERT_EQ(answer.scopes[0].rows.size(), 60U);
  EXPECT_EQ(answer.scopes[0].rows[35].bucket, *engine::parse_time("2026-06-26T13:57:00Z"));
  EXPECT_EQ(answer.scopes[0].rows[35].value, Value::count(1031));
  EXPECT_EQ(answer.scopes[0].rows[0].series, "cloudflare_zone_requests_total{zone=\"captured\"}");
}

TEST(RecordedFetch, SaysWhatIsWrong) {
  for (const auto* bad : {"{", "[]", "{\"observations\": 1}", R"({"observations": [1]})",
                          R"({"observations": [{"name": "m", "labels": {}, "value": 1}]})",
                          R"({"observations": [{"name": "m", "labels": [], "value": 1, "bucket": 0}]})",
                          R"({"observations": [{"name": 1, "labels": {}, "value": 1, "bucket": 0}]})"}) {
    const auto read = parse_recorded_fetch(bad, "f.json");
    ASSERT_FALSE(read) << bad;
    EXPECT_EQ(read.error().detail.rfind("f.json: ", 0), 0U) << read.error().detail;
  }
}

TEST(LoadTrace, RefusesWhatItCannotReadOrMix) {
  const std::string data = SETTLE_TEST_DATA;
  const std::string folder = testing::TempDir() + "settle_trace_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  EXPECT_NE(load_trace({folder}).error().detail.find("holds no"), std::string::npos);
  std::ofstream(folder + "/a.jsonl") << R"({"at": 0, "frontier": 0})";
  EXPECT_EQ(load_trace({folder})->frontiers.size(), 1U);
  EXPECT_NE(load_trace({folder, data + "/cloudflare"}).error().detail.find("cannot be one source"),
            std::string::npos);
  EXPECT_NE(load_trace({folder + "/none"}).error().detail.find("cannot be read"), std::string::npos);
  EXPECT_FALSE(load_trace({}));
  std::filesystem::remove_all(folder);
}

boost::asio::awaitable<void> fetch_into(Fetcher* fetcher, FetchRequest request, FetchResult* result) {
  *result = co_await fetcher->fetch(std::move(request));
}

TEST(TraceFetcher, AnswersAndSaysWhatItCanNever) {
  TraceFetcher fetcher({.name = "src"}, trace(kLive));
  FetchRequest request;
  request.range = {minute(0), minute(2)};
  request.granularity = kMinute;
  request.selector = selector("m{zone=\"b\"}");
  request.now = minute(2);
  boost::asio::io_context context;
  FetchResult result;
  ASSERT_TRUE(test::run_until_done(context, fetch_into(&fetcher, request, &result)));
  EXPECT_EQ(rows(result.answer), Rows{"src|m{zone=\"b\"}|1=9"});
  EXPECT_TRUE(result.failures.empty());
  EXPECT_TRUE(fetcher.accepts(selector("m"), kMinute));
  EXPECT_NE(fetcher.accepts(selector("q"), kMinute).error().detail.find("it holds: m, n"), std::string::npos);
  EXPECT_NE(fetcher.accepts(selector("m"), 2 * kMinute).error().detail.find("00:01:00Z"), std::string::npos);
}

}  // namespace
}  // namespace settle::fetchers
