#include "cli/demo/demo_curve.hpp"

#include <map>

#include <gtest/gtest.h>

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
using engine::Time;

constexpr Time kFirst = engine::from_epoch_ms(1'782'480'120'000);  // 2026-06-26T13:22:00Z

FinalCounts sixty_minutes() {
  FinalCounts finals;
  for (int i = 0; i < 60; ++i) finals[kFirst + i * 1min] = 900 + static_cast<std::uint64_t>(i * 37 % 400);
  return finals;
}

std::map<Time, std::vector<CurveStep>> by_bucket(const DemoCurve& curve) {
  std::map<Time, std::vector<CurveStep>> steps;
  for (const CurveStep& step : curve.steps) steps[step.bucket].push_back(step);
  return steps;
}

TEST(DemoCurve, GrowsStrictlyToTheFinalCountWithinFiveMinutes) {
  const FinalCounts finals = sixty_minutes();
  const DemoCurve curve = make_curve(finals);
  const auto steps = by_bucket(curve);
  ASSERT_EQ(steps.size(), finals.size());
  for (const auto& [bucket, history] : steps) {
    EXPECT_EQ(history.back().count, finals.at(bucket));
    EXPECT_LE(history.back().at - bucket - 1min, curve.stall.to == history.back().at ? 12min : 5min);
    for (std::size_t i = 1; i < history.size(); ++i) {
      EXPECT_LT(history[i - 1].at, history[i].at);
      EXPECT_LT(history[i - 1].count, history[i].count);
    }
  }
}

TEST(DemoCurve, StandsStillLongerThanOnePollOnlyOnThePlateauAndInTheStall) {
  const DemoCurve curve = make_curve(sixty_minutes());
  for (const auto& [bucket, history] : by_bucket(curve)) {
    for (std::size_t i = 1; i < history.size(); ++i) {
      const auto still = history[i].at - history[i - 1].at;
      if (bucket == curve.plateau_bucket && history[i - 1].count == curve.plateau_count) {
        EXPECT_GT(still, 1min);
        EXPECT_LT(still, 2min);
      } else if (history[i].at != curve.stall.to) {
        EXPECT_LT(still, 1min);
      }
    }
  }
}

TEST(DemoCurve, SaysNothingDuringTheStall) {
  const DemoCurve curve = make_curve(sixty_minutes());
  EXPECT_EQ(curve.stall.to - curve.stall.from, 6min);
  bool caught_up = false;
  for (const CurveStep& step : curve.steps) {
    EXPECT_FALSE(curve.stall.contains(step.at));
    caught_up = caught_up || step.at == curve.stall.to;
  }
  EXPECT_TRUE(caught_up);
  for (const Time frontier : curve.frontiers) EXPECT_FALSE(curve.stall.contains(frontier));
}

TEST(DemoCurve, IsTheSameEveryTime) {
  const std::string series = R"({"__name__": "m"})";
  EXPECT_EQ(trace_lines(make_curve(sixty_minutes()), series),
            trace_lines(make_curve(sixty_minutes()), series));
}

TEST(DemoCurve, WritesLinesInTheOrderOfTimeWithValuesBeforeTheFrontierOfTheirInstant) {
  const std::string lines = trace_lines(make_curve(sixty_minutes()), R"({"__name__": "m"})");
  std::string before;
  std::size_t from = 0;
  std::size_t count = 0;
  while (from < lines.size()) {
    const std::size_t end = lines.find('\n', from);
    const std::string line = lines.substr(from, end - from);
    const std::string instant = line.substr(8, 20);
    EXPECT_LE(before, instant);
    before = instant;
    from = end + 1;
    ++count;
  }
  EXPECT_GT(count, 300u);
  EXPECT_NE(lines.find(R"("series": {"__name__": "m"}, "bucket": "2026-06-26T13:22:00Z", "value": )"),
            std::string::npos);
}

}  // namespace
}  // namespace settle::cli
