#include "runner/streams/stale_markers.hpp"

#include <set>

#include <gmock/gmock.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// `requests_total{s="a"}` always, and b in the buckets [from, to), c in those outside of it.
fetchers::FetchResult with_gap(const fetchers::FetchRequest& request, Time from, Time to) {
  const auto shown_where = [from, to](bool before_and_after, bool between) -> Shown {
    return [=](Time bucket, Time now) -> std::optional<Value> {
      const bool inside = from <= bucket && bucket < to;
      const bool there = bucket + 1min <= now && (inside ? between : before_and_after);
      return there ? std::optional{Value::count(7)} : std::nullopt;
    };
  };
  fetchers::FetchResult result;
  say("source", "requests_total{s=\"a\"}", request, shown_where(true, true), result);
  say("source", "requests_total{s=\"b\"}", request, shown_where(false, true), result);
  say("source", "requests_total{s=\"c\"}", request, shown_where(true, false), result);
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
  const std::string key = markers_key("default", first_job(rig_).stream_id);
  EXPECT_FALSE(rig_.store().read().get(Table::meta, key));
}

}  // namespace
}  // namespace settle::runner
