// The remote_write sink against a server of our own, which also takes zstd.
#include "sinks/remote_write/remote_write.hpp"

#include <limits>
#include <memory>

#include <gmock/gmock.h>

#include "tests/sinks/scripted_tsdb.hpp"
#include "tests/sinks/write_request.hpp"
#include "tests/support/loopback.hpp"

namespace settle::sinks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr const char* kPrometheusBuild =
    R"({"status":"success","data":{"version":"2.42.0","goVersion":"go1.19.8"}})";

struct RemoteWriteTest : ScriptedTsdb {
  RemoteWriteTest() {
    options.name = "tsdb";
    options.endpoint.url = url + "/api/v1/write";
    script.answers["/api/v1/write snappy"] = answer(204);
  }
  void be_prometheus() {
    script.answers["/-/ready"] = answer(200);
    script.answers["/metrics"] = answer(200, "go_info 1\nprocess_start_time_seconds 1.7e+09\n");
    script.answers["/api/v1/status/buildinfo"] = answer(200, kPrometheusBuild);
    script.answers["/api/v1/query"] = answer(200, kNothing);
  }
  void be_victoria(const std::string& version, int started) {
    script.answers["/health"] = answer(200, "OK");
    script.answers["/metrics"] =
        answer(200, "vm_app_version{version=\"x\", short_version=\"" + version +
                        "\"} 1\nvm_app_start_timestamp " + std::to_string(started) + "\n");
    script.answers["/api/v1/export"] = answer(200);
    script.answers["/internal/force_flush"] = answer(200);
  }
  RemoteWrite& sink() {
    if (!made) made = std::make_unique<RemoteWrite>(client, options);
    return *made;
  }
  PushOutcome push(std::vector<Row> rows) { return test::result_of(context, sink().push(std::move(rows))); }
  SinkHealth check() { return test::result_of(context, sink().check()); }
  engine::Result<std::vector<StoredSample>> stored(std::vector<std::string> series,
                                                   engine::TimeRange timestamps) {
    return test::result_of(context, sink().stored(std::move(series), timestamps));
  }
  /// The encodings of the bodies that came since the last call.
  std::vector<std::string> encodings() {
    std::vector<std::string> found;
    for (const auto& request : script.asked) {
      if (request.path == "/api/v1/write") {
        found.emplace_back(net::header_value(request.headers, "content-encoding"));
      }
    }
    script.asked.clear();
    return found;
  }

  static constexpr const char* kNothing =
      R"({"status":"success","data":{"resultType":"matrix","result":[]}})";
  RemoteWriteOptions options;
  std::unique_ptr<RemoteWrite> made;
};

