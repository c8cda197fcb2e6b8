#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runner/jobs/job.hpp"
#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const engine::Time kNow = engine::from_epoch_ms(1'782'482'220'000);  // 2026-06-26T13:57:00Z

Outcome<JobSpec> parse(const std::string& body, const std::string& default_sink = "builtin") {
  test::FakeContext context;
  context.default_sink_name = default_sink;
  auto spec = parse_job(body, context, kNow);
  if (spec && spec->unfit) return *spec->unfit;
  return spec;
}

constexpr const char* kRequired =
    R"("query":"m","granularity":"1m","source":"trace","sketch_type":"scalar","store_path":"p")";

/// The five required fields and `more`, which begins with a comma or is empty.
std::string body(const std::string& more = "") {
  return std::string("{") + kRequired + more + "}";
}

/// A request with one of the required fields changed, or left out where `value` is empty.
std::string body_with(const std::string& field, const std::string& value) {
  std::string text;
  for (const std::string name : {"query", "granularity", "source", "sketch_type", "store_path"}) {
    std::string given = name == "query"         ? R"("m")"
                        : name == "granularity" ? R"("1m")"
                        : name == "source"      ? R"("trace")"
                        : name == "sketch_type" ? R"("scalar")"
                                                : R"("p")";
    if (name == field) given = value;
    if (!given.empty()) text += (text.empty() ? "{\"" : ",\"") + name + "\":" + given;
  }
  return text + "}";
}

TEST(ParseJob, FillsInTheDefaultsOfTheDesign) {
  const auto spec = parse(
      R"({"query":" requests_total{zone = 'a' , b=~\"x\"} ","granularity":"300s","source":"trace",
          "sketch_type":"scalar","store_path":"precomputed/requests/5m"})");
  ASSERT_TRUE(spec) << spec.refusal().detail;
  EXPECT_EQ(spec->query, R"(requests_total{b=~"x",zone="a"})");
  EXPECT_EQ(spec->source, "trace");
  EXPECT_EQ(spec->store_path, "precomputed/requests/5m");
  EXPECT_EQ(spec->record, "requests_total");
  EXPECT_EQ(spec->poll_interval, minutes{5});
  EXPECT_EQ(spec->timestamp, Stamp::start);
  EXPECT_THAT(spec->sinks, ElementsAre("builtin"));
  EXPECT_FALSE(spec->valid_until);
  engine::EngineOptions expected;
  expected.granularity = minutes{5};
  expected.finality = engine::Learned{};
  expected.watch = expected.ttl = minutes{30};
  expected.corrections = engine::Corrections::repush;
  expected.liveness = engine::Liveness::frontier;
  expected.series_max = 1000;
  expected.open_cells_max = 5000;
  EXPECT_EQ(spec->engine, expected);
}

