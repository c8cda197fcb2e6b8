#include "engine/query/gather.hpp"

#include <limits>
#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/model/series.hpp"
#include "engine/query/label_groups.hpp"
#include "engine/sketch/accumulator.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;

constexpr engine::Duration kMinute = std::chrono::minutes{1};
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

engine::Time minute(std::int64_t n) {
  return engine::Time{kMinute * n};
}

struct Said {
  std::string series;
  std::int64_t bucket;
  double value;
};

engine::Answer answer_of(const std::vector<Said>& rows) {
  engine::Answer answer;
  auto& scope = answer.scopes.emplace_back();
  scope.scope = "all";
  for (const Said& row : rows) {
    scope.rows.push_back({.series = answer.texts.keep(row.series),
                          .bucket = minute(row.bucket),
                          .value = engine::Value::number(row.value)});
  }
  return answer;
}

/// `__scope__="all"` is the same everywhere.
std::string bare(std::string_view series) {
  return engine::series_text(query::without_scope(*engine::parse_series(series)));
}

using CellsOf = std::map<std::pair<std::string, std::int64_t>, std::string>;

CellsOf cells_of(const Gathered& gathered) {
  CellsOf cells;
  for (const auto& scope : gathered.answer.scopes) {
    EXPECT_EQ(scope.rows.size(), scope.sketches.size());
    for (std::size_t i = 0; i < scope.rows.size(); ++i) {
      EXPECT_EQ(scope.rows[i].value, engine::fingerprint(scope.sketches[i]));
      const bool is_new = cells
                              .emplace(std::pair{bare(scope.rows[i].series),
                                                 scope.rows[i].bucket.time_since_epoch() / kMinute},
                                       scope.sketches[i].bytes())
                              .second;
      EXPECT_TRUE(is_new) << scope.rows[i].series;
    }
  }
  return cells;
}

/// Takes the unfit cells out.
CellsOf take_unfit(CellsOf& cells) {
  CellsOf unfit;
  for (auto cell = cells.begin(); cell != cells.end();) {
    const auto why = unfit_reason(cell->second);
    if (why) unfit.emplace(cell->first, *why);
    cell = why ? cells.erase(cell) : std::next(cell);
  }
  return unfit;
}

template <class Family>
Family sketch_in(const std::string& frame) {
  sketch::Accumulator held;
  EXPECT_TRUE(codec::merge_cell(held, frame));
  EXPECT_TRUE(std::holds_alternative<Family>(held)) << sketch::family_text(held);
  return std::holds_alternative<Family>(held) ? std::get<Family>(held) : Family{};
}

CellSpec spec_of(SketchType type, std::string item = "") {
  return {.type = type, .item = std::move(item), .building = {}};
}

TEST(Gather, KeepsWhatTheScopeSays) {
  engine::Answer answer = answer_of({{"m", 3, 1}});
  auto& empty = answer.scopes.emplace_back();
  empty.scope = "empty";
  empty.covered = {minute(1), minute(2)};
  auto& scope = answer.scopes[0];
  scope.covered = {minute(0), minute(9)};
  scope.completeness = engine::Completeness::truncated;
  scope.frontier = minute(5);
  const Gathered gathered = gather(answer, spec_of(SketchType::stats), kMinute);
  ASSERT_EQ(gathered.answer.scopes.size(), 2U);
  const auto& out = gathered.answer.scopes[0];
  EXPECT_EQ(out.scope, "all");
  EXPECT_EQ(out.covered, scope.covered);
  EXPECT_EQ(out.completeness, engine::Completeness::truncated);
  EXPECT_EQ(out.frontier, scope.frontier);
  EXPECT_EQ(gathered.answer.scopes[1].scope, "empty");
  EXPECT_EQ(gathered.answer.scopes[1].covered, (engine::TimeRange{minute(1), minute(2)}));
}