TEST_F(RemoteWriteTest, PostsSnappyBodiesWithTheHeadersOfTheProtocol) {
  EXPECT_EQ(push({row("m{a=\"x\"}", 5)}).verdict, PushVerdict::accepted);
  ASSERT_EQ(script.asked.size(), 1u);
  const net::ServerRequest& request = script.asked[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(net::header_value(request.headers, "content-type"), "application/x-protobuf");
  EXPECT_EQ(net::header_value(request.headers, "content-encoding"), "snappy");
  EXPECT_EQ(net::header_value(request.headers, "x-prometheus-remote-write-version"), "0.1.0");
  EXPECT_THAT(std::string{net::header_value(request.headers, "user-agent")}, HasSubstr("settle"));
  const auto body = uncompress_snappy(request.body);
  ASSERT_TRUE(body);
  const auto series = decode_write_request(*body);
  ASSERT_EQ(series.size(), 1u);
  EXPECT_THAT(series[0].labels, ElementsAre(Pair("__name__", "m"), Pair("a", "x")));
  EXPECT_THAT(series[0].samples, ElementsAre(Pair(engine::epoch_ms(kNow), 5.0)));
}

TEST_F(RemoteWriteTest, SpeaksZstdToAVictoriaMetricsThatTakesIt) {
  be_victoria("v1.116.0", 1'700'000'000);
  script.answers["/api/v1/write zstd"] = answer(204);
  EXPECT_THAT(check().server, HasSubstr("1.116.0"));
  script.asked.clear();
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::accepted);
  ASSERT_EQ(script.asked.size(), 1u);
  const net::ServerRequest& request = script.asked[0];
  EXPECT_EQ(net::header_value(request.headers, "content-encoding"), "zstd");
  EXPECT_EQ(net::header_value(request.headers, "x-victoriametrics-remote-write-version"), "1");
  EXPECT_EQ(net::header_value(request.headers, "x-prometheus-remote-write-version"), "");
  const auto body = uncompress_zstd(request.body);
  ASSERT_TRUE(body);
  EXPECT_THAT(decode_write_request(*body).at(0).samples, ElementsAre(Pair(engine::epoch_ms(kNow), 5.0)));
}

TEST_F(RemoteWriteTest, SendsTheSameBodyAsSnappyWhenZstdIsRefusedAndRemembersIt) {
  for (const int status : {400, 415}) {
    made.reset();
    be_victoria("v1.79.5", 1'700'000'000);
    script.answers["/api/v1/write zstd"] = answer(status, "snappy: corrupt input");
    check();
    script.asked.clear();
    EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::accepted);
    ASSERT_EQ(script.asked.size(), 2u);
    EXPECT_EQ(uncompress_zstd(script.asked[0].body), uncompress_snappy(script.asked[1].body));
    EXPECT_THAT(encodings(), ElementsAre("zstd", "snappy"));
    push({row("m", 6)});
    EXPECT_THAT(encodings(), ElementsAre("snappy"));
    check();  // the same process
    push({row("m", 7)});
    EXPECT_THAT(encodings(), ElementsAre("snappy"));
    be_victoria("v1.79.5", 1'700'000'001);
    check();
    push({row("m", 8)});
    EXPECT_THAT(encodings(), ElementsAre("zstd", "snappy"));
  }
}

TEST_F(RemoteWriteTest, TakesTheVerdictOfTheSnappyBodyAndTriesZstdAgainUnlessThatWentWell) {
  be_victoria("v1.116.0", 1'700'000'000);
  script.answers["/api/v1/write zstd"] = answer(400, "bad row");
  script.answers["/api/v1/write snappy"] = answer(400, "bad row");
  check();
  script.asked.clear();
  EXPECT_EQ(push({row("m", 5), row("n", 5)}).verdict, PushVerdict::refused);
  EXPECT_THAT(encodings(), ElementsAre("zstd", "snappy"));
  script.answers["/api/v1/write snappy"] = answer(503, "", {{"Retry-After", "3"}});
  const PushOutcome busy = push({row("m", 5)});
  EXPECT_EQ(busy.verdict, PushVerdict::retry);
  EXPECT_EQ(busy.retry_after, std::chrono::seconds{3});
  script.answers["/api/v1/write zstd"] = answer(204);
  script.asked.clear();
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::accepted);
  EXPECT_THAT(encodings(), ElementsAre("zstd"));
}

TEST_F(RemoteWriteTest, FallsBackOnNothingElse) {
  options.compression = Compression::zstd;
  for (const auto& [status, verdict] :
       {std::pair{500, PushVerdict::uncertain}, std::pair{429, PushVerdict::retry},
        std::pair{401, PushVerdict::misconfigured}, std::pair{422, PushVerdict::refused}}) {
    script.answers["/api/v1/write zstd"] = answer(status);
    EXPECT_EQ(push({row("m", 5)}).verdict, verdict);
    EXPECT_THAT(encodings(), ElementsAre("zstd")) << status;
  }
}

TEST_F(RemoteWriteTest, SpeaksOnlySnappyWhenToldToOrToOthers) {
  be_victoria("v1.116.0", 1'700'000'000);
  options.compression = Compression::snappy;
  check();
  script.asked.clear();
  push({row("m", 5)});
  EXPECT_THAT(encodings(), ElementsAre("snappy"));
  made.reset();
  options.compression = Compression::automatic;
  be_prometheus();
  check();
  script.asked.clear();
  push({row("m", 5)});
  EXPECT_THAT(encodings(), ElementsAre("snappy"));
}

TEST_F(RemoteWriteTest, TakesAFaultOfARowForOneWhateverItsStatus) {
  struct Case {
    int status;
    const char* body;
    PushVerdict verdict;
  };
  for (const Case& one :
       {Case{200, "", PushVerdict::accepted}, Case{400, "out of order sample", PushVerdict::refused},
        Case{500, "too old sample", PushVerdict::refused}, Case{500, "disk full", PushVerdict::uncertain},
        Case{502, "out of bounds", PushVerdict::uncertain}, Case{503, "", PushVerdict::retry},
        Case{404, "remote write receiver needs to be enabled", PushVerdict::misconfigured},
        Case{403, "", PushVerdict::misconfigured}, Case{409, "", PushVerdict::refused}}) {
    script.answers["/api/v1/write snappy"] = answer(one.status, one.body);
    EXPECT_EQ(push({row("m", 5)}).verdict, one.verdict) << one.status;
  }
}

TEST_F(RemoteWriteTest, DoesNotKnowWhatBecameOfARequestThatWasCut) {
  test::ScriptedServer cutting{context, {{.answer = ""}}};
  options.endpoint.url = cutting.url() + "/api/v1/write";
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::uncertain);
}

TEST_F(RemoteWriteTest, SaysWhatAPrometheusCanDo) {
  be_prometheus();
  const SinkHealth health = check();
  EXPECT_TRUE(health.reachable);
  EXPECT_EQ(health.server, "Prometheus, version 2.42.0");
  EXPECT_EQ(health.started_at, engine::from_epoch_ms(1'700'000'000'000));
  EXPECT_EQ(health.capabilities.overwrite, Overwrite::none);
  EXPECT_EQ(health.capabilities.out_of_order_window, engine::Duration{0});
  EXPECT_TRUE(health.capabilities.can_read_back);
  EXPECT_TRUE(health.capabilities.durable_when_acknowledged);
  EXPECT_FALSE(health.capabilities.takes_stale_markers);
  script.answers["/-/ready"] = answer(503, "Service Unavailable");
  EXPECT_FALSE(check().reachable);
}

TEST_F(RemoteWriteTest, SaysWhatAVictoriaMetricsCanDo) {
  be_victoria("v1.100.0", 1'700'000'000);
  options.stale_markers = true;
  const SinkHealth health = check();
  EXPECT_TRUE(health.reachable);
  EXPECT_FALSE(health.capabilities.out_of_order_window);
  EXPECT_TRUE(health.capabilities.can_read_back);
  EXPECT_FALSE(health.capabilities.durable_when_acknowledged);
  EXPECT_TRUE(health.capabilities.takes_stale_markers);
  EXPECT_EQ(health.started_at, engine::from_epoch_ms(1'700'000'000'000));
  // What the server would drop silently is refused here.
  Row infinite = row("m", 1);
  infinite.value = engine::Value::number(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(sink().refuse(infinite, kNow));
  infinite.reason = engine::Reason::stale;
  EXPECT_FALSE(sink().refuse(infinite, kNow));
}

TEST_F(RemoteWriteTest, CannotReadBackFromAServerItDoesNotKnowUnlessItIsToldWhere) {
  options.endpoint.url = url + "/api/v1/push";
  script.answers["/api/v1/push"] = answer(200);
  const SinkHealth health = check();
  EXPECT_TRUE(health.reachable);
  EXPECT_FALSE(health.capabilities.can_read_back);
  ASSERT_EQ(script.asked.size(), 1u);
  EXPECT_EQ(uncompress_snappy(script.asked[0].body), "") << "asked to take nothing";
  made.reset();
  options.read_url = url + "/prometheus";
  script.answers["/prometheus/api/v1/query"] = answer(200, kNothing);
  EXPECT_TRUE(check().capabilities.can_read_back);
  script.answers["/api/v1/push"] = answer(502);
  EXPECT_FALSE(check().reachable);
  script.answers["/api/v1/push"] = answer(401, "no org id");
  const SinkHealth unauthorised = check();
  EXPECT_TRUE(unauthorised.reachable);
  EXPECT_THAT(unauthorised.server, HasSubstr("no org id"));
}

TEST_F(RemoteWriteTest, IsNotReachableWhenNobodyListens) {
  options.endpoint.url = "http://127.0.0.1:" + std::to_string(test::unused_port(context)) + "/api/v1/write";
  EXPECT_FALSE(check().reachable);
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::retry);
}

TEST_F(RemoteWriteTest, FindsByQueriesWhatAPrometheusHolds) {
  be_prometheus();
  check();
  script.answers["/api/v1/query"] =
      answer(200, R"({"status":"success","data":{"resultType":"matrix","result":[
    {"metric":{"__name__":"m"},"values":[[1800000000,"5"]]},
    {"metric":{"__name__":"m","more":"1"},"values":[[1800000000,"6"]]}]}})");
  Row marker = row("m", 5);
  marker.reason = engine::Reason::stale;
  std::vector<Row> rows{row("m", 5), row("m", 6), row("n", 5), marker};
  const auto held = test::result_of(context, sink().holds(std::move(rows)));
  ASSERT_TRUE(held) << held.error().detail;
  EXPECT_THAT(*held, ElementsAre(true, false, false, false));
  const auto found = stored({"m"}, {kNow, kNow + engine::Duration{1}});
  ASSERT_TRUE(found) << found.error().detail;
  ASSERT_EQ(found->size(), 1u);
  EXPECT_EQ((*found)[0].value, engine::Value::count(5));
}

