// DELETE with ?flush=true: what is open goes out with the commit that removes the job, once.
#include <utility>

#include <gtest/gtest.h>

#include "runner/ledger.hpp"
#include "tests/support/runner_rig.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Reason;
using engine::Time;
using engine::Value;
using testing::job_json;
using testing::RunnerRig;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");

/// Each bucket is 7 from its first second on; `down` makes the source fail.
struct Source {
  bool down = false;
  testing::Script script() {
    return [this](const fetchers::FetchRequest& request) {
      if (down) return testing::unreachable("source");
      fetchers::FetchResult result;
      engine::ScopeAnswer answer;
      answer.scope = "source";
      answer.covered = request.range;
      answer.frontier = request.now;
      for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) {
        answer.rows.push_back({.series = result.answer.texts.keep("requests_total"),
                               .bucket = bucket,
                               .value = Value::count(7)});
      }
      result.answer.scopes.push_back(std::move(answer));
      return result;
    };
  }
};

const std::string kSlow = R"(,"poll_interval":"30s","watch":"10m","finality":"fixed:5m")";

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

TEST(Flush, SendsWhatIsOpenAndRemovesTheJobInOneCommit) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
  rig.start();
  const auto added = rig.post(job_json("a/b", kSlow));
  ASSERT_TRUE(added);
  rig.pass(10min, 5s);
  EXPECT_EQ(reasons(rig).count({"requests_total", kNoon + 7min}), 0U);  // not final yet
  ASSERT_TRUE(rig.remove(added->job.id, true));
  // The engine's record, the samples and the removal are one commit.
  EXPECT_EQ(newest(rig, Table::ledger), newest(rig, Table::log));
  EXPECT_EQ(rig.service().find_job("default", added->job.id), nullptr);
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

TEST(Flush, WhoeverTakesTheStreamOverRepeatsNothing) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
  rig.start();
  const auto added = rig.post(job_json("a/b", kSlow));
  ASSERT_TRUE(added);
  rig.pass(10min, 5s);
  ASSERT_TRUE(rig.remove(added->job.id, true));
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow)));
  rig.pass(15min, 5s);
  for (const auto& [key, of] : reasons(rig)) EXPECT_EQ(of.size(), 1U) << engine::format_time(key.second);
  EXPECT_EQ(reasons(rig).count({"requests_total", kNoon + 12min}), 1U);
}

TEST(Flush, LeavesOtherJobsOfTheStreamAlone) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
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

TEST(StaleMarker, FollowsTheNewestSampleOfEachSeriesWhenAJobIsRemoved) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
  rig.sink.takes_stale_markers = true;
  rig.start();
  const auto added = rig.post(job_json("a/b", kSlow));
  ASSERT_TRUE(added);
  rig.pass(10min, 5s);
  const Time last = rig.received().rbegin()->first.second;
  EXPECT_GE(last, kNoon + 3min);
  ASSERT_TRUE(rig.remove(added->job.id));
  EXPECT_EQ(reasons(rig).at({"requests_total", last + 1ms}), std::vector{Reason::stale});
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow)));  // the series goes on
  rig.pass(10min, 5s);
  EXPECT_EQ(reasons(rig).at({"requests_total", last + 1min}), std::vector{Reason::settled});
  for (const auto& [key, of] : reasons(rig)) EXPECT_EQ(of.size(), 1U) << engine::format_time(key.second);
}

TEST(StaleMarker, FollowsWhatAFlushSentAndOnlyWhereTheSinkTakesIt) {
  for (const bool takes : {true, false}) {
    Source source;
    RunnerRig rig{kNoon, source.script()};
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
}

TEST(Flush, AnswersForAJobThatIsNotThere) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
  rig.start();
  const auto removed = rig.remove("nobody", true);
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.refusal().kind, Refusal::Kind::not_found);
}

TEST(Flush, SendsWhatIsKnownOfASourceThatIsDown) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
  rig.start();
  const auto added = rig.post(job_json("a/b", kSlow));
  ASSERT_TRUE(added);
  rig.pass(4min, 5s);
  source.down = true;
  rig.pass(3min, 5s);
  ASSERT_TRUE(rig.remove(added->job.id, true));
  EXPECT_EQ(reasons(rig).at({"requests_total", kNoon + 2min}), std::vector{Reason::flush});
}

TEST(Flush, GivesWhatIsOpenToAJobThatHasSeenNothingYet) {
  Source source;
  RunnerRig rig{kNoon, source.script()};
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a/b", kSlow + R"(,"record":"first")")));
  rig.pass(10min, 5s);
  source.down = true;
  const auto late = rig.post(job_json("a/c", kSlow + R"(,"record":"late")"));
  ASSERT_TRUE(late);
  ASSERT_TRUE(rig.remove(late->job.id, true));
  const auto found = reasons(rig);
  EXPECT_EQ(found.at({"late", kNoon + 1min}), std::vector{Reason::settled});
  EXPECT_EQ(found.at({"late", kNoon + 8min}), std::vector{Reason::flush});
}

}  // namespace
}  // namespace settle::runner
