// Running totals derived from bucket values: `output: counter`.

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
class Totals : public ::testing::Test {};
TYPED_TEST_SUITE(Totals, BothEngines);

TYPED_TEST(Totals, OfOneBucketIsItsValue) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  EXPECT_EQ(story.poll(60s), "m@0=100 r1 settled; ");
}

TYPED_TEST(Totals, AddUpInOrder) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  EXPECT_EQ(story.poll(120s), "m@0=100 r1 settled; m@1=300 r1 settled; ");
}

TYPED_TEST(Totals, WaitForEveryEarlierBucket) {
  auto options = counter_options();
  options.finality = engine::Consecutive{2};
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  EXPECT_EQ(story.poll(120s), "");
  story.set("m", 0, 101);
  EXPECT_EQ(story.poll(140s), "");
  EXPECT_EQ(story.poll(160s), "m@0=101 r1 settled; m@1=301 r1 settled; ");
}

TYPED_TEST(Totals, FollowAnEarlierBucketUp) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  story.set("m", 0, 150);
  EXPECT_EQ(story.poll(140s), "m@0=150 r2 correction; m@1=350 r2 correction; ");
}

TYPED_TEST(Totals, FollowAnEarlierBucketDown) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  story.set("m", 0, 60);
  EXPECT_EQ(story.poll(140s), "m@0=60 r2 correction; m@1=260 r2 correction; ");
}

TYPED_TEST(Totals, AreSilentWhenNothingChanged) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  EXPECT_EQ(story.polls(130s, 4), "");
}

TYPED_TEST(Totals, ShiftWhenAnEarlierBucketArrivesLate) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 1, 200);
  EXPECT_EQ(story.poll(120s), "m@1=200 r1 settled; ");
  story.set("m", 0, 100);
  EXPECT_EQ(story.poll(140s), "m@0=100 r1 correction; m@1=300 r2 correction; ");
}

TYPED_TEST(Totals, BeforeTheChangedBucketStay) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  story.set("m", 2, 300);
  EXPECT_EQ(story.poll(180s), "m@0=100 r1 settled; m@1=300 r1 settled; m@2=600 r1 settled; ");
  story.set("m", 1, 250);
  EXPECT_EQ(story.poll(200s), "m@1=350 r2 correction; m@2=650 r2 correction; ");
}

TYPED_TEST(Totals, AreRightAfterManyCorrections) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  story.set("m", 0, 120);
  (void)story.poll(140s);
  story.set("m", 1, 210);
  EXPECT_EQ(story.poll(160s), "m@1=330 r3 correction; ");
  story.set("m", 0, 110);
  EXPECT_EQ(story.poll(170s), "m@0=110 r3 correction; m@1=320 r4 correction; ");
}

TYPED_TEST(Totals, OfBucketsThatStayWhenOneChangesForAnother) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  story.set("m", 0, 110);
  story.set("m", 1, 190);
  EXPECT_EQ(story.poll(140s), "m@0=110 r2 correction; ");
}

TYPED_TEST(Totals, GoOnWhereSealedBucketsEnded) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  EXPECT_EQ(story.poll(60s), "m@0=100 r1 settled; ");
  EXPECT_EQ(story.poll(12min), "");
  EXPECT_EQ(story.expire(12min), "");
  EXPECT_EQ(story.live_from(), 1);
  story.set("m", 12, 50);
  EXPECT_EQ(story.poll(13min), "m@12=150 r1 settled; ");
}

TYPED_TEST(Totals, KeepLaterBucketsWhenTheOldestIsSealed) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  story.set("m", 2, 300);
  (void)story.poll(180s);
  (void)story.poll(11min + 30s);
  EXPECT_EQ(story.expire(11min + 30s), "");
  EXPECT_EQ(story.live_from(), 1);
  EXPECT_EQ(story.cell("m", 2).emitted, Value::count(600));
  story.set("m", 1, 210);
  EXPECT_EQ(story.poll(11min + 40s), "m@1=310 r2 correction; m@2=610 r2 correction; ");
}

TYPED_TEST(Totals, OfSeveralBucketsThatCloseAtOnceAreExact) {
  auto options = counter_options();
  options.finality = engine::Consecutive{3};
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  story.set("m", 2, 300);
  EXPECT_EQ(story.poll(14min), "");
  EXPECT_EQ(story.expire(14min), "m@0=100 r1 ttl; m@1=300 r1 ttl; m@2=600 r1 ttl; ");
  EXPECT_EQ(story.live_from(), 3);
  story.set("m", 3, 1);
  (void)story.poll(15min);
  EXPECT_EQ(story.expire(15min), "m@3=601 r1 ttl; ");
}

