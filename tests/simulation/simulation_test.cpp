#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/world.hpp"

namespace settle::simulation {
namespace {

Report run(std::uint64_t seed, Mutant mutant = Mutant::none) {
  spdlog::set_level(spdlog::level::off);
  return run_world({.seed = seed, .mutant = mutant, .listener = {}});
}

TEST(Simulation, HoldsEveryLawForThreeHundredSeeds) {
  std::uint64_t samples = 0;
  std::uint64_t lives = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    const Report report = run(seed);
    ASSERT_FALSE(report.violation) << "seed " << seed << ": " << report.violation->invariant << ": "
                                   << report.violation->detail << "\nscripts/simulate --seed " << seed
                                   << " --log shows how it came to that";
    samples += report.samples;
    lives += report.lives;
  }
  EXPECT_GT(samples, 300u * 50);
  EXPECT_GT(lives, 600u);
}

// A source that left between a gap's turn and its question, a job that came back to a gap, values forced past
// the frontier that followed another stream's, a stall longer than `watch`, a scope that answered only after
// an outage, a gap that was counted twice.
TEST(Simulation, HoldsEveryLawForSeedsThatFailedOnce) {
  for (const std::uint64_t seed :
       {15'296u, 21'799u, 22'581u, 102'771u, 103'635u, 112'304u, 112'551u, 207'832u, 210'829u, 211'473u}) {
    const Report report = run(seed);
    EXPECT_FALSE(report.violation) << "seed " << seed << ": " << report.violation->invariant << ": "
                                   << report.violation->detail;
  }
}

TEST(Simulation, IsTheSameForTheSameSeed) {
  for (const std::uint64_t seed : {1u, 2u, 3u, 17u, 42u, 99u}) {
    EXPECT_EQ(run(seed).digest, run(seed).digest) << "seed " << seed;
  }
}

}  // namespace
}  // namespace settle::simulation
