#include "sinks/victoriametrics/victoriametrics.hpp"

#include <gmock/gmock.h>

#include "tests/sinks/scripted_tsdb.hpp"
#include "tests/support/loopback.hpp"

namespace settle::sinks {
namespace {

using ::testing::HasSubstr;

struct VictoriaMetricsTest : ScriptedTsdb {
  VictoriaMetricsTest() {
    options.name = "tsdb";
    options.endpoint.url = url;
    script.otherwise = answer(400, "unsupported path requested");
    script.answers["/health"] = answer(200, "OK");
    script.answers["/metrics"] = answer(200, "vm_app_version{version=\"\", short_version=\"\"} 1\n");
    script.answers["/internal/force_flush"] = answer(200);
  }
  PushOutcome push(std::vector<Row> rows) {
    VictoriaMetrics sink{client, options};
    return test::result_of(context, sink.push(std::move(rows)));
  }
  SinkHealth check() {
    VictoriaMetrics sink{client, options};
    return test::result_of(context, sink.check());
  }
  engine::Result<std::vector<bool>> holds(std::vector<Row> rows) {
    VictoriaMetrics sink{client, options};
    return test::result_of(context, sink.holds(std::move(rows)));
  }
  engine::Result<std::vector<StoredSample>> stored(std::vector<std::string> series,
                                                   engine::TimeRange timestamps) {
    VictoriaMetrics sink{client, options};
    return test::result_of(context, sink.stored(std::move(series), timestamps));
  }

  VictoriaMetricsOptions options;
};

TEST_F(VictoriaMetricsTest, PostsJsonLinesToTheImportPath) {
  script.answers["/api/v1/import"] = answer(204);
  EXPECT_EQ(push({row("m{a=\"x\"}", 5)}).verdict, PushVerdict::accepted);
  ASSERT_EQ(script.asked.size(), 1u);
  EXPECT_EQ(script.asked[0].method, "POST");
  EXPECT_EQ(script.asked[0].body,
            "{\"metric\":{\"__name__\":\"m\",\"a\":\"x\"},\"values\":[5],\"timestamps\":[1800000000000]}\n");
}

TEST_F(VictoriaMetricsTest, PassesOnRetryAfter) {
  script.answers["/api/v1/import"] = answer(429, "slow down", {{"Retry-After", "9"}});
  const PushOutcome outcome = push({row("m", 5)});
  EXPECT_EQ(outcome.verdict, PushVerdict::retry);
  EXPECT_EQ(outcome.retry_after, std::chrono::seconds{9});
  EXPECT_THAT(outcome.detail, HasSubstr("slow down"));
}

TEST_F(VictoriaMetricsTest, TakesAWrongPathForAMistakeInTheConfiguration) {
  options.endpoint.url += "/prefix";
  const PushOutcome outcome = push({row("m", 5)});
  EXPECT_EQ(outcome.verdict, PushVerdict::misconfigured);
  EXPECT_THAT(outcome.detail, HasSubstr("url"));
}

TEST_F(VictoriaMetricsTest, DoesNotKnowWhatBecameOfARequestThatWasCut) {
  test::ScriptedServer cutting{context, {{.answer = ""}}};
  options.endpoint.url = cutting.url();
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::uncertain);
}

TEST_F(VictoriaMetricsTest, DoesNotKnowWhatBecameOfARequestThatTimedOut) {
  script.mute = true;
  options.timeout = std::chrono::milliseconds{50};
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::uncertain);
}

TEST_F(VictoriaMetricsTest, MaySendAgainWhenNobodyListens) {
  options.endpoint.url = "http://127.0.0.1:" + std::to_string(test::unused_port(context));
  EXPECT_EQ(push({row("m", 5)}).verdict, PushVerdict::retry);
  const SinkHealth health = check();
  EXPECT_FALSE(health.reachable);
  EXPECT_THAT(health.server, HasSubstr("/health"));
}

