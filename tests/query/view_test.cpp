// Views against the naive one, on random histories of cells.

#include "engine/query/view.hpp"

#include <bit>
#include <cmath>

#include <gtest/gtest.h>

#include "engine/promql/parser.hpp"
#include "tests/query/naive_view.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using test::NaiveAnswer;
using test::NaiveView;

constexpr engine::Duration kMinute = std::chrono::minutes{1};

engine::Time start_of(std::int64_t bucket) {
  return engine::Time{kMinute * bucket};
}
engine::TimeRange range_of(std::int64_t from, std::int64_t to) {
  return {start_of(from), start_of(to)};
}

ViewSpec spec_of(const std::string& query, SketchType type,
                 std::optional<std::vector<std::string>> by = std::nullopt) {
  ViewSpec spec;
  spec.query = *engine::parse_job_query(query);
  spec.cells.type = type;
  spec.by = std::move(by);
  spec.feed.granularity = kMinute;
  EXPECT_FALSE(job_fault(spec.query, kMinute, sketch_type_text(type)));
  return spec;
}

double heavy_tailed(Dice& dice) {
  const double exponent = static_cast<double>(dice.below(12'001)) / 1000 - 6;
  return std::pow(10, exponent) * (dice.chance(30) ? -1 : 1);
}

sketch::Accumulator stats_of(Dice& dice, std::int64_t bucket) {
  sketch::Stats stats;
  for (std::uint64_t i = 0; i <= dice.below(3); ++i) {
    EXPECT_TRUE(stats.add(start_of(bucket) + std::chrono::seconds{i}, heavy_tailed(dice)));
  }
  return stats;
}

sketch::Accumulator sketch_of(Dice& dice, SketchType type, std::int64_t bucket, bool odd) {
  const std::uint64_t items = 1 + dice.below(20);
  const auto key = [&] { return "k" + std::to_string(dice.below(30) * dice.below(30)); };
  if (type == SketchType::ddsketch) {
    sketch::DDSketch made{sketch::Mapping::of_accuracy(odd ? 0.05 : 0.01),
                          dice.one_of<std::int64_t>({2048, 30})};
    for (std::uint64_t i = 0; i < items; ++i) EXPECT_TRUE(made.add(heavy_tailed(dice)));
    return made;
  }
  if (type == SketchType::hll) {
    auto made = sketch::Hll::of_precision(odd ? 5 : 4);
    for (std::uint64_t i = 0; i < items; ++i) made.add(key());
    return made;
  }
  if (type == SketchType::stats) return stats_of(dice, bucket);
  const sketch::MatrixShape shape{.rows = 3, .cols = odd ? 16U : 8U};
  const auto fill = [&](auto made) -> sketch::Accumulator {
    for (std::uint64_t i = 0; i < items; ++i) {
      const std::string text = key();
      made.add({.bytes = text}, static_cast<double>(dice.below(1000)) / 7);
    }
    return made;
  };
  if (type == SketchType::countsketch) return fill(sketch::CountSketch{shape, 4});
  return fill(sketch::CountMin{shape, 4});
}

/// What differs, "" if nothing does.
std::string difference(const View::Answer& answer, const NaiveAnswer& naive) {
  if (answer.complete != range_of(naive.from, naive.to)) {
    return "complete " + engine::format_time(answer.complete.from) + " to " +
           engine::format_time(answer.complete.to) + " for " + std::to_string(naive.from) + " to " +
           std::to_string(naive.to);
  }
  if (answer.unfit != naive.unfit) {
    return std::to_string(answer.unfit) + " unfit for " + std::to_string(naive.unfit) + " " + answer.why;
  }
  if ((answer.unfit == 0) != answer.why.empty()) return "why: " + answer.why;
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  for (std::size_t i = 0; i < std::max(answer.rows.size(), naive.rows.size()); ++i) {
    if (i >= answer.rows.size()) return "no row of " + naive.rows[i].series;
    if (i >= naive.rows.size()) return "a row of " + std::string{answer.rows[i].series};
    const ViewRow& a = answer.rows[i];
    const auto& b = naive.rows[i];
    if (a.series != b.series || a.bucket != start_of(b.bucket)) {
      return "row " + std::to_string(i) + " is of " + std::string{a.series} + " " +
             engine::format_time(a.bucket) + " for " + b.series + " " + std::to_string(b.bucket);
    }
    if (bits(a.value) != bits(b.value.value) || bits(a.low) != bits(b.value.low) ||
        bits(a.high) != bits(b.value.high) || a.degraded != b.value.degraded) {
      return b.series + " at " + std::to_string(b.bucket) + " is " + std::to_string(a.value) + " for " +
             std::to_string(b.value.value);
    }
  }
  return "";
}

/// Cells in progress, and views that saw all of it.
struct Life {
  Life(std::uint64_t seed, ViewSpec of)
      : dice(seed),
        spec(std::move(of)),
        cells(kMinute, dice.one_of<std::size_t>({0, 50, 1000})),
        view(spec),
        other_view(spec),
        naive(spec) {
    for (const char* zone : {"a", "b", ""}) {
      for (const char* host : {"1", "2"}) {
        pool.push_back(engine::series_text(*engine::normalize_labels(
            {{"__name__", "m"}, {"zone", zone}, {"host", host}, {"Z", dice.chance(50) ? "z" : ""}})));
      }
    }
    last = static_cast<std::int64_t>(dice.below(100)) - 50;
  }

  std::int64_t near(std::int64_t back) {
    return last - static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(back)));
  }
  void put(std::int64_t bucket) {
    const std::string& series = pool[dice.below(pool.size())];
    const std::string blob =
        dice.chance(5) ? "" : codec::encode_cell(sketch_of(dice, spec.cells.type, bucket, dice.chance(odd)));
    cells.put(series, start_of(bucket), engine::Blob{blob});
    naive.put(series, bucket, blob);
  }
  void cover(std::int64_t from, std::int64_t to) {
    cells.cover(range_of(from, to));
    naive.cover(from, to);
  }
  void step() {
    ++last;
    for (std::uint64_t i = dice.below(6); i > 0; --i) put(last);
    if (dice.chance(95)) cover(last, last + 1);
  }

  std::string fault(View& asked, std::int64_t from, std::int64_t to) {
    const NaiveAnswer expected = naive.rows(from, to);
    if (auto fault = difference(asked.rows(cells, range_of(from, to)), expected); !fault.empty())
      return fault;
    if (!dice.chance(20)) return "";
    View fresh{spec};
    if (auto fault = difference(fresh.rows(cells, range_of(from, to)), expected); !fault.empty()) {
      return "fresh, " + fault;
    }
    return "";
  }

  std::string live(int steps) {
    for (int i = 0; i < steps; ++i) {
      const auto what = dice.below(20);
      if (what < 8) step();
      if (what >= 8 && what < 10) put(near(20));
      if (what == 10 && dice.chance(30)) {
        const std::int64_t before = near(25);
        cells.forget_before(start_of(before));
        naive.forget_before(before);
      }
      if (what == 11 && dice.chance(50)) {
        const std::int64_t from = near(30);
        cover(from, from + 1 + static_cast<std::int64_t>(dice.below(20)));
      }
      std::string wrong;
      if (what < 10 && dice.chance(80)) wrong = fault(view, last - 5, last + 1);
      if (what > 15) {
        const std::int64_t from = near(30);
        wrong = fault(dice.chance(50) ? view : other_view, from,
                      from + static_cast<std::int64_t>(dice.below(20)));
      }
      if (!wrong.empty()) return std::to_string(i) + ": " + wrong;
    }
    return "";
  }

  Dice dice;
  ViewSpec spec;
  FinalCells cells;
  View view;
  View other_view;
  NaiveView naive;
  std::vector<std::string> pool;
  std::int64_t last = 0;
  unsigned odd = 0;
};

