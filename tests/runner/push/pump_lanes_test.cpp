// Two lanes to one sink: live rows overtake, and the newest revision is the last one, whichever lane it is
// in.
#include <gmock/gmock.h>

#include "tests/runner/push/pump_world.hpp"

namespace settle::test {
namespace {

using runner::Lane;
using runner::PumpState;
using sinks::Overwrite;
using sinks::PushVerdict;
using std::chrono::minutes;
using std::chrono::seconds;

struct PumpLanes : ::testing::Test {
  PumpLanes() {
    options.backfill_batch_rows_max = 50;
    boot(kNow);
  }
  void boot(engine::Time now) { process = std::make_unique<Process>(directory.path(), server, now, options); }
  void crash() {
    const engine::Time now = process->clocks.wall_now();
    const sinks::Capabilities can = process->sink.can;
    process.reset();
    boot(now);
    process->sink.can = can;
  }
  [[nodiscard]] runner::PumpStatus of(Lane lane) const { return process->pump->status(lane); }
  /// Revisions of one (series, minute) in the order of arrival.
  std::vector<std::uint32_t> arrived(std::uint64_t series, int minute) {
    const std::string text = "m{s=\"" + std::to_string(series) + "\"}";
    const engine::Time timestamp = sample(series, minute, 0).bucket;
    std::vector<std::uint32_t> revisions;
    for (const auto& rows : process->sink.pushes) {
      for (const sinks::Row& row : rows) {
        if (row.series == std::string_view{text} && row.timestamp == timestamp)
          revisions.push_back(row.revision);
      }
    }
    return revisions;
  }

