#include "cli/replay/shapes.hpp"

#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <xxhash.h>

#include "fetchers/trace_writer.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
using engine::Duration;
using engine::Time;

ShapedTrace made(std::string_view name, std::uint64_t seed = 1, std::uint32_t windows = 300) {
  auto shaped = make_shape(name, {.seed = seed, .windows = windows});
  EXPECT_TRUE(shaped) << name;
  return shaped ? *std::move(shaped) : ShapedTrace{};
}

std::string text_of(const ShapedTrace& shaped) {
  std::ostringstream out;
  fetchers::write_trace(out, shaped.trace);
  return out.str();
}

/// The value with which each cell ends.
std::map<std::pair<std::uint32_t, Time>, std::uint64_t> ends_of(const ShapedTrace& shaped) {
  std::map<std::pair<std::uint32_t, Time>, std::uint64_t> ends;
  for (const auto& line : shaped.trace.lines) ends[{line.series, line.bucket}] = line.value->as_count();
  return ends;
}

double mean_end(const ShapedTrace& shaped) {
  double sum = 0;
  const auto ends = ends_of(shaped);
  for (const auto& [cell, value] : ends) sum += static_cast<double>(value);
  return sum / static_cast<double>(ends.size());
}

/// Share of cells that change at an age above `age`.
double still_open(const ShapedTrace& shaped, Duration age, Time from = Time::min()) {
  std::set<std::pair<std::uint32_t, Time>> open;
  std::size_t all = 0;
  for (const auto& [cell, value] : ends_of(shaped)) all += cell.second >= from ? 1 : 0;
  for (const auto& line : shaped.trace.lines) {
    if (line.bucket >= from && line.at > line.bucket + kShapeWindow + age)
      open.insert({line.series, line.bucket});
  }
  return static_cast<double>(open.size()) / static_cast<double>(all);
}

TEST(Shapes, AreTheSameForASeedOnEveryMachine) {
  std::map<std::string, std::uint64_t> sums;
  for (const Shape& shape : shapes()) {
    const std::string text = text_of(made(shape.name, 7, 120));
    sums[std::string(shape.name)] = XXH64(text.data(), text.size(), 0);
    EXPECT_EQ(text, text_of(made(shape.name, 7, 120))) << shape.name;
    EXPECT_NE(text, text_of(made(shape.name, 8, 120))) << shape.name;
  }
  const std::map<std::string, std::uint64_t> expected{
      {"batch", 7438929343319764175ull},          {"drift", 10215778187985600758ull},
      {"lagging_scope", 8142783476782418084ull},  {"night_and_day", 12156060433420825354ull},
      {"revisions_down", 9304452385391757864ull}, {"smooth", 2072653503307267482ull},
      {"sparse", 1084048269161232707ull},         {"stall", 14730376202674910682ull}};
  EXPECT_EQ(sums, expected);
}

TEST(Shapes, ReadBackAsTheyWereWritten) {
  const ShapedTrace shaped = made("lagging_scope", 1, 20);
  const auto read = fetchers::parse_trace(text_of(shaped), "t.jsonl");
  ASSERT_TRUE(read) << read.error().detail;
  ASSERT_EQ(read->lines.size(), shaped.trace.lines.size());
  for (std::size_t i = 0; i < read->lines.size(); ++i) {
    const auto& a = read->lines[i];
    const auto& b = shaped.trace.lines[i];
    EXPECT_EQ(a.at, b.at);
    EXPECT_EQ(a.bucket, b.bucket);
    EXPECT_EQ(a.value, b.value);
    EXPECT_EQ(read->scopes[a.scope], shaped.trace.scopes[b.scope]);
    EXPECT_EQ(read->series[a.series].text, shaped.trace.series[b.series].text);
  }
  EXPECT_EQ(read->first, shaped.trace.first);
  EXPECT_EQ(read->last, shaped.trace.last);
}

