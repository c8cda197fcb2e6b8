#include "sinks/victoriametrics/victoriametrics_wire.hpp"

#include <limits>

#include <gmock/gmock.h>

#include "sinks/http_outcome.hpp"
#include "sinks/series_json.hpp"
#include "sinks/victoriametrics/victoriametrics_export.hpp"

namespace settle::sinks {
namespace {

using engine::Value;
using std::chrono::hours;
using std::chrono::milliseconds;
using ::testing::HasSubstr;

constexpr engine::Time kNow = engine::from_epoch_ms(1'800'000'000'000);

Row row(std::string series, std::int64_t ms, Value value) {
  Row one;
  one.series = std::move(series);
  one.timestamp = engine::from_epoch_ms(ms);
  one.value = value;
  return one;
}

TEST(EncodeImport, WritesOneLinePerSeriesWithTimesAscending) {
  const std::string body =
      encode_import({row("b{z=\"1\"}", 3000, Value::count(3)), row("a", 1000, Value::count(1)),
                     row("b{z=\"1\"}", 1000, Value::number(0.5))});
  EXPECT_EQ(body,
            "{\"metric\":{\"__name__\":\"b\",\"z\":\"1\"},\"values\":[0.5,3],\"timestamps\":[1000,3000]}\n"
            "{\"metric\":{\"__name__\":\"a\"},\"values\":[1],\"timestamps\":[1000]}\n");
}

TEST(EncodeImport, WritesNumbersSoThatTheyReadBackExactly) {
  for (const double x : {0.1, 0.30000000000000004, -1e300, 5e-324, 123456789.125}) {
    const std::string body = encode_import({row("m", 0, Value::number(x))});
    const std::size_t at = body.find('[') + 1;
    EXPECT_EQ(std::strtod(body.c_str() + at, nullptr), x);
  }
  EXPECT_THAT(encode_import({row("m", 0, Value::count(9007199254740992))}), HasSubstr("[9007199254740992]"));
}

TEST(SeriesJson, KeepsEscapesAndEscapesWhatJsonForbids) {
  std::string out;
  ASSERT_TRUE(append_series_json(out, "m{a=\"q\\\"b\\\\s\\nl\tt\",b=\"é}\"}"));
  EXPECT_EQ(out, "{\"__name__\":\"m\",\"a\":\"q\\\"b\\\\s\\nl\\u0009t\",\"b\":\"é}\"}");
}

TEST(SeriesJson, RefusesWhatIsNotCanonicalAndLeavesTheTextAlone) {
  for (const char* bad :
       {"m{", "m{}", "m{a}", "m{a=\"x\"", "m{a=\"x\",}", "m{a=\"x\"}y", "m{a=\"x\\", "m{=\"x\"}"}) {
    std::string out = "before";
    EXPECT_FALSE(append_series_json(out, bad)) << bad;
    EXPECT_EQ(out, "before");
  }
}

TEST(RefuseRow, NamesWhatTheServerWouldDropSilently) {
  RowLimits limits;
  limits.retention = hours{24};
  limits.labels_max = 3;
  limits.label_value_bytes_max = 4;
  const std::int64_t now = engine::epoch_ms(kNow);
  struct Case {
    Row row;
    const char* reason;  // "" : it can be stored
  };
  for (const Case& one : {
           Case{row("m", now, Value::count(1)), ""},
           Case{row("m", now, Value::number(std::numeric_limits<double>::quiet_NaN())), "NaN"},
           Case{row("m", now, Value::number(-std::numeric_limits<double>::infinity())), "-Inf"},
           Case{row("m", now, Value::count(1ull << 53)), ""},
           Case{row("m", now, Value::count((1ull << 53) + 1)), "2^53"},
           Case{row("m", -1, Value::count(1)), "1970"},
           Case{row("m", now - 86'400'000, Value::count(1)), ""},
           Case{row("m", now - 86'400'001, Value::count(1)), "retention"},
           Case{row("m", now + 2 * 86'400'000, Value::count(1)), ""},
           Case{row("m", now + 2 * 86'400'000 + 1, Value::count(1)), "future"},
           Case{row("", now, Value::count(1)), "metric name"},
           Case{row("{a=\"x\"}", now, Value::count(1)), "metric name"},
           Case{row("m{a=\"x\",b=\"y\"}", now, Value::count(1)), ""},
           Case{row("m{a=\"x\",b=\"y\",c=\"z\"}", now, Value::count(1)), "4 labels"},
           Case{row("m{a=\"1234\"}", now, Value::count(1)), ""},
           Case{row("m{a=\"12\\\"4\"}", now, Value::count(1)), ""},
           Case{row("m{a=\"12345\"}", now, Value::count(1)), "5 bytes"},
           Case{row("m{a=\"x\"", now, Value::count(1)), "canonical"},
       }) {
    const auto refused = refuse_row(one.row, kNow, limits);
    EXPECT_EQ(refused.has_value(), *one.reason != '\0') << one.row.series.view();
    EXPECT_THAT(refused.value_or(""), HasSubstr(one.reason));
  }
}

TEST(RefuseRow, TakesOldRowsWhenTheRetentionIsNotKnown) {
  EXPECT_FALSE(refuse_row(row("m", 0, Value::count(1)), kNow, RowLimits{}));
}

TEST(ServerFacts, ReadsVersionFlagsAndStart) {
  const ServerFacts facts = parse_server_facts(
      "vm_app_version{version=\"victoria-metrics-20230407-010146-tags-v1.90.0-0-gb5d18c0d2\", "
      "short_version=\"v1.90.0\"} 1\n"
      "vm_app_start_timestamp 1700000000\n"
      "flag{name=\"dedup.minScrapeInterval\", value=\"1ms\", is_set=\"true\"} 1\n"
      "flag{name=\"retentionPeriod\", value=\"30d\", is_set=\"true\"} 1\n"
      "flag{name=\"maxLabelsPerTimeseries\", value=\"40\", is_set=\"false\"} 1\n"
      "flag{name=\"maxLabelValueLen\", value=\"4096\", is_set=\"false\"} 1\n");
  EXPECT_TRUE(facts.known);
  EXPECT_EQ(facts.version, "1.90.0");
  EXPECT_TRUE(facts.dedup);
  EXPECT_EQ(facts.started_at, engine::from_epoch_ms(1'700'000'000'000));
  EXPECT_EQ(facts.limits.retention, engine::Duration{hours{24 * 30}});
  EXPECT_EQ(facts.limits.labels_max, 40u);
  EXPECT_EQ(facts.limits.label_value_bytes_max, 4096u);
}

TEST(ServerFacts, TakesMaxWinsOnlyFromTheVersionOnThatKeepsIt) {
  struct Case {
    const char* version;  // value of short_version
    const char* dedup;
    Overwrite overwrite;
  };
  for (const Case& one :
       {Case{"v1.86.0", "1ms", Overwrite::max_wins}, Case{"v1.85.3", "1ms", Overwrite::none},
        Case{"v1.100.1", "30s", Overwrite::max_wins}, Case{"v2.0.0", "1m0s", Overwrite::max_wins},
        Case{"v1.100.1", "0s", Overwrite::none}, Case{"", "1ms", Overwrite::none},
        Case{"dev", "1ms", Overwrite::none}}) {
    const ServerFacts facts = parse_server_facts(
        "vm_app_version{version=\"\", short_version=\"" + std::string{one.version} +
        "\"} 1\nflag{name=\"dedup.minScrapeInterval\", value=\"" + one.dedup + "\", is_set=\"true\"} 1\n");
    EXPECT_EQ(overwrite_of(facts), one.overwrite) << one.version << " " << one.dedup;
    EXPECT_FALSE(meaning_of(facts).empty());
  }
}

TEST(ServerFacts, SaysThatAnEmptyVersionCountsAsOld) {
  const ServerFacts facts = parse_server_facts("vm_app_version{version=\"\", short_version=\"\"} 1\n");
  EXPECT_EQ(server_text(facts), "VictoriaMetrics, version unknown (counts as old), dedup off");
}

TEST(Retention, ReadsMonthsByDefaultAndFourUnits) {
  EXPECT_EQ(parse_retention("1"), engine::Duration{hours{31 * 24}});
  EXPECT_EQ(parse_retention("12h"), engine::Duration{hours{12}});
  EXPECT_EQ(parse_retention("1.5w"), engine::Duration{hours{252}});
  EXPECT_EQ(parse_retention("100y"), engine::Duration{hours{100 * 365 * 24}});
  for (const char* bad : {"", "x", "0", "-1d", "5q", "1e9y"}) EXPECT_FALSE(parse_retention(bad)) << bad;
}

TEST(Outcome, MapsEveryStatusClass) {
  struct Case {
    int status;
    const char* body;
    PushVerdict verdict;
  };
  for (const Case& one :
       {Case{204, "", PushVerdict::accepted}, Case{200, "", PushVerdict::accepted},
        Case{301, "", PushVerdict::misconfigured}, Case{400, "cannot parse", PushVerdict::refused},
        Case{400, "unsupported path requested: \"/x\"", PushVerdict::misconfigured},
        Case{401, "", PushVerdict::misconfigured}, Case{403, "", PushVerdict::misconfigured},
        Case{404, "", PushVerdict::misconfigured}, Case{408, "", PushVerdict::uncertain},
        Case{413, "", PushVerdict::refused}, Case{422, "", PushVerdict::refused},
        Case{429, "", PushVerdict::retry}, Case{500, "", PushVerdict::uncertain},
        Case{502, "", PushVerdict::uncertain}, Case{503, "", PushVerdict::retry},
        Case{504, "", PushVerdict::uncertain}}) {
    net::ClientResult result;
    result.status = one.status;
    result.body = one.body;
    EXPECT_EQ(outcome_of(result, "http://x", {}).verdict, one.verdict) << one.status;
  }
}

TEST(Outcome, MapsEveryTransportErrorAndKeepsRetryAfter) {
  const auto verdict = [](net::TransportError error) {
    net::ClientResult result;
    result.error = error;
    return outcome_of(result, "http://x", {}).verdict;
  };
  EXPECT_EQ(verdict(net::TransportError::unreachable), PushVerdict::retry);
  for (const auto error : {net::TransportError::cut, net::TransportError::timed_out,
                           net::TransportError::stopped, net::TransportError::too_large}) {
    EXPECT_EQ(verdict(error), PushVerdict::uncertain);
  }
  net::ClientResult busy;
  busy.status = 429;
  busy.headers = {{"retry-after", "7"}};
  EXPECT_EQ(outcome_of(busy, "http://x", {}).retry_after, milliseconds{7'000});
}

TEST(Export, AsksForEverySeriesAndBothEndsOfTheTime) {
  const std::vector<std::string> series{"m{a=\"x\"}", "n"};
  EXPECT_EQ(export_form(series, {engine::from_epoch_ms(1000), engine::from_epoch_ms(5002)}),
            "reduce_mem_usage=1&start=1.000&end=5.001&match%5B%5D=m%7Ba%3D%22x%22%7D&match%5B%5D=n");
}

TEST(Export, ReadsEveryWayToSayInfinity) {
  const auto exported = parse_export(
      "{\"metric\":{\"__name__\":\"m\"},\"values\":[+Inf,Infinity,\"Infinity\",\"-Infinity\",-Inf,1e+06,-2],"
      "\"timestamps\":[1,2,3,4,5,6,7]}\n");
  ASSERT_TRUE(exported) << exported.error().detail;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<double> values;
  for (const auto& [ms, value] : exported->at("m")) values.push_back(value);
  EXPECT_THAT(values,
              ::testing::ElementsAre(kInfinity, kInfinity, kInfinity, -kInfinity, -kInfinity, 1e6, -2));
}

TEST(Export, GivesWhatIsStoredOfTheSeriesAskedForDuplicatesIncludedButNoMarkers) {
  const auto exported = parse_export(
      "{\"metric\":{\"__name__\":\"n\"},\"values\":[1],\"timestamps\":[5]}\n"
      "{\"metric\":{\"__name__\":\"m\",\"more\":\"1\"},\"values\":[1],\"timestamps\":[5]}\n"
      "{\"metric\":{\"__name__\":\"m\"},\"values\":[7,3,null,9],\"timestamps\":[2,2,2,1]}\n");
  ASSERT_TRUE(exported) << exported.error().detail;
  std::vector<StoredSample> found;
  append_stored(found, std::vector<std::string>{"a", "m", "n"}, *exported);
  std::vector<std::string> texts;
  for (const StoredSample& one : found) {
    texts.push_back(one.series + " " + std::to_string(engine::epoch_ms(one.timestamp)) + " " +
                    engine::format_value(one.value));
  }
  EXPECT_THAT(texts, ::testing::ElementsAre("m 1 9", "m 2 3", "m 2 7", "n 5 1"));
}

TEST(Export, TakesANaNForAStaleMarkerThatIsLookedFor) {
  const auto exported =
      parse_export("{\"metric\":{\"__name__\":\"m\"},\"values\":[null,5],\"timestamps\":[1000,2000]}\n");
  ASSERT_TRUE(exported);
  std::vector<Row> rows{row("m", 1000, Value::count(0)), row("m", 2000, Value::count(0))};
  for (Row& one : rows) one.reason = engine::Reason::stale;
  EXPECT_THAT(matches(rows, *exported), ::testing::ElementsAre(true, false));
}

TEST(Export, ReadsSeveralLinesPerSeriesAndBareInfAndNull) {
  const auto exported = parse_export(
      "{\"metric\":{\"__name__\":\"m\",\"b\":\"}]\\\"\",\"a\":\"x\"},\"values\":[1,Inf,null],\"timestamps\":["
      "1,2,3]}\n"
      "{\"metric\":{\"a\":\"x\",\"__name__\":\"m\",\"b\":\"}]\\\"\"},\"values\":[-Inf,5],\"timestamps\":[4,1]"
      "}\n");
  ASSERT_TRUE(exported) << exported.error().detail;
  ASSERT_EQ(exported->size(), 1u);
  const auto& [series, samples] = *exported->begin();
  EXPECT_EQ(series, "m{a=\"x\",b=\"}]\\\"\"}");
  ASSERT_EQ(samples.size(), 5u);
  EXPECT_EQ(samples[4], (std::pair<std::int64_t, double>{1, 5.0}));
}

TEST(Export, RefusesWhatIsNotAnExport) {
  for (const char* bad : {"x", "{}", "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[1,2]}",
                          "{\"metric\":{\"__name__\":\"m\"},\"values\":[1],\"timestamps\":[x]}",
                          "{\"metric\":{\"__name__\":\"m\"},\"values\":[1x],\"timestamps\":[1]}",
                          "{\"metric\":{\"__name__\":\"m\"},\"values\":[1", "<html>"}) {
    EXPECT_FALSE(parse_export(bad)) << bad;
  }
}

TEST(Export, ComparesAsExactlyAsTheServerStores) {
  struct Case {
    Value sent;
    const char* stored;  // the values of the series; the first is at the row's timestamp
    bool same;
  };
  for (const Case& one : {Case{Value::count(9007199254740992), "9007199254740992", true},
                          Case{Value::count(9007199254740992), "9007199254740991", false},
                          Case{Value::number(0.123456789012345), "0.123456789012", false},
                          Case{Value::number(0.123456789012345), "0.1234567890123", true},
                          Case{Value::number(0.5), "0.5000000001", false},
                          // One exponent for a block: beside 1e300 nothing is left of small values.
                          Case{Value::count(5), "0,1e300", true}, Case{Value::count(5), "0,1e9", false},
                          Case{Value::count(7), "null", false}, Case{Value::count(7), "Inf", false}}) {
    const std::string times = std::string{one.stored}.find(',') == std::string::npos ? "1000" : "1000,2000";
    const auto exported = parse_export("{\"metric\":{\"__name__\":\"m\"},\"values\":[" +
                                       std::string{one.stored} + "],\"timestamps\":[" + times + "]}\n");
    ASSERT_TRUE(exported);
    EXPECT_EQ(matches(std::vector<Row>{row("m", 1000, one.sent)}, *exported).at(0), one.same)
        << engine::format_value(one.sent) << " " << one.stored;
  }
}

TEST(Export, FindsNothingAtAnotherTimestampOrInAnotherSeries) {
  const auto exported = parse_export(
      "{\"metric\":{\"__name__\":\"m\",\"more\":\"1\"},\"values\":[5],\"timestamps\":[1000]}\n"
      "{\"metric\":{\"__name__\":\"m\"},\"values\":[5],\"timestamps\":[2000]}\n");
  ASSERT_TRUE(exported);
  EXPECT_FALSE(matches(std::vector<Row>{row("m", 1000, Value::count(5))}, *exported).at(0));
}

}  // namespace
}  // namespace settle::sinks
