#include "runner/push/pump.hpp"

#include <numeric>

#include <gmock/gmock.h>

#include "runner/push/delivery_records.hpp"
#include "tests/runner/push/pump_world.hpp"

namespace settle::test {
namespace {

using runner::PumpState;
using sinks::Overwrite;
using sinks::PushVerdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct PumpTest : ::testing::Test {
  runner::StoreDirectory directory;
  FakeServer server;
  std::unique_ptr<Process> process =
      std::make_unique<Process>(directory.path(), server, kNow, pump_options());

  /// The process dies without a word; the next one starts at the same instant.
  void crash() {
    const engine::Time now = process->clocks.wall_now();
    const sinks::Capabilities can = process->sink.can;
    process.reset();
    process = std::make_unique<Process>(directory.path(), server, now, pump_options());
    process->sink.can = can;
  }
  std::vector<std::uint32_t> revisions_of(int series, int minute) {
    const auto all = server.revisions();
    const auto found =
        all.find({"m{s=\"" + std::to_string(series) + "\"}", engine::epoch_ms(sample(0, minute, 0).bucket)});
    return found == all.end() ? std::vector<std::uint32_t>{} : found->second;
  }
  std::size_t values_kept() { return server.durable.size() + server.recent.size(); }
};

std::vector<engine::Sample> many(int count, int minute = 0) {
  std::vector<engine::Sample> samples;
  for (int i = 0; i < count; ++i) samples.push_back(sample(static_cast<std::uint64_t>(i), minute, 10));
  return samples;
}

TEST_F(PumpTest, SendsWhatWaitedBeforeTheStartAndWhatComesLater) {
  emit(*process, many(3));
  process->start();
  EXPECT_EQ(process->pump->status().rows_waiting, 3u);
  ASSERT_TRUE(process->run_until_sent());
  emit(*process, many(2, 1));
  EXPECT_EQ(process->pump->status().rows_waiting, 2u);
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 5u);
  EXPECT_EQ(process->pump->status().rows_acknowledged, 5u);
}

TEST_F(PumpTest, LeavesTheRowsOfOtherSinksAlone) {
  emit(*process, many(3), {"other"});
  emit(*process, many(2, 1), {"other", "tsdb"});
  emit(*process, many(4, 2), {"other"});
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  process->run_ready();
  EXPECT_EQ(values_kept(), 2u);
  EXPECT_EQ(process->pump->status().rows_acknowledged, 2u);
}

TEST_F(PumpTest, AddsExternalLabelsButNotOverThoseOfTheSeries) {
  runner::PumpOptions options = pump_options();
  options.external_labels = {{"region", "eu"}, {"s", "never"}};
  process.reset();
  process = std::make_unique<Process>(directory.path(), server, kNow, options);
  emit(*process, many(1));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(server.recent.at(0).key.first, "m{region=\"eu\",s=\"0\"}");
}

TEST_F(PumpTest, SendsInBatchesOfTheSinksSizeOneAfterAnother) {
  process->sink.can.batch_rows_max = 10;
  emit(*process, many(25));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  ASSERT_EQ(process->sink.pushes.size(), 3u);
  EXPECT_EQ(process->sink.pushes[2].size(), 5u);
}

TEST_F(PumpTest, GoesOnFromTheCursorAfterARestart) {
  emit(*process, many(3));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  crash();
  emit(*process, many(1, 1));
  process->start();
  EXPECT_EQ(process->pump->status().rows_waiting, 1u);
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 4u);
}

TEST_F(PumpTest, LooksUpWhatABatchInFlightAtACrashLeftBehind) {
  process->sink.can.batch_rows_max = 10;
  process->sink.fates = {{.applied = 4, .never_answers = true}};
  emit(*process, many(25));
  process->start();
  ASSERT_TRUE(process->run_until([&] { return !process->sink.pushes.empty(); }));
  crash();
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 25u);
  EXPECT_EQ(process->sink.look_ups, 2u) << "only the rows that one batch may have held are doubtful";
}

