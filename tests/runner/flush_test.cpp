// DELETE with ?flush=true: what is open goes out with the commit that removes the job, once.
#include <utility>

#include <gtest/gtest.h>

#include "runner/store/ledger.hpp"
#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

using engine::Reason;

const std::string kSlow = R"(,"poll_interval":"30s","watch":"10m","finality":"fixed:5m")";

/// Each bucket is 7 from its first second on.
fetchers::FetchResult sevens(const fetchers::FetchRequest& request) {
  return say_all(request, [](Time, Time) { return Value::count(7); });
}

class Flush : public ::testing::Test {
 protected:
  /// Starts, and posts the job that every test begins with. Its id.
  std::string start() {
    rig.start();
    const auto added = rig.post(job_json("a/b", kSlow));
    EXPECT_TRUE(added);
    return added ? added->job.id : "";
  }
  bool down = false;
  RunnerRig rig{kNoon, [this](const fetchers::FetchRequest& request) {
                  return down ? test::unreachable("source") : sevens(request);
                }};
};
using StaleMarker = Flush;

std::map<std::pair<std::string, Time>, std::vector<Reason>> reasons(const RunnerRig& rig) {
  std::map<std::pair<std::string, Time>, std::vector<Reason>> found;
  for (const sinks::Row& row : rig.sink.rows) {
    found[{std::string{row.series}, row.timestamp}].push_back(row.reason);
  }
  return found;
}

/// The commit of the newest key.
std::string newest(RunnerRig& rig, Table table) {
  std::string sequence;
  rig.store().read().scan(table, "", "", [&sequence](std::string_view key, std::string_view) {
    sequence = key.substr(0, 8);
    return true;
  });
  return sequence;
}

TEST_F(Flush, SendsWhatIsOpenAndRemovesTheJobInOneCommit) {
  const std::string id = start();
  rig.pass(10min, 5s);
  EXPECT_EQ(reasons(rig).count({"requests_total", kNoon + 7min}), 0U);  // not final yet
  ASSERT_TRUE(rig.remove(id, true));
  // The engine's record, the samples and the removal are one commit.
  EXPECT_EQ(newest(rig, Table::ledger), newest(rig, Table::log));
  EXPECT_EQ(rig.service().find_job("default", id), nullptr);
  const auto found = reasons(rig);
  for (Time bucket = kNoon; bucket < kNoon + 9min; bucket += 1min) {
    const auto at = found.find({"requests_total", bucket});
    ASSERT_NE(at, found.end()) << engine::format_time(bucket);
    EXPECT_EQ(at->second.size(), 1U);
    if (bucket == kNoon + 4min) continue;  // final or not, as the polls fell
    EXPECT_EQ(at->second[0] == Reason::flush, bucket > kNoon + 4min) << engine::format_time(bucket);
  }
  rig.crash();
  rig.start();
  rig.pass(3min, 5s);
  EXPECT_EQ(reasons(rig), found);
}

TEST_F(Flush, WhoeverTakesTheStreamOverRepeatsNothing) {
  const std::string id = start();
  rig.pass(10min, 5s);
  ASSERT_TRUE(rig.remove(id, true));
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow)));
  rig.pass(15min, 5s);
  for (const auto& [key, of] : reasons(rig)) EXPECT_EQ(of.size(), 1U) << engine::format_time(key.second);
  EXPECT_EQ(reasons(rig).count({"requests_total", kNoon + 12min}), 1U);
}

