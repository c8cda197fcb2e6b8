#include "cli/replay/compare.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/replay/chart.hpp"
#include "cli/replay/judge.hpp"
#include "cli/replay/replay_command.hpp"
#include "cli/replay/shapes.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
using engine::Value;

std::string value_at(int at_s, int bucket_s, const std::string& value) {
  return "{\"at\": " + std::to_string(at_s * 1000) + R"(, "series": {"__name__": "m"}, "bucket": )" +
         std::to_string(bucket_s * 1000) + ", \"value\": " + value + "}\n";
}

/// Minute 0 becomes 5 at 60 s and 8 at 150 s; minute 1 is 100 at once. The source moves every 30 s up to 600
/// s.
std::string two_minutes() {
  std::string lines = value_at(60, 0, "5") + value_at(150, 0, "8") + value_at(120, 60, "100");
  for (int s = 60; s <= 600; s += 30) {
    const std::string at = std::to_string(s * 1000);
    lines += "{\"at\": " + at + ", \"frontier\": " + at + "}\n";
  }
  return lines;
}

fetchers::TraceHistory history_of(const std::string& lines) {
  auto trace = fetchers::parse_trace(lines, "t.jsonl");
  EXPECT_TRUE(trace) << (trace ? "" : trace.error().detail);
  return {trace ? *std::move(trace) : fetchers::Trace{}, kReplayScope};
}

std::vector<engine::Finality> policies(const std::vector<std::string>& texts) {
  std::vector<engine::Finality> all;
  for (const std::string& text : texts) {
    const auto some = parse_contenders(text);
    EXPECT_TRUE(some) << text;
    if (some) all.insert(all.end(), some->begin(), some->end());
  }
  return all;
}

TEST(ParseContenders, ReadsListsAndSinglePolicies) {
  using engine::Consecutive;
  using engine::Finality;
  using engine::Fixed;
  using engine::Learned;
  EXPECT_EQ(policies({"consecutive:2,3,10"}),
            (std::vector<Finality>{Consecutive{2}, Consecutive{3}, Consecutive{10}}));
  EXPECT_EQ(policies({"fixed:5m,10m"}), (std::vector<Finality>{Fixed{5min}, Fixed{10min}}));
  EXPECT_EQ(policies({"learned:0.01,tolerance=1%", "learned:2%"}),
            (std::vector<Finality>{Learned{.error_target = 0.01, .tolerance = 0.01},
                                   Learned{.error_target = 0.02}}));
  for (const auto* bad : {"consecutive:", "consecutive:2,", "consecutive:2,0", "fixed:5m,x", "median:3", "",
                          "learned:0.01,0.02", "fixed:5m,learned:0.01"}) {
    EXPECT_FALSE(parse_contenders(bad)) << bad;
  }
}

// By hand. Minute 0 ends at 60 s: consecutive:2 sees 5 at 60 and 90 s: final at age 30 s, off by 3 of 8, then
// corrected; consecutive:5 sees 8 at 150, 180, … 270 s: age 210 s. Minute 1 ends at 120 s, seen from then on:
// ages 30 and 120 s. fixed:1m is at ages 60 s: 5 again, and 100. Polls from 60 s to 600 s + watch 30m + 1m +
// 2 x 30 s.
TEST(Compare, AgreesWithATableMadeByHand) {
  const auto compared = compare(history_of(two_minutes()), {}, policies({"consecutive:2,5", "fixed:1m"}));
  ASSERT_TRUE(compared) << compared.error().detail;
  ASSERT_EQ(compared->contenders.size(), 3u);
  struct Expected {
    std::uint64_t wrong;
    engine::Duration mean_age;
    engine::Duration p99_age;
    double mean_error;
    std::uint64_t corrections;
  };
  const std::vector<Expected> expected{
      {1, 30s, 30s, 3.0 / 8 / 2, 1}, {0, 165s, 210s, 0, 0}, {1, 60s, 60s, 3.0 / 8 / 2, 1}};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const ReplayFigures& f = compared->contenders[i].figures;
    EXPECT_EQ(f.windows, 2u);
    EXPECT_EQ(f.polls, 83u);
    EXPECT_EQ(f.wrong_at_first, expected[i].wrong) << i;
    EXPECT_EQ(f.mean_age, expected[i].mean_age) << i;
    EXPECT_EQ(f.p99_age, expected[i].p99_age) << i;
    EXPECT_DOUBLE_EQ(f.mean_error, expected[i].mean_error) << i;
    EXPECT_EQ(f.corrections, expected[i].corrections) << i;
    EXPECT_EQ(f.forced + f.frozen + f.never_emitted + f.wrong_at_last, 0u) << i;
  }
  const std::string table = format_comparison(*compared);
  EXPECT_NE(table.find("consecutive:2  30s       30s            2      1       50            19     83       "
                       "     1       0       0\n"),
            std::string::npos)
      << table;
}