TEST_F(PumpTest, SendsDoubtfulRowsAgainWhereTheSinkOverwrites) {
  process->sink.can.overwrite = Overwrite::last_wins;
  process->sink.fates = {{.verdict = PushVerdict::uncertain, .applied = 2}};
  emit(*process, many(5));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(process->sink.look_ups, 0u);
  EXPECT_EQ(process->sink.pushes.at(1).size(), 5u);
}

TEST_F(PumpTest, SendsNothingTwiceWhileTheSinkCannotSayWhatItHolds) {
  process->sink.fates = {{.verdict = PushVerdict::uncertain, .applied = 2}};
  process->sink.can_look_up = false;
  emit(*process, many(5));
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->sink.look_ups > 5; }));
  EXPECT_EQ(process->sink.pushes.size(), 1u);
  EXPECT_EQ(process->pump->status().rows_waiting, 5u);
  process->sink.can_look_up = true;
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(process->sink.pushes.at(1).size(), 3u);
  EXPECT_EQ(values_kept(), 5u);
}

TEST_F(PumpTest, ObeysRetryAfterInSteadyTime) {
  process->sink.fates = {{.verdict = PushVerdict::retry, .retry_after = seconds{100}}};
  emit(*process, many(1));
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->sink.pushes.size() == 1; }));
  const auto first = process->clocks.steady_now();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_GE(process->clocks.steady_now() - first, seconds{100});
}

TEST_F(PumpTest, RetriesWhatAMisconfiguredSinkTurnsAwayAndSaysSo) {
  process->sink.fates = {{.verdict = PushVerdict::misconfigured}};
  emit(*process, many(3));
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->pump->status().state == PumpState::misconfigured; }));
  EXPECT_EQ(process->pump->status().last_error, "scripted");
  EXPECT_EQ(process->pump->status().rows_waiting, 3u);
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(process->pump->status().last_error, "");
  EXPECT_TRUE(process->dead_letters().empty());
}

TEST_F(PumpTest, FindsTheBadRowsOfARefusedBatchAndSendsTheOthers) {
  process->sink.decide = [](const std::vector<sinks::Row>& rows) {
    Fate fate;
    for (const sinks::Row& row : rows) {
      if (row.series == "m{s=\"7\"}" || row.series == "m{s=\"20\"}") fate.verdict = PushVerdict::refused;
    }
    return fate;
  };
  emit(*process, many(33));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 31u);
  const auto letters = process->dead_letters();
  ASSERT_EQ(letters.size(), 2u);
  EXPECT_EQ(letters[0].series, "m{s=\"7\"}");
  EXPECT_EQ(letters[1].series, "m{s=\"20\"}");
  EXPECT_EQ(letters[1].number, 2u);
  EXPECT_EQ(letters[1].sink, "tsdb");
  EXPECT_EQ(letters[1].job_id, "job");
  EXPECT_EQ(letters[1].reason, "scripted");
  EXPECT_EQ(process->pump->status().rows_dead, 2u);
  EXPECT_EQ(process->pump->status().rows_acknowledged, 31u);
}

TEST_F(PumpTest, LooksForRowsThatAreTooOldWhereTheSinkDoesNotKnowThem) {
  process->sink.decide = [](const std::vector<sinks::Row>& rows) {
    const bool old = std::any_of(rows.begin(), rows.end(),
                                 [](const sinks::Row& row) { return row.series == "m{s=\"7\"}"; });
    return Fate{.verdict = old ? PushVerdict::refused : PushVerdict::accepted, .too_old = old};
  };
  emit(*process, many(33));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 32u);
  EXPECT_EQ(process->dead_letters().size(), 1u);
}

