// What follows a change after the first value went out, from the source to the sink, under each policy.
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/runner_rig.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Time;
using engine::Value;
using testing::job_json;
using testing::RunnerRig;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");
constexpr std::string_view kSeries = R"(requests_total{zone="a"})";

/// What the source says of a bucket at this age of its end.
using Life = std::function<Value(Time bucket, engine::Duration age)>;

testing::Script living(Life life) {
  return [life = std::move(life)](const fetchers::FetchRequest& request) {
    fetchers::FetchResult result;
    engine::ScopeAnswer answer;
    answer.scope = "source";
    answer.covered = request.range;
    answer.frontier = request.now;
    for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) {
      answer.rows.push_back({.series = result.answer.texts.keep(kSeries),
                             .bucket = bucket,
                             .value = life(bucket, request.now - (bucket + 1min))});
    }
    result.answer.scopes.push_back(std::move(answer));
    return result;
  };
}

/// 10, then 17 after four minutes, then 12 after seven.
Value up_and_down(Time, engine::Duration age) {
  return Value::count(age < 4min ? 10 : age < 7min ? 17 : 12);
}

std::string job(const std::string& more) {
  return job_json("a/b", R"(,"poll_interval":"30s","watch":"12m","finality":"consecutive:2")" + more);
}

TEST(Corrections, LedgerSendsDifferencesUnderNamesOfTheirOwn) {
  RunnerRig rig{kNoon, living(up_and_down)};
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
  EXPECT_EQ(rig.service().job_status(*rig.service().list_jobs("default", "", 1)[0]).unpropagated, 0);
}

TEST(Corrections, OnlyLargerValuesFollowWhereTheSinkKeepsTheLarger) {
  RunnerRig rig{kNoon, living(up_and_down)};
  rig.sink.overwrite = sinks::Overwrite::max_wins;
  rig.start();
  EXPECT_FALSE(rig.post(job(R"(,"corrections":"repush")")));
  ASSERT_TRUE(rig.post(job(R"(,"corrections":"repush","values":"growing")")));
  rig.pass(30min, 5s);
  const auto received = rig.received();
  std::size_t sealed = 0;
  for (Time bucket = kNoon; bucket < kNoon + 10min; bucket += 1min, ++sealed) {
    const auto found = received.find({std::string{kSeries}, bucket});
    ASSERT_NE(found, received.end());
    EXPECT_EQ(found->second, (std::vector{Value::count(10), Value::count(17)}));
  }
  const auto status = rig.service().job_status(*rig.service().list_jobs("default", "", 1)[0]);
  EXPECT_LE(status.unpropagated, -5.0 * static_cast<double>(sealed));
}

TEST(Corrections, AJobForGrowingValuesRestsWhenItsSinkKeepsBoth) {
  RunnerRig rig{kNoon, living(up_and_down)};
  rig.sink.overwrite = sinks::Overwrite::max_wins;
  rig.start();
  ASSERT_TRUE(rig.post(job(R"(,"values":"growing")")));
  rig.pass(5min, 5s);
  EXPECT_EQ(rig.service().job_status(*rig.service().list_jobs("default", "", 1)[0]).state, JobState::running);
  rig.stop();
  rig.sink.overwrite = sinks::Overwrite::none;
  rig.start();
  rig.pass(2min, 5s);
  EXPECT_EQ(rig.service().job_status(*rig.service().list_jobs("default", "", 1)[0]).state, JobState::paused);
}

TEST(Corrections, ALedgerGoesOnWhereAReplacedJobLeftIt) {
  RunnerRig rig{kNoon, living(up_and_down)};
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