TEST(Compare, CountsWhatIsOffByMoreThanTheTolerance) {
  const auto with = [](const std::string& tolerance) {
    const auto compared = compare(history_of(two_minutes()), {},
                                  policies({"consecutive:2", "learned:0.01,tolerance=" + tolerance}));
    EXPECT_TRUE(compared);
    return *compared;
  };
  EXPECT_EQ(with("0.3").contenders[0].figures.off_at_first, 1u);  // 3/8 = 0.375
  EXPECT_EQ(with("0.4").contenders[0].figures.off_at_first, 0u);
  EXPECT_NE(format_comparison(with("0.3")).find("off by > 30 %"), std::string::npos);
}

TEST(Compare, JudgesNeitherWhatIsSkippedNorWhatIsTooYoung) {
  ReplayOptions skip;
  skip.skip = 1min;
  EXPECT_EQ(
      compare(history_of(two_minutes()), skip, policies({"consecutive:2"}))->contenders[0].figures.windows,
      1u);
  EXPECT_EQ(compare(history_of(two_minutes()), skip, policies({"consecutive:2"}))
                ->contenders[0]
                .figures.wrong_at_first,
            0u);
  ReplayOptions until;
  until.until = engine::from_epoch_ms(60'000);
  const ReplayFigures f =
      compare(history_of(two_minutes()), until, policies({"consecutive:2"}))->contenders[0].figures;
  EXPECT_EQ(f.windows, 1u);
  EXPECT_EQ(f.wrong_at_first, 1u);
  EXPECT_EQ(f.never_emitted, 0u);
}

// Side by side or one by one, the figures are the same.
TEST(Compare, GivesEachPolicyWhatItHasAlone) {
  auto shaped = make_shape("lagging_scope", {.seed = 5, .windows = 60});
  ASSERT_TRUE(shaped);
  const fetchers::TraceHistory history(std::move(shaped->trace), kReplayScope);
  const auto all = policies({"consecutive:2,4", "fixed:2m,20m", "learned:0.05"});
  ReplayOptions options;
  options.poll = 15s;
  const auto together = compare(history, options, all);
  ASSERT_TRUE(together);
  for (std::size_t i = 0; i < all.size(); ++i) {
    options.engine.finality = all[i];
    const auto alone = replay(history, options);
    ASSERT_TRUE(alone);
    const ReplayFigures& f = together->contenders[i].figures;
    EXPECT_EQ(f.windows, alone->windows);
    EXPECT_EQ(f.polls, alone->polls);
    EXPECT_EQ(f.mean_age, alone->mean_age);
    EXPECT_EQ(f.wrong_at_first, alone->wrong_at_first);
    EXPECT_EQ(f.mean_error, alone->mean_error);
    EXPECT_EQ(f.corrections, alone->corrections);
    EXPECT_GT(f.windows, 300u);
  }
}

// A frozen source settles nothing behind the gate; without it, it does.
TEST(Compare, CountsWindowsThatSettleWhileTheSourceStandsStill) {
  auto shaped = make_shape("stall", {.seed = 2, .windows = 1500});
  ASSERT_TRUE(shaped);
  ASSERT_FALSE(shaped->freezes.empty());
  const fetchers::TraceHistory history(std::move(shaped->trace), kReplayScope);
  ReplayOptions options;
  options.poll = 15s;
  const auto all = policies({"consecutive:3,10", "fixed:5m"});
  const auto gated = compare(history, options, all);
  options.engine.liveness = engine::Liveness::answers;
  const auto deaf = compare(history, options, all);
  ASSERT_TRUE(gated && deaf);
  for (const Contender& one : gated->contenders) EXPECT_EQ(one.figures.frozen, 0u);
  EXPECT_GT(deaf->contenders[1].figures.frozen, 0u);
  EXPECT_GT(deaf->contenders[2].figures.frozen, 0u);
}

TEST(RelativeError, IsOfTheLastValue) {
  const Value eight = Value::count(8);
  const Value zero = Value::count(0);
  EXPECT_DOUBLE_EQ(relative_error(Value::count(5), &eight), 0.375);
  EXPECT_DOUBLE_EQ(relative_error(Value::count(16), &eight), 1);
  EXPECT_DOUBLE_EQ(relative_error(eight, &eight), 0);
  EXPECT_DOUBLE_EQ(relative_error(eight, &zero), 1);
  EXPECT_DOUBLE_EQ(relative_error(zero, &zero), 0);
  EXPECT_DOUBLE_EQ(relative_error(eight, nullptr), 1);
}

TEST(PercentText, HasTheDigitsThatCount) {
  EXPECT_EQ(percent_text(0), "0");
  EXPECT_EQ(percent_text(0.00002), "<0.01");
  EXPECT_EQ(percent_text(0.0083), "0.83");
  EXPECT_EQ(percent_text(0.0123), "1.2");
  EXPECT_EQ(percent_text(0.43), "43");
}

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Chart, ShowsEveryPolicyOnce) {
  const auto compared = compare(history_of(two_minutes()), {},
                                policies({"consecutive:2,5", "fixed:1m,2m", "learned:0.01,tolerance=1%"}));
  ASSERT_TRUE(compared);
  const std::string svg = draw_chart(*compared, {.title = "a<b & \"c\"", .subtitle = "poll 30s"});
  EXPECT_TRUE(svg.starts_with("<svg xmlns=")) << svg;
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(count_of(svg, "class=\"mark\""), 5u);
  EXPECT_EQ(count_of(svg, "class=\"hollow\""), 1u);
  EXPECT_EQ(count_of(svg, "class=\"label\""), 5u + 1);  // and the target's
  EXPECT_EQ(count_of(svg, "<polyline"), 2u);
  EXPECT_EQ(count_of(svg, "<g "), count_of(svg, "</g>"));
  EXPECT_NE(svg.find("a&lt;b &amp; &quot;c&quot;"), std::string::npos);
  EXPECT_EQ(svg.find("a<b"), std::string::npos);
  EXPECT_NE(svg.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
  for (const Contender& one : compared->contenders) {
    EXPECT_NE(svg.find(">" + engine::format_finality(one.policy) + "</text>"), std::string::npos);
  }
}

TEST(Chart, StandsANeverWrongPolicyOnTheNoneLine) {
  const auto compared = compare(history_of(two_minutes()), {}, policies({"consecutive:5"}));
  ASSERT_TRUE(compared);
  const std::string svg = draw_chart(*compared, {.title = "t", .subtitle = ""});
  EXPECT_NE(svg.find("cy=\"452.0\""), std::string::npos) << svg;
}

class ReplayCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::path(::testing::TempDir()) / ("settle_replay_" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "t.jsonl") << two_minutes();
    arguments_.paths = {(folder_ / "t.jsonl").string()};
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  int run() {
    out_.str("");
    err_.str("");
    return run_replay(arguments_, out_, err_);
  }
  [[nodiscard]] std::string file(const std::string& name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path folder_;
  ReplayArguments arguments_;
  std::ostringstream out_;
  std::ostringstream err_;
};

TEST_F(ReplayCommand, ComparesAndSaysWhereTheChartIs) {
  arguments_.compare = {"consecutive:2,3", "fixed:1m"};
  arguments_.chart = (folder_ / "c.svg").string();
  ASSERT_EQ(run(), 0) << err_.str();
  EXPECT_NE(out_.str().find("consecutive:3"), std::string::npos);
  EXPECT_NE(out_.str().find("chart: " + arguments_.chart), std::string::npos);
  EXPECT_TRUE(file("c.svg").starts_with("<svg"));
  EXPECT_EQ(out_.str().find("the one before"), std::string::npos);
  EXPECT_EQ(run(), 0) << "a chart may be drawn again";
  EXPECT_NE(out_.str().find("c.svg, in the place of the one before"), std::string::npos) << out_.str();
}

TEST_F(ReplayCommand, TakesNoOtherFileForAChart) {
  arguments_.compare = {"consecutive:2"};
  arguments_.chart = arguments_.paths.front();
  EXPECT_EQ(run(), 1);
  EXPECT_NE(err_.str().find("--chart: "), std::string::npos);
  EXPECT_EQ(file("t.jsonl"), two_minutes());
}

TEST_F(ReplayCommand, TakesNoOtherPictureForAChart) {
  const std::string drawing = "<svg xmlns=\"http://www.w3.org/2000/svg\"></svg>\n";
  std::ofstream(folder_ / "c.svg") << drawing;
  arguments_.compare = {"consecutive:2"};
  arguments_.chart = (folder_ / "c.svg").string();
  EXPECT_EQ(run(), 1);
  EXPECT_NE(err_.str().find("no chart of a comparison"), std::string::npos) << err_.str();
  EXPECT_EQ(file("c.svg"), drawing);
}

TEST_F(ReplayCommand, OpensTheSinkBeforeTheWork) {
  arguments_.sink = "file:" + (folder_ / "none" / "out.jsonl").string();
  arguments_.paths = {(folder_ / "absent.jsonl").string()};
  EXPECT_EQ(run(), 1);
  EXPECT_NE(err_.str().find("--sink: cannot write"), std::string::npos) << err_.str();
  arguments_.paths = {(folder_ / "t.jsonl").string()};
  arguments_.sink = "file:" + (folder_ / "out.jsonl").string();
  EXPECT_EQ(run(), 0) << err_.str();
  EXPECT_NE(file("out.jsonl").find("\"value\""), std::string::npos) << file("out.jsonl");
  EXPECT_EQ(run(), 1) << "it holds something now";
}

TEST_F(ReplayCommand, RefusesWhatGivesNoAnswer) {
  const auto refusal = [this](void (*change)(ReplayArguments&)) {
    const ReplayArguments before = arguments_;
    change(arguments_);
    EXPECT_EQ(run(), 1);
    arguments_ = before;
    return err_.str();
  };
  EXPECT_NE(refusal([](ReplayArguments& a) { a.poll = "1d"; }).find("--poll: is at most --watch"),
            std::string::npos);
  EXPECT_NE(refusal([](ReplayArguments& a) { a.granularity = "7m"; }).find("--granularity: "),
            std::string::npos);
  EXPECT_NE(refusal([](ReplayArguments& a) { a.until = "soon"; }).find("--until: "), std::string::npos);
  EXPECT_NE(refusal([](ReplayArguments& a) { a.skip = "soon"; }).find("--skip: "), std::string::npos);
  EXPECT_NE(refusal([](ReplayArguments& a) { a.compare = {"median:3"}; }).find("--compare: "),
            std::string::npos);
  EXPECT_NE(refusal([](ReplayArguments& a) { a.chart = "x.svg"; }).find("--chart: "), std::string::npos);
}

}  // namespace
}  // namespace settle::cli
