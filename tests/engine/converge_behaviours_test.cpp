// What users of the first stabilizer of this kind rely on, by subject; docs/adr/0003-behaviours-not-taken.md
// has the rest.

#include "tests/engine/story.hpp"

namespace settle::test {
namespace {

template <class E>
class Stabilizing : public ::testing::Test {};
TYPED_TEST_SUITE(Stabilizing, BothEngines);

TYPED_TEST(Stabilizing, IsSilentUntilTheThirdEqualValueThenEmitsOnceAtTheBucket) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.poll(60s), "");
  EXPECT_EQ(story.poll(80s), "");
  EXPECT_EQ(story.poll(100s), "m@0=5 r1 settled; ");
  EXPECT_EQ(story.polls(120s, 5), "");
}

TYPED_TEST(Stabilizing, EmitsAtOnceWhenOnePollIsEnough) {
  auto options = story_options();
  options.finality = engine::Consecutive{1};
  Story<TypeParam> story{options};
  story.set("m", 0, 5);
  EXPECT_EQ(story.poll(60s), "m@0=5 r1 settled; ");
}

TYPED_TEST(Stabilizing, DoesNotCountPollsBeforeTheBucketEnded) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(10s, 3), "");
  EXPECT_EQ(story.polls(60s, 2), "");
  EXPECT_EQ(story.poll(100s), "m@0=5 r1 settled; ");
}

TYPED_TEST(Stabilizing, IsNotFooledByASourceThatStandsStill) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.poll(60s), "");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(story.poll_frozen(70s + 10s * i, 60s), "");
  EXPECT_EQ(story.stats().answers_unmoved, 10U);
  story.set("m", 0, 8);
  EXPECT_EQ(story.polls(180s, 2), "");
  EXPECT_EQ(story.poll(220s), "m@0=8 r1 settled; ");
}

TYPED_TEST(Stabilizing, SettlesNothingPastTheFrontier) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(story.poll_frozen(70s + 10s * i, 50s + 1s * i), "");
  EXPECT_EQ(story.poll_frozen(200s, 60s), "");
  EXPECT_EQ(story.poll_frozen(210s, 61s), "");
  EXPECT_EQ(story.poll_frozen(220s, 62s), "m@0=5 r1 settled; ");
}

TYPED_TEST(Stabilizing, EmitsANewValueAfterItsOwnRun) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(60s, 3), "m@0=5 r1 settled; ");
  story.set("m", 0, 7);
  EXPECT_EQ(story.polls(120s, 2), "");
  EXPECT_EQ(story.poll(160s), "m@0=7 r2 correction; ");
}

TYPED_TEST(Stabilizing, IsSilentWhenADriftReturnsToTheEmittedValue) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(60s, 3), "m@0=5 r1 settled; ");
  story.set("m", 0, 7);
  EXPECT_EQ(story.poll(120s), "");
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(140s, 6), "");
  EXPECT_EQ(story.stats().changed_after_final, 2U);
}

TYPED_TEST(Stabilizing, NeverSettlesAValueThatKeepsAlternating) {
  Story<TypeParam> story;
  for (int i = 0; i < 12; ++i) {
    story.set("m", 0, i % 2 == 0 ? 5U : 6U);
    EXPECT_EQ(story.poll(60s + 20s * i), "");
  }
}

TYPED_TEST(Stabilizing, JudgesEveryBucketByItself) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  story.set("m", 1, 6);
  EXPECT_EQ(story.poll(100s), "");
  EXPECT_EQ(story.engine().cells().size(), 2U);
  EXPECT_EQ(story.poll(120s), "");
  EXPECT_EQ(story.poll(140s), "m@0=5 r1 settled; ");
  EXPECT_EQ(story.poll(160s), "m@1=6 r1 settled; ");
}

