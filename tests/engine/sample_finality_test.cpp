#include <gtest/gtest.h>

#include "engine/finality/finality.hpp"
#include "engine/stabilizer/sample.hpp"

namespace settle::engine {
namespace {

using namespace std::chrono_literals;

TEST(Consecutive, IsFinalFromItsNumberOfPollsOn) {
  const Finality policy = Consecutive{.polls = 3};
  EXPECT_FALSE(decide_final(policy, {.evidence_polls = 2, .moving_age = 100h}));
  EXPECT_TRUE(decide_final(policy, {.evidence_polls = 3, .moving_age = 0ms}));
  EXPECT_TRUE(decide_final(policy, {.evidence_polls = 4, .moving_age = 0ms}));
}

TEST(Fixed, IsFinalFromItsAgeOnHoweverOftenTheCellChanged) {
  const Finality policy = Fixed{.age = 5min};
  EXPECT_FALSE(decide_final(policy, {.evidence_polls = 100, .moving_age = 5min - 1ms}));
  EXPECT_TRUE(decide_final(policy, {.evidence_polls = 0, .moving_age = 5min}));
}

TEST(Learned, IsFinalAtTheAgeAndTheQuietPollsThatAreDemanded) {
  const Finality policy = Learned{};
  const Demand demand{.polls = 2, .moving_age = 5min};
  EXPECT_FALSE(decide_final(policy, {.evidence_polls = 2, .moving_age = 5min - 1ms}, demand));
  EXPECT_FALSE(decide_final(policy, {.evidence_polls = 1, .moving_age = 1h}, demand));
  EXPECT_TRUE(decide_final(policy, {.evidence_polls = 2, .moving_age = 5min}, demand));
  EXPECT_FALSE(decide_final(policy, {.evidence_polls = 100, .moving_age = 100h})) << "nothing is learned";
}

TEST(ParseFinality, ReadsWhatFormatFinalityWrites) {
  for (const std::string_view text :
       {"consecutive:1", "consecutive:3", "consecutive:4294967295", "fixed:5m", "fixed:1h30m", "learned:0.01",
        "learned:0.0001", "learned:0.5", "learned:0.01,tolerance=0.005"}) {
    const auto policy = parse_finality(text);
    ASSERT_TRUE(policy) << text;
    EXPECT_EQ(format_finality(*policy), text);
  }
  EXPECT_EQ(*parse_finality("fixed:300s"), Finality{Fixed{.age = 5min}});
}

TEST(ParseFinality, ReadsSharesAsDecimalsAndPercent) {
  const Learned exact{.error_target = 0.01, .tolerance = 0};
  for (const std::string_view text : {"learned", "learned:0.01", "learned:1%", "learned:1%,tolerance=0"}) {
    EXPECT_EQ(*parse_finality(text), Finality{exact}) << text;
    EXPECT_EQ(format_finality(*parse_finality(text)), "learned:0.01") << text;
  }
  const Learned loose{.error_target = 0.001, .tolerance = 0.007};
  EXPECT_EQ(*parse_finality("learned:0.1%,tolerance=0.7%"), Finality{loose});
  EXPECT_EQ(format_finality(Finality{loose}), "learned:0.001,tolerance=0.007");
}

TEST(ParseFinality, RefusesEverythingElse) {
  for (const std::string_view text : {"",
                                      "consecutive",
                                      "consecutive:",
                                      "consecutive:0",
                                      "consecutive:-1",
                                      "consecutive:3x",
                                      "consecutive:4294967296",
                                      "fixed:",
                                      "fixed:0s",
                                      "fixed:5",
                                      "Fixed:5m",
                                      "Learned",
                                      "learned:",
                                      "learned:0",
                                      "learned:0.00001",
                                      "learned:0.6",
                                      "learned:60%",
                                      "learned:-1%",
                                      "learned:1e-2",
                                      "learned:nan",
                                      "learned:1%%",
                                      "learned:.",
                                      "learned:0.01,",
                                      "learned:0.01,tolerance",
                                      "learned:0.01,tolerance=",
                                      "learned:0.01,tolerance=60%",
                                      "learned:0.01,tolerance=1%,tolerance=1%",
                                      "learned:,tolerance=1%",
                                      "learned,tolerance=1%"}) {
    EXPECT_FALSE(parse_finality(text)) << text;
  }
}

TEST(Reason, HasATextThatReadsBack) {
  for (const Reason reason :
       {Reason::settled, Reason::ttl, Reason::correction, Reason::flush, Reason::backfill}) {
    EXPECT_EQ(parse_reason(reason_text(reason)), reason);
  }
  EXPECT_EQ(parse_reason("Settled"), std::nullopt);
  EXPECT_EQ(parse_reason(""), std::nullopt);
}

}  // namespace
}  // namespace settle::engine
