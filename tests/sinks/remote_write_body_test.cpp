#include "sinks/remote_write/remote_write_body.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>

#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include "engine/model/series.hpp"
#include "tests/sinks/write_request.hpp"

namespace settle::sinks {
namespace {

using engine::Value;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

Row row(std::string series, std::int64_t ms, Value value) {
  Row one;
  one.series = std::move(series);
  one.timestamp = engine::from_epoch_ms(ms);
  one.value = value;
  return one;
}

TEST(WriteRequest, IsByteForByteWhatTheProtocolSays) {
  const std::string body = encode_write_request({row("m{a=\"x\"}", 1000, Value::count(1))});
  // timeseries { labels { "__name__" "m" } labels { "a" "x" } samples { 1.0 1000 } }
  const std::string expected{
      "\x0a\x25"
      "\x0a\x0d\x0a\x08__name__\x12\x01m"
      "\x0a\x06\x0a\x01"
      "a\x12\x01x"
      "\x12\x0c\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\xe8\x07",
      39};
  EXPECT_EQ(body, expected);
}

TEST(WriteRequest, GroupsBySeriesWithTimesAscending) {
  const auto read = decode_write_request(
      encode_write_request({row("b{z=\"1\"}", 3000, Value::count(3)), row("a", 1000, Value::count(1)),
                            row("b{z=\"1\"}", 1000, Value::number(0.5))}));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_THAT(read[0].labels, ElementsAre(Pair("__name__", "b"), Pair("z", "1")));
  EXPECT_THAT(read[0].samples, ElementsAre(Pair(1000, 0.5), Pair(3000, 3.0)));
  EXPECT_THAT(read[1].samples, ElementsAre(Pair(1000, 1.0)));
}

TEST(WriteRequest, SortsTheMetricNameAmongTheLabelsAndTakesEscapesAway) {
  const auto read = decode_write_request(encode_write_request(
      {row("m{Zone=\"q\\\"b\\\\s\\nl\",__a=\"1\",a=\"\u00e9\u4e16\U0001f600\"}", 1, Value::count(1))}));
  ASSERT_EQ(read.size(), 1u);
  EXPECT_THAT(read[0].labels, ElementsAre(Pair("Zone", "q\"b\\s\nl"), Pair("__a", "1"), Pair("__name__", "m"),
                                          Pair("a", "\u00e9\u4e16\U0001f600")));
}

TEST(WriteRequest, KeepsEveryBitOfAValue) {
  for (const double x : {0.1, -1e300, 5e-324, 1.7976931348623157e308, 9007199254740992.0,
                         std::numeric_limits<double>::infinity()}) {
    const auto read = decode_write_request(encode_write_request({row("m", 1, Value::number(x))}));
    EXPECT_EQ(read.at(0).samples.at(0).second, x);
  }
}

TEST(WriteRequest, EndsASeriesWithTheStaleMarker) {
  Row marker = row("m", 7, Value::count(5));
  marker.reason = engine::Reason::stale;
  const auto read = decode_write_request(encode_write_request({marker}));
  EXPECT_EQ(read.at(0).samples.at(0).first, 7);
  EXPECT_EQ(std::bit_cast<std::uint64_t>(read[0].samples[0].second), 0x7ff0000000000002u);
}

TEST(WriteRequest, OfNothingIsEmpty) {
  EXPECT_EQ(encode_write_request({}), "");
}

using Samples = std::map<std::pair<std::string, std::int64_t>, double>;

Row arbitrary_row() {
  const auto text = [] {
    return *rc::gen::container<std::string>(rc::gen::elementOf(std::string{"ab\\\"\n{}=,|\xc3\x00z", 13}));
  };
  engine::Labels labels{{"__name__", *rc::gen::elementOf(std::vector<std::string>{"m", "n:x", "_o"})}};
  for (const char* name : {"A", "Zz", "__a", "__name", "__namf", "a", "b"}) {
    if (!*rc::gen::arbitrary<bool>()) continue;
    const std::string value = text();
    if (engine::normalize_labels({{name, value}}, false)) labels.push_back({name, value});
  }
  auto normal = engine::normalize_labels(std::move(labels));
  RC_ASSERT(static_cast<bool>(normal));
  const bool whole = *rc::gen::arbitrary<bool>();
  const Value value = whole ? Value::count(*rc::gen::inRange<std::uint64_t>(0, (1ull << 53) + 1))
                            : Value::number(*rc::gen::suchThat<double>([](double x) { return x == x; }));
  return row(engine::series_text(*normal), *rc::gen::inRange<std::int64_t>(0, 4'000'000'000'000), value);
}

RC_GTEST_PROP(WriteRequest, ReadsBackAsTheSameSamplesGroupedAndSorted, ()) {
  Samples sent;
  std::vector<Row> rows;
  const auto count = *rc::gen::inRange(0, 60);
  for (int i = 0; i < count; ++i) {
    Row one = i > 0 && *rc::gen::arbitrary<bool>() ? rows.back() : arbitrary_row();
    one.timestamp += engine::Duration{*rc::gen::inRange(0, 3)};
    const auto key = std::pair{std::string{one.series.view()}, engine::epoch_ms(one.timestamp)};
    if (sent.emplace(key, one.value.as_double()).second) rows.push_back(std::move(one));
  }
  for (const Row& one : rows) RC_ASSERT(!refuse_sample(one));
  const std::string body = encode_write_request(rows);
  RC_ASSERT(uncompress_snappy(compress_snappy(body)) == body);
  RC_ASSERT(uncompress_zstd(compress_zstd(body)) == body);
  Samples received;
  std::vector<std::string> series_seen;
  for (const ReadSeries& series : decode_write_request(body)) {
    engine::Labels labels;
    for (const auto& [name, value] : series.labels) {
      RC_ASSERT(!value.empty());
      labels.push_back({name, value});
    }
    RC_ASSERT(std::is_sorted(labels.begin(), labels.end()));
    RC_ASSERT(!series.samples.empty());
    RC_ASSERT(std::is_sorted(series.samples.begin(), series.samples.end(),
                             [](const auto& a, const auto& b) { return a.first < b.first; }));
    const auto normal = engine::normalize_labels(labels);
    RC_ASSERT(static_cast<bool>(normal));
    const std::string text = engine::series_text(*normal);
    RC_ASSERT(std::find(series_seen.begin(), series_seen.end(), text) == series_seen.end());
    series_seen.push_back(text);
    for (const auto& [ms, value] : series.samples) received[{text, ms}] = value;
  }
  RC_ASSERT(received == sent);
}

TEST(RefuseSample, NamesWhatNoServerCanKeepExactly) {
  struct Case {
    Row row;
    const char* reason;  // "" : it can be sent
  };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Case& one :
       {Case{row("m", 0, Value::count(1ull << 53)), ""},
        Case{row("m", 0, Value::number(-std::numeric_limits<double>::infinity())), ""},
        Case{row("m", 0, Value::count((1ull << 53) + 1)), "2^53"},
        Case{row("m", 0, Value::number(nan)), "NaN"}, Case{row("m", -1, Value::count(1)), "1970"},
        Case{row("{a=\"x\"}", 0, Value::count(1)), "metric name"},
        Case{row("m{a=\"\"}", 0, Value::count(1)), "canonical"},
        Case{row("m{a=\"x\"", 0, Value::count(1)), "canonical"}}) {
    const auto refused = refuse_sample(one.row);
    EXPECT_EQ(refused.has_value(), *one.reason != '\0') << one.row.series.view();
    EXPECT_THAT(refused.value_or(""), HasSubstr(one.reason));
  }
  Row marker = row("m", 0, Value::number(nan));
  marker.reason = engine::Reason::stale;
  EXPECT_FALSE(refuse_sample(marker));
}

}  // namespace
}  // namespace settle::sinks