TYPED_TEST(Stabilizing, JudgesEverySeriesByItself) {
  Story<TypeParam> story;
  story.set("m{s=\"1\"}", 0, 5);
  story.set("m{s=\"2\"}", 0, 6);
  EXPECT_EQ(story.poll(60s), "");
  story.set("m{s=\"2\"}", 0, 7);
  EXPECT_EQ(story.poll(80s), "");
  EXPECT_EQ(story.poll(100s), "m{s=\"1\"}@0=5 r1 settled; ");
  EXPECT_EQ(story.poll(120s), "m{s=\"2\"}@0=7 r1 settled; ");
  EXPECT_EQ(story.engine().series_count(), 2U);
}

TYPED_TEST(Stabilizing, GrowsSettlesIsBumpedAndSettlesAgain) {
  Story<TypeParam> story;
  std::string out;
  const std::uint64_t seen[] = {10, 40, 90, 100, 100, 100, 100, 103, 103, 103, 103};
  for (int i = 0; i < 11; ++i) {
    story.set("m", 0, seen[i]);
    out += story.poll(60s + 20s * i);
  }
  EXPECT_EQ(out, "m@0=100 r1 settled; m@0=103 r2 correction; ");
}

TYPED_TEST(Stabilizing, SaysHowOldAndHowQuietTheBucketWas) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  (void)story.poll(60s);
  (void)story.poll(80s);
  const auto samples = story.engine().ingest(make_answer({{"a",
                                                           {kMinuteZero, kMinuteZero + 2min},
                                                           {},
                                                           kMinuteZero + 100s,
                                                           {{"m", kMinuteZero, Value::count(5)}}}}),
                                             kMinuteZero + 100s);
  ASSERT_EQ(samples.size(), 1U);
  EXPECT_EQ(samples[0].age, 40s);
  EXPECT_EQ(samples[0].evidence_polls, 3U);
}

TYPED_TEST(Stabilizing, ShowsTheNewestAndTheEmittedValueDuringADrift) {
  Story<TypeParam> story;
  EXPECT_TRUE(story.engine().cells().empty());
  story.set("m", 0, 5);
  (void)story.poll(60s);
  EXPECT_EQ(story.cell("m", 0).value, Value::count(5));
  EXPECT_EQ(story.cell("m", 0).emitted, std::nullopt);
  (void)story.polls(80s, 2);
  story.set("m", 0, 9);
  (void)story.poll(120s);
  EXPECT_EQ(story.cell("m", 0).value, Value::count(9));
  EXPECT_EQ(story.cell("m", 0).emitted, Value::count(5));
  EXPECT_FALSE(story.cell("m", 0).quiet);
}

TYPED_TEST(Stabilizing, CountsAChangeAfterALongQuietTime) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  (void)story.polls(60s, 12);
  EXPECT_EQ(story.stats().changed_after_final, 0U);
  story.set("m", 0, 6);
  (void)story.poll(300s);
  EXPECT_EQ(story.stats().changed_after_final, 1U);
}

TYPED_TEST(Stabilizing, KnowsASeriesByItsLabelsInAnyOrder) {
  const auto one = engine::parse_series("m{b=\"2\",a=\"1\"}");
  const auto other = engine::parse_series("m{a=\"1\",b=\"2\"}");
  ASSERT_TRUE(one && other);
  Story<TypeParam> story;
  story.set(engine::series_text(*one), 0, 5);
  (void)story.polls(60s, 2);
  story.set(engine::series_text(*other), 0, 5);
  EXPECT_EQ(story.poll(100s), "m{a=\"1\",b=\"2\"}@0=5 r1 settled; ");
  EXPECT_EQ(story.engine().series_count(), 1U);
}

template <class E>
class Closing : public ::testing::Test {};
TYPED_TEST_SUITE(Closing, BothEngines);

TYPED_TEST(Closing, ForcesAnUnstableValueOnlyPastItsTtl) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.poll(11min), "");
  EXPECT_EQ(story.expire(11min), "");
  story.set("m", 0, 6);
  EXPECT_EQ(story.poll(11min + 1ms), "");
  EXPECT_EQ(story.expire(11min + 1ms), "m@0=6 r1 ttl; ");
}

