#include "sinks/remote_write/prometheus_answers.hpp"

#include <limits>

#include <gmock/gmock.h>

namespace settle::sinks {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr engine::TimeRange kRange{engine::from_epoch_ms(1'000), engine::from_epoch_ms(5'000)};

TEST(Selectors, AskForSeriesOfOneShapeTogether) {
  const std::vector<std::string> series{"m", "m{a=\"x\",b=\"1\"}", "m{a=\"y|.\\\"\",b=\"1\"}", "n{a=\"x\"}"};
  EXPECT_THAT(plan_selectors(series),
              ElementsAre("{__name__=\"m\"}", "{__name__=\"m\",a=~\"x|y\\\\|\\\\.\\\"\",b=\"1\"}",
                          "{__name__=\"n\",a=\"x\"}"));
}

TEST(RawQuery, AsksForARangeThatEndsWithItsLastMillisecond) {
  EXPECT_EQ(raw_query_form("m", kRange), "query=m%5B4000ms%5D&time=4.999");
}

TEST(RawQuery, CutsOffTimesThatNoServerKnows) {
  EXPECT_EQ(raw_query_form("m", {engine::Time::min(), engine::Time::max()}),
            "query=m%5B7258118400001ms%5D&time=7258118400.000");
}

TEST(RawSamples, AreReadInTheRangeOnly) {
  const auto samples = parse_raw_samples(
      R"({"status":"success","data":{"resultType":"matrix","result":[
        {"metric":{"__name__":"m","b":"2","a":"1"},
         "values":[[0.999,"7"],[1,"1"],[1.001,"+Inf"],[4.999,"9007199254740993"],[5,"7"]]},
        {"metric":{"__name__":"h"},"histograms":[[1,{}]]},
        {"metric":{"__name__":"n"},"values":[]}]}})",
      kRange);
  ASSERT_TRUE(samples) << samples.error().detail;
  ASSERT_EQ(samples->size(), 1u);
  EXPECT_THAT(samples->at("m{a=\"1\",b=\"2\"}"),
              ElementsAre(Pair(1000, 1.0), Pair(1001, std::numeric_limits<double>::infinity()),
                          Pair(4999, 9007199254740992.0)));
}

TEST(RawSamples, AreNotTakenFromAnAnswerThatIsPartialOrOfAnotherForm) {
  const std::string good = R"({"status":"success","data":{"resultType":"matrix","result":[]})";
  EXPECT_TRUE(parse_raw_samples(good + "}", kRange));
  EXPECT_TRUE(parse_raw_samples(good + R"(,"warnings":[]})", kRange));
  const auto partial = parse_raw_samples(good + R"(,"warnings":["store x: gone"]})", kRange);
  ASSERT_FALSE(partial);
  EXPECT_THAT(partial.error().detail, HasSubstr("store x: gone"));
  for (
      const char* bad :
      {"", "[]", R"({"status":"error"})", R"({"status":"success","data":[]})",
       R"({"status":"success","data":{"resultType":"vector","result":[]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":{}}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"values":[]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":1},"values":[]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1]]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[["1","1"]]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e99,"1"]]}]}})",
       R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"x"]]}]}})"}) {
    EXPECT_FALSE(parse_raw_samples(bad, kRange)) << bad;
  }
}

TEST(BuildInfo, TellsPrometheusFromThoseThatNameThemselves) {
  const auto prometheus = parse_build_info(
      R"({"status":"success","data":{"version":"2.42.0","revision":"x","goVersion":"go1.19.8"}})");
  ASSERT_TRUE(prometheus);
  EXPECT_EQ(prometheus->application, "");
  EXPECT_EQ(prometheus->version, "2.42.0");
  EXPECT_EQ(prometheus->go_version, "go1.19.8");
  const auto mimir = parse_build_info(
      R"({"status":"success","data":{"application":"Grafana Mimir","version":"2.10.0","goVersion":"go1.21"}})");
  ASSERT_TRUE(mimir);
  EXPECT_EQ(mimir->application, "Grafana Mimir");
  EXPECT_FALSE(parse_build_info("<html>"));
  EXPECT_FALSE(parse_build_info(R"({"status":"success","data":{}})"));
}

TEST(ProcessStart, IsReadFromTheMetrics) {
  EXPECT_EQ(parse_process_start("# TYPE process_start_time_seconds gauge\n"
                                "process_start_time_seconds 1.70000000012e+09\n"),
            engine::from_epoch_ms(1'700'000'000'120));
  EXPECT_FALSE(parse_process_start("other 1\n"));
  EXPECT_FALSE(parse_process_start("\nprocess_start_time_seconds NaN\n"));
}

}  // namespace
}  // namespace settle::sinks
