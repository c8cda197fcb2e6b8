// Jobs with functions, from the source's numbers to the sink: what windows say, live, after crashes, outages
// and corrections, and backfilled.
#include <algorithm>
#include <limits>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include "tests/runner/backfill/backfill_world.hpp"
#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

const std::string kOut = "a_b";

std::string view_json(const std::string& query, const std::string& type, const std::string& path = "a/b",
                      const std::string& more = R"(,"poll_interval":"30s","watch":"10m")") {
  std::string json = job_json(path, more + R"(,"finality":"consecutive:4")", query);
  const std::string scalar = R"("sketch_type":"scalar")";
  return json.replace(json.find(scalar), scalar.size(), R"("sketch_type":")" + type + '"');
}

const std::string kSum = view_json("sum_over_time(requests_total[5m])", "stats");

/// Of the five buckets that end at `at` or before.
std::uint64_t sum_at(Time at) {
  std::uint64_t sum = 0;
  for (int back = 1; back <= 5; ++back) sum += truth(at - back * 1min);
  return sum;
}

/// Each window that ends in [from, to] arrived once and right.
void expect_sums(const RunnerRig& rig, Time from, Time to) {
  const auto received = rig.received();
  for (Time at = from; at <= to; at += 1min) {
    const auto found = received.find({kOut, at});
    ASSERT_NE(found, received.end()) << engine::format_time(at);
    EXPECT_EQ(found->second, std::vector<Value>{Value::count(sum_at(at))}) << engine::format_time(at);
  }
}

TEST(Views, PushEachWindowOnceWhenAllOfItIsFinal) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(40min, 5s);
  expect_sums(rig, kNoon - 8min, kNoon + 34min);
}

TEST(Views, LoseAndDoubleNothingInCrashes) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  for (int i = 0; i < 12; ++i) {
    rig.pass(137s, 5s);
    rig.crash();
    rig.start();
  }
  rig.pass(12min, 5s);
  expect_sums(rig, kNoon - 8min, kNoon + 30min);
}

TEST(Views, CorrectTheWindowsOfABucketThatChanged) {
  const Time late = kNoon + 3min;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  return say_all(request, [&](Time bucket, Time now) {
                    const bool is_late = bucket == late && now >= kNoon + 10min;
                    return Value::count(truth(bucket) + (is_late ? 100 : 0));
                  });
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(30min, 5s);
  const auto received = rig.received();
  for (Time at = kNoon; at <= kNoon + 20min; at += 1min) {
    const bool corrected = at > late && at <= late + 5min;
    std::vector<Value> expected{Value::count(sum_at(at))};
    if (corrected) expected.push_back(Value::count(sum_at(at) + 100));
    const auto found = received.find({kOut, at});
    ASSERT_NE(found, received.end()) << engine::format_time(at);
    EXPECT_EQ(found->second, expected) << engine::format_time(at);
  }
}

TEST(Views, OfOneMetricShareOnePull) {
  RunnerRig alone{kNoon, growing};
  alone.start();
  ASSERT_TRUE(alone.post(view_json("quantile_over_time(0.5, requests_total[5m])", "ddsketch")));
  alone.pass(10min, 5s);
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(view_json("quantile_over_time(0.5, requests_total[5m])", "ddsketch", "q/50")));
  ASSERT_TRUE(rig.post(view_json("quantile_over_time(0.95, requests_total[5m])", "ddsketch", "q/95")));
  ASSERT_TRUE(rig.post(view_json("quantile_over_time(0.99, requests_total[10m])", "ddsketch", "q/99")));
  rig.pass(10min, 5s);
  EXPECT_LE(rig.fetches, alone.fetches + 3);  // each asks once for the history before its first window
  const auto received = rig.received();
  EXPECT_TRUE(received.contains({"q_50", kNoon + 2min}));
  EXPECT_TRUE(received.contains({"q_95", kNoon + 2min}));
  EXPECT_TRUE(received.contains({"q_99", kNoon + 2min}));
}