TYPED_TEST(Totals, TakeInTheDriftOfACellThatIsSealed) {
  auto options = counter_options();
  options.finality = engine::Consecutive{2};
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  EXPECT_EQ(story.polls(120s, 2), "m@0=100 r1 settled; m@1=300 r1 settled; ");
  story.set("m", 0, 110);
  EXPECT_EQ(story.poll(11min), "");
  story.set("m", 0, 115);
  EXPECT_EQ(story.poll(11min + 30s), "");
  EXPECT_EQ(story.expire(11min + 30s), "m@0=115 r2 ttl; m@1=315 r2 correction; ");
  EXPECT_EQ(story.live_from(), 1);
}

TYPED_TEST(Totals, DoNotSealANewerBucketBeforeAnOlderOne) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  const auto part = HistoryPart{"a",
                                {kMinuteZero + 1min, kMinuteZero + 13min},
                                {},
                                kMinuteZero + 13min,
                                {{"m", kMinuteZero + 1min, Value::count(200)}}};
  EXPECT_EQ(story.poll_parts(13min, {part}), "");
  EXPECT_EQ(story.expire(13min), "");
  EXPECT_EQ(story.live_from(), 0);
  EXPECT_EQ(story.engine().cells().size(), 2U);
}

TYPED_TEST(Totals, HoldBackCorrectionsAndCarryThemInTheNextTotal) {
  auto options = counter_options();
  options.corrections = engine::Corrections::hold;
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  story.set("m", 1, 200);
  (void)story.poll(120s);
  story.set("m", 0, 150);
  EXPECT_EQ(story.poll(140s), "");
  EXPECT_EQ(story.stats().held_back, 1U);
  story.set("m", 2, 10);
  EXPECT_EQ(story.poll(180s), "m@2=360 r1 settled; ");
}

TYPED_TEST(Totals, WithholdANegativeCarryUntilItIsAbsorbed) {
  auto options = counter_options();
  options.corrections = engine::Corrections::hold;
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  story.set("m", 0, 40);
  EXPECT_EQ(story.poll(80s), "");
  EXPECT_EQ(story.stats().withheld, 60.0);
  story.set("m", 1, 50);
  EXPECT_EQ(story.poll(120s), "m@1=100 r1 settled; ");
  EXPECT_EQ(story.stats().withheld, 10.0);
  story.set("m", 2, 30);
  EXPECT_EQ(story.poll(180s), "m@2=120 r1 settled; ");
  EXPECT_EQ(story.stats().withheld, 0.0);
}

TYPED_TEST(Totals, AccountForWhatNoTotalFollowsWhenFlushed) {
  auto options = counter_options();
  options.corrections = engine::Corrections::hold;
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  story.set("m", 0, 130);
  EXPECT_EQ(story.poll(80s), "");
  EXPECT_EQ(story.stats().unpropagated, 0.0);
  EXPECT_EQ(story.flush(2min), "");
  EXPECT_EQ(story.stats().unpropagated, 30.0);
  story.set("m", 3, 5);
  EXPECT_EQ(story.poll(4min), "m@3=105 r1 settled; ");  // the 30 are given up, once
  EXPECT_EQ(story.flush(5min), "");
  EXPECT_EQ(story.stats().unpropagated, 30.0);
}

TYPED_TEST(Totals, AccountForWhatNoTotalFollowsWhenTheSeriesIsForgotten) {
  auto options = counter_options();
  options.corrections = engine::Corrections::hold;
  options.series_idle = 30min;
  Story<TypeParam> story{options};
  story.set("more", 0, 100);
  story.set("less", 0, 100);
  (void)story.poll(60s);
  story.set("more", 0, 130);
  story.set("less", 0, 93);
  (void)story.poll(80s);
  EXPECT_EQ(story.stats().withheld, 7.0);
  (void)story.poll(12min);
  (void)story.expire(12min);
  story.erase("more", 0);
  story.erase("less", 0);
  EXPECT_EQ(story.stats().unpropagated, 0.0);
  (void)story.expire(40min);
  EXPECT_EQ(story.stats().unpropagated, 23.0);
  EXPECT_EQ(story.stats().withheld, 0.0);
}

