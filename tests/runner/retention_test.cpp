// What is old is deleted, and nothing that a sink still waits for.
#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"

namespace settle::runner {
namespace {

fetchers::FetchResult ones(const fetchers::FetchRequest& request) {
  return say_all(request, [](Time, Time) { return Value::count(1); });
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
