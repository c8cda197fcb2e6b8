#include <gtest/gtest.h>

#include "engine/stabilizer/finality.hpp"
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

TEST(ParseFinality, ReadsWhatFormatFinalityWrites) {
  for (const std::string_view text :
       {"consecutive:1", "consecutive:3", "consecutive:4294967295", "fixed:5m", "fixed:1h30m"}) {
    const auto policy = parse_finality(text);
    ASSERT_TRUE(policy) << text;
    EXPECT_EQ(format_finality(*policy), text);
  }
  EXPECT_EQ(*parse_finality("fixed:300s"), Finality{Fixed{.age = 5min}});
}

TEST(ParseFinality, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", "consecutive", "consecutive:", "consecutive:0", "consecutive:-1", "consecutive:3x",
        "consecutive:4294967296", "fixed:", "fixed:0s", "fixed:5", "learned", "Fixed:5m"}) {
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