TEST(Views, FillTheWindowsOfAnOutageLongerThanTheLiveLaneReaches) {
  bool down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  return down ? test::unreachable("source") : growing(request);
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(10min, 5s);
  down = true;
  rig.pass(60min, 10s);
  down = false;
  rig.pass(40min, 5s);
  expect_sums(rig, kNoon - 8min, kNoon + 100min);
}

TEST(Views, AreBackfilledWithTheSameBits) {
  RunnerRig live{kNoon, settled};
  live.start();
  ASSERT_TRUE(live.post(view_json("avg_over_time(requests_total[7m])", "stats")));
  live.pass(30min, 10s);
  RunnerRig late{kNoon + 3h, settled};
  late.start();
  ASSERT_TRUE(late.post(view_json("avg_over_time(requests_total[7m])", "stats")));
  late.pass(2min, 10s);
  ASSERT_TRUE(late.backfill(first_job(late).id, range_json(kNoon - 30min, kNoon + 40min)));
  late.pass(5min, 10s);
  const auto expected = live.received();
  const auto filled = late.received();
  ASSERT_GT(expected.size(), 20u);
  for (const auto& [point, values] : expected) {
    const auto found = filled.find(point);
    ASSERT_NE(found, filled.end()) << engine::format_time(point.second);
    EXPECT_EQ(found->second, values) << engine::format_time(point.second);
  }
}

TEST(Views, WaitForAScopeThatIsAwayForLongerThanTheLiveLaneReaches) {
  bool b_is_down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) { return say_two(request, b_is_down); }};
  rig.start();
  ASSERT_TRUE(rig.post(view_json("sum_over_time(requests_total[5m])", "stats", "a/b",
                                 R"(,"poll_interval":"30s","watch":"10m","by":[])")));
  rig.pass(10min, 5s);
  b_is_down = true;
  rig.pass(40min, 5s);  // the feed's engine forgets the scope in its silence
  b_is_down = false;
  rig.pass(40min, 5s);
  const auto received = rig.received();
  for (Time at = kNoon - 8min; at <= kNoon + 80min; at += 1min) {
    const auto found = received.find({kOut, at});
    ASSERT_NE(found, received.end()) << engine::format_time(at);
    EXPECT_EQ(found->second, std::vector<Value>{Value::count(2 * sum_at(at))}) << engine::format_time(at);
  }
}

TEST(Views, LeaveNoGapThatCannotBeFilledWhenAScopeFails) {
  bool b_is_down = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) { return say_two(request, b_is_down); }};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(15min, 5s);
  b_is_down = true;
  rig.pass(5min, 5s);
  EXPECT_NE(first_status(rig).last_error.find("scope b"), std::string::npos) << first_status(rig).last_error;
  b_is_down = false;
  rig.pass(30min, 5s);
  EXPECT_EQ(first_status(rig).gaps_open, 0u);
}

TEST(Views, CorrectWindowsOfABucketThatChangedWhileItsSourceWasCutShort) {
  const Time late = kNoon + 5min;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  auto result = say_all(request, [&](Time bucket, Time now) {
                    const bool changed = bucket == late && now >= kNoon + 14min;
                    return Value::count(truth(bucket) + (changed ? 100 : 0));
                  });
                  if (request.now >= kNoon + 12min && request.now < kNoon + 50min) {
                    result.answer.scopes[0].completeness = engine::Completeness::truncated;
                  }
                  return result;
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(90min, 5s);
  const auto received = rig.received();
  for (Time at = late + 1min; at <= late + 5min; at += 1min) {
    const auto found = received.find({kOut, at});
    ASSERT_NE(found, received.end()) << engine::format_time(at);
    EXPECT_EQ(found->second.back(), Value::count(sum_at(at) + 100)) << engine::format_time(at);
  }
}

