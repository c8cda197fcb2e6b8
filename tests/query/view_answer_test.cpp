// What a view answers, by example; and what it costs.

#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/promql/parser.hpp"
#include "engine/query/view.hpp"

namespace settle::query {
namespace {

constexpr engine::Duration kMinute = std::chrono::minutes{1};

engine::Time minute(std::int64_t n) {
  return engine::Time{kMinute * n};
}

ViewSpec spec_of(const std::string& query) {
  ViewSpec spec;
  spec.query = *engine::parse_job_query(query);
  spec.feed.granularity = kMinute;
  return spec;
}

engine::Blob blob_of(const sketch::Accumulator& held) {
  return engine::Blob{codec::encode_cell(held)};
}
engine::Blob sample(std::int64_t bucket, double value) {
  sketch::Stats stats;
  EXPECT_TRUE(stats.add(minute(bucket), value));
  return blob_of(stats);
}
engine::Blob weights(const std::vector<std::pair<std::string, double>>& items) {
  sketch::CountMin made{{.rows = 4, .cols = 2048}};
  for (const auto& [item, weight] : items) made.add({.bytes = item}, weight);
  return blob_of(made);
}

std::string text_of(const View::Answer& answer) {
  std::string text;
  for (const ViewRow& row : answer.rows) {
    text += std::string{row.series} + "@" + std::to_string(row.bucket.time_since_epoch() / kMinute) + "=" +
            engine::format_value(engine::Value::number(row.value)) + " ";
  }
  return text;
}

struct Asked {
  explicit Asked(const std::string& query, std::optional<std::vector<std::string>> by = {})
      : view(spec_by(query, std::move(by))) {}
  static ViewSpec spec_by(const std::string& query, std::optional<std::vector<std::string>> by) {
    ViewSpec spec = spec_of(query);
    spec.by = std::move(by);
    return spec;
  }
  std::string over(const FinalCells& cells, std::int64_t from, std::int64_t to) {
    answer = view.rows(cells, {minute(from), minute(to)});
    return text_of(answer);
  }
  View view;
  View::Answer answer;
};

TEST(ViewAnswer, OfStatisticsIsThatOfTheWindow) {
  FinalCells cells{kMinute};
  const std::vector<double> counter{10, 30, 5, 25};
  for (std::size_t i = 0; i < counter.size(); ++i) {
    const auto bucket = static_cast<std::int64_t>(i);
    cells.put("m{z=\"a\"}", minute(bucket), sample(bucket, counter[i]));
  }
  cells.cover({minute(0), minute(6)});
  const auto last = [&](const std::string& function) {
    return Asked{function + "(m[3m])"}.over(cells, 3, 4);
  };
  EXPECT_EQ(last("sum_over_time"), "m{z=\"a\"}@3=60 ");
  EXPECT_EQ(last("count_over_time"), "m{z=\"a\"}@3=3 ");
  EXPECT_EQ(last("avg_over_time"), "m{z=\"a\"}@3=20 ");
  EXPECT_EQ(last("min_over_time"), "m{z=\"a\"}@3=5 ");
  EXPECT_EQ(last("max_over_time"), "m{z=\"a\"}@3=30 ");
  EXPECT_EQ(last("last_over_time"), "m{z=\"a\"}@3=25 ");
  // 5 after a reset, and 20: in two minutes, the third of which lies behind the last sample.
  EXPECT_EQ(last("increase"), "m{z=\"a\"}@3=37.5 ");
  EXPECT_EQ(last("rate"), "m{z=\"a\"}@3=" + engine::format_value(engine::Value::number(37.5 / 180)) + " ");
  EXPECT_EQ((Asked{"increase(m[1m])"}.over(cells, 3, 4)), "");  // one sample says nothing of a rise
  // Empty windows have no row.
  Asked one{"sum_over_time(m[1m])"};
  EXPECT_EQ(one.over(cells, 2, 6), "m{z=\"a\"}@2=5 m{z=\"a\"}@3=25 ");
  EXPECT_EQ(one.answer.complete, (engine::TimeRange{minute(2), minute(6)}));
  EXPECT_EQ(one.answer.rows[0].low, 5);
  EXPECT_EQ(one.answer.rows[0].high, 5);
}

/// As Prometheus 2.42 answers `increase(m[5m])` at 5 m of these samples.
TEST(ViewAnswer, OfACounterIsStretchedToTheEndsOfTheWindowAsPrometheusDoes) {
  const auto rise = [](std::vector<std::pair<double, double>> samples) {
    sketch::Accumulator window;
    sketch::Stats stats;
    for (const auto& [at, value] : samples) {
      EXPECT_TRUE(stats.add(engine::Time{std::chrono::milliseconds{std::lround(at * 1000)}}, value));
    }
    window = stats;
    engine::JobQuery query;
    query.function = engine::Function::increase;
    query.window = 5 * kMinute;
    const auto answer = answer_value(query, window, minute(5));
    return answer && *answer ? (*answer)->value : std::numeric_limits<double>::quiet_NaN();
  };
  // Ends nearer than 1.1 of the samples' distance: all of the window.
  EXPECT_DOUBLE_EQ(rise({{30, 100}, {90, 110}, {150, 120}, {210, 130}, {270, 140}}), 40 * 300.0 / 240);
  // The end is far: half a distance.
  EXPECT_DOUBLE_EQ(rise({{30, 100}, {90, 110}, {150, 120}}), 20 * (120 + 30 + 30) / 120.0);
  // It cannot have been below zero before the first.
  EXPECT_DOUBLE_EQ(rise({{60, 10}, {120, 70}, {180, 130}, {240, 190}}), 180 * (180 + 10 + 60) / 180.0);
  EXPECT_TRUE(std::isnan(rise({{60, 10}})));
}

TEST(ViewAnswer, OfCountersByLabelsIsTheSumOfWhatEachRoseBy) {
  FinalCells cells{kMinute};
  const std::vector<double> one{10, 20, 30, 40};
  const std::vector<double> other{100, 110, 5, 15};  // begins anew, which the total of both would hide
  for (std::size_t i = 0; i < one.size(); ++i) {
    const auto bucket = static_cast<std::int64_t>(i);
    cells.put(R"(m{pod="1",z="a"})", minute(bucket), sample(bucket, one[i]));
    cells.put(R"(m{pod="2",z="a"})", minute(bucket), sample(bucket, other[i]));
  }
  cells.cover({minute(0), minute(4)});
  Asked asked{"increase(m[4m])", std::vector<std::string>{"z"}};
  const double stretched = 240.0 / 180;
  EXPECT_EQ(
      asked.over(cells, 3, 4),
      R"(m{z="a"}@3=)" + engine::format_value(engine::Value::number(30 * stretched + 25 * stretched)) + " ");
}

TEST(ViewAnswer, IsCompleteWhereTheWholeWindowIsCovered) {
  FinalCells cells{kMinute};
  for (std::int64_t i = 0; i < 20; ++i) cells.put("m", minute(i), sample(i, 1));
  Asked asked{"sum_over_time(m[3m])"};
  EXPECT_EQ(asked.over(cells, 0, 20), "");
  EXPECT_TRUE(asked.answer.complete.empty());
  cells.cover({minute(2), minute(6)});
  EXPECT_EQ(asked.over(cells, 0, 20), "m@4=3 m@5=3 ");
  EXPECT_EQ(asked.answer.complete, (engine::TimeRange{minute(4), minute(6)}));
  cells.cover({minute(10), minute(14)});
  EXPECT_EQ(asked.over(cells, 0, 20), "m@4=3 m@5=3 ");
  EXPECT_EQ(asked.over(cells, 6, 20), "m@12=3 m@13=3 ");
  cells.cover({minute(6), minute(10)});
  EXPECT_EQ(asked.over(cells, 11, 13), "m@11=3 m@12=3 ");
  cells.forget_before(minute(10));
  EXPECT_EQ(asked.over(cells, 11, 14), "m@12=3 m@13=3 ");
}

TEST(ViewAnswer, OfAQuantileHasTheSketchsBound) {
  FinalCells cells{kMinute};
  sketch::DDSketch made{sketch::Mapping::of_accuracy(0.02)};
  for (int i = 1; i <= 100; ++i) ASSERT_TRUE(made.add(-i));
  cells.put("m", minute(0), blob_of(made));
  cells.put("empty", minute(0), blob_of(sketch::DDSketch{sketch::Mapping::of_accuracy(0.02)}));
  cells.cover({minute(0), minute(1)});
  Asked asked{"quantile_over_time(0.5, m[1m])"};
  asked.over(cells, 0, 1);
  ASSERT_EQ(asked.answer.rows.size(), 1U);
  const ViewRow& row = asked.answer.rows[0];
  EXPECT_NEAR(row.value, -51, 0.02 * 51);
  EXPECT_NEAR(row.high - row.low, 2 * 0.02 * std::abs(row.value), 1e-9);
  EXPECT_LT(row.low, row.value);
}

TEST(ViewAnswer, OfHeavyHittersIsASeriesForEach) {
  FinalCells cells{kMinute};
  cells.put("m{z=\"a\"}", minute(0), weights({{"x", 5}, {"y", 9}, {"w", 1}}));
  cells.put("m{z=\"a\"}", minute(1), weights({{"x", 6}, {"\xff", 50}}));
  cells.put("m{item=\"old\"}", minute(1), weights({{"v", 2}}));
  cells.cover({minute(0), minute(2)});
  Asked asked{"top_k_over_time(3, m[2m])"};
  EXPECT_EQ(asked.over(cells, 0, 2),
            R"(m{exported_item="old",item="v"}@1=2 m{item="x",z="a"}@1=11 m{item="y",z="a"}@1=9 )");
  EXPECT_EQ(asked.answer.unfit, 1U);
  EXPECT_NE(asked.answer.why.find("UTF-8"), std::string::npos) << asked.answer.why;
  ViewSpec named = spec_of("top_k_over_time(1, m[1m])");
  named.cells.item = "user";
  View view{named};
  EXPECT_EQ(text_of(view.rows(cells, {minute(0), minute(1)})), R"(m{user="y",z="a"}@0=9 )");
  // Two that become one: the first stays.
  cells.put("m{exported_item=\"old\"}", minute(1), weights({{"v", 3}}));
  EXPECT_EQ(asked.over(cells, 1, 2),
            R"(m{exported_item="old",item="v"}@1=3 m{item="x",z="a"}@1=11 m{item="y",z="a"}@1=9 )");
  EXPECT_EQ(asked.answer.unfit, 2U);
}

TEST(ViewAnswer, OfGroupsHasTheMetricsName) {
  FinalCells cells{kMinute};
  cells.put(R"(m{host="1",zone="a"})", minute(0), sample(0, 1));
  cells.put(R"(m{host="2",zone="a"})", minute(0), sample(0, 2));
  cells.put(R"(m{host="3",zone="b"})", minute(0), sample(0, 4));
  cells.put(R"(m{host="4"})", minute(0), sample(0, 8));
  cells.cover({minute(0), minute(1)});
  ViewSpec spec = spec_of("sum_over_time(m[1m])");
  const auto by = [&](std::vector<std::string> labels) {
    spec.by = std::move(labels);
    View view{spec};
    return text_of(view.rows(cells, {minute(0), minute(1)}));
  };
  EXPECT_EQ(by({"zone"}), R"(m@0=8 m{zone="a"}@0=3 m{zone="b"}@0=4 )");
  EXPECT_EQ(by({}), "m@0=15 ");
}

TEST(ViewAnswer, LeavesOutSketchesOfAnotherKind) {
  FinalCells cells{kMinute};
  cells.put("m", minute(0), sample(0, 1));
  cells.put("n", minute(0), blob_of(sketch::Hll::of_precision(4)));
  cells.cover({minute(0), minute(1)});
  Asked asked{"sum_over_time(m[1m])"};
  EXPECT_EQ(asked.over(cells, 0, 1), "m@0=1 ");
  EXPECT_EQ(asked.answer.unfit, 1U);
  EXPECT_NE(asked.answer.why.find("HyperLogLog"), std::string::npos) << asked.answer.why;
}

/// A cell is merged into a prefix, into a suffix, and the two are joined.
TEST(ViewCost, IsThreeMergesAStepAndSeries) {
  constexpr std::int64_t kWindow = 10;
  constexpr std::uint64_t kSeries = 7;
  FinalCells cells{kMinute};
  Asked asked{"sum_over_time(m[10m])"};
  const auto step = [&](std::int64_t bucket) {
    for (std::uint64_t i = 0; i < kSeries; ++i) {
      cells.put("m{i=\"" + std::to_string(i) + "\"}", minute(bucket), sample(bucket, 1));
    }
    cells.cover({minute(bucket), minute(bucket + 1)});
    cells.forget_before(minute(bucket - kWindow - 5));
    asked.over(cells, bucket - 5, bucket + 1);
  };
  for (std::int64_t bucket = 0; bucket < 2 * kWindow; ++bucket) step(bucket);
  const std::uint64_t before = asked.view.merges();
  for (std::int64_t bucket = 2 * kWindow; bucket < 12 * kWindow; ++bucket) step(bucket);
  EXPECT_EQ(asked.view.merges() - before, kSeries * 10 * (3 * kWindow - 2));
  const std::uint64_t now = asked.view.merges();
  // What was answered is not merged again.
  asked.over(cells, 12 * kWindow - 6, 12 * kWindow);
  EXPECT_EQ(asked.view.merges(), now);
  // A correction: the windows of one series that hold it, and the newest loses what it had of it only.
  const std::int64_t corrected = 12 * kWindow - 4;
  cells.put("m{i=\"3\"}", minute(corrected), sample(corrected, 2));
  asked.over(cells, 12 * kWindow - 6, 12 * kWindow);
  EXPECT_LE(asked.view.merges() - now, 2 * kWindow + 2 * 4 + kWindow);
  const std::uint64_t mended = asked.view.merges();
  step(12 * kWindow);
  EXPECT_LE(asked.view.merges() - mended, kSeries * kWindow + kSeries * 2);
}

}  // namespace
}  // namespace settle::query
