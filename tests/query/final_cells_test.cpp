#include "engine/query/final_cells.hpp"

#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using Kind = FinalCells::Change::Kind;

constexpr engine::Duration kMinute = std::chrono::minutes{1};

engine::Time minute(std::int64_t n) {
  return engine::Time{kMinute * n};
}
engine::TimeRange minutes(std::int64_t from, std::int64_t to) {
  return {minute(from), minute(to)};
}

TEST(FinalCells, CoverWhatWasSaidAndNotForgotten) {
  FinalCells cells{kMinute};
  EXPECT_FALSE(cells.covers(minutes(1, 2)));
  cells.cover({minute(1) - std::chrono::seconds{1}, minute(5) + std::chrono::seconds{1}});
  cells.cover(minutes(7, 9));
  EXPECT_TRUE(cells.covers(minutes(1, 5)));
  EXPECT_FALSE(cells.covers(minutes(0, 5)));
  EXPECT_FALSE(cells.covers(minutes(4, 8)));
  EXPECT_EQ(cells.uncovered(minutes(0, 8)).list(),
            (std::vector<engine::TimeRange>{minutes(0, 1), minutes(5, 7)}));
  cells.forget_before(minute(3));
  EXPECT_FALSE(cells.covers(minutes(2, 3)));
  EXPECT_TRUE(cells.covers(minutes(3, 5)));
}

TEST(FinalCells, LogWhatChanges) {
  FinalCells cells{kMinute};
  const auto since = [&](std::uint64_t version) {
    std::string text;
    const auto changes = cells.changes_since(version);
    for (const auto& one : changes.value()) {
      text += one.kind == Kind::cell ? "cell " : one.kind == Kind::gone ? "gone " : "forgot ";
      text += std::to_string(one.id) + "@" + std::to_string(one.bucket.time_since_epoch() / kMinute) + " ";
    }
    return text;
  };
  cells.put("a", minute(1), engine::Blob{"1"});
  cells.put("b", minute(1), engine::Blob{"1"});
  EXPECT_EQ(since(0), "cell 0@1 cell 1@1 ");
  std::uint64_t version = cells.version();
  cells.put("a", minute(1), engine::Blob{"1"});  // no other
  cells.put("c", minute(1), engine::Blob{});     // none, and there was none
  cells.put("b", minute(2), engine::Blob{});
  EXPECT_EQ(since(version), "");
  cells.put("a", minute(1), engine::Blob{"2"});
  cells.put("b", minute(1), engine::Blob{});
  cells.put("c", minute(3), engine::Blob{"1"});
  EXPECT_EQ(since(version), "cell 0@1 cell 1@1 gone 1@0 cell 1@3 ");
  EXPECT_EQ(cells.series(1), "c");
  version = cells.version();
  cells.forget_before(minute(2));
  EXPECT_EQ(since(version), "forgot 0@2 gone 0@0 ");
  EXPECT_EQ(cells.series(0), "");
  EXPECT_EQ(cells.series(7), "");
  EXPECT_EQ(cells.cell(0, minute(1)), nullptr);
  EXPECT_FALSE(cells.changes_since(cells.version() + 1));
}

TEST(FinalCells, LogNoMoreThanTheyMay) {
  FinalCells cells{kMinute, 10};
  for (int i = 0; i < 1000; ++i) cells.put("a", minute(1), engine::Blob{std::to_string(i)});
  EXPECT_EQ(cells.version(), 1000U);
  EXPECT_FALSE(cells.changes_since(900));
  ASSERT_TRUE(cells.changes_since(998));
  EXPECT_EQ(cells.changes_since(998)->size(), 2U);
  EXPECT_TRUE(cells.changes_since(1000)->empty());
}

/// Against a map.
TEST(FinalCells, HoldWhatWasPutWhateverHappened) {
  EXPECT_TRUE(settle::test::holds_for_seeds("final cells", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    FinalCells cells{kMinute};
    std::map<std::pair<std::string, std::int64_t>, std::string> naive;
    std::int64_t last = -50;
    for (int i = 0; i < 400; ++i) {
      if (dice.chance(30)) ++last;
      const std::string series(1, static_cast<char>('a' + dice.below(5)));
      const std::int64_t bucket = last - static_cast<std::int64_t>(dice.chance(60) ? 0 : dice.below(30));
      const std::string bytes = dice.chance(10) ? "" : std::to_string(i);
      cells.put(series, minute(bucket), engine::Blob{bytes});
      naive[{series, bucket}] = bytes;
      if (dice.chance(10)) {
        const std::int64_t before = last - static_cast<std::int64_t>(dice.below(30));
        cells.forget_before(minute(before));
        std::erase_if(naive, [&](const auto& one) { return one.first.second < before; });
      }
      std::erase_if(naive, [](const auto& one) { return one.second.empty(); });
      if (cells.size() != naive.size()) return "of another size";
    }
    std::size_t series_count = 0;
    for (SeriesId id = 0; id < cells.id_end(); ++id) {
      if (cells.series(id).empty()) continue;
      ++series_count;
      for (std::int64_t bucket = -100; bucket <= last + 1; ++bucket) {
        const auto found = naive.find({std::string{cells.series(id)}, bucket});
        const engine::Blob* const cell = cells.cell(id, minute(bucket));
        if ((cell == nullptr) != (found == naive.end())) return "a cell is missing, or should be";
        if (cell != nullptr && cell->bytes() != found->second) return "another cell";
      }
    }
    return series_count == cells.series_count() ? "" : "counts other series";
  }));
}

}  // namespace
}  // namespace settle::query
