#include "engine/finality/learner.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/finality/panel.hpp"
#include "tests/engine/engine_polls.hpp"
#include "tests/support/histories.hpp"

namespace settle::test {
namespace {

using engine::Duration;
using engine::Learned;
using engine::Learner;
using engine::Score;
using engine::Window;
using namespace std::chrono_literals;

constexpr Duration kWatch = 30min;

/// A stream of one cell per minute whose settling ages are exponential: judged and learned from when sealed.
class Stream {
 public:
  Stream(std::uint64_t seed, double target)
      : dice_(seed), learner_(Learned{.error_target = target}, kWatch, 1min) {}

  /// Runs one bucket, whose changes after `watched` nobody sees; true when its first final value would have
  /// been wrong.
  bool run(Duration mean, Duration watched = Duration::max()) {
    const double random = (static_cast<double>(dice_.below(1'000'000)) + 0.5) / 1'000'000;
    auto age = Duration{static_cast<std::int64_t>(-std::log(random) * static_cast<double>(mean.count()))};
    if (age > watched) age = Duration{};  // nothing of that is ever seen
    const auto draw = static_cast<std::uint16_t>(dice_.below(65'536));
    const bool wrong = age > learner_.demand(0, draw).moving_age;
    waiting_.emplace_back(age, wrong);
    if (waiting_.size() > 30) {  // sealed when `watch` has passed
      const auto [sealed_age, was_wrong] = waiting_.front();
      waiting_.erase(waiting_.begin());
      learner_.note_life(kWatch);
      const engine::JudgedCell judged{.band = 0, .wrong = was_wrong};
      learner_.judge({&judged, 1});
      learner_.learn({{.band = 0, .score = learner_.score_of(sealed_age, kWatch)}});
    }
    return wrong;
  }
  [[nodiscard]] const Learner& learner() const { return learner_; }

 private:
  Dice dice_;
  Learner learner_;
  std::vector<std::pair<Duration, bool>> waiting_;
};

TEST(Learner, MeetsItsTargetOnAStationaryStream) {
  for (const double target : {0.01, 0.05}) {
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      Stream stream{seed, target};
      int wrong = 0;
      for (int i = 0; i < 3000; ++i) wrong += stream.run(2min) ? 1 : 0;
      EXPECT_LT(wrong, 2 * target * 3000) << "seed " << seed;
      sum += wrong;
    }
    EXPECT_NEAR(sum / 30'000, target, target / 4);
  }
}

TEST(Learner, FollowsASourceThatGetsSlower) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Stream stream{seed, 0.01};
    for (int i = 0; i < 1500; ++i) (void)stream.run(60s);
    const Duration before = stream.learner().demand(0).moving_age;
    int wrong = 0;
    std::size_t least = 1000;
    for (int i = 0; i < 1500; ++i) {
      wrong += stream.run(3min) ? 1 : 0;
      least = std::min(least, stream.learner().windows());
    }
    EXPECT_LT(least, 200U) << "the old regime is remembered";
    EXPECT_GT(stream.learner().demand(0).moving_age, 2 * before);
    EXPECT_LT(wrong, 2 * 0.01 * 3000) << "seed " << seed;  // twice the target over the whole life
  }
}

TEST(Learner, IsColdUntilItHasEnoughWindowsAndAsksForLessWithEach) {
  Learner learner{Learned{.error_target = 0.01}, kWatch, 1min};
  EXPECT_EQ(learner.demand(0), (engine::Demand{.polls = 3, .moving_age = 15min}));
  Duration last = 15min;
  for (int window = 1; window < 99; ++window) {
    learner.note_life(kWatch);
    learner.learn({{.band = 0, .score = 10}});
    EXPECT_FALSE(learner.is_warm());
    EXPECT_EQ(learner.demand(0).polls, 3U);
    EXPECT_LE(learner.demand(0).moving_age, last);
    last = learner.demand(0).moving_age;
  }
  learner.learn({{.band = 0, .score = 10}});
  EXPECT_TRUE(learner.is_warm());
  EXPECT_EQ(learner.demand(0).polls, 2U);
}

TEST(Learner, NeverSettlesWhereFarMoreThanTheTargetIsUnsettled) {
  Learner learner{Learned{.error_target = 0.1}, kWatch, 1min};
  const Score unsettled = learner.score_of(25min, kWatch);
  EXPECT_EQ(unsettled, engine::kUnsettled);
  for (int window = 0; window < 100; ++window) {
    learner.learn({{.band = 0, .score = window % 2 == 0 ? unsettled : Score{100}}});
  }
  EXPECT_EQ(learner.demand(0).moving_age, Duration::max());
  EXPECT_NEAR(learner.unsettled_share(), 0.5, 1e-9);
}

/// Up to four times the target: in the last fifth of what is watched, the later the more there are.
TEST(Learner, SettlesLateWhereSomeMoreThanTheTargetAreUnsettled) {
  Duration last = 24min;
  for (int unsettled = 12; unsettled <= 40; ++unsettled) {
    Learner learner{Learned{.error_target = 0.1}, kWatch, 1min};
    learner.note_life(kWatch);
    for (int window = 0; window < 100; ++window) {
      learner.learn(
          {{.band = 0, .score = window * unsettled % 100 < unsettled ? engine::kUnsettled : Score{100}}});
    }
    EXPECT_GT(learner.demand(0).moving_age, last);
    EXPECT_LT(learner.demand(0).moving_age, kWatch);
    last = learner.demand(0).moving_age;
  }
}

/// Two to four times as many as allowed still change in the last fifth: the target is met all the same, and
/// never does everything go out by ttl.
TEST(Learner, IsNotTrappedWhereTheTailIsLongerThanWhatIsWatched) {
  for (const Duration mean : {6min, 7min}) {
    double sum = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      Stream stream{seed, 0.01};
      int wrong = 0;
      int never = 0;
      for (int i = 0; i < 3000; ++i) {
        wrong += stream.run(mean, kWatch) ? 1 : 0;
        never += stream.learner().demand(0).moving_age >= kWatch ? 1 : 0;
      }
      EXPECT_LT(wrong, 2 * 0.01 * 3000) << "seed " << seed;
      EXPECT_LT(never, 300) << "seed " << seed;
      sum += wrong;
    }
    EXPECT_NEAR(sum / 15'000, 0.01, 0.005) << mean.count();
  }
}

TEST(Learner, NoticesAJumpInEightWindows) {
  int late = 0;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    Dice dice{seed};
    Learner learner{Learned{.error_target = 0.01}, kWatch, 1min};
    for (int window = 0; window < 1200; ++window) {
      learner.note_life(kWatch);
      learner.learn({{.band = 0, .score = static_cast<Score>(100 + dice.below(100))}});
      ASSERT_EQ(learner.windows(), std::min(static_cast<std::size_t>(window) + 1, std::size_t{1000}))
          << "nothing changed";
    }
    for (int window = 0; window < 8; ++window) {
      learner.learn({{.band = 0, .score = static_cast<Score>(300 + dice.below(300))}});
    }
    late += learner.windows() > 16 ? 1 : 0;
  }
  EXPECT_EQ(late, 0);
}

TEST(Learner, IsColdNoLongerThanWhatItSawLetsExpect) {
  Learner learner{Learned{.error_target = 0.01}, kWatch, 1min};
  for (int window = 1; window < 99; ++window) {
    learner.note_life(kWatch);
    learner.learn({{.band = 0, .score = 100}});  // 44 s
    EXPECT_GE(learner.demand(0).moving_age, 43s);
    if (window >= 10) {
      EXPECT_LT(learner.demand(0).moving_age, 3min);
    }
  }
  learner.learn({{.band = 0, .score = engine::kUnsettled}});
  EXPECT_EQ(learner.demand(0).polls, 2U);
}

TEST(Learner, CellsOfOneBucketCountAsOneSample) {
  Learner many{Learned{.error_target = 0.1}, kWatch, 1min};
  Learner one{Learned{.error_target = 0.1}, kWatch, 1min};
  Dice dice{7};
  for (int window = 0; window < 150; ++window) {
    const engine::AgedCell cell{.band = 0, .score = static_cast<Score>(dice.below(2000))};
    many.learn(Window(8, cell));
    one.learn(Window(1, cell));
    EXPECT_EQ(many.demand(0), one.demand(0));
  }
}

TEST(Learner, LearnsEachPaceForItself) {
  Learner learner{Learned{.error_target = 0.05}, kWatch, 1min};
  Dice dice{3};
  for (int window = 0; window < 150; ++window) {
    learner.learn({{.band = 1, .score = static_cast<Score>(dice.below(50))},
                   {.band = 3, .score = static_cast<Score>(1000 + dice.below(500))}});
  }
  ASSERT_TRUE(learner.splits());
  EXPECT_LT(learner.demand(1).moving_age, 30s);
  EXPECT_GT(learner.demand(3).moving_age, 7min);
  EXPECT_EQ(learner.demand_of_bucket(65'535).moving_age, learner.demand(3).moving_age);
  EXPECT_EQ(learner.demand(2), learner.demand(0));
}

/// A single series whose pace lies between two bands is now in the one and now in the other.
TEST(Learner, LearnsFromAllWherePacesDoNotDiffer) {
  Learner one{Learned{.error_target = 0.05}, kWatch, 1min};
  Learner other{Learned{.error_target = 0.05}, kWatch, 1min};
  Dice dice{3};
  for (int window = 0; window < 200; ++window) {
    const auto score = static_cast<Score>(dice.below(1000));
    one.learn({{.band = static_cast<std::uint8_t>(window / 20 % 2 == 0 ? 2 : 3), .score = score}});
    other.learn({{.band = 0, .score = score}});
    EXPECT_FALSE(one.splits());
    EXPECT_EQ(one.demand(3), other.demand(0));
  }
}

/// Nine in ten settle at once, the others with the next poll: one in twenty may be wrong, so half of the
/// buckets wait for that.
TEST(Learner, AsksForTheLesserStepInJustEnoughBuckets) {
  Learner learner{Learned{.error_target = 0.05}, kWatch, 1min};
  for (int window = 0; window < 200; ++window) {
    learner.learn({{.band = 0, .score = static_cast<Score>(window % 10 == 0 ? 300 : 100)}});
  }
  const Duration greater = learner.demand(0).moving_age;
  const Duration lesser = learner.demand(0, 0).moving_age;
  EXPECT_EQ(greater, 299 * (kWatch / 4096 + 1ms));
  EXPECT_EQ(lesser, 99 * (kWatch / 4096 + 1ms));
  int sooner = 0;
  for (int minute = 0; minute < 10'000; ++minute) {
    const auto asked = learner.demand(0, engine::bucket_draw(kNoon + 1min * minute)).moving_age;
    ASSERT_TRUE(asked == greater || asked == lesser);
    sooner += asked == lesser ? 1 : 0;
  }
  EXPECT_NEAR(sooner, 10'000 * (0.05 * 201 - 1) / 20, 200);
}

TEST(Learner, TellsASeriesPaceFromItsOwnPast) {
  engine::Pace fast;
  engine::Pace slow;
  for (int cell = 0; cell < engine::kPaceCells; ++cell) {
    EXPECT_EQ(Learner::band_of(fast), 0);
    fast = Learner::after(fast, static_cast<Score>(40 + cell % 20));
    slow = Learner::after(slow, static_cast<Score>(1500 + 10 * cell));
  }
  EXPECT_EQ(Learner::band_of(fast), 1);
  EXPECT_EQ(Learner::band_of(slow), 3);
  for (Score score = 1; score <= engine::kScoreMax; ++score) {
    EXPECT_GE(Learner::level_of(score), Learner::level_of(static_cast<Score>(score - 1)));
  }
}

TEST(Learner, TakesABatchSourceForWhatItIs) {
  Learner learner{Learned{.error_target = 0.1}, kWatch, 1min};
  for (int bucket = 0; bucket < 60; ++bucket) learner.note_life(90s);
  EXPECT_TRUE(learner.is_aged(90s));
  EXPECT_FALSE(learner.is_aged(60s)) << "it stood still";
  learner.note_life(0s);
  EXPECT_EQ(learner.usual_life(), 90s) << "a standstill says nothing";
}

TEST(Learner, StaysSmall) {
  for (const std::size_t cells : {1U, 8U}) {
    Learner learner{Learned{.error_target = 0.01}, kWatch, 1min};
    Dice dice{5};
    for (int window = 0; window < 3000; ++window) {
      learner.learn(Window(cells, {.band = 0, .score = static_cast<Score>(dice.below(3000))}));
    }
    EXPECT_EQ(learner.windows(), 1000U);
    EXPECT_LE(learner.memory_bytes(), cells == 1 ? 8192U : 40'960U);
  }
}

TEST(Panel, KeepsTheWayOfACellInFewSteps) {
  std::vector<engine::PanelStep> steps;
  for (int age = 0; age < 100; ++age) {
    engine::add_step(steps, Duration{1000 * age}, 100.0 * (1 - std::exp(-age / 8.0)), 0.01);
    ASSERT_LE(steps.size(), engine::kStepsMax);
  }
  engine::PanelCell cell;
  cell.steps = steps;
  cell.age = 99s;
  // Within 1 % from 37 s on; merged steps may only say later.
  const Duration settled = settled_age(cell, engine::Value::number(100).held_bits(), 0.01);
  EXPECT_GE(settled, 36s);
  EXPECT_LE(settled, 60s);
  EXPECT_EQ(settled_age(cell, engine::Value::number(100).held_bits(), 0), 99s);
}

TEST(WatchAdvice, FollowsHowTheSharesFall) {
  const auto advice = [](double middle, double late) {
    return engine::advise_watch({.watch = 10min, .life = 10min, .middle_share = middle, .late_share = late});
  };
  EXPECT_EQ(advice(0.2, 0.02), 15min);   // 99 % at 9 min 12 s
  EXPECT_EQ(advice(0.9, 0.011), 15min);  // at 8 min 5 s: the least is 12.5 min
  EXPECT_EQ(advice(0.2, 0.15), 40min);   // hardly falls
  EXPECT_EQ(advice(0.3, 0.3), 40min);
  EXPECT_EQ(engine::advise_watch({.watch = 1h, .life = 1h, .middle_share = 0.2, .late_share = 0.02}), 90min);
  EXPECT_EQ(engine::advise_watch({.watch = 7s, .life = 7s, .middle_share = 1, .late_share = 1}), 30s);
}

}  // namespace
}  // namespace settle::test
