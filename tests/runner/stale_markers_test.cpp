#include "runner/stale_markers.hpp"

#include <set>

#include <gmock/gmock.h>

#include "tests/support/runner_rig.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Time;
using engine::Value;
using settle::testing::job_json;
using settle::testing::RunnerRig;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");

/// `requests_total{s="a"}` always, and b in the buckets [from, to), c in those outside of it.
fetchers::FetchResult with_gap(const fetchers::FetchRequest& request, Time from, Time to) {
  fetchers::FetchResult result;
  engine::ScopeAnswer answer;
  answer.scope = "source";
  answer.covered = request.range;
  answer.frontier = request.now;
  for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) {
    if (bucket + 1min > request.now) break;
    const bool inside = from <= bucket && bucket < to;
    for (const std::string_view series :
         {std::string_view{"requests_total{s=\"a\"}"},
          std::string_view{inside ? "requests_total{s=\"b\"}" : "requests_total{s=\"c\"}"}}) {
      answer.rows.push_back(
          {.series = result.answer.texts.keep(series), .bucket = bucket, .value = Value::count(7)});
    }
  }
  result.answer.scopes.push_back(std::move(answer));
  return result;
}

/// "b 12:04:59.999", in the order of arrival.
std::vector<std::string> markers(const RunnerRig& rig) {
  std::vector<std::string> found;
  for (const sinks::Row& row : rig.sink.rows) {
    if (row.reason != engine::Reason::stale) continue;
    EXPECT_EQ(row.revision, 1u);
    const std::string_view series = row.series;
    found.push_back(std::string{series.substr(series.size() - 3, 1)} + " " +
                    engine::format_time(row.timestamp).substr(11));
  }
  return found;
}

class StaleMarkers : public ::testing::Test {
 protected:
  void SetUp() override { rig_.sink.takes_stale_markers = true; }
  RunnerRig rig_{kNoon, [](const fetchers::FetchRequest& request) {
                   return with_gap(request, kNoon + 5min, kNoon + 8min);
                 }};
  const std::string options_ = R"(,"poll_interval":"30s","watch":"10m","finality":"consecutive:3")";
};

TEST_F(StaleMarkers, FollowTheLastSampleOfASeriesThatEndedAndPrecedeItsNext) {
  rig_.start();
  ASSERT_TRUE(rig_.post(job_json("a/b", options_)));
  rig_.pass(20min, 5s);
  EXPECT_THAT(markers(rig_), ElementsAre("c 12:04:59.999Z", "b 12:07:59.999Z"));
  // The values are all there, once.
  for (const auto& [key, values] : rig_.received()) {
    const auto off = (key.second - kNoon) % 1min;
    EXPECT_TRUE(off == 0ms || off == 59'999ms) << key.first;
    EXPECT_EQ(values.size(), 1u) << key.first;
  }
}

TEST_F(StaleMarkers, AreSentOnceThoughTheProcessDiesAgainAndAgain) {
  rig_.start();
  ASSERT_TRUE(rig_.post(job_json("a/b", options_)));
  for (int i = 0; i < 15; ++i) {
    rig_.pass(83s, 5s);
    rig_.crash();
    rig_.start();
  }
  rig_.pass(3min, 5s);
  EXPECT_THAT(markers(rig_), ElementsAre("c 12:04:59.999Z", "b 12:07:59.999Z"));
}

TEST_F(StaleMarkers, EndEverySeriesWithTheJob) {
  rig_.start();
  ASSERT_TRUE(rig_.post(job_json("a/b", options_ + R"(,"valid_until":"2026-06-26T12:07:30Z")")));
  rig_.pass(25min, 5s);
  EXPECT_THAT(markers(rig_), ElementsAre("c 12:04:59.999Z", "a 12:06:59.999Z", "b 12:06:59.999Z"));
}

TEST_F(StaleMarkers, AreNotMadeForSinksThatDoNotTakeThem) {
  rig_.sink.takes_stale_markers = false;
  rig_.start();
  ASSERT_TRUE(rig_.post(job_json("a/b", options_)));
  rig_.pass(20min, 5s);
  EXPECT_THAT(markers(rig_), IsEmpty());
  const std::string key = markers_key("default", rig_.service().list_jobs("default", "", 1)[0]->stream_id);
  EXPECT_FALSE(rig_.store().read().get(Table::meta, key));
}

}  // namespace
}  // namespace settle::runner