TEST(ParseJob, ReadsEveryOptionalField) {
  const auto spec = parse(body(
      R"(,"valid_until":"2026-06-26T16:00:00+02:00","finality":"fixed:5m","watch":"1h","ttl":"20m",
          "poll_interval":"30s","output":"counter","absent":"zero","absent_for":"2h","timestamp":"end",
          "corrections":"hold","sinks":["tsdb","log","tsdb"],"record":"m:settled","labels":{"z":"1","a":"2"})"));
  ASSERT_TRUE(spec) << spec.refusal().detail;
  EXPECT_EQ(spec->valid_until, kNow + minutes{3});
  EXPECT_EQ(spec->engine.finality, engine::Finality{engine::Fixed{minutes{5}}});
  EXPECT_EQ(spec->engine.watch, hours{1});
  EXPECT_EQ(spec->engine.ttl, minutes{20});
  EXPECT_EQ(spec->poll_interval, seconds{30});
  EXPECT_EQ(spec->engine.output, engine::Output::counter);
  EXPECT_EQ(spec->engine.absent, engine::Absent::zero);
  EXPECT_EQ(spec->engine.absent_for, hours{2});
  EXPECT_EQ(spec->timestamp, Stamp::end);
  EXPECT_EQ(spec->engine.corrections, engine::Corrections::hold);
  EXPECT_THAT(spec->sinks, ElementsAre("log", "tsdb"));
  EXPECT_EQ(spec->record, "m:settled");
  EXPECT_EQ(spec->labels, (engine::Labels{{"a", "2"}, {"z", "1"}}));
}

TEST(ParseJob, DefaultsFollowFromTheGranularityAndFromEachOther) {
  const auto hourly = parse(body_with("granularity", R"("6h")"));
  ASSERT_TRUE(hourly);
  EXPECT_EQ(hourly->engine.watch, hours{18});
  EXPECT_EQ(hourly->engine.ttl, hours{18});
  EXPECT_EQ(hourly->engine.absent_for, hours{6});
  const auto watched = parse(body(R"(,"watch":"2h")"));
  ASSERT_TRUE(watched);
  EXPECT_EQ(watched->engine.ttl, hours{2});
}

TEST(ParseJob, HoldsCorrectionsByItselfWhereOneOfTheSinksCannotOverwrite) {
  EXPECT_EQ(parse(body(R"(,"sink":"log")"))->engine.corrections, engine::Corrections::repush);
  EXPECT_EQ(parse(body(R"(,"sink":"tsdb")"))->engine.corrections, engine::Corrections::hold);
  EXPECT_EQ(parse(body(R"(,"sinks":["log","tsdb"])"))->engine.corrections, engine::Corrections::hold);
  EXPECT_EQ(parse(body(), "tsdb")->engine.corrections, engine::Corrections::hold);
}

TEST(ParseJob, ReadsEveryGranularityThatDividesAnHourOrIsWholeHours) {
  for (const char* good :
       {"1s", "15s", "90s", "60s", "1m", "5m", "12m", "30m", "1h", "2h", "24h", "1d", "1m30s"}) {
    EXPECT_TRUE(parse(body_with("granularity", "\"" + std::string(good) + "\""))) << good;
  }
}

TEST(ParseJob, ReadsEveryPlainStorePath) {
  for (const char* good : {"p", "precomputed/latency/p99/5m", "a.b/c~d/_-", "...", "a/..b"}) {
    EXPECT_TRUE(parse(body_with("store_path", "\"" + std::string(good) + "\""))) << good;
  }
  EXPECT_TRUE(parse(body_with("store_path", "\"" + std::string(255, 'a') + "\"")));
}

struct Bad {
  std::string json;
  const char* field;
  const char* says;
};

void expect_refused(const Bad& bad, Refusal::Kind kind) {
  SCOPED_TRACE(bad.json);
  const auto spec = parse(bad.json);
  ASSERT_FALSE(spec);
  EXPECT_EQ(spec.refusal().kind, kind);
  EXPECT_EQ(spec.refusal().field, bad.field);
  EXPECT_THAT(spec.refusal().detail, HasSubstr(bad.says));
}

TEST(ParseJob, CallsTextThatIsNotJsonMalformed) {
  for (const std::string text :
       {"", "{", "not json", R"({"query":})", "{} {}", R"({"query":"a)", "{'query':'m'}"}) {
    expect_refused({text, "", "not JSON"}, Refusal::Kind::malformed);
  }
  expect_refused({std::string(2000, '['), "", "not JSON"}, Refusal::Kind::malformed);
}

TEST(ParseJob, NamesTheFieldThatIsMissingOrOfTheWrongType) {
  for (const char* field : {"query", "granularity", "source", "sketch_type", "store_path"}) {
    expect_refused({body_with(field, ""), field, "missing"}, Refusal::Kind::invalid);
    for (const char* value : {"1", "null", "true", "[]", "{}"}) {
      expect_refused({body_with(field, value), field, "as a string"}, Refusal::Kind::invalid);
    }
  }
  for (const char* field : {"valid_until", "finality", "watch", "ttl", "poll_interval", "output", "absent",
                            "timestamp", "corrections", "sink", "record"}) {
    expect_refused({body(",\"" + std::string(field) + "\":5"), field, "as a string; found a number"},
                   Refusal::Kind::invalid);
  }
}

TEST(ParseJob, RefusesWhatIsNotOnePlainObject) {
  for (const char* text : {"[]", "1", "\"m\"", "null"}) {
    expect_refused({text, "", "expected one JSON object"}, Refusal::Kind::invalid);
  }
  for (const Bad& bad : {Bad{body(R"(,"colour":"red")"), "colour", "not a field"},
                         Bad{body(R"(,"Query":"m")"), "Query", "not a field"},
                         Bad{body(R"(,"query":"n")"), "query", "given twice"},
                         Bad{body(R"(,"labels":{"a":"1","\u0061":"2"})"), "labels.a", "given twice"},
                         Bad{body(R"(,"serve":true)"), "serve", "not supported yet"},
                         Bad{body(R"(,"max_staleness":"5m")"), "max_staleness", "not supported yet"}}) {
    expect_refused(bad, Refusal::Kind::invalid);
  }
}

TEST(ParseJob, RefusesABadValueOfARequiredFieldWithWhatWasExpected) {
  for (const Bad& bad : {
           Bad{body_with("query", R"("")"), "query", "column"},
           Bad{body_with("query", R"("m{")"), "query", "column"},
           Bad{body_with("query", R"("{a=\"b\"}")"), "query", "metric name"},
           Bad{body_with("query", "\"sum (m)\""), "query", "one of the functions sum_over_time"},
           Bad{body_with("sketch_type", R"("ddsketch")"), "sketch_type", "does not fit a plain selector"},
           Bad{body_with("sketch_type", R"("hll")"), "sketch_type", "does not fit a plain selector"},
           Bad{body_with("sketch_type", R"("kll")"), "sketch_type", "not known"},
           Bad{body_with("source", R"("host:4317")"), "source", R"(known: "edge", "trace")"},
           Bad{body_with("query", R"("never")"), "source", "has no metric"},
           Bad{body_with("store_path", R"("a\u0000b")"), "store_path", "NUL"},
       }) {
    expect_refused(bad, Refusal::Kind::invalid);
  }
  for (const char* bad : {"0s", "-1m", "1x", "", "1", "m", "1h1h", "1m 30s"}) {
    expect_refused(
        {body_with("granularity", "\"" + std::string(bad) + "\""), "granularity", "not a duration"},
        Refusal::Kind::invalid);
  }
  for (const char* bad : {"7m", "1h30m", "61s", "25m", "90m"}) {
    expect_refused(
        {body_with("granularity", "\"" + std::string(bad) + "\""), "granularity", "divides an hour"},
        Refusal::Kind::invalid);
  }
  for (const char* bad : {"500ms", "25h", "2d"}) {
    expect_refused(
        {body_with("granularity", "\"" + std::string(bad) + "\""), "granularity", "expected 1s to 1d"},
        Refusal::Kind::invalid);
  }
  for (const std::string bad :
       {"", "/", "/a", "a/", "a//b", "..", "a/../b", "./a", "a b", "a%2fb", "a?b", "\u00e4"}) {
    expect_refused({body_with("store_path", "\"" + bad + "\""), "store_path", "segment"},
                   Refusal::Kind::invalid);
  }
  expect_refused({body_with("store_path", "\"" + std::string(256, 'a') + "\""), "store_path", "256 bytes"},
                 Refusal::Kind::invalid);
}

TEST(ParseJob, RefusesABadValueOfAnOptionalFieldWithWhatWasExpected) {
  for (const Bad& bad : {
           Bad{body(R"(,"valid_until":"2026-06-26T13:57:00Z")"), "valid_until", "is past"},
           Bad{body(R"(,"valid_until":"tomorrow")"), "valid_until", "RFC 3339"},
           Bad{body(R"(,"finality":"consecutive:0")"), "finality", "consecutive:N"},
           Bad{body(R"(,"finality":"learned:2")"), "finality", "expected learned, learned:E"},
           Bad{body(R"(,"watch":"30s")"), "watch", "expected 1m to"},
           Bad{body(R"(,"watch":"31d")"), "watch", "expected 1m to 30d"},
           Bad{body(R"(,"ttl":"31m")"), "ttl", "to 30m"},
           Bad{body(R"(,"watch":"1h","ttl":"2h")"), "ttl", "to 1h"},
           Bad{body(R"(,"poll_interval":"500ms")"), "poll_interval", "expected 1s"},
           Bad{body(R"(,"poll_interval":"1h")"), "poll_interval", "to 30m"},
           Bad{body(R"(,"output":"rate")"), "output", R"("gauge" or "counter")"},
           Bad{body(R"(,"absent":"nan")"), "absent", R"("none" or "zero")"},
           Bad{body(R"(,"absent_for":"1h")"), "absent_for", "means nothing"},
           Bad{body(R"(,"absent":"zero","absent_for":"3d")"), "absent_for", "expected 1m to 2d"},
           Bad{body(R"(,"timestamp":"middle")"), "timestamp", R"("start" or "end")"},
           Bad{body(R"(,"corrections":"ledgers")"), "corrections",
               R"(expected "repush" or "hold" or "ledger")"},
           Bad{body(R"(,"corrections":"drop")"), "corrections", R"(expected "repush" or "hold" or "ledger")"},
           Bad{body(R"(,"corrections":"repush","sink":"tsdb")"), "corrections", "it keeps both values"},
           Bad{body(R"(,"corrections":"repush","sinks":["log","tsdb"])"), "corrections", "\"tsdb\""},
           Bad{body(R"(,"sink":"nowhere")"), "sink", R"(known: "builtin", "here", "larger", "log", "tsdb")"},
           Bad{body(R"(,"sinks":["log","nowhere"])"), "sinks", "\"nowhere\""},
           Bad{body(R"(,"sinks":[])"), "sinks", "at least one"},
           Bad{body(R"(,"sinks":"log")"), "sinks", "a list"},
           Bad{body(R"(,"sinks":["log",1])"), "sinks", "as strings"},
           Bad{body(R"(,"sink":"log","sinks":["log"])"), "sinks", "one of the two"},
           Bad{body(R"(,"record":"9lives")"), "record", "not a metric name"},
           Bad{body(R"(,"record":"")"), "record", "not a metric name"},
           Bad{body(R"(,"labels":[])"), "labels", "an object of strings"},
           Bad{body(R"(,"labels":{"a":1})"), "labels.a", "expected a string"},
           Bad{body(R"(,"labels":{"a":""})"), "labels.a", "is empty"},
           Bad{body(R"(,"labels":{"__name__":"x"})"), "labels.__name__", "record"},
           Bad{body(R"(,"labels":{"a-b":"x"})"), "labels", "not a label name"},
       }) {
    expect_refused(bad, Refusal::Kind::invalid);
  }
}

TEST(ParseJob, RefusesAnOutputThatWouldMixWithItsInputOnTheSameServer) {
  const std::string same = R"({"query":"m","granularity":"1m","source":"edge","sketch_type":"scalar",)"
                           R"("store_path":"p","sink":"here")";
  expect_refused({same + "}", "record", "same server"}, Refusal::Kind::invalid);
  EXPECT_TRUE(parse(same + R"(,"record":"m:settled"})"));
}

}  // namespace
}  // namespace settle::runner