  runner::StoreDirectory directory;
  FakeServer server;
  runner::PumpOptions options = pump_options();
  std::unique_ptr<Process> process;
};

TEST_F(PumpLanes, LiveRowsOvertakeABackfillThatDrains) {
  emit_backfill(*process, history(10, -100, 30));  // six requests
  int requests = 0;
  process->sink.decide = [&](const std::vector<sinks::Row>& rows) {
    if (rows.size() == 50) ++requests;
    if (rows.size() == 50 && requests <= 4) emit(*process, {sample(77, requests, 1)});
    return Fate{};
  };
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  std::vector<std::size_t> sizes;
  for (const auto& rows : process->sink.pushes) sizes.push_back(rows.size());
  // What came during a request of the backfill goes before its next one.
  EXPECT_THAT(sizes, ::testing::ElementsAre(50, 1, 50, 1, 50, 1, 50, 1, 50, 50));
}

TEST_F(PumpLanes, LiveRowsPassWhileTheBackfillBacksOff) {
  emit_backfill(*process, history(10, -100, 5));
  process->sink.decide = [](const std::vector<sinks::Row>& rows) {
    Fate fate;
    if (rows.size() > 1) fate = {.verdict = PushVerdict::retry, .retry_after = minutes{10}};
    return fate;
  };
  process->start();
  ASSERT_TRUE(process->run_until([&] { return of(Lane::backfill).state == PumpState::backing_off; }));
  const auto before = process->clocks.steady_now();
  emit(*process, {sample(77, 0, 1)});
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_LT(process->clocks.steady_now() - before, seconds{1});
  EXPECT_EQ(of(Lane::backfill).rows_waiting, 50u);
  process->sink.decide = nullptr;
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_GE(process->clocks.steady_now() - before, minutes{9});
}

TEST_F(PumpLanes, TheBackfillWaitsUntilTheLiveLaneIsEmpty) {
  process->sink.decide = [](const std::vector<sinks::Row>&) { return Fate{.verdict = PushVerdict::retry}; };
  emit(*process, {sample(77, 0, 1)});
  emit_backfill(*process, history(1, -100, 20));
  process->start();
  ASSERT_TRUE(process->run_until(
      [&] { return process->sink.pushes.size() == 5 && of(Lane::live).state == PumpState::backing_off; }));
  for (const auto& rows : process->sink.pushes) EXPECT_EQ(rows.size(), 1u);
  EXPECT_EQ(of(Lane::backfill).state, PumpState::backing_off) << "it waits for the same sink";
  process->sink.decide = nullptr;
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_EQ(process->sink.pushes.back().size(), 20u);
}

TEST_F(PumpLanes, AnOlderRevisionOfTheLiveLaneGoesBeforeANewerOneOfTheBackfill) {
  process->sink.can.overwrite = Overwrite::last_wins;
  emit(*process, {sample(1, 0, 10)});
  emit_backfill(*process, {sample(1, 0, 12, 2)});
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_THAT(arrived(1, 0), ::testing::ElementsAre(1, 2));
}

TEST_F(PumpLanes, AnOlderRevisionOfTheBackfillIsLeftOutWhenANewerOneOvertookIt) {
  process->sink.can.overwrite = Overwrite::last_wins;
  emit_backfill(*process, {sample(1, 0, 10), sample(2, 0, 10)});
  emit(*process, {sample(1, 0, 12, 2)});
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_THAT(arrived(1, 0), ::testing::ElementsAre(2));
  EXPECT_THAT(arrived(2, 0), ::testing::ElementsAre(1));
  EXPECT_EQ(of(Lane::backfill).rows_replaced, 1u);
}

TEST_F(PumpLanes, ItIsLeftOutToWhenTheBatchItIsInWasTakenBefore) {
  process->sink.can.overwrite = Overwrite::last_wins;
  emit_backfill(*process, history(10, -100, 5));
  process->sink.decide = [&](const std::vector<sinks::Row>& rows) {
    Fate fate;
    if (rows.size() == 50) {
      emit(*process, {sample(3, -98, 12, 2)});
      fate = {.verdict = PushVerdict::retry};
    }
    return fate;
  };
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  ASSERT_EQ(process->sink.pushes.size(), 3u);
  EXPECT_EQ(process->sink.pushes[1].size(), 1u);
  EXPECT_EQ(process->sink.pushes[2].size(), 49u);
  EXPECT_THAT(arrived(3, -98), ::testing::ElementsAre(1, 2)) << "the first request was turned away";
}

TEST_F(PumpLanes, WhatOvertookItBeforeACrashIsStillKnownAfterIt) {
  process->sink.can.overwrite = Overwrite::last_wins;
  emit_backfill(*process, {sample(1, 0, 10), sample(2, 0, 10)});
  emit(*process, {sample(1, 0, 12, 2)});
  process->start();
  ASSERT_TRUE(process->run_until_sent());  // the live lane only
  ASSERT_EQ(of(Lane::backfill).rows_waiting, 2u);
  crash();
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_THAT(arrived(1, 0), ::testing::ElementsAre());
  EXPECT_THAT(arrived(2, 0), ::testing::ElementsAre(1));
}

TEST_F(PumpLanes, BothLanesGoBackWhenTheServerRestarted) {
  process->sink.can.overwrite = Overwrite::last_wins;
  server.started_at = kNow - std::chrono::hours{1};
  emit(*process, {sample(1, 0, 10), sample(2, 0, 10)});
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  emit_backfill(*process, {sample(1, 0, 12, 2), sample(3, 0, 10)});
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  process->sink.pushes.clear();
  server.restart_without_recent(process->clocks.wall_now());
  ASSERT_TRUE(process->run_until([&] { return server.recent.size() == 3; }));
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_THAT(arrived(1, 0), ::testing::ElementsAre(2)) << "the older revision of the live lane stays away";
  EXPECT_EQ(of(Lane::live).rows_resent, 1u);
  EXPECT_EQ(of(Lane::backfill).rows_resent, 2u);
}

TEST_F(PumpLanes, EachLaneGoesOnFromItsOwnCursor) {
  emit(*process, history(3, 0, 1));
  emit_backfill(*process, history(3, -10, 2));
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  crash();
  emit_backfill(*process, history(2, -8, 1));
  process->start();
  EXPECT_EQ(of(Lane::live).rows_waiting, 0u);
  EXPECT_EQ(of(Lane::backfill).rows_waiting, 2u);
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_EQ(server.recent.size(), 11u);
}

TEST_F(PumpLanes, FewRowsWaitForMoreButNotForLong) {
  process->start();
  emit_backfill(*process, history(1, -50, 10));
  const auto begin = process->clocks.steady_now();
  // One row per second is too slow for a full body, and never quiet.
  for (int i = 0; i < 60 && process->sink.pushes.empty(); ++i) {
    process->clocks.advance(seconds{1});
    emit_backfill(*process, {sample(90, -50 + i, 1)});
    process->run_ready();
    if (i < 5) {
      EXPECT_EQ(of(Lane::backfill).state, PumpState::gathering);
    }
  }
  ASSERT_EQ(process->sink.pushes.size(), 1u);
  EXPECT_GT(process->sink.pushes[0].size(), 35u);
  EXPECT_GE(process->clocks.steady_now() - begin, options.gather_max);
  const auto last = process->clocks.steady_now();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_LE(process->clocks.steady_now() - last, seconds{5}) << "nothing more comes: it does not wait for it";
}

TEST_F(PumpLanes, AFullLaneIsSentAtOnceAndSaysThatItIsFull) {
  options.backfill_queue_rows_max = 60;
  crash();
  process->start();
  const auto begin = process->clocks.steady_now();
  emit_backfill(*process, history(1, -60, 60));
  EXPECT_TRUE(process->pump->full(Lane::backfill));
  EXPECT_FALSE(process->pump->full(Lane::live));
  ASSERT_TRUE(process->run_until([&] { return !process->sink.pushes.empty(); }));
  EXPECT_EQ(process->sink.pushes[0].size(), 50u);
  EXPECT_EQ(process->clocks.steady_now(), begin);
  process->run_ready();
  EXPECT_FALSE(process->pump->full(Lane::backfill));
}

TEST_F(PumpLanes, ABodyThatTakesTooLongIsHalved) {
  options.backfill_batch_rows_max = 400;
  crash();
  process->sink.decide = [](const std::vector<sinks::Row>& rows) {
    Fate fate;
    if (rows.size() > 150) fate = {.verdict = PushVerdict::uncertain, .applied = 0};
    return fate;
  };
  emit_backfill(*process, history(1, -400, 400));
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_EQ(server.recent.size(), 400u);
  std::vector<std::int64_t> times;
  for (const auto& kept : server.recent) times.push_back(kept.key.second);
  EXPECT_TRUE(std::is_sorted(times.begin(), times.end())) << "in time order all the same";
}

TEST_F(PumpLanes, DeadLettersOfBothLanesHaveOneNumbering) {
  process->sink.fault = [](const sinks::Row& row) -> std::optional<std::string> {
    if (row.series == "m{s=\"0\"}") return "bad";
    return std::nullopt;
  };
  emit(*process, history(2, 0, 2));
  emit_backfill(*process, history(2, -10, 3));
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  crash();
  process->sink.fault = [](const sinks::Row&) { return std::optional<std::string>{"bad"}; };
  emit(*process, history(1, 20, 1));
  process->start();
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  std::vector<std::uint64_t> numbers;
  for (const runner::DeadLetter& letter : process->dead_letters()) numbers.push_back(letter.number);
  EXPECT_THAT(numbers, ::testing::ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_EQ(server.recent.size(), 5u);
}

TEST_F(PumpLanes, KeepsTheLiveLedgerFromWhereTheBackfillWaits) {
  process->sink.can.durable_when_acknowledged = true;
  process->sink.can.overwrite = Overwrite::last_wins;
  emit(*process, {sample(9, 0, 1)});
  emit_backfill(*process, {sample(1, 0, 10)});
  emit(*process, {sample(1, 0, 12, 2)});
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  const auto live = process->pump->safe_to_forget(Lane::live);
  ASSERT_TRUE(live);
  EXPECT_EQ(live->key, "");
  ASSERT_TRUE(process->run_until_both_lanes_sent());
  EXPECT_FALSE(process->pump->safe_to_forget(Lane::live)) << "nothing waits: it needs none of it";
}

TEST_F(PumpLanes, ASinkThatNeverHadRowsHoldsNothingBack) {
  process->start();
  process->run_ready();
  EXPECT_FALSE(process->pump->safe_to_forget(Lane::live));
  EXPECT_FALSE(process->pump->safe_to_forget(Lane::backfill));
}

}  // namespace
}  // namespace settle::test