TEST_F(PumpTest, NeverSendsWhatTheSinkWouldDropSilently) {
  process->sink.fault = [](const sinks::Row& row) -> std::optional<std::string> {
    if (row.series == "m{s=\"1\"}") return "too far in the future";
    return std::nullopt;
  };
  emit(*process, many(3));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(process->sink.pushes.at(0).size(), 2u);
  ASSERT_EQ(process->dead_letters().size(), 1u);
  EXPECT_EQ(process->dead_letters()[0].reason, "too far in the future");
}

TEST_F(PumpTest, NumbersDeadLettersOnAcrossRestarts) {
  process->sink.fault = [](const sinks::Row&) { return std::optional<std::string>{"bad"}; };
  emit(*process, many(2));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  crash();
  process->sink.fault = [](const sinks::Row&) { return std::optional<std::string>{"bad"}; };
  emit(*process, many(1, 1));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  const auto letters = process->dead_letters();
  ASSERT_EQ(letters.size(), 3u);
  EXPECT_EQ(letters[2].number, 3u);
}

TEST_F(PumpTest, LeavesOutRowsThatANewerRevisionReplaces) {
  process->sink.can.overwrite = Overwrite::last_wins;
  emit(*process, {sample(1, 0, 10), sample(2, 0, 10)});
  emit(*process, {sample(1, 0, 12, 2)});
  emit(*process, {sample(1, 0, 13, 3)});
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_THAT(revisions_of(1, 0), ::testing::ElementsAre(3));
  EXPECT_EQ(process->pump->status().rows_replaced, 2u);
}

TEST_F(PumpTest, HoldsANewerRevisionBackUntilTheOlderOneInFlightIsDecided) {
  process->sink.can.overwrite = Overwrite::last_wins;
  process->sink.fates = {{.verdict = PushVerdict::uncertain}, {.verdict = PushVerdict::retry}};
  emit(*process, {sample(1, 0, 10)});
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->sink.pushes.size() == 1; }));
  emit(*process, {sample(1, 0, 12, 2)});
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_THAT(revisions_of(1, 0), ::testing::ElementsAre(1, 1, 2));
}

TEST_F(PumpTest, NeverSendsACorrectionToASinkThatKeepsBothValues) {
  emit(*process, {sample(1, 0, 10)});
  emit(*process, {sample(1, 0, 12, 2)});
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_THAT(revisions_of(1, 0), ::testing::ElementsAre(1));
  ASSERT_EQ(process->dead_letters().size(), 1u);
  EXPECT_EQ(process->dead_letters()[0].revision, 2u);
}

TEST_F(PumpTest, GoesBackWhenTheServerRestartedAndResendsOnlyWhatItForgot) {
  server.started_at = kNow - std::chrono::hours{1};
  emit(*process, many(10));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  server.flush();
  emit(*process, many(10, 1));
  ASSERT_TRUE(process->run_until_sent());
  server.restart_without_recent(process->clocks.wall_now());
  ASSERT_EQ(values_kept(), 10u);
  ASSERT_TRUE(process->run_until([&] { return values_kept() == 20; }));
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 20u);
  EXPECT_EQ(process->pump->status().rows_resent, 10u);
}

TEST_F(PumpTest, NoticesARestartOfTheServerThatHappenedWhileItWasDownItself) {
  server.started_at = kNow - std::chrono::hours{1};
  emit(*process, many(10));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  crash();
  server.restart_without_recent(kNow + seconds{1});
  process->start();
  ASSERT_TRUE(process->run_until([&] { return values_kept() == 10; }));
}

TEST_F(PumpTest, KeepsAcknowledgedRowsInTheLedgerUntilTheServerProvedToHaveKeptThem) {
  server.started_at = kNow - std::chrono::hours{1};
  emit(*process, many(3));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  process->run_ready();
  EXPECT_EQ(process->pump->safe_to_forget(), runner::LedgerPosition{});
  // A server that is away proves nothing, however long.
  process->sink.reachable = false;
  process->clocks.advance(std::chrono::minutes{30});
  process->run_ready();
  EXPECT_EQ(process->pump->safe_to_forget(), runner::LedgerPosition{});
  process->sink.reachable = true;
  ASSERT_TRUE(
      process->run_until([&] { return process->pump->safe_to_forget() != runner::LedgerPosition{}; }));
}