TEST(Gather, DDSketchesOfNumbersWithTheirParameters) {
  CellSpec spec = spec_of(SketchType::ddsketch);
  spec.building.accuracy = 0.02;
  spec.building.bin_limit = 7;
  const Gathered gathered = gather(
      answer_of({{"m", 3, 5}, {"m", 3, -2}, {"m", 4, 1}, {"n", 3, 8}, {"m", 4, kNan}, {"m", 5, kInfinity}}),
      spec, kMinute);
  EXPECT_EQ(gathered.rows_refused, 2U);
  EXPECT_NE(gathered.why.find("not finite"), std::string::npos) << gathered.why;
  auto cells = cells_of(gathered);
  const CellsOf unfit = take_unfit(cells);
  ASSERT_EQ(unfit.size(), 2U);
  EXPECT_TRUE(unfit.contains({"m", 4}) && unfit.contains({"m", 5}));  // though one of 4's rows was fine
  ASSERT_EQ(cells.size(), 2U);
  const auto both = sketch_in<sketch::DDSketch>(cells[{"m", 3}]);
  EXPECT_EQ(both.count(), 2);
  EXPECT_EQ(both.sum(), 3);
  EXPECT_NEAR(both.mapping()->alpha(), 0.02, 1e-12);
  EXPECT_EQ(both.limits().bins, 7);
  EXPECT_EQ(sketch_in<sketch::DDSketch>(cells[{"n", 3}]).sum(), 8);
}

TEST(Gather, StatisticsOfOneNumberAtTheBucketsEnd) {
  const Gathered gathered = gather(answer_of({{"m", 3, 5}, {"m", 4, 7}, {"m", 4, 6}, {"m", 5, kNan}}),
                                   spec_of(SketchType::stats), kMinute);
  EXPECT_EQ(gathered.rows_refused, 2U);
  auto cells = cells_of(gathered);
  EXPECT_EQ(take_unfit(cells).size(), 2U);  // of two samples in a bucket which is the sample?
  ASSERT_EQ(cells.size(), 1U);
  const auto content = sketch_in<sketch::Stats>(cells[{"m", 3}]).content();
  ASSERT_TRUE(content);
  EXPECT_EQ(content->count, 1U);
  EXPECT_EQ(content->sum, 5);
  EXPECT_EQ(content->first.at, minute(4));
}

TEST(Gather, DistinctNumbersOrValuesOfALabel) {
  CellSpec spec = spec_of(SketchType::hll);
  spec.building.precision = 10;
  auto numbers = cells_of(gather(answer_of({{"m", 3, 5}, {"m", 3, 6}, {"m", 3, 5}}), spec, kMinute));
  const auto distinct = sketch_in<sketch::Hll>(numbers[{"m", 3}]);
  EXPECT_EQ(distinct.precision(), 10U);
  EXPECT_NEAR(distinct.answer().estimate, 2, 0.01);

  spec.item = "user";
  const Gathered gathered = gather(answer_of({{R"(m{user="a",zone="x"})", 3, kNan},
                                              {R"(m{user="b",zone="x"})", 3, 1},
                                              {R"(m{user="a",zone="y"})", 3, 1},
                                              {R"(m{zone="y"})", 3, 1}}),
                                   spec, kMinute);
  EXPECT_EQ(gathered.rows_refused, 1U);
  EXPECT_NE(gathered.why.find("user"), std::string::npos) << gathered.why;
  auto cells = cells_of(gathered);
  ASSERT_EQ(cells.size(), 2U);
  sketch::Hll expected = sketch::Hll::of_precision(10);
  expected.add("a");
  expected.add("b");
  EXPECT_EQ(canonical_hash(sketch_in<sketch::Hll>(cells[{R"(m{zone="x"})", 3}])), canonical_hash(expected));
  EXPECT_NEAR(sketch_in<sketch::Hll>(cells[{R"(m{zone="y"})", 3}]).answer().estimate, 1, 0.01);
}