TEST(Shapes, AllEndAfterHalfAnHourAndComeInOrder) {
  for (const Shape& shape : shapes()) {
    const ShapedTrace shaped = made(shape.name);
    Time before = Time::min();
    for (const auto& line : shaped.trace.lines) {
      EXPECT_LE(line.at, line.bucket + kShapeWindow + kShapeTruthAge) << shape.name;
      EXPECT_GE(line.at, line.bucket) << shape.name;
      EXPECT_GE(line.at, before) << shape.name;
      before = line.at;
    }
    EXPECT_TRUE(shaped.trace.frontiers.empty());
  }
}

TEST(Shapes, HaveTheLoadTheyClaim) {
  EXPECT_NEAR(mean_end(made("smooth")), 200, 0.01);  // a few events come after the truth
  EXPECT_NEAR(mean_end(made("batch")), 200, 0.01);
  EXPECT_DOUBLE_EQ(mean_end(made("sparse")), 3);
  EXPECT_EQ(ends_of(made("lagging_scope")).size(), 6u * 300);
  EXPECT_NEAR(mean_end(made("revisions_down")), 98, 1);
}

// By the delays: one event a window is of the slow kind, so P(open at age t) = 1 - exp(-e) with
// e = exp(-t/150 s) x (150/60)(1 - exp(-60/150)).
TEST(Shapes, SettleAsLateAsTheirDelaysSay) {
  EXPECT_NEAR(still_open(made("smooth", 1, 3000), 5min), 0.105, 0.02);
  EXPECT_NEAR(still_open(made("smooth", 1, 3000), 10min), 0.015, 0.007);
  const ShapedTrace drift = made("drift", 1, 3000);
  const Time late = drift.trace.first.value() + 1600min;
  // Slow events: exp(-600/450) x 0.936; of the common ones exp(-600/60) x 199 x 0.63.
  EXPECT_NEAR(still_open(drift, 10min, late), 0.22, 0.04);
}

TEST(Shapes, BatchIsSeenEveryFiveMinutesOnly) {
  for (const auto& line : made("batch").trace.lines) EXPECT_EQ(engine::floor_to(line.at, 5min), line.at);
}

TEST(Shapes, StallFreezesEverything) {
  const ShapedTrace shaped = made("stall", 3, 3000);
  ASSERT_GE(shaped.freezes.size(), 5u);
  std::size_t at_the_end = 0;
  for (const engine::TimeRange& freeze : shaped.freezes) {
    EXPECT_GE(freeze.to - freeze.from, 5min);
    EXPECT_LE(freeze.to - freeze.from, 20min + 5s);
    for (const auto& line : shaped.trace.lines) {
      EXPECT_FALSE(freeze.contains(line.at));
      at_the_end += line.at == freeze.to ? 1 : 0;
    }
  }
  EXPECT_GE(at_the_end, 5 * shaped.freezes.size());
}

TEST(Shapes, RevisionsGoDownAsWellAsUp) {
  std::map<std::pair<std::uint32_t, Time>, std::uint64_t> last;
  std::size_t down = 0;
  const ShapedTrace shaped = made("revisions_down");
  for (const auto& line : shaped.trace.lines) {
    const std::uint64_t value = line.value->as_count();
    const auto [it, is_new] = last.try_emplace({line.series, line.bucket}, value);
    down += !is_new && value < it->second ? 1 : 0;
    it->second = value;
  }
  EXPECT_GE(down, 100u);
}

TEST(Shapes, TheThirdScopeLags) {
  const ShapedTrace shaped = made("lagging_scope");
  std::map<std::uint32_t, Time> first_seen;
  for (const auto& line : shaped.trace.lines) first_seen.try_emplace(line.scope, line.at);
  EXPECT_EQ(shaped.trace.scopes, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_GE(first_seen[2] - first_seen[0], 230s);
}

TEST(Shapes, NamesThoseThatThereAre) {
  const auto unknown = make_shape("round", {});
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().detail.find("smooth, batch"), std::string::npos);
}

}  // namespace
}  // namespace settle::cli