TEST_F(Flush, LeavesOtherJobsOfTheStreamAlone) {
  rig.start();
  const auto gone = rig.post(job_json("a/b", kSlow + R"(,"record":"gone")"));
  const auto stays = rig.post(job_json("a/c", kSlow + R"(,"record":"stays")"));
  ASSERT_TRUE(gone && stays);
  ASSERT_EQ(gone->job.stream_id, stays->job.stream_id);
  rig.pass(10min, 5s);
  ASSERT_TRUE(rig.remove(gone->job.id, true));
  EXPECT_EQ(reasons(rig).count({"stays", kNoon + 7min}), 0U);
  EXPECT_EQ(reasons(rig).at({"gone", kNoon + 7min}), std::vector{Reason::flush});
  rig.pass(15min, 5s);
  EXPECT_EQ(reasons(rig).at({"stays", kNoon + 7min}), std::vector{Reason::settled});
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow + R"(,"record":"gone")")));  // takes its output up again
  rig.pass(15min, 5s);
  for (const auto& [key, of] : reasons(rig)) EXPECT_EQ(of.size(), 1U) << key.first;
  EXPECT_EQ(reasons(rig).at({"gone", kNoon + 20min}), std::vector{Reason::settled});
}

TEST_F(StaleMarker, FollowsTheNewestSampleOfEachSeriesWhenAJobIsRemoved) {
  rig.sink.takes_stale_markers = true;
  const std::string id = start();
  rig.pass(10min, 5s);
  const Time last = rig.received().rbegin()->first.second;
  EXPECT_GE(last, kNoon + 3min);
  ASSERT_TRUE(rig.remove(id));
  EXPECT_EQ(reasons(rig).at({"requests_total", last + 1ms}), std::vector{Reason::stale});
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow)));  // the series goes on
  rig.pass(10min, 5s);
  EXPECT_EQ(reasons(rig).at({"requests_total", last + 1min}), std::vector{Reason::settled});
  for (const auto& [key, of] : reasons(rig)) EXPECT_EQ(of.size(), 1U) << engine::format_time(key.second);
}

void expect_marker_of_flush(bool takes) {
  RunnerRig rig{kNoon, sevens};
  rig.sink.takes_stale_markers = takes;
  rig.start();
  const auto added = rig.post(job_json("a/b", kSlow));
  ASSERT_TRUE(added);
  rig.pass(10min, 5s);
  ASSERT_TRUE(rig.remove(added->job.id, true));
  std::size_t markers = 0;
  Time newest = kNoon;
  for (const sinks::Row& row : rig.sink.rows) {
    markers += row.reason == Reason::stale ? 1 : 0;
    if (row.reason == Reason::flush) newest = std::max(newest, row.timestamp);
  }
  EXPECT_EQ(markers, takes ? 1U : 0U);
  EXPECT_GE(newest, kNoon + 8min);
  EXPECT_EQ(reasons(rig).count({"requests_total", newest + 1ms}), takes ? 1U : 0U);
}

TEST_F(StaleMarker, FollowsWhatAFlushSentAndOnlyWhereTheSinkTakesIt) {
  expect_marker_of_flush(true);
  expect_marker_of_flush(false);
}

TEST_F(Flush, AnswersForAJobThatIsNotThere) {
  rig.start();
  const auto removed = rig.remove("nobody", true);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.refusal().kind, Refusal::Kind::not_found);
}

TEST_F(Flush, SendsWhatIsKnownOfASourceThatIsDown) {
  const std::string id = start();
  rig.pass(4min, 5s);
  down = true;
  rig.pass(3min, 5s);
  ASSERT_TRUE(rig.remove(id, true));
  EXPECT_EQ(reasons(rig).at({"requests_total", kNoon + 2min}), std::vector{Reason::flush});
}

TEST_F(Flush, GivesWhatIsOpenToAJobThatHasSeenNothingYet) {
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow + R"(,"record":"first")")));
  rig.pass(10min, 5s);
  down = true;
  const auto late = rig.post(job_json("a/c", kSlow + R"(,"record":"late")"));
  ASSERT_TRUE(late);
  ASSERT_TRUE(rig.remove(late->job.id, true));
  const auto found = reasons(rig);
  EXPECT_EQ(found.at({"late", kNoon + 1min}), std::vector{Reason::settled});
  EXPECT_EQ(found.at({"late", kNoon + 8min}), std::vector{Reason::flush});
}

}  // namespace
}  // namespace settle::runner