TEST_F(PumpTest, SendsNothingBeforeItKnowsWhatTheSinkCanDo) {
  process->sink.reachable = false;
  emit(*process, many(1));
  process->start();
  const auto start = process->clocks.steady_now();
  ASSERT_TRUE(
      process->run_until([&] { return process->clocks.steady_now() - start > std::chrono::minutes{5}; }));
  EXPECT_TRUE(process->sink.pushes.empty());
  EXPECT_EQ(process->pump->status().last_error, "nobody answers");
  process->sink.reachable = true;
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(process->pump->status().last_error, "");
}

TEST_F(PumpTest, SaysWhenTheSinkLostACapability) {
  process->sink.can.overwrite = Overwrite::max_wins;
  emit(*process, many(1));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  process->sink.can.overwrite = Overwrite::none;
  ASSERT_TRUE(process->run_until([&] { return !process->pump->status().last_error.empty(); }));
  EXPECT_THAT(process->pump->status().last_error, ::testing::HasSubstr("max_wins"));
  EXPECT_EQ(process->pump->status().health->capabilities.overwrite, Overwrite::none);
}

TEST_F(PumpTest, IsFullAtItsLimitAndNoLongerWhenRowsAreAcknowledged) {
  runner::PumpOptions options = pump_options();
  options.queue_rows_max = 3;
  process.reset();
  process = std::make_unique<Process>(directory.path(), server, kNow, options);
  emit(*process, many(2));
  process->start();
  EXPECT_FALSE(process->pump->full());
  emit(*process, many(1, 1));
  EXPECT_TRUE(process->pump->full());
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_FALSE(process->pump->full());
}

TEST_F(PumpTest, EndsARequestThatNeverAnswersWithinFiveSecondsOfStop) {
  process->sink.fates = {{.applied = 0, .never_answers = true}};
  emit(*process, many(1));
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->sink.pushes.size() == 1; }));
  const auto asked = process->clocks.steady_now();
  process->pump->stop();
  ASSERT_TRUE(process->run_until([&] { return process->ended; }));
  EXPECT_LE(process->clocks.steady_now() - asked, seconds{5});
  EXPECT_EQ(process->pump->status().state, PumpState::stopped);
  crash();
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 1u);
}

TEST_F(PumpTest, LeavesStaleMarkersOutForSinksThatDoNotTakeThem) {
  std::vector<engine::Sample> samples = many(3);
  samples[1].reason = engine::Reason::stale;
  emit(*process, samples);
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 2u);
  EXPECT_EQ(process->pump->status().rows_acknowledged, 2u);
  EXPECT_EQ(process->pump->status().rows_dead, 0u);
  process->sink.can.takes_stale_markers = true;
  crash();
  samples = many(1, 1);
  samples[0].reason = engine::Reason::stale;
  emit(*process, samples);
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 3u);
  EXPECT_EQ(process->sink.pushes.back().back().reason, engine::Reason::stale);
}

TEST_F(PumpTest, EndsAtOnceWhenItIdles) {
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->pump->status().state == PumpState::idle; }));
  process->pump->stop();
  process->run_ready();
  EXPECT_TRUE(process->ended);
}

TEST_F(PumpTest, BuriesRowsWhoseSeriesTheStoreForgot) {
  emit(*process, many(2));
  runner::WriteBatch batch;
  batch.erase(runner::Table::series, runner::series_key("default", "stream", 1));
  ASSERT_TRUE(process->store->commit_now(std::move(batch)));
  process->start();
  ASSERT_TRUE(process->run_until_sent());
  EXPECT_EQ(values_kept(), 1u);
  ASSERT_EQ(process->dead_letters().size(), 1u);
}

}  // namespace
}  // namespace settle::test
