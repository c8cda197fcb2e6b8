// Faults that an earlier stabilizer had in the field, each named; ours must not have them.

#include "tests/engine/story.hpp"

namespace settle::test {
namespace {

engine::EngineOptions counter_options() {
  auto options = story_options();
  options.output = engine::Output::counter;
  options.finality = engine::Consecutive{1};
  return options;
}

template <class E>
class KnownWeakness : public ::testing::Test {};
TYPED_TEST_SUITE(KnownWeakness, BothEngines);

TYPED_TEST(KnownWeakness, ReadingSealedBucketsAgainCountsThemTwice) {
  Story<TypeParam> story{counter_options()};
  for (int minute = 0; minute < 5; ++minute) story.set("m", minute, 100);
  (void)story.poll(5min);
  (void)story.poll(20min);
  (void)story.expire(20min);
  EXPECT_EQ(story.live_from(), 9);
  EXPECT_EQ(story.polls(20min + 1s, 3), "");
  EXPECT_EQ(story.stats().rows_late, 15U);
  story.set("m", 20, 1);
  EXPECT_EQ(story.poll(21min + 1s), "m@20=501 r1 settled; ");
}

TYPED_TEST(KnownWeakness, ARestartAddsHistoryThatIsInTheTotalAlready) {
  Story<TypeParam> story{counter_options()};
  for (int minute = 0; minute < 12; ++minute) {
    story.set("m", minute, 100);
    (void)story.poll(1min * (minute + 1));
    (void)story.expire(1min * (minute + 1));
  }
  story.restart();
  EXPECT_EQ(story.polls(12min, 3), "");
  story.set("m", 12, 1);
  EXPECT_EQ(story.poll(13min), "m@12=1201 r1 settled; ");
}

TYPED_TEST(KnownWeakness, AnEdgeBucketSeenInPartIsTakenForTheWhole) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 100);
  (void)story.poll(120s);
  // The answer begins in the middle of minute 0 and ends in the middle of minute 1.
  const HistoryPart cut{"a",
                        {kMinuteZero + 30s, kMinuteZero + 90s},
                        {},
                        kMinuteZero + 130s,
                        {{"m", kMinuteZero, Value::count(50)}, {"m", kMinuteZero + 1min, Value::count(50)}}};
  EXPECT_EQ(story.poll_parts(130s, {cut}), "");
  EXPECT_EQ(story.stats().rows_refused, 2U);
  EXPECT_EQ(story.cell("m", 0).value, Value::count(100));
  EXPECT_EQ(story.cell("m", 1).value, Value::count(100));
}

TYPED_TEST(KnownWeakness, ALateRowOfASealedBucketGoesOnTopOfTheTotal) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  (void)story.poll(12min);
  (void)story.expire(12min);
  story.set("m", 0, 130);
  story.set("late", 0, 7);
  EXPECT_EQ(story.poll(13min), "");
  EXPECT_EQ(story.stats().rows_late, 2U);
  story.set("m", 13, 1);
  EXPECT_EQ(story.poll(14min), "m@13=101 r1 settled; ");
}

TYPED_TEST(KnownWeakness, StoppingPushesUnstableValuesThatTheNextStartBuildsOn) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 10);
  EXPECT_EQ(story.poll(90s), "m@0=100 r1 settled; ");
  story.restart();  // a stop emits nothing; only flush does, and says so
  story.set("m", 1, 60);
  EXPECT_EQ(story.poll(120s), "m@1=160 r1 settled; ");
}

TYPED_TEST(KnownWeakness, AFlushIsCountedAgainAfterwards) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 10);
  (void)story.poll(90s);
  EXPECT_EQ(story.flush(90s), "m@1=110 r1 flush; ");
  EXPECT_EQ(story.polls(120s, 2), "");
  story.set("m", 2, 5);
  EXPECT_EQ(story.poll(180s), "m@2=115 r1 settled; ");
}

TYPED_TEST(KnownWeakness, ATruncatedAnswerMakesHoles) {
  Story<TypeParam> story;
  story.set("m{s=\"1\"}", 0, 5);
  story.set("m{s=\"2\"}", 0, 6);
  (void)story.polls(60s, 2);
  const HistoryPart cut{"a",
                        {kMinuteZero, kMinuteZero + 2min},
                        engine::Completeness::truncated,
                        kMinuteZero + 100s,
                        {{"m{s=\"1\"}", kMinuteZero, Value::count(5)}}};
  EXPECT_EQ(story.poll_parts(100s, {cut}), "");
  EXPECT_EQ(story.stats().vanished, 0U);
  EXPECT_EQ(story.poll(110s), "m{s=\"1\"}@0=5 r1 settled; m{s=\"2\"}@0=6 r1 settled; ");
}

TYPED_TEST(KnownWeakness, SeriesThatStoppedAreKeptForEver) {
  auto options = counter_options();
  options.series_idle = 1h;
  Story<TypeParam> story{options};
  for (int minute = 0; minute < 90; ++minute) {
    if (minute < 5) story.set("gone", minute, 1);
    story.set("m", minute, 1);
    (void)story.poll(1min * (minute + 1));
    (void)story.expire(1min * (minute + 1));
    if (minute < 5) {
      EXPECT_EQ(story.engine().series_count(), 2U);
    }
  }
  EXPECT_EQ(story.engine().series_count(), 1U);
  EXPECT_LE(story.engine().cells().size(), 12U);
}

TYPED_TEST(KnownWeakness, CountsAboveTwoToThe53AreRoundedSilently) {
  constexpr std::uint64_t kExact = std::uint64_t{1} << 53;
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, kExact - 1);
  story.set("m", 1, 1);
  story.set("m", 2, 1);
  story.set("n", 0, kExact + 1);
  EXPECT_EQ(story.poll(180s), "m@0=9007199254740991 r1 settled; m@1=9007199254740992 r1 settled; ");
  EXPECT_EQ(story.stats().rows_uncountable, 2U);  // the row of n, and the total of m that does not fit
}

TYPED_TEST(KnownWeakness, ValuesThatAreNotCountsAreTakenForCounters) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, Value::number(-3));
  story.set("n", 0, Value::number(0.5));
  EXPECT_EQ(story.poll(60s), "");
  EXPECT_EQ(story.stats().rows_uncountable, 2U);
}

TYPED_TEST(KnownWeakness, GaugesCannotBeNegativeOrFractionalOrLarge) {
  auto options = story_options();
  options.finality = engine::Consecutive{1};
  Story<TypeParam> story{options};
  story.set("m{s=\"1\"}", 0, Value::number(-3));
  story.set("m{s=\"2\"}", 0, Value::number(0.5));
  story.set("m{s=\"3\"}", 0, Value::count(18446744073709551615ULL));
  EXPECT_EQ(story.poll(60s),
            "m{s=\"1\"}@0=-3 r1 settled; m{s=\"2\"}@0=0.5 r1 settled; m{s=\"3\"}@0=18446744073709551615 r1 "
            "settled; ");
}

}  // namespace
}  // namespace settle::test
