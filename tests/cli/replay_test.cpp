#include <gtest/gtest.h>

#include "cli/demo/demo_curve.hpp"
#include "cli/replay/replay_command.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;

fetchers::Trace trace_of(const std::string& lines) {
  auto trace = fetchers::parse_trace(lines, "t.jsonl");
  EXPECT_TRUE(trace) << (trace ? "" : trace.error().detail);
  return trace ? *std::move(trace) : fetchers::Trace{};
}

ReplayReport replayed(const fetchers::Trace& trace, const ReplayArguments& arguments) {
  const auto options = parse_replay_options(arguments);
  EXPECT_TRUE(options) << (options ? "" : options.error().detail);
  auto report = replay(fetchers::TraceHistory(trace, kReplayScope), *options);
  EXPECT_TRUE(report) << (report ? "" : report.error().detail);
  return report ? *std::move(report) : ReplayReport{};
}

ReplayArguments arguments_for(const std::string& policy, const std::string& poll) {
  ReplayArguments arguments;
  arguments.policy = policy;
  arguments.poll = poll;
  return arguments;
}

// Bucket 0 (ends at 60 s) becomes 5 at 60 s and 7 at 150 s; the source moves all the time.
std::string late_line(int frontiers_until) {
  std::string lines = R"({"at": 60000, "series": {"__name__": "m"}, "bucket": 0, "value": 5})"
                      "\n"
                      R"({"at": 150000, "series": {"__name__": "m"}, "bucket": 0, "value": 7})"
                      "\n";
  for (int s = 60; s <= frontiers_until; s += 30) {
    const std::string at = std::to_string(s * 1000);
    lines += "{\"at\": " + at + ", \"frontier\": " + at + "}\n";
  }
  return lines;
}

TEST(Replay, EmitsOnceWhenTheThresholdOutlastsTheChanges) {
  const ReplayReport report = replayed(trace_of(late_line(600)), arguments_for("consecutive:5", "30s"));
  ASSERT_EQ(report.emissions.size(), 1u);
  EXPECT_EQ(report.emissions[0].sample.value, engine::Value::count(7));
  EXPECT_EQ(report.emissions[0].at, engine::from_epoch_ms(270'000));  // seen at 150, 180, 210, 240, 270 s
  EXPECT_EQ(report.windows, 1u);
  EXPECT_EQ(report.wrong_at_first, 0u);
  EXPECT_EQ(report.mean_age, 210s);
  EXPECT_EQ(report.p99_age, 210s);
  EXPECT_EQ(report.corrections, 0u);
}

TEST(Replay, CountsWhatASmallThresholdGetsWrongAndCorrects) {
  const ReplayReport report = replayed(trace_of(late_line(600)), arguments_for("consecutive:2", "30s"));
  ASSERT_EQ(report.emissions.size(), 2u);
  EXPECT_EQ(report.emissions[0].sample.value, engine::Value::count(5));
  EXPECT_EQ(report.emissions[1].sample.reason, engine::Reason::correction);
  EXPECT_EQ(report.wrong_at_first, 1u);
  EXPECT_EQ(report.wrong_at_last, 0u);
  EXPECT_EQ(report.corrections, 1u);

  ReplayArguments hold = arguments_for("consecutive:2", "30s");
  hold.corrections = "hold";
  const ReplayReport held = replayed(trace_of(late_line(600)), hold);
  EXPECT_EQ(held.emissions.size(), 1u);
  EXPECT_EQ(held.wrong_at_last, 1u);
}

TEST(Replay, ForcesWhatNeverSettles) {
  std::string lines;
  for (int s = 60; s <= 3600; s += 30) {
    lines += "{\"at\": " + std::to_string(s * 1000) +
             R"(, "series": {"__name__": "m"}, "bucket": 0, "value": )" + std::to_string(s) +
             "}\n{\"at\": " + std::to_string(s * 1000) + ", \"frontier\": " + std::to_string(s * 1000) +
             "}\n";
  }
  ReplayArguments arguments = arguments_for("consecutive:3", "30s");
  arguments.ttl = "10m";
  arguments.watch = "20m";
  EXPECT_GE(replayed(trace_of(lines), arguments).forced, 1u);
}

TEST(Replay, TakesRecordedFetchesAsFinalHistory) {
  const auto trace = fetchers::load_trace({SETTLE_TEST_DATA "/cloudflare"});
  ASSERT_TRUE(trace) << trace.error().detail;
  const ReplayReport report = replayed(*trace, arguments_for("consecutive:3", "30s"));
  EXPECT_EQ(report.windows, 60u);
  EXPECT_EQ(report.wrong_at_first, 0u);
  EXPECT_EQ(report.never_emitted, 0u);
}

TEST(Replay, RefusesATraceThatIsNotOnTheGrid) {
  const auto history_of = [](const std::string& lines) {
    return fetchers::TraceHistory(trace_of(lines), kReplayScope);
  };
  const auto report =
      replay(history_of(R"({"at": 0, "series": {"__name__": "m"}, "bucket": 30000, "value": 1})"),
             *parse_replay_options({}));
  ASSERT_FALSE(report);
  EXPECT_NE(report.error().detail.find("--granularity"), std::string::npos);
  EXPECT_FALSE(replay(history_of(""), *parse_replay_options({})));
}

TEST(Replay, NamesTheArgumentThatIsWrong) {
  const auto error_of = [](void (*change)(ReplayArguments&)) {
    ReplayArguments arguments;
    change(arguments);
    const auto options = parse_replay_options(arguments);
    return options ? std::string() : options.error().detail;
  };
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.policy = "consecutive:0"; }).starts_with("--policy: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.granularity = "0s"; }).starts_with("--granularity: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.poll = "x"; }).starts_with("--poll: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.watch = "1s"; }).starts_with("--watch: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.ttl = "2h"; }).starts_with("--ttl: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.corrections = "x"; }).starts_with("--corrections: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.liveness = "x"; }).starts_with("--liveness: "));
  EXPECT_TRUE(error_of([](ReplayArguments& a) { a.sink = "vm"; }).starts_with("--sink: "));
}