TYPED_TEST(Totals, TakeInWhatAFilledGapBrings) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  story.set("m", 1, 50);
  (void)story.poll(120s);
  story.engine().carry("m", 7);
  story.restart();
  EXPECT_EQ(story.expire(130s), "m@0=107 r2 correction; m@1=157 r2 correction; ");
  story.engine().carry("m", -5);
  story.set("m", 2, 1);
  EXPECT_EQ(story.poll(180s), "m@0=102 r3 correction; m@1=152 r3 correction; m@2=153 r1 settled; ");
  EXPECT_EQ(story.stats().unpropagated, 0.0);
}

TYPED_TEST(Totals, HoldWhatAFilledGapBringsForTheNextTotal) {
  auto options = counter_options();
  options.corrections = engine::Corrections::hold;
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  story.engine().carry("m", 7);
  EXPECT_EQ(story.expire(70s), "");
  story.restart();
  story.set("m", 1, 50);
  EXPECT_EQ(story.poll(120s), "m@1=157 r1 settled; ");
  (void)story.poll(13min);
  (void)story.expire(13min);
  story.engine().carry("m", -20);
  EXPECT_EQ(story.stats().withheld, 20.0);
  story.set("m", 12, 5);
  EXPECT_EQ(story.poll(14min), "m@12=157 r1 correction; ");
  EXPECT_EQ(story.stats().withheld, 15.0);
}

TYPED_TEST(Totals, CountACarryThatNothingTakes) {
  auto options = counter_options();
  options.series_max = 1;
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  story.engine().carry("other", 7);
  EXPECT_EQ(story.stats().unpropagated, 7.0);
  EXPECT_EQ(story.stats().rows_over_limit, 1U);
  story.engine().carry("m", -3);  // it starts from nothing
  EXPECT_EQ(story.stats().unpropagated, 4.0);
  story.engine().carry("another", -2);
  EXPECT_EQ(story.stats().unpropagated, 2.0);
  EXPECT_EQ(story.expire(70s), "");
}

TYPED_TEST(Totals, StartFromWhatAFilledGapBringsOfASeriesThatWasNotKnown) {
  Story<TypeParam> story{counter_options()};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  story.engine().carry("other", 7);
  EXPECT_EQ(story.expire(70s), "");
  EXPECT_EQ(story.engine().series_count(), 2U);
  story.restart();
  story.set("other", 1, 3);
  EXPECT_EQ(story.poll(120s), "other@1=10 r1 settled; ");
  EXPECT_EQ(story.stats().unpropagated, 0.0);
}

TYPED_TEST(Totals, CountWhatAFilledGapBringsOfASeriesThatNeverComes) {
  auto options = counter_options();
  options.series_idle = 1h;
  Story<TypeParam> story{options};
  story.set("m", 0, 100);
  (void)story.poll(60s);
  story.engine().carry("other", 7);
  (void)story.expire(1h);
  EXPECT_EQ(story.stats().unpropagated, 0.0);
  (void)story.expire(1h + 1ms);
  EXPECT_EQ(story.stats().unpropagated, 7.0);
  EXPECT_EQ(story.engine().series_count(), 1U);
}

TYPED_TEST(Totals, SurviveAGrowingAndRevisedHour) {
  auto options = counter_options();
  options.finality = engine::Consecutive{3};
  Story<TypeParam> story{options};
  std::map<int, std::uint64_t> truth;
  for (int minute = 0; minute < 60; ++minute) truth[minute] = 100U + 7U * static_cast<unsigned>(minute % 5);
  for (int tick = 0; tick < 2 * 75; ++tick) {
    const Duration now = 30s * tick + 1s;
    for (int minute = 0; minute < 60; ++minute) {
      const Duration age = now - 1min * minute;
      if (age < 0s) continue;
      const std::uint64_t grown =
          age < 3min ? truth[minute] * static_cast<std::uint64_t>(age / 1s) / 180 : truth[minute];
      story.set("m", minute, minute % 7 == 3 && age > 6min ? grown + 5 : grown);
    }
    (void)story.poll(now);
    (void)story.expire(now);
  }
  for (auto& [minute, value] : truth) value += minute % 7 == 3 ? 5 : 0;
  std::uint64_t total = 0;
  for (const auto& [minute, value] : truth) total += value;
  story.set("m", 75, 1);
  EXPECT_EQ(story.polls(76min, 3), "m@75=" + std::to_string(total + 1) + " r1 settled; ");
  EXPECT_EQ(story.stats().ttl, 0U);
}

}  // namespace
}  // namespace settle::test
