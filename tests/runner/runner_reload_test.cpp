// The configuration changes under a runner, at a restart or a reload.
#include <utility>

#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

// Jobs of the API outlive the configuration that they were posted under.
void expect_rest_while_renamed(std::string RunnerRig::*part, JobState state, const std::string& error) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(5min, 5s);
  rig.stop();
  const std::string name = std::exchange(rig.*part, "renamed");
  rig.start();
  const std::uint64_t fetches = rig.fetches;
  rig.pass(5min, 5s);
  EXPECT_EQ(rig.fetches, fetches);
  const JobStatus status = first_status(rig);
  EXPECT_EQ(status.state, state);
  EXPECT_EQ(status.last_error.substr(0, error.size()), error);
  rig.stop();
  rig.*part = name;
  rig.start();
  rig.pass(15min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 15min);
}

TEST(Runner, LetsAJobRestWhoseSourceIsNoLongerConfigured) {
  expect_rest_while_renamed(&RunnerRig::source_name, JobState::failing, "source source is not configured");
}

TEST(Runner, LetsAJobRestWhoseSinkIsNoLongerConfigured) {
  expect_rest_while_renamed(&RunnerRig::sink_name, JobState::paused, "sink memory is not configured");
}

TEST(Runner, ChangesNothingWhenAReloadIsRefused) {
  const test::Script down = [](const fetchers::FetchRequest&) { return test::unreachable("source"); };
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(5min, 5s);
  ASSERT_FALSE(rig.reload(down, {job_json("c", R"(,"watch":"0s")")}));
  rig.pass(15min, 5s);
  expect_exact(rig, kNoon - 10min, kNoon + 10min);
  ASSERT_FALSE(rig.reload(down, {job_json("a/b")}));  // a path that another job holds
  // A stream that starts only now takes its source from where a reload puts it.
  ASSERT_TRUE(rig.post(job_json("d", R"(,"record":"d","watch":"20m","finality":"consecutive:3")")));
  rig.pass(5min, 5s);
  for (const Job* job : rig.service().list_jobs("default", "", 2)) {
    EXPECT_EQ(rig.service().job_status(*job).state, JobState::running);
  }
}

TEST(Runner, AsksTheNewSourceAfterAReload) {
  const test::Script down = [](const fetchers::FetchRequest&) { return test::unreachable("source"); };
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(5min, 5s);
  ASSERT_TRUE(rig.reload(down, {}));
  rig.pass(5min, 5s);
  EXPECT_EQ(first_status(rig).state, JobState::failing);
}

TEST(Runner, StopsPollingASourceThatLeftTheConfiguration) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kJob));
  rig.pass(5min, 5s);
  ASSERT_TRUE(rig.reload_without_source());
  const std::uint64_t fetches = rig.fetches;
  rig.pass(5min, 5s);
  EXPECT_EQ(rig.fetches, fetches);
  EXPECT_FALSE(rig.post(job_json("other", R"(,"record":"other")")));
  EXPECT_EQ(first_status(rig).state, JobState::failing);
}

}  // namespace
}  // namespace settle::runner