TEST(Gather, HeavyHittersByRowsOrByWhatTheySay) {
  const auto rows = answer_of({{R"(m{user="a"})", 3, 5},
                               {R"(m{user="b"})", 3, 0},
                               {R"(m{user="c"})", 3, -1},
                               {R"(m{user="d"})", 3, kNan},
                               {R"(m{user="e"})", 3, 0x1p65}});
  for (const bool weighted : {false, true}) {
    CellSpec spec = spec_of(SketchType::countminsketch, "user");
    spec.building.weighted = weighted;
    spec.building.width = 64;
    spec.building.depth = 2;
    const Gathered gathered = gather(rows, spec, kMinute);
    EXPECT_EQ(gathered.rows_refused, weighted ? 3U : 0U);
    auto cells = cells_of(gathered);
    EXPECT_EQ(take_unfit(cells).size(), weighted ? 1U : 0U);
    if (!weighted) {
      const auto matrix = sketch_in<sketch::CountMin>(cells[{"m", 3}]);
      EXPECT_EQ(matrix.matrix().shape(), (sketch::MatrixShape{.rows = 2, .cols = 64}));
      EXPECT_EQ(matrix.total(), 5);
      EXPECT_GE(matrix.query({.bytes = "a"}).estimate, 1);
    }
    const auto good = answer_of({{R"(m{user="a"})", 3, 5}, {R"(m{user="b"})", 3, 0}});
    auto good_cells = cells_of(gather(good, spec, kMinute));
    EXPECT_EQ(sketch_in<sketch::CountMin>(good_cells[{"m", 3}]).total(), weighted ? 5 : 2);

    spec.type = SketchType::countsketch;
    const Gathered with_signs = gather(rows, spec, kMinute);
    EXPECT_EQ(with_signs.rows_refused, weighted ? 2U : 0U);
    sketch_in<sketch::CountSketch>(cells_of(gather(good, spec, kMinute))[{"m", 3}]);
  }
  const Gathered without = gather(rows, spec_of(SketchType::countsketch), kMinute);
  EXPECT_EQ(without.rows_refused, 5U);
  auto none = cells_of(without);
  EXPECT_EQ(take_unfit(none).size(), 5U);
  EXPECT_TRUE(none.empty());
}

TEST(Gather, PassesSketchesOnIfTheyAreOfTheKind) {
  const engine::Blob ddsketch{codec::encode_cell(sketch::DDSketch{sketch::Mapping::of_accuracy(0.01)})};
  const engine::Blob hll{codec::encode_cell(sketch::Hll::of_precision(4))};
  const std::vector<engine::Blob> blobs{ddsketch, hll, engine::Blob{"SCEL"}, engine::Blob{}, ddsketch};
  engine::Answer answer;
  auto& scope = answer.scopes.emplace_back();
  for (std::size_t i = 0; i < blobs.size(); ++i) {
    scope.rows.push_back({.series = answer.texts.keep(i < 4 ? "m" : "n"),
                          .bucket = minute(static_cast<std::int64_t>(i)),
                          .value = engine::fingerprint(blobs[i])});
    scope.sketches.push_back(blobs[i]);
  }
  const Gathered gathered = gather(answer, spec_of(SketchType::ddsketch), kMinute);
  EXPECT_EQ(gathered.rows_refused, 3U);
  EXPECT_NE(gathered.why.find("ddsketch"), std::string::npos) << gathered.why;
  auto cells = cells_of(gathered);
  EXPECT_EQ(take_unfit(cells), (CellsOf{{{"m", 1}, "its sketch is no ddsketch"},
                                        {{"m", 2}, "its sketch is no ddsketch"},
                                        {{"m", 3}, "a number, where other rows are sketches"}}));
  EXPECT_EQ(cells,
            (CellsOf{{{"m", 0}, std::string{ddsketch.bytes()}}, {{"n", 4}, std::string{ddsketch.bytes()}}}));
}

/// The same bytes in whatever order rows come.
TEST(Gather, DoesNotDependOnTheOrderOfRows) {
  EXPECT_TRUE(settle::test::holds_for_seeds("gathering", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const auto type = dice.one_of({SketchType::ddsketch, SketchType::hll, SketchType::countsketch,
                                   SketchType::countminsketch, SketchType::stats});
    const bool matrix = type == SketchType::countsketch || type == SketchType::countminsketch;
    CellSpec spec = spec_of(type, matrix || (type == SketchType::hll && dice.chance(50)) ? "i" : "");
    spec.building.weighted = dice.chance(70);
    spec.building.width = 8;
    spec.building.depth = 2;
    spec.building.keep = 2;
    spec.building.bin_limit = dice.one_of<std::int64_t>({0, 3});
    std::vector<Said> rows;
    for (std::uint64_t i = dice.below(200); i > 0; --i) {
      rows.push_back(
          {R"(m{i=")" + std::to_string(dice.below(20)) + R"(",z=")" + std::to_string(dice.below(3)) + "\"}",
           static_cast<std::int64_t>(dice.below(4)),
           static_cast<double>(dice.below(1'000'000)) / 7 - (matrix ? 0 : 50'000)});
    }
    const Gathered first = gather(answer_of(rows), spec, kMinute);
    dice.shuffle(rows);
    const Gathered second = gather(answer_of(rows), spec, kMinute);
    if (first.rows_refused != second.rows_refused) return "refuses others";
    return cells_of(first) == cells_of(second) ? "" : "differs";
  }));
}

}  // namespace
}  // namespace settle::query