TEST(Views, ServeTheNewestWindowWithItsBound) {
  RunnerRig rig{kNoon, settled};
  rig.start();
  ASSERT_TRUE(rig.post(view_json("quantile_over_time(0.5, requests_total[5m])", "ddsketch")));
  rig.pass(10min, 5s);
  const auto found = rig.service().result("default", "a/b");
  ASSERT_TRUE(found);
  ASSERT_EQ(found->points.size(), 1u);
  EXPECT_EQ(found->points[0].series, kOut);
  EXPECT_EQ(found->covered.to - found->covered.from, 5min);
  EXPECT_EQ(found->timestamp, found->covered.to);
  std::vector<double> values;
  for (Time at = found->covered.from; at < found->covered.to; at += 1min) {
    values.push_back(static_cast<double>(truth(at)));
  }
  std::sort(values.begin(), values.end());
  ASSERT_TRUE(found->points[0].bound);
  EXPECT_LE(found->points[0].bound->low, values[2]);
  EXPECT_GE(found->points[0].bound->high, values[2]);
  ASSERT_TRUE(found->error_bound);
  EXPECT_NEAR(*found->error_bound, 0.01 * values[2], 0.002 * values[2]);
}

TEST(Views, MergeSeriesByLabel) {
  RunnerRig rig{kNoon, [](const fetchers::FetchRequest& request) {
                  fetchers::FetchResult result;
                  for (const char* series :
                       {R"(requests_total{pod="1",zone="a"})", R"(requests_total{pod="2",zone="a"})",
                        R"(requests_total{pod="3",zone="b"})"}) {
                    say(
                        "source", series, request,
                        [](Time bucket, Time) { return Value::count(truth(bucket)); }, result);
                  }
                  return result;
                }};
  rig.start();
  ASSERT_TRUE(rig.post(view_json("sum_over_time(requests_total[5m])", "stats", "a/b",
                                 R"(,"poll_interval":"30s","watch":"10m","by":["zone"])")));
  rig.pass(10min, 5s);
  const auto received = rig.received();
  const Time at = kNoon + 2min;
  ASSERT_TRUE(received.contains({R"(a_b{zone="a"})", at}));
  EXPECT_EQ(received.at({R"(a_b{zone="a"})", at}), std::vector<Value>{Value::count(2 * sum_at(at))});
  EXPECT_EQ(received.at({R"(a_b{zone="b"})", at}), std::vector<Value>{Value::count(sum_at(at))});
}

TEST(Views, AreNotAnsweredWhileAScopeIsAway) {
  bool away = false;
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  fetchers::FetchResult result;
                  const auto shown = [](Time bucket, Time) { return Value::count(truth(bucket)); };
                  say("a", R"(requests_total{zone="a"})", request, shown, result);
                  if (away) {
                    result.failures.push_back(test::unreachable("b").failures[0]);
                  } else {
                    say("b", R"(requests_total{zone="b"})", request, shown, result);
                  }
                  return result;
                }};
  rig.start();
  ASSERT_TRUE(rig.post(view_json("sum_over_time(requests_total[5m])", "stats", "a/b",
                                 R"(,"poll_interval":"30s","watch":"10m","by":[])")));
  rig.pass(10min, 5s);
  away = true;
  rig.pass(60min, 10s);  // longer than the engine waits for a silent scope
  const std::size_t before = rig.received().size();
  rig.pass(10min, 10s);
  EXPECT_EQ(rig.received().size(), before);
  away = false;
  rig.pass(40min, 5s);
  const auto received = rig.received();
  for (Time at = kNoon - 8min; at <= kNoon + 110min; at += 1min) {
    const auto found = received.find({kOut, at});
    ASSERT_NE(found, received.end()) << engine::format_time(at);
    EXPECT_EQ(found->second, std::vector<Value>{Value::count(2 * sum_at(at))}) << engine::format_time(at);
  }
}