TYPED_TEST(Closing, IsSilentForACellThatWentOutBefore) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(60s, 3), "m@0=5 r1 settled; ");
  EXPECT_EQ(story.poll(12min), "");
  EXPECT_EQ(story.expire(12min), "");
  EXPECT_TRUE(story.engine().cells().empty());
  EXPECT_EQ(story.stats().sealed, 1U);
  EXPECT_EQ(story.live_from(), 1);
}

TYPED_TEST(Closing, ForcesASeriesWhoseSiblingWentOutBefore) {
  Story<TypeParam> story;
  story.set("m{s=\"1\"}", 0, 5);
  story.set("m{s=\"2\"}", 0, 1);
  (void)story.polls(60s, 2);
  story.set("m{s=\"2\"}", 0, 2);
  EXPECT_EQ(story.poll(100s), "m{s=\"1\"}@0=5 r1 settled; ");
  story.set("m{s=\"2\"}", 0, 3);
  EXPECT_EQ(story.poll(12min), "");
  EXPECT_EQ(story.expire(12min), "m{s=\"2\"}@0=3 r1 ttl; ");
}

TYPED_TEST(Closing, EmitsTheDriftOfACellThatWentOutBefore) {
  Story<TypeParam> story;
  story.set("m", 0, 100);
  EXPECT_EQ(story.polls(60s, 3), "m@0=100 r1 settled; ");
  story.set("m", 0, 110);
  EXPECT_EQ(story.poll(11min), "");
  story.set("m", 0, 115);
  EXPECT_EQ(story.poll(12min), "");
  EXPECT_EQ(story.expire(12min), "m@0=115 r2 ttl; ");
}

TYPED_TEST(Closing, KeepsABucketThatIsExactlyAtTheEdge) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(60s, 3), "m@0=5 r1 settled; ");
  EXPECT_EQ(story.poll(11min), "");
  EXPECT_EQ(story.expire(11min), "");
  EXPECT_EQ(story.live_from(), 0);
  EXPECT_EQ(story.poll(11min), "");
  EXPECT_EQ(story.expire(11min + 5s), "");  // the clock alone closes nothing
  EXPECT_EQ(story.live_from(), 0);
  EXPECT_EQ(story.stats().rows_late, 0U);
}

TYPED_TEST(Closing, FlushEmitsWhatIsUnstableAndForgetsAllCells) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  story.set("m", 1, 6);
  EXPECT_EQ(story.polls(60s, 3), "m@0=5 r1 settled; ");
  EXPECT_EQ(story.flush(100s), "m@1=6 r1 flush; ");
  EXPECT_TRUE(story.engine().cells().empty());
  EXPECT_EQ(story.flush(101s), "");
}

TYPED_TEST(Closing, IsWhatEndsASourceThatStandsStill) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.poll(30s), "");
  EXPECT_EQ(story.poll_frozen(11min, 30s), "");
  EXPECT_EQ(story.expire(11min), "");
  EXPECT_EQ(story.poll_frozen(11min + 10s, 30s), "");
  EXPECT_EQ(story.expire(11min + 10s), "m@0=5 r1 ttl; ");
}

TYPED_TEST(Closing, OfAnEmptyEngineGivesNothing) {
  Story<TypeParam> story;
  EXPECT_EQ(story.expire(100min), "");
  EXPECT_EQ(story.flush(100min), "");
  EXPECT_EQ(story.stats(), engine::EngineStats{});
  EXPECT_EQ(story.live_from(), 0);
}

template <class E>
class AbsentZero : public ::testing::Test {
 protected:
  static engine::EngineOptions options() {
    auto options = story_options();
    options.absent = engine::Absent::zero;
    options.finality = engine::Consecutive{1};
    return options;
  }
};
TYPED_TEST_SUITE(AbsentZero, BothEngines);

