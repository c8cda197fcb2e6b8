#include "cli/config/check_config.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace settle::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr engine::Time kNow = engine::from_epoch_ms(1'800'000'000'000);

constexpr const char* kSources = R"yaml(
sources:
  prom: {kind: prometheus, url: "http://127.0.0.1:9090", queries: {m: "sum(increase(x[1m]))"}}
  edge: {kind: trace, file: /dev/null}
sinks:
  vm: {kind: victoriametrics, url: "http://127.0.0.1:9090/vm"}
)yaml";

/// The two lines of sources come first: the job stands on line 8.
ConfigReport check_job(const std::string& job) {
  return check_config(std::string(kSources) + "jobs:\n  - " + job + "\n", "s.yaml", kNow);
}

TEST(CheckConfig, SaysWhatAGoodFileConfigures) {
  const ConfigReport report =
      check_job("{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a/b}");
  EXPECT_THAT(report.errors, IsEmpty());
  EXPECT_THAT(report.warnings, IsEmpty());
  EXPECT_EQ(report.summary,
            "2 sources, 1 sink, 1 job; listens on 127.0.0.1:9009, keeps its data in settle-data");
}

TEST(CheckConfig, TakesTheFieldsOfAnAccurateFinalityAndOfCorrections) {
  const ConfigReport report = check_job(
      "{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a, finality: learned, "
      "error_target: 0.02, tolerance: 1%, values: growing, corrections: ledger}");
  EXPECT_THAT(report.errors, IsEmpty());
}

TEST(CheckConfig, TakesJobsWithAFunctionAndPointsAtWhatIsWrongWithThem) {
  const std::string common = ", granularity: 1m, source: edge, store_path: a, ";
  const std::string p99 = "{query: \"quantile_over_time(0.99, e[5m])\"" + common;
  const ConfigReport good =
      check_job(p99 + "sketch_type: ddsketch, accuracy: 0.02, max_bins: 64, by: [zone]}");
  EXPECT_THAT(good.errors, IsEmpty());
  EXPECT_THAT(check_job(p99 + "sketch_type: hll}").errors,
              ElementsAre(HasSubstr("sketch_type: \"hll\" does not fit quantile_over_time")));
  EXPECT_THAT(check_job(p99 + "sketch_type: ddsketch, accuracy: fine}").errors,
              ElementsAre(HasSubstr("accuracy: \"fine\" is not a number")));
  EXPECT_THAT(check_job("{query: \"rate(e[90s])\"" + common + "sketch_type: stats}").errors,
              ElementsAre(StartsWith("s.yaml:8:6: query: has the window 1m30s")));
}

TEST(CheckConfig, WarnsOfAJobThatTheFileOutlived) {
  const ConfigReport report = check_job(
      "{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a/b, valid_until: \"1\"}");
  EXPECT_THAT(report.errors, IsEmpty());
  EXPECT_THAT(report.warnings, ElementsAre(StartsWith("s.yaml:8:85: valid_until is past")));
}

TEST(CheckConfig, PointsAtTheFieldOfABadJob) {
  struct Case {
    std::string job;
    std::string error;
  };
  const std::vector<Case> cases{
      {"{query: e, granularity: 7m, source: edge, sketch_type: scalar, store_path: a}",
       "s.yaml:8:16: granularity: "},
      {"{query: e, granularity: 1m, source: nope, sketch_type: scalar, store_path: a}",
       "s.yaml:8:33: source: "},
      {"{query: other, granularity: 1m, source: prom, sketch_type: scalar, store_path: a}", "s.yaml:8:"},
      {"{query: e, granularity: 1m, source: edge, sketch_type: scalar}", "s.yaml:8:5: store_path: "},
      {"{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a, sink: nope}",
       "s.yaml:8:83: sink: "},
      // What goes back to the server it came from needs another name.
      {"{query: m, granularity: 1m, source: prom, sketch_type: scalar, store_path: a}", "s.yaml:8:"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(check_job(c.job).errors, ElementsAre(StartsWith(c.error))) << c.job;
  }
}

TEST(CheckConfig, RefusesTwoJobsOnOnePath) {
  const ConfigReport report = check_job(
      "{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a}\n"
      "  - {query: f, granularity: 1m, source: edge, sketch_type: scalar, store_path: a}");
  EXPECT_THAT(report.errors,
              ElementsAre("s.yaml:9:68: store_path: \"a\" is already the path of the job on line 8"));
}

TEST(CheckConfig, RefusesTwoJobsThatWriteOneSeriesToOneSink) {
  const std::string first = "{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a}\n";
  EXPECT_THAT(
      check_job(
          first +
          "  - {query: f, granularity: 1m, source: edge, sketch_type: scalar, store_path: b, record: e}")
          .errors,
      ElementsAre(
          "s.yaml:9:83: record: the job on line 8 may write series of \"e\" to the same sink; give another "
          "record, or labels that tell them apart"));
  EXPECT_THAT(
      check_job(first + "  - {query: e, granularity: 5m, source: edge, sketch_type: scalar, store_path: b}")
          .errors,
      ElementsAre(StartsWith("s.yaml:9:6: record: the job on line 8 may write series of \"e\"")));
  EXPECT_THAT(
      check_job(first + "  - {query: e, granularity: 5m, source: edge, sketch_type: scalar, store_path: b, "
                        "sink: builtin}")
          .errors,
      IsEmpty())
      << "another sink";
}

TEST(CheckConfig, RefusesTheSameJobTwice) {
  const std::string job = "{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a}";
  EXPECT_THAT(check_job(job + "\n  - " + job).errors, ElementsAre(StartsWith("s.yaml:9:68: store_path: ")));
}

TEST(CheckConfig, RefusesATraceThatIsNotThere) {
  const ConfigReport report =
      check_config("sources:\n  edge: {kind: trace, file: /nowhere/t.jsonl}\n", "s.yaml", kNow);
  EXPECT_THAT(report.errors, ElementsAre("s.yaml:2:23: file: there is no /nowhere/t.jsonl"));
}

TEST(CheckConfig, RefusesTwoSinksOnOneFile) {
  const ConfigReport report = check_config(
      "sinks:\n  a: {kind: file, file: /x/out.jsonl}\n  b: {kind: file, file: /x/../x/out.jsonl}\n", "s.yaml",
      kNow);
  EXPECT_THAT(
      report.errors,
      ElementsAre("s.yaml:3:3: \"a\" already writes to /x/out.jsonl; each sink needs a file of its own"));
}

TEST(CheckConfig, WarnsOfWhatOnlyTheServerCanAllow) {
  const ConfigReport report = check_job(
      "{query: e, granularity: 1m, source: edge, sketch_type: scalar, store_path: a, corrections: repush}");
  EXPECT_THAT(report.errors, IsEmpty());
  EXPECT_THAT(report.warnings,
              ElementsAre(StartsWith("s.yaml:8:83: corrections: repush needs VictoriaMetrics")));
}

TEST(CheckConfig, ListsEveryErrorOfTheFile) {
  const ConfigReport report = check_config("lisen: a\nlog_level: b\n", "s.yaml", kNow);
  EXPECT_THAT(report.errors, ElementsAre(StartsWith("s.yaml:1:1: "), StartsWith("s.yaml:2:12: ")));
}

TEST(CheckConfig, WarnsOfAFileWithoutSources) {
  EXPECT_THAT(check_config("", "s.yaml", kNow).warnings, ElementsAre(StartsWith("s.yaml:1:1: no sources")));
}

}  // namespace
}  // namespace settle::cli
