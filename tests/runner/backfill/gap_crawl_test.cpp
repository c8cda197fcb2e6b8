// A source that stands still, crawls far behind or fails in part, for hours: the lane does not ask all the
// time, and fills the gap soon after the source is back.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

constexpr auto kLong = 8h;
const std::string kJobOfTwo =
    job_json("a/b", R"(,"poll_interval":"2m","watch":"10m","finality":"consecutive:3")");

/// The scopes a and b; until it is back, those that `lags` have data through `frontier` only, or fail.
struct Source {
  std::function<Time(Time now)> frontier;  // none: they fail
  std::string lags;                        // "" : both
  Time back = kNoon + kLong;
  std::uint64_t questions = 0;  // of the lane for gaps

  fetchers::FetchResult operator()(const fetchers::FetchRequest& request) {
    questions += request.range.to + 8min < request.now && request.now < back ? 1 : 0;
    if (request.now >= back) return say_two(request, false);
    if (!frontier) return say_two(request, request.now > kNoon + 5min);
    fetchers::FetchResult said = say_two(request, false);
    for (engine::ScopeAnswer& scope : said.answer.scopes) {
      if (!lags.empty() && scope.scope != lags) continue;
      scope.frontier = std::min(request.now, std::max(kNoon + 5min, frontier(request.now)));
      std::erase_if(scope.rows,
                    [&](const engine::Observation& row) { return row.bucket + 1min > *scope.frontier; });
    }
    return said;
  }
};

/// From 3 minutes past noon until it was back for ten minutes.
void endure(World& world, Time back, bool restarts = false) {
  while (world.rig.now() < back) {
    world.rig.pass(1min, 1min);
    if (restarts && world.rig.now() == kNoon + kLong / 2) {
      world.rig.crash();
      world.rig.start();
    }
  }
  world.rig.pass(10min, 10s);
  EXPECT_EQ(world.gaps_open(), 0u);
  for (const GapStatus& gap : world.gaps()) EXPECT_EQ(gap.state, GapState::filled) << gap.last_error;
  expect_once(world.rig, kNoon - 10min, back, "requests_total{zone=\"a\"}");
  expect_once(world.rig, kNoon - 10min, back, "requests_total{zone=\"b\"}");
}

/// After attempts_max, and one more to see it, a gap is tried at 6 x backoff_max and a backoff.
std::uint64_t questions_max(const BackfillOptions& options) {
  return options.attempts_max + 1 + static_cast<std::uint64_t>(kLong / (6 * options.backoff_max));
}

TEST(GapStall, OfHoursIsAskedAboutNowAndThenAndFilledWhenTheSourceIsBack) {
  for (const std::string lags : {"", "b"}) {
    SCOPED_TRACE(lags.empty() ? "both scopes" : lags);
    Source source{.frontier = [](Time) { return kNoon + 5min; }, .lags = lags};
    World world{[&](const fetchers::FetchRequest& request) { return source(request); }, kJobOfTwo};
    endure(world, source.back);
    EXPECT_LE(source.questions, (lags.empty() ? 2 : 1) * questions_max(world.rig.options.backfill));
    EXPECT_GE(source.questions, 8u) << "it does ask";
  }
}

TEST(GapStall, OutlivesARestart) {
  Source source{.frontier = [](Time) { return kNoon + 5min; }, .lags = "b"};
  World world{[&](const fetchers::FetchRequest& request) { return source(request); }, kJobOfTwo};
  endure(world, source.back, true);
  const BackfillOptions& options = world.rig.options.backfill;
  EXPECT_LE(source.questions, questions_max(options) + options.attempts_max + 1);
}

// Not only when its next slow attempt happens to be near.
TEST(GapStall, OfAScopeThatFailsIsFilledWhenItAnswersAgain) {
  for (const auto later : {0min, 12min, 24min}) {
    SCOPED_TRACE(later.count());
    Source source{.frontier = {}, .lags = "b", .back = kNoon + 4h + later};
    World world{[&](const fetchers::FetchRequest& request) { return source(request); }, kJobOfTwo};
    endure(world, source.back);
    EXPECT_LE(source.questions, questions_max(world.rig.options.backfill));
  }
}

// What it reaches later than the live lane waits goes out all the same, in pieces of some buckets.
TEST(GapCrawl, IsAskedAboutLessThanOncePerBucket) {
  Source source{.frontier = [](Time now) { return now - 30min; }, .lags = "b"};
  World world{[&](const fetchers::FetchRequest& request) { return source(request); }, kJobOfTwo};
  endure(world, source.back);
  EXPECT_LT(source.questions, static_cast<std::uint64_t>(kLong / 1min));
}

TEST(GapCrawl, IsWarnedOfInTheJob) {
  for (const auto behind : {18min, 20min}) {  // watch is ten
    SCOPED_TRACE(behind.count());
    Source source{.frontier = [behind](Time now) { return now - behind; }, .lags = ""};
    World world{[&](const fetchers::FetchRequest& request) { return source(request); }, kJobOfTwo};
    world.rig.pass(50min, 1min);
    const JobStatus status = first_status(world.rig);
    ASSERT_EQ(status.warnings.size(), behind == 20min ? 1u : 0u);
    if (status.warnings.empty()) continue;
    EXPECT_NE(status.warnings[0].find("more than twice watch, 10m, behind"), std::string::npos)
        << status.warnings[0];
  }
}

}  // namespace
}  // namespace settle::runner
