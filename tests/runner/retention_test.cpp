// What is old is deleted, and nothing that a sink still waits for.
#include <gtest/gtest.h>

#include "tests/support/runner_rig.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Time;
using testing::job_json;
using testing::RunnerRig;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");

fetchers::FetchResult ones(const fetchers::FetchRequest& request) {
  fetchers::FetchResult result;
  engine::ScopeAnswer answer;
  answer.scope = "source";
  answer.covered = request.range;
  answer.frontier = request.now;
  for (Time bucket = request.range.from; bucket < request.range.to; bucket += 1min) {
    answer.rows.push_back({.series = result.answer.texts.keep("requests_total"),
                           .bucket = bucket,
                           .value = engine::Value::count(1)});
  }
  result.answer.scopes.push_back(std::move(answer));
  return result;
}

std::size_t ledger_blocks(RunnerRig& rig) {
  std::size_t count = 0;
  rig.store().read().scan(Table::ledger, "", "",
                          [&count](std::string_view, std::string_view) { return ++count > 0; });
  return count;
}

TEST(Retention, DeletesOldLedgerBlocksThatEverySinkHas) {
  RunnerRig rig{kNoon, ones};
  rig.options.keep_ledger = 30min;
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a", R"(,"watch":"10m","finality":"consecutive:3")")));
  rig.pass(3h, 30s);
  EXPECT_GT(rig.sink.rows.size(), 170u);
  EXPECT_GT(ledger_blocks(rig), 25u);
  EXPECT_LT(ledger_blocks(rig), 60u);
}

TEST(Retention, KeepsTheLedgerForASinkThatIsBehind) {
  RunnerRig rig{kNoon, ones};
  rig.options.keep_ledger = 30min;
  rig.sink.verdict = sinks::PushVerdict::retry;
  rig.start();
  ASSERT_TRUE(rig.post(job_json("a", R"(,"watch":"10m","finality":"consecutive:3")")));
  rig.pass(3h, 30s);
  EXPECT_GT(ledger_blocks(rig), 160u);
  rig.sink.verdict = sinks::PushVerdict::accepted;
  rig.pass(10min, 30s);
  EXPECT_GT(rig.sink.rows.size(), 170u);
}

}  // namespace
}  // namespace settle::runner