struct Case {
  const char* function;
  SketchType type;
};

void holds_for(const std::vector<Case>& cases, unsigned odd) {
  EXPECT_TRUE(settle::test::holds_for_seeds("views", [&](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const Case& one = cases[dice.below(cases.size())];
    const std::string window = std::to_string(1 + dice.below(8)) + "m";
    std::string query = one.function;
    query.replace(query.find('$'), 1, "m[" + window + "]");
    std::optional<std::vector<std::string>> by;
    if (dice.chance(50)) by.emplace();
    if (by && dice.chance(70)) by->emplace_back("zone");
    if (by && dice.chance(30)) by->insert(by->begin(), "Z");
    Life life{dice.next(), spec_of(query, one.type, by)};
    life.odd = odd;
    if (auto wrong = life.live(150); !wrong.empty()) return query + (by ? " by " : " ") + wrong;
    return "";
  }));
}

const std::vector<Case> kCases{
    {"quantile_over_time(0.9, $)", SketchType::ddsketch},
    {"count_distinct_over_time($)", SketchType::hll},
    {"top_k_over_time(3, $)", SketchType::countsketch},
    {"top_k_over_time(3, $)", SketchType::countminsketch},
    {"sum_over_time($)", SketchType::stats},
    {"count_over_time($)", SketchType::stats},
    {"avg_over_time($)", SketchType::stats},
    {"min_over_time($)", SketchType::stats},
    {"max_over_time($)", SketchType::stats},
    {"last_over_time($)", SketchType::stats},
    {"increase($)", SketchType::stats},
    {"rate($)", SketchType::stats},
};

TEST(View, IsTheNaiveViewWhateverHappened) {
  holds_for(kCases, 0);
}

TEST(View, LeavesOutWhatDoesNotFitAndNothingElse) {
  holds_for({kCases.begin(), kCases.begin() + 4}, 5);
}

}  // namespace
}  // namespace settle::query
