// A server may take the rows of a request that nobody waits for any more: because the connection was cut, it
// did not answer in time, or the process that sent them died.
#include <gtest/gtest.h>

#include "tests/runner/push/pump_world.hpp"

namespace settle::test {
namespace {

using sinks::PushVerdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

struct PumpDoubt : ::testing::Test {
  runner::StoreDirectory directory;
  FakeServer server;
  std::unique_ptr<Process> process = born(kNow);

  std::unique_ptr<Process> born(engine::Time now) {
    return std::make_unique<Process>(directory.path(), server, now, pump_options());
  }
  void emit_five() {
    emit(*process, history(5, 0, 1));
    process->start();
  }
  /// The server has the rows of the first request after all; each look before that found none of them.
  void take_late(const std::vector<sinks::Row>& rows) {
    ASSERT_TRUE(server.recent.empty()) << "the rows were sent again before";
    for (const sinks::Row& row : rows) server.take(row);
  }
  void expect_each_once() {
    const auto all = server.revisions();
    EXPECT_EQ(all.size(), 5u);
    for (const auto& [key, revisions] : all) EXPECT_EQ(revisions.size(), 1u) << key.first;
  }
};

TEST_F(PumpDoubt, RowsThatComeAfterTheFirstLookAreNotSentAgain) {
  for (const seconds late : {seconds{2}, seconds{5}, seconds{9}}) {
    SCOPED_TRACE(late.count());
    const runner::StoreDirectory place;
    server = {};
    process = std::make_unique<Process>(place.path(), server, kNow, pump_options());
    process->sink.fates = {{.verdict = PushVerdict::uncertain, .applied = 0}};
    emit_five();
    ASSERT_TRUE(process->run_until([&] { return process->sink.look_ups == 1; }));
    process->run_until([] { return false; }, late);
    take_late(process->sink.pushes.at(0));
    ASSERT_TRUE(process->run_until_sent());
    expect_each_once();
    EXPECT_EQ(process->sink.pushes.size(), 1u);
    process.reset();
  }
}

TEST_F(PumpDoubt, RowsOfTheDeadThatComeAfterTheFirstLookAreNotSentAgain) {
  process->sink.fates = {{.applied = 0, .never_answers = true}};
  emit_five();
  ASSERT_TRUE(process->run_until([&] { return !process->sink.pushes.empty(); }));
  const std::vector<sinks::Row> sent = process->sink.pushes.at(0);
  process.reset();
  process = born(kNow);
  process->start();
  ASSERT_TRUE(process->run_until([&] { return process->sink.look_ups == 1; }));
  process->run_until([] { return false; }, seconds{4});
  take_late(sent);
  ASSERT_TRUE(process->run_until_sent());
  expect_each_once();
  EXPECT_TRUE(process->sink.pushes.empty());
}

// A server that stands still answers nothing, and may take everything when it goes on.
TEST_F(PumpDoubt, TheWaitBeginsWithTheFirstAnswer) {
  process->sink.fates = {{.verdict = PushVerdict::uncertain, .applied = 0}};
  process->sink.can_look_up = false;
  emit_five();
  ASSERT_TRUE(process->run_until([&] { return process->sink.look_ups > 5; }));
  process->run_until([] { return false; }, std::chrono::minutes{5});
  process->sink.can_look_up = true;
  const std::size_t before = process->sink.look_ups;
  ASSERT_TRUE(process->run_until([&] { return process->sink.look_ups == before + 1; }));
  take_late(process->sink.pushes.at(0));
  ASSERT_TRUE(process->run_until_sent());
  expect_each_once();
}

TEST_F(PumpDoubt, WhatIsStillMissingIsSentAgainOnce) {
  process->sink.fates = {{.verdict = PushVerdict::uncertain, .applied = 2}};
  emit_five();
  ASSERT_TRUE(process->run_until_sent());
  expect_each_once();
  ASSERT_EQ(process->sink.pushes.size(), 2u);
  EXPECT_EQ(process->sink.pushes[1].size(), 3u);
  EXPECT_TRUE(process->pump->status().last_error.empty());
}

}  // namespace
}  // namespace settle::test
