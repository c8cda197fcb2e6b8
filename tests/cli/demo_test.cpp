#include "cli/demo/demo.hpp"

#include <gtest/gtest.h>

namespace settle::cli {
namespace {

using namespace std::chrono_literals;

constexpr engine::Time kMinute = engine::from_epoch_ms(1'782'480'120'000);  // 2026-06-26T13:22:00Z

EmittedSample sample(std::uint64_t count, const std::string& reason = "settled") {
  return {.timestamp = kMinute, .value = engine::Value::count(count), .reason = reason, .age = 4min};
}

DemoOutcome good_outcome() {
  DemoOutcome outcome;
  outcome.truth[kMinute] = 100;
  outcome.first_seen[kMinute] = 40;
  outcome.emitted = {sample(100)};
  outcome.with_tsdb = true;
  outcome.exported.emplace(kMinute, engine::Value::count(100));
  return outcome;
}

TEST(DemoVerdict, IsGoodWhenEveryMinuteIsRightOnce) {
  const DemoVerdict verdict = judge_demo(good_outcome());
  EXPECT_TRUE(verdict.good);
  EXPECT_EQ(verdict.text,
            "minute  first value  settled  at age  in VictoriaMetrics\n"
            "13:22            40      100  4m                     100  ok\n"
            "\nAll 1 minutes are exactly right and each was pushed once, as the raw export of "
            "VictoriaMetrics shows.\n");
}

TEST(DemoVerdict, IsBadWhenAnythingIsNot) {
  const std::vector<void (*)(DemoOutcome&)> spoilers{
      [](DemoOutcome& o) { o.emitted.clear(); },
      [](DemoOutcome& o) { o.emitted = {sample(99)}; },
      [](DemoOutcome& o) { o.emitted.push_back(sample(100, "correction")); },
      [](DemoOutcome& o) { o.exported.clear(); },
      [](DemoOutcome& o) { o.exported.emplace(kMinute, engine::Value::count(100)); },
      [](DemoOutcome& o) { o.exported.begin()->second = engine::Value::number(99.5); },
      [](DemoOutcome& o) { o.exported.emplace(kMinute + 1min, engine::Value::count(1)); },
      [](DemoOutcome& o) { o.truth.clear(); },
  };
  for (std::size_t i = 0; i < spoilers.size(); ++i) {
    DemoOutcome outcome = good_outcome();
    spoilers[i](outcome);
    const DemoVerdict verdict = judge_demo(outcome);
    EXPECT_FALSE(verdict.good) << i;
    EXPECT_NE(verdict.text.find("WRONG"), std::string::npos) << i << '\n' << verdict.text;
  }
}

TEST(DemoVerdict, NeedsNoServerWithTheBuiltinSink) {
  DemoOutcome outcome = good_outcome();
  outcome.with_tsdb = false;
  outcome.exported.clear();
  EXPECT_TRUE(judge_demo(outcome).good);
}

TEST(DemoExport, KeepsDuplicates) {
  const auto exported =
      parse_export(R"({"metric":{"__name__":"m"},"values":[1,2.5],"timestamps":[60000,60000]})"
                   "\n"
                   R"({"metric":{"__name__":"m"},"values":[3],"timestamps":[120000]})"
                   "\n");
  ASSERT_TRUE(exported);
  EXPECT_EQ(exported->count(engine::from_epoch_ms(60'000)), 2u);
  EXPECT_EQ(exported->size(), 3u);
  EXPECT_FALSE(parse_export(R"({"values":[1],"timestamps":[]})"));
  EXPECT_FALSE(parse_export("nonsense"));
}

}  // namespace
}  // namespace settle::cli
