// What follows a change after the first value went out, from the source to the sink, under each policy.
#include <utility>

#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

const std::string kZoneA = R"(requests_total{zone="a"})";

/// 10, then 17 after four minutes, then 12 after seven.
fetchers::FetchResult up_and_down(const fetchers::FetchRequest& request) {
  const Shown shown = [](Time bucket, Time now) {
    const engine::Duration age = now - (bucket + 1min);
    return Value::count(age < 4min ? 10 : age < 7min ? 17 : 12);
  };
  return say_all(request, shown, kZoneA);
}

std::string job(const std::string& more) {
  return job_json("a/b", R"(,"poll_interval":"30s","watch":"12m","finality":"consecutive:2")" + more);
}

TEST(Corrections, LedgerSendsDifferencesUnderNamesOfTheirOwn) {
  RunnerRig rig{kNoon, up_and_down};
  rig.sink.overwrite = sinks::Overwrite::none;
  rig.start();
  ASSERT_TRUE(rig.post(job(R"(,"corrections":"ledger","record":"settled","labels":{"site":"x"})")));
  rig.pass(10min, 5s);
  rig.crash();
  rig.start();
  rig.pass(20min, 5s);
  const auto received = rig.received();
  for (Time bucket = kNoon; bucket < kNoon + 10min; bucket += 1min) {
    const auto values = [&](const std::string& series) {
      const auto found = received.find({series, bucket});
      return found == received.end() ? std::vector<Value>{} : found->second;
    };
    EXPECT_EQ(values(R"(settled{site="x",zone="a"})"), std::vector{Value::count(10)});
    EXPECT_EQ(values(R"(settled:revision{revision="2",site="x",zone="a"})"), std::vector{Value::count(7)});
    EXPECT_EQ(values(R"(settled:revision{revision="3",site="x",zone="a"})"), std::vector{Value::number(-5)});
    EXPECT_EQ(values(R"(settled:revision{revision="4",site="x",zone="a"})"), std::vector<Value>{});
  }
  EXPECT_EQ(first_status(rig).unpropagated, 0);
}

TEST(Corrections, OnlyLargerValuesFollowWhereTheSinkKeepsTheLarger) {
  RunnerRig rig{kNoon, up_and_down};
  rig.sink.overwrite = sinks::Overwrite::max_wins;
  rig.start();
  EXPECT_FALSE(rig.post(job(R"(,"corrections":"repush")")));
  ASSERT_TRUE(rig.post(job(R"(,"corrections":"repush","values":"growing")")));
  rig.pass(30min, 5s);
  const auto received = rig.received();
  std::size_t sealed = 0;
  for (Time bucket = kNoon; bucket < kNoon + 10min; bucket += 1min, ++sealed) {
    const auto found = received.find({kZoneA, bucket});
    ASSERT_NE(found, received.end());
    EXPECT_EQ(found->second, (std::vector{Value::count(10), Value::count(17)}));
  }
  const auto status = first_status(rig);
  EXPECT_LE(status.unpropagated, -5.0 * static_cast<double>(sealed));
}

TEST(Corrections, AJobForGrowingValuesRestsWhenItsSinkKeepsBoth) {
  RunnerRig rig{kNoon, up_and_down};
  rig.sink.overwrite = sinks::Overwrite::max_wins;
  rig.start();
  ASSERT_TRUE(rig.post(job(R"(,"values":"growing")")));
  rig.pass(5min, 5s);
  EXPECT_EQ(first_status(rig).state, JobState::running);
  rig.stop();
  rig.sink.overwrite = sinks::Overwrite::none;
  rig.start();
  rig.pass(2min, 5s);
  EXPECT_EQ(first_status(rig).state, JobState::paused);
}

TEST(Corrections, ALedgerGoesOnWhereAReplacedJobLeftIt) {
  RunnerRig rig{kNoon, up_and_down};
  rig.sink.overwrite = sinks::Overwrite::none;
  rig.start();
  ASSERT_TRUE(rig.post(job(R"(,"corrections":"ledger")")));
  rig.pass(10min, 5s);
  ASSERT_TRUE(rig.post(job(R"(,"corrections":"ledger","ttl":"11m")"), true));  // another stream
  rig.pass(20min, 5s);
  std::map<Time, double> sums;
  std::map<std::pair<std::string, Time>, int> rows;
  for (const sinks::Row& row : rig.sink.rows) {
    sums[row.timestamp] += row.value.as_double();
    ++rows[std::pair{std::string{row.series}, row.timestamp}];
  }
  for (Time bucket = kNoon; bucket < kNoon + 10min; bucket += 1min) EXPECT_EQ(sums[bucket], 12);
  for (const auto& [key, count] : rows) EXPECT_EQ(count, 1) << key.first;
}

}  // namespace
}  // namespace settle::runner