TYPED_TEST(AbsentZero, MakesAZeroForAKnownSeriesThatAFinalBucketDoesNotHave) {
  Story<TypeParam> story{this->options()};
  story.set("m{status=\"200\"}", 0, 5);
  story.set("m{status=\"500\"}", 0, 1);
  (void)story.poll(60s);
  story.set("m{status=\"200\"}", 1, 7);
  EXPECT_EQ(story.poll(120s), "m{status=\"200\"}@1=7 r1 settled; m{status=\"500\"}@1=0 r1 settled; ");
  EXPECT_EQ(story.stats().zeros, 1U);
}

TYPED_TEST(AbsentZero, DoesNotReachBackToBucketsBeforeTheFirstValue) {
  Story<TypeParam> story{this->options()};
  story.set("m{status=\"200\"}", 0, 5);
  story.set("m{status=\"200\"}", 1, 5);
  story.set("m{status=\"500\"}", 1, 1);
  EXPECT_EQ(story.poll(120s),
            "m{status=\"200\"}@0=5 r1 settled; m{status=\"200\"}@1=5 r1 settled; m{status=\"500\"}@1=1 r1 "
            "settled; ");
  EXPECT_EQ(story.stats().zeros, 0U);
}

TYPED_TEST(AbsentZero, MakesNothingForASeriesNeverSeen) {
  Story<TypeParam> story{this->options()};
  story.set("m{status=\"200\"}", 0, 5);
  EXPECT_EQ(story.polls(60s, 6), "m{status=\"200\"}@0=5 r1 settled; m{status=\"200\"}@1=0 r1 settled; ");
}

TYPED_TEST(AbsentZero, IsDecidedByTheScopeThatReportedTheSeries) {
  Story<TypeParam> story{this->options()};
  story.set("m{zone=\"1\"}", 0, 5, "a");
  story.set("m{zone=\"2\"}", 0, 6, "b");
  EXPECT_EQ(story.poll(60s), "m{zone=\"1\"}@0=5 r1 settled; m{zone=\"2\"}@0=6 r1 settled; ");
  EXPECT_EQ(story.poll_scope(120s, "a"), "m{zone=\"1\"}@1=0 r1 settled; ");
}

TYPED_TEST(AbsentZero, IsCorrectedByAValueThatComesLate) {
  Story<TypeParam> story{this->options()};
  story.set("m", 0, 5);
  (void)story.poll(60s);
  EXPECT_EQ(story.poll(120s), "m@1=0 r1 settled; ");
  story.set("m", 1, 3);
  EXPECT_EQ(story.poll(140s), "m@1=3 r2 correction; ");
}

TYPED_TEST(AbsentZero, DoesNotDependOnHowManyBucketsAreSealedAtATime) {
  auto options = this->options();
  options.finality = engine::Consecutive{3};
  for (const bool at_once : {false, true}) {
    Story<TypeParam> story{options};
    story.set("m", 0, 5);
    EXPECT_EQ(story.polls(60s, 3), "m@0=5 r1 settled; ");
    story.set("m", 0, 7);  // not final again before it is sealed
    std::string out;
    if (!at_once) {
      EXPECT_EQ(story.poll(12min), "");
      out = story.expire(12min);
    }
    EXPECT_EQ(story.poll(13min), "");
    EXPECT_EQ(out + story.expire(13min), "m@0=7 r2 ttl; m@1=0 r1 ttl; ") << at_once;
  }
}

TYPED_TEST(AbsentZero, IsOffByDefault) {
  Story<TypeParam> story;
  story.set("m", 0, 5);
  EXPECT_EQ(story.polls(60s, 12), "m@0=5 r1 settled; ");
}

template <class E>
class IdleSeries : public ::testing::Test {};
TYPED_TEST_SUITE(IdleSeries, BothEngines);

TYPED_TEST(IdleSeries, AreNotPushedAgain) {
  auto options = story_options();
  options.output = engine::Output::counter;
  Story<TypeParam> story{options};
  story.set("m", 0, 5);
  std::string out;
  for (int i = 0; i < 30; ++i) {
    out += story.poll(60s + 30s * i);
    out += story.expire(60s + 30s * i);
  }
  EXPECT_EQ(out, "m@0=5 r1 settled; ");
}

}  // namespace
}  // namespace settle::test