// The demo's promise: right with consecutive:3 whenever the polls fall, wrong on the plateau with
// consecutive:2.
TEST(Replay, SettlesTheDemoCurveExactlyWithThreePollsAndNotWithTwo) {
  const auto recorded = fetchers::load_trace({SETTLE_TEST_DATA "/cloudflare"});
  ASSERT_TRUE(recorded);
  FinalCounts finals;
  for (const fetchers::TraceLine& line : recorded->lines) finals[line.bucket] = line.value->as_count();
  const DemoCurve curve = make_curve(finals);
  std::uint64_t wrong_with_two = 0;
  for (int phase = 0; phase < 60; phase += 2) {
    // The first line is when polling starts: an early one shifts the polls.
    const auto start = engine::format_time(finals.begin()->first + std::chrono::seconds(phase) - 1min);
    const fetchers::Trace trace = trace_of("{\"at\": \"" + start + "\", \"frontier\": \"" + start + "\"}\n" +
                                           trace_lines(curve, R"({"__name__": "m"})"));
    const ReplayReport three = replayed(trace, arguments_for("consecutive:3", "1m"));
    EXPECT_EQ(three.windows, 60u);
    EXPECT_EQ(three.wrong_at_first, 0u) << "phase " << phase;
    EXPECT_EQ(three.corrections + three.forced, 0u) << "phase " << phase;
    wrong_with_two += replayed(trace, arguments_for("consecutive:2", "1m")).wrong_at_first;
    // Without the gate the stall would pass for silence.
    ReplayArguments deaf = arguments_for("consecutive:3", "1m");
    deaf.liveness = "answers";
    EXPECT_GE(replayed(trace, deaf).wrong_at_first, 2u) << "phase " << phase;
  }
  // One minute, unless a poll falls into the 5 s by which the plateau is shorter than two polls.
  EXPECT_GE(wrong_with_two, 27u);
  EXPECT_LE(wrong_with_two, 30u);
}

}  // namespace
}  // namespace settle::cli
