// Which policy a sink allows for which values, and the ways to ask for a learned finality.
#include "runner/jobs/job_policy.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_context.hpp"

namespace settle::runner {
namespace {

using engine::Corrections;
using ::testing::HasSubstr;

Outcome<JobSpec> parse(const std::string& more) {
  const test::FakeContext context;
  auto spec = parse_job(
      R"({"query":"m","granularity":"1m","source":"trace","sketch_type":"scalar","store_path":"p")" + more +
          "}",
      context, engine::from_epoch_ms(0));
  if (spec && spec->unfit) return *spec->unfit;
  return spec;
}

struct Asked {
  std::string sink;  // log overwrites, larger keeps the larger of two, tsdb keeps both
  std::string output;
  std::string values;
  std::string corrections;  // "": not asked for
};

/// "repush", "repush rising only", …; "refused".
std::string granted(const Asked& asked) {
  std::string more = R"(,"sink":")" + asked.sink + R"(","output":")" + asked.output + R"(","values":")" +
                     asked.values + "\"";
  if (!asked.corrections.empty()) more += R"(,"corrections":")" + asked.corrections + "\"";
  const auto spec = parse(more);
  if (!spec) {
    EXPECT_EQ(spec.refusal().field, "corrections");
    EXPECT_EQ(spec.refusal().kind, Refusal::Kind::invalid);
    EXPECT_THAT(spec.refusal().detail, HasSubstr("expected"));
    return "refused";
  }
  constexpr const char* kNames[] = {"repush", "hold", "ledger"};
  return kNames[static_cast<int>(spec->engine.corrections)] +
         std::string{spec->engine.rising_only ? " rising only" : ""};
}

TEST(JobPolicy, GrantsOnlyCorrectionsThatTheSinkCanTake) {
  struct Case {
    Asked asked;
    const char* expected;
  };
  const Case cases[] = {
      {{"log", "gauge", "any", ""}, "repush"},
      {{"log", "gauge", "any", "repush"}, "repush"},
      {{"log", "gauge", "any", "hold"}, "hold"},
      {{"log", "gauge", "any", "ledger"}, "ledger"},
      {{"log", "gauge", "growing", ""}, "repush"},
      {{"log", "gauge", "growing", "repush"}, "repush"},
      {{"log", "gauge", "growing", "ledger"}, "ledger"},
      {{"log", "counter", "any", ""}, "repush"},
      {{"log", "counter", "any", "repush"}, "repush"},
      {{"log", "counter", "any", "hold"}, "hold"},
      {{"log", "counter", "any", "ledger"}, "refused"},
      {{"log", "counter", "growing", "ledger"}, "refused"},
      {{"larger", "gauge", "any", ""}, "hold"},
      {{"larger", "gauge", "any", "repush"}, "refused"},
      {{"larger", "gauge", "any", "hold"}, "hold"},
      {{"larger", "gauge", "any", "ledger"}, "ledger"},
      {{"larger", "gauge", "growing", ""}, "repush rising only"},
      {{"larger", "gauge", "growing", "repush"}, "repush rising only"},
      {{"larger", "gauge", "growing", "hold"}, "hold"},
      {{"larger", "gauge", "growing", "ledger"}, "ledger"},
      {{"larger", "counter", "any", ""}, "hold"},
      {{"larger", "counter", "any", "repush"}, "refused"},
      {{"larger", "counter", "growing", ""}, "hold"},
      {{"larger", "counter", "growing", "repush"}, "refused"},
      {{"larger", "counter", "growing", "ledger"}, "refused"},
      {{"tsdb", "gauge", "any", ""}, "hold"},
      {{"tsdb", "gauge", "any", "repush"}, "refused"},
      {{"tsdb", "gauge", "any", "ledger"}, "ledger"},
      {{"tsdb", "gauge", "growing", ""}, "hold"},
      {{"tsdb", "gauge", "growing", "repush"}, "refused"},
      {{"tsdb", "gauge", "growing", "hold"}, "hold"},
      {{"tsdb", "counter", "any", ""}, "hold"},
      {{"tsdb", "counter", "any", "repush"}, "refused"},
      {{"tsdb", "counter", "any", "hold"}, "hold"},
      {{"tsdb", "counter", "any", "ledger"}, "refused"},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(granted(one.asked), one.expected) << one.asked.sink << " " << one.asked.output << " "
                                                << one.asked.values << " " << one.asked.corrections;
  }
}

TEST(JobPolicy, TakesTheWeakestOfSeveralSinks) {
  const auto both = parse(R"(,"sinks":["log","larger"],"values":"growing")");
  ASSERT_TRUE(both);
  EXPECT_TRUE(both->engine.rising_only);
  EXPECT_EQ(parse(R"(,"sinks":["larger","log"])")->engine.corrections, Corrections::hold);
  EXPECT_EQ(parse(R"(,"sinks":["larger","tsdb"],"values":"growing")")->engine.corrections, Corrections::hold);
}