TEST(Views, MergeWhatSeveralScopesSayOfOneSeries) {
  RunnerRig rig{
      kNoon, [](const fetchers::FetchRequest& request) {
        fetchers::FetchResult result;
        const auto shown = [](Time bucket, Time) { return Value::count(truth(bucket)); };
        for (const auto& [scope, user] : {std::pair{"a", "1"}, std::pair{"a", "2"}, std::pair{"b", "2"},
                                          std::pair{"b", "3"}, std::pair{"b", "4"}}) {
          say(scope, std::string{"requests_total{user=\""} + user + "\"}", request, shown, result);
        }
        return result;
      }};
  rig.start();
  const std::string times = R"(,"poll_interval":"30s","watch":"10m")";
  ASSERT_TRUE(rig.post(view_json("count_distinct_over_time(requests_total[5m])", "hll", "users",
                                 times + R"(,"item":"user")")));
  ASSERT_TRUE(rig.post(view_json("sum_over_time(requests_total[5m])", "stats", "sums", times)));
  ASSERT_TRUE(
      rig.post(view_json("last_over_time(requests_total[5m])", "stats", "last", times + R"(,"by":[])")));
  rig.pass(10min, 5s);
  const auto received = rig.received();
  const Time at = kNoon + 2min;
  const auto value = [&](const std::string& series) {
    const auto found = received.find({series, at});
    return found == received.end() ? -1 : found->second.back().as_double();
  };
  EXPECT_NEAR(value("users"), 4, 0.01);
  EXPECT_EQ(value(R"(sums{user="1"})"), static_cast<double>(sum_at(at)));
  EXPECT_EQ(value(R"(sums{user="2"})"), static_cast<double>(2 * sum_at(at)));
  EXPECT_EQ(value("last"), static_cast<double>(5 * truth(at - 1min)));
}

TEST(Views, AreNotAnsweredOverAValueThatNoSketchCanHold) {
  const Time bad = kNoon + 5min;
  const double infinite = std::numeric_limits<double>::infinity();
  RunnerRig rig{kNoon, [&](const fetchers::FetchRequest& request) {
                  fetchers::FetchResult result;
                  for (const char* zone : {"a", "b"}) {
                    say(
                        "source", std::string{"requests_total{zone=\""} + zone + "\"}", request,
                        [&](Time bucket, Time) {
                          return bucket == bad && *zone == 'b' ? Value::number(infinite)
                                                               : Value::count(truth(bucket));
                        },
                        result);
                  }
                  return result;
                }};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(8min, 5s);
  EXPECT_FALSE(first_status(rig).warnings.empty());
  rig.pass(12min, 5s);
  const auto received = rig.received();
  for (Time at = kNoon; at <= kNoon + 15min; at += 1min) {
    EXPECT_TRUE(received.contains({R"(a_b{zone="a"})", at})) << engine::format_time(at);
    const bool has_bad = at > bad && at <= bad + 5min;
    EXPECT_EQ(received.contains({R"(a_b{zone="b"})", at}), !has_bad) << engine::format_time(at);
  }
}

TEST(Views, ForgetTheirCellsWithTheirLastStream) {
  RunnerRig rig{kNoon, settled};
  rig.options.job_grace = 5min;
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(5min, 5s);
  const auto entries = [&rig](Table table) {
    std::size_t count = 0;
    rig.store().read().scan(table, "", "", [&count](std::string_view, std::string_view) {
      ++count;
      return true;
    });
    return count;
  };
  EXPECT_GT(entries(Table::cells), 0u);
  ASSERT_TRUE(rig.remove(first_job(rig).id));
  // Tidying commits beside the ticks: nothing here waits for it.
  for (int turn = 0; turn < 500 && entries(Table::log) > 0; ++turn) {
    rig.pass(1min, 30s);
    std::this_thread::sleep_for(2ms);
  }
  EXPECT_EQ(entries(Table::cells), 0u);
  EXPECT_EQ(entries(Table::log), 0u);
}

TEST(Views, KeepNoCellsThatNoWindowNeedsAnyMore) {
  RunnerRig rig{kNoon, settled};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(2h, 15s);
  std::size_t cells = 0;
  rig.store().read().scan(Table::cells, "", "", [&cells](std::string_view, std::string_view) {
    ++cells;
    return true;
  });
  EXPECT_LT(cells,
            2u * 30u);  // observed and emitted of 5 + 13 minutes, and what the last turn of tidying leaves
}

TEST(Views, GoOnWhereTheyWereWhenTheyArePostedAgain) {
  RunnerRig rig{kNoon, growing};
  rig.start();
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(15min, 5s);
  ASSERT_TRUE(rig.remove(first_job(rig).id));
  rig.pass(5min, 5s);
  ASSERT_TRUE(rig.post(kSum));
  rig.pass(20min, 5s);
  expect_sums(rig, kNoon - 8min, kNoon + 34min);
}

}  // namespace
}  // namespace settle::runner
