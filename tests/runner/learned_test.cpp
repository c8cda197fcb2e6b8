// A job whose finality is learned, in a whole runner.
#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

/// A bucket grows for two minutes after its end.
fetchers::FetchResult by_seconds(const fetchers::FetchRequest& request) {
  return say_all(request, [](Time bucket, Time now) {
    return Value::count(static_cast<std::uint64_t>(std::clamp<std::int64_t>((now - bucket) / 1s, 0, 180)));
  });
}

TEST(LearnedJob, IsWhatAJobIsThatSaysNothing) {
  RunnerRig rig{kNoon, by_seconds};
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"10m")")));
  EXPECT_EQ(first_job(rig).spec.engine.finality, engine::Finality{engine::Learned{}});
  rig.pass(40min, 10s);
  const JobStatus status = first_status(rig);
  EXPECT_EQ(status.finality.error_target, 0.01);
  EXPECT_GT(status.finality.learned.windows, 10U);
  EXPECT_TRUE(status.warnings.empty()) << status.warnings[0];
  const std::string metrics = rig.service().metrics_text();
  for (const char* name : {"settle_job_error_target{", "settle_job_error_level{", "settle_job_late_share{",
                           "settle_job_judged_total{", "settle_job_completeness{",
                           "settle_job_unmoved_seconds{", "settle_final_age_seconds_bucket{"}) {
    EXPECT_NE(metrics.find(name), metrics.npos) << name;
  }
  for (const auto& [key, values] : rig.received()) {
    EXPECT_EQ(values.back(), Value::count(180)) << engine::format_time(key.second);
  }
}

/// Every cell changes for as long as it is watched, and longer.
TEST(LearnedJob, WarnsWhereCellsStillChangeAtTheEndOfWatch) {
  const auto endless = [](const fetchers::FetchRequest& request) {
    fetchers::FetchResult result = growing(request);
    for (auto& row : result.answer.scopes[0].rows) {
      row.value = Value::count(static_cast<std::uint64_t>((request.now - row.bucket) / 1s));
    }
    return result;
  };
  RunnerRig rig{kNoon, endless};
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"10m")")));
  rig.pass(25min, 10s);
  const JobStatus status = first_status(rig);
  EXPECT_EQ(status.finality.learned.late_share, 1);
  ASSERT_EQ(status.warnings.size(), 1U);
  EXPECT_EQ(status.warnings[0],
            "100.0 % of the cells still change in the last fifth of watch, 10m: post the job with \"watch\": "
            "\"40m\"");
}

TEST(LearnedJob, ReadsSealedBucketsAgainOneInATickAndNoFailureOfThatIsTheTicks) {
  std::map<Time, int> again;  // reads of a single old bucket, by instant
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  if (request.range.to > request.now - 15min) return by_seconds(request);
                  EXPECT_EQ(request.range.to - request.range.from, 1min);
                  ++again[request.now];
                  return again.size() % 2 == 0 ? test::unreachable("source") : by_seconds(request);
                }};
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"10m")")));
  rig.pass(60min, 10s);
  ASSERT_FALSE(again.empty());
  for (const auto& [at, reads] : again) EXPECT_EQ(reads, 1) << engine::format_time(at);
  const JobStatus status = first_status(rig);
  EXPECT_EQ(status.last_error, "");
  EXPECT_GT(status.finality.learned.rechecked, 0U);
  EXPECT_EQ(status.finality.learned.rechecked_wrong, 0U);
}

TEST(LearnedJob, AsksASourceThatHasOldBucketsNoMoreSeldomerAndSeldomer) {
  std::size_t again = 0;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  if (request.range.to > request.now - 15min) return by_seconds(request);
                  ++again;
                  return test::unreachable("source");
                }};
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a/b", R"(,"poll_interval":"30s","watch":"10m")")));
  rig.pass(2h, 10s);
  // The first bucket is due after some 20 minutes; then 1, 2, 4, 8, 10, 10 … minutes lie between.
  EXPECT_GE(again, 8U);
  EXPECT_LE(again, 16U);
}

}  // namespace
}  // namespace settle::runner