TEST(JobPolicy, AsksForSeriesInOrderWhereASinkTakesNothingThatIsAsLateAsWatch) {
  EXPECT_FALSE(parse(R"(,"sink":"tsdb")")->engine.in_order);
  EXPECT_TRUE(parse(R"(,"sink":"ordered")")->engine.in_order);
  EXPECT_TRUE(parse(R"(,"sinks":["log","ordered"])")->engine.in_order);
  EXPECT_FALSE(parse(R"(,"sink":"ordered","output":"counter")")->engine.in_order);  // totals always are
  EXPECT_FALSE(parse(R"(,"sink":"patient","watch":"30m")")->engine.in_order);
  EXPECT_TRUE(parse(R"(,"sink":"patient","watch":"31m")")->engine.in_order);
}

TEST(JobPolicy, KeepsTheOrderInTheRecordAndInWhatMakesTwoJobsShareAStream) {
  const auto plain = parse(R"(,"sink":"tsdb")");
  const auto ordered = parse(R"(,"sink":"ordered")");
  ASSERT_TRUE(plain && ordered);
  EXPECT_NE(stream_identity(*plain), stream_identity(*ordered));
  const auto read = parse_job_record(job_record_json(*ordered));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->engine.in_order);
  EXPECT_EQ(stream_identity(*read), stream_identity(*ordered));
}

TEST(JobPolicy, SaysWhyARepushIsRefusedAndWhatWouldDo) {
  EXPECT_THAT(
      parse(R"(,"sink":"larger","corrections":"repush")").refusal().detail,
      AllOf(HasSubstr("it keeps the larger"), HasSubstr(R"("values": "growing")"), HasSubstr("hold")));
  EXPECT_THAT(parse(R"(,"sink":"tsdb","corrections":"repush","values":"growing")").refusal().detail,
              AllOf(HasSubstr("it keeps both values"), HasSubstr("ledger")));
  EXPECT_THAT(parse(R"(,"output":"counter","corrections":"ledger")").refusal().detail,
              HasSubstr(R"("output": "gauge")"));
  EXPECT_EQ(parse(R"(,"values":"falling")").refusal().field, "values");
  EXPECT_EQ(parse(R"(,"corrections":"ledger","labels":{"revision":"x"})").refusal().field, "labels.revision");
}

TEST(JobPolicy, FoldsTheShortFormsIntoALearnedFinality) {
  const auto policy = [](const std::string& more) {
    const auto spec = parse(more);
    EXPECT_TRUE(spec) << more << ": " << spec.refusal().detail;
    return spec ? engine::format_finality(spec->engine.finality) : "";
  };
  EXPECT_EQ(policy(R"(,"finality":"learned")"), "learned:0.01");
  EXPECT_EQ(policy(R"(,"finality":"learned:2%,tolerance=1%")"), "learned:0.02,tolerance=0.01");
  EXPECT_EQ(policy(R"(,"error_target":0.05)"), "learned:0.05");
  EXPECT_EQ(policy(R"(,"error_target":"5%")"), "learned:0.05");
  EXPECT_EQ(policy(R"(,"tolerance":"1%")"), "learned:0.01,tolerance=0.01");
  EXPECT_EQ(policy(R"(,"finality":"learned","error_target":0.2,"tolerance":0)"), "learned:0.2");
}

TEST(JobPolicy, RefusesShortFormsThatContradictOrDoNotFit) {
  const auto refused = [](const std::string& more) {
    const auto spec = parse(more);
    return spec ? std::string{"(taken)"} : spec.refusal().field;
  };
  EXPECT_EQ(refused(R"(,"finality":"consecutive:3","error_target":0.01)"), "error_target");
  EXPECT_EQ(refused(R"(,"finality":"fixed:5m","tolerance":0.01)"), "tolerance");
  EXPECT_EQ(refused(R"(,"finality":"learned:0.02","error_target":0.01)"), "error_target");
  EXPECT_EQ(refused(R"(,"error_target":0.9)"), "error_target");
  EXPECT_EQ(refused(R"(,"error_target":-0.1)"), "error_target");
  EXPECT_EQ(refused(R"(,"error_target":"0.01,tolerance=0.1")"), "error_target");
  EXPECT_EQ(refused(R"(,"error_target":true)"), "error_target");
  EXPECT_EQ(refused(R"(,"error_target":1e300)"), "error_target");
  EXPECT_EQ(refused(R"(,"tolerance":"much")"), "tolerance");
  EXPECT_EQ(refused(R"(,"tolerance":0.51)"), "tolerance");
}

TEST(JobPolicy, TwoWaysToWriteAShareAreOneRequest) {
  EXPECT_EQ(parse(R"(,"error_target":"1%")")->identity, parse(R"(,"error_target":0.01)")->identity);
  EXPECT_NE(parse(R"(,"error_target":"1%")")->identity, parse(R"(,"error_target":"2%")")->identity);
  EXPECT_NE(parse(R"(,"tolerance":"1%")")->identity, parse(R"(,"tolerance":"2%")")->identity);
  EXPECT_NE(parse(R"(,"values":"growing")")->identity, parse("")->identity);
}

}  // namespace
}  // namespace settle::runner
