// A job that is away while a gap of its stream is filled for others has missed it, and gets it when it is
// back.
#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"

namespace settle::runner {
namespace {

const std::string kOther = test::job_json(
    "c/d", R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:4","record":"other")");

TEST(GapAway, IsFilledForTheJobThatComesBack) {
  for (const bool crashes : {false, true}) {
    SCOPED_TRACE(crashes);
    bool down = false;
    World world{[&](const fetchers::FetchRequest& request) {
      return down ? test::unreachable("source") : settled(request);
    }};
    const auto other = world.rig.post(kOther);
    ASSERT_TRUE(other);
    world.rig.pass(12min, 5s);
    down = true;
    world.rig.pass(2h, 1min);
    ASSERT_TRUE(world.rig.remove(other->job.id));
    down = false;
    world.rig.pass(5min, 5s);
    EXPECT_EQ(world.gaps_open(), 0u) << "filled for the one that stayed";
    if (crashes) {
      world.rig.crash();
      world.rig.start();
    }
    ASSERT_TRUE(world.rig.post(kOther));
    world.rig.pass(5min, 5s);
    expect_once(world.rig, kNoon - 10min, kNoon + 2h + 10min);
    expect_once(world.rig, kNoon - 7min, kNoon + 2h + 10min, "other");
  }
}

TEST(GapAway, OfAnotherTimeIsNotReadAgain) {
  bool down = false;
  std::uint64_t old_questions = 0;
  World world{[&](const fetchers::FetchRequest& request) {
    old_questions += request.range.from + 1h < request.now ? 1 : 0;
    return down ? test::unreachable("source") : settled(request);
  }};
  const auto other = world.rig.post(kOther);
  ASSERT_TRUE(other);
  world.rig.pass(12min, 5s);
  down = true;
  world.rig.pass(2h, 1min);
  down = false;
  world.rig.pass(2h, 30s);
  const std::uint64_t before = old_questions;
  EXPECT_GT(before, 0u);
  ASSERT_TRUE(world.rig.remove(other->job.id));
  world.rig.pass(2min, 5s);
  ASSERT_TRUE(world.rig.post(kOther));
  world.rig.pass(5min, 5s);
  EXPECT_EQ(old_questions, before);
  expect_once(world.rig, kNoon - 7min, kNoon + 4h, "other");
}

}  // namespace
}  // namespace settle::runner