TEST_F(VictoriaMetricsTest, SaysWhatTheServerIsAndWhatThatMeans) {
  const SinkHealth old = check();
  EXPECT_TRUE(old.reachable);
  EXPECT_EQ(old.capabilities.overwrite, Overwrite::none);
  EXPECT_TRUE(old.capabilities.can_read_back);
  EXPECT_FALSE(old.capabilities.durable_when_acknowledged);
  EXPECT_THAT(old.server, HasSubstr("counts as old"));
  script.answers["/metrics"] =
      answer(200,
             "vm_app_version{version=\"x\", short_version=\"v1.93.0\"} 1\nvm_app_start_timestamp 1700000000\n"
             "flag{name=\"dedup.minScrapeInterval\", value=\"1ms\", is_set=\"true\"} 1\n");
  const SinkHealth fresh = check();
  EXPECT_EQ(fresh.capabilities.overwrite, Overwrite::max_wins);
  EXPECT_EQ(fresh.started_at, engine::from_epoch_ms(1'700'000'000'000));
  EXPECT_NE(fresh.meaning, old.meaning);
}

TEST_F(VictoriaMetricsTest, CannotReadBackBehindAGatewayThatHidesTheExport) {
  script.answers["/metrics"] = answer(403);
  script.answers["/api/v1/export"] = answer(403);
  EXPECT_FALSE(check().capabilities.can_read_back);
  script.answers["/api/v1/export"] = answer(200);
  EXPECT_TRUE(check().capabilities.can_read_back);
}

TEST_F(VictoriaMetricsTest, IsNotReachableWhileTheServerFails) {
  script.answers["/health"] = answer(503, "starting");
  EXPECT_FALSE(check().reachable);
}

TEST_F(VictoriaMetricsTest, FindsInTheExportWhatItHolds) {
  script.answers["/api/v1/export"] =
      answer(200, "{\"metric\":{\"__name__\":\"m\"},\"values\":[5],\"timestamps\":[1800000000000]}\n");
  const auto held = holds({row("m", 5), row("n", 5), row("m", 6)});
  ASSERT_TRUE(held) << held.error().detail;
  EXPECT_THAT(*held, ::testing::ElementsAre(true, false, false));
  EXPECT_EQ(script.asked.at(0).path, "/internal/force_flush") << "fresh rows are made visible first";
}

TEST_F(VictoriaMetricsTest, AsksForManySeriesInSeveralQueries) {
  script.answers["/api/v1/export"] = answer(200);
  std::vector<Row> rows;
  for (int i = 0; i < 600; ++i) rows.push_back(row("m{i=\"" + std::to_string(i) + "\"}", 5));
  const auto held = holds(rows);
  ASSERT_TRUE(held);
  EXPECT_EQ(held->size(), 600u);
  EXPECT_EQ(script.asked.size(), 4u);
}

TEST_F(VictoriaMetricsTest, DoesNotGuessWhenTheExportFails) {
  script.answers["/api/v1/export"] = answer(500, "storage trouble");
  const auto held = holds({row("m", 5)});
  ASSERT_FALSE(held);
  EXPECT_THAT(held.error().detail, HasSubstr("storage trouble"));
}

TEST_F(VictoriaMetricsTest, GivesEverythingItHasOfTheSeries) {
  script.answers["/api/v1/export"] =
      answer(200, "{\"metric\":{\"__name__\":\"m\"},\"values\":[6,5],\"timestamps\":[1000,1000]}\n");
  const auto found = stored({"m", "m", "a"}, {engine::from_epoch_ms(0), engine::from_epoch_ms(2000)});
  ASSERT_TRUE(found) << found.error().detail;
  ASSERT_EQ(found->size(), 2u);
  EXPECT_EQ((*found)[0].series, "m");
  EXPECT_EQ((*found)[0].value, engine::Value::count(5));
  EXPECT_EQ((*found)[1].value, engine::Value::count(6));
  ASSERT_EQ(script.asked.size(), 2u);
  EXPECT_EQ(script.asked[0].path, "/internal/force_flush");
  EXPECT_EQ(script.asked[1].body, "reduce_mem_usage=1&start=0.000&end=1.999&match%5B%5D=a&match%5B%5D=m");
}

TEST_F(VictoriaMetricsTest, SaysSoWhenEvenOneSeriesInOneMillisecondIsTooMuch) {
  script.answers["/api/v1/export"] = answer(200, std::string(33u << 20, 'x'));
  const auto found = stored({"m", "n"}, {engine::from_epoch_ms(0), engine::from_epoch_ms(2)});
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().detail, HasSubstr("larger than"));
  // Both series, the second, its second half.
  EXPECT_EQ(script.asked.size(), 1u + 3u);
}

}  // namespace
}  // namespace settle::sinks