TEST_F(RemoteWriteTest, AsksForLessWhenAQueryIsTooLarge) {
  be_prometheus();
  check();
  script.asked.clear();
  script.answers["/api/v1/query"] = answer(422, "too many samples");
  const engine::TimeRange range{kNow, kNow + engine::Duration{2}};
  const auto found = stored({"m", "n"}, range);
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().detail, HasSubstr("too many samples"));
  EXPECT_EQ(script.asked.size(), 3u);  // both; the second; its second millisecond
  script.answers["/api/v1/query"] = answer(500, "trouble");
  EXPECT_FALSE(stored({"m", "n"}, range));
  EXPECT_EQ(script.asked.size(), 4u);
}

TEST_F(RemoteWriteTest, SaysWhatElseA422IsAndDoesNotAskForLess) {
  be_prometheus();
  check();
  const engine::TimeRange range{kNow, kNow + engine::Duration{2}};
  for (const auto& [text, questions] :
       {std::pair{"query processing would load too many samples into memory in query execution", 3u},
        std::pair{"the query exceeded the maximum number of chunks (limit: 2000000 chunks)", 3u},
        std::pair{"cannot select more than -search.maxSamplesPerQuery=1 samples", 3u},
        std::pair{"expanding series: no metric name label", 1u}}) {
    SCOPED_TRACE(text);
    script.asked.clear();
    const std::string body =
        std::string{R"({"status":"error","errorType":"execution","error":")"} + text + "\"}";
    script.answers["/api/v1/query"] = answer(422, body);
    const auto found = stored({"m", "n"}, range);
    ASSERT_FALSE(found);
    EXPECT_THAT(found.error().detail, HasSubstr(text));
    EXPECT_EQ(script.asked.size(), questions);
  }
}

TEST(WriteUrl, HasTheBaseBeforeTheStandardPath) {
  EXPECT_EQ(base_of_write_url("http://h:9090/prom/api/v1/write"), "http://h:9090/prom");
  EXPECT_EQ(base_of_write_url("http://h/api/v1/push"), "");
}

}  // namespace
}  // namespace settle::sinks
