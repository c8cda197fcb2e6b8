// Windows and groups of real sketches.

#include "engine/query/sketch_merger.hpp"

#include <cmath>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/stats.hpp"
#include "engine/query/merge_across.hpp"
#include "engine/query/window_merge.hpp"
#include "tests/query/tree_merger.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using test::Cells;

constexpr engine::Duration kMinute = std::chrono::minutes{1};

/// From 1e-6 to 1e6, of both signs.
double heavy_tailed(Dice& dice) {
  const double exponent = static_cast<double>(dice.below(12'001)) / 1000 - 6;
  return std::pow(10, exponent) * (dice.chance(30) ? -1 : 1);
}

sketch::Stats stats_of(Dice& dice, std::int64_t bucket) {
  sketch::Stats stats;
  const auto samples = static_cast<std::int64_t>(1 + dice.below(4));
  for (std::int64_t i = 1; i <= samples; ++i) {
    EXPECT_TRUE(stats.add(engine::Time{kMinute * bucket + std::chrono::seconds{i}}, heavy_tailed(dice)));
  }
  return stats;
}

sketch::DDSketch ddsketch_of(Dice& dice, std::int64_t bin_limit) {
  sketch::DDSketch sketch{sketch::Mapping::of_accuracy(0.01), bin_limit};
  for (std::size_t i = 1 + dice.below(20); i > 0; --i) EXPECT_TRUE(sketch.add(heavy_tailed(dice)));
  return sketch;
}

/// What WindowMerge makes of the cells, from `from` on, is what the naive merge makes of them, to the bit.
template <class Merger, class Cell>
std::string windows_fault(const Cells<Cell>& cells, std::int64_t from, std::int64_t to, std::int64_t buckets,
                          const Merger& merger) {
  WindowMerge<Merger> windows{kMinute, buckets};
  sketch::Accumulator out;
  for (std::int64_t last = from; last <= to; ++last) {
    sketch::Accumulator expected;
    const auto naive = test::naive_window(cells, last, buckets, merger, expected);
    const auto merged =
        windows.merge(engine::Time{kMinute * (last + 1)}, test::looking_in(cells, kMinute), merger, out);
    if (!naive || !merged) return "refused";
    if (*naive != *merged || out.index() != expected.index() ||
        canonical_hash(out) != canonical_hash(expected)) {
      return "differs at " + std::to_string(last);
    }
  }
  return "";
}

TEST(SketchWindows, OfStatisticsAreTheNaiveMerge) {
  EXPECT_TRUE(settle::test::holds_for_seeds("statistics", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const auto buckets = static_cast<std::int64_t>(1 + dice.below(10));
    Cells<sketch::Accumulator> cells;
    Cells<std::string> blobs;
    Cells<std::string> frames;
    for (std::int64_t i = 0; i < 50; ++i) {
      if (!dice.chance(80)) continue;
      const sketch::Stats stats = stats_of(dice, i);
      cells[i] = stats;
      blobs[i] = codec::encode_stats(stats);
      frames[i] = codec::encode_cell(cells[i]);
    }
    const BlobMerger of_blobs{.settings = {.format = codec::Format::stats}};
    if (auto fault = windows_fault(cells, 0, 60, buckets, AccumulatorMerger{}); !fault.empty()) return fault;
    if (auto fault = windows_fault(blobs, 0, 60, buckets, of_blobs); !fault.empty()) return "blobs, " + fault;
    const BlobMerger of_frames{.settings = {.format = codec::Format::cell}};
    if (auto fault = windows_fault(frames, 0, 60, buckets, of_frames); !fault.empty())
      return "frames, " + fault;
    // Decoded or not, the same.
    sketch::Accumulator from_cells;
    sketch::Accumulator from_blobs;
    if (!test::naive_window(cells, 45, buckets, AccumulatorMerger{}, from_cells)) return "refused";
    if (!test::naive_window(blobs, 45, buckets, of_blobs, from_blobs)) return "refused";
    return canonical_hash(from_cells) == canonical_hash(from_blobs) ? "" : "blobs are merged otherwise";
  }));
}

TEST(SketchWindows, OfDDSketchesAreTheNaiveMerge) {
  EXPECT_TRUE(settle::test::holds_for_seeds("ddsketches", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const auto buckets = static_cast<std::int64_t>(1 + dice.below(10));
    // Where lowest bins collapse, what is left depends on the order of merging.
    const auto bin_limit = dice.one_of<std::int64_t>({2048, 30});
    Cells<sketch::Accumulator> cells;
    Cells<std::string> blobs;
    for (std::int64_t i = 0; i < 30; ++i) {
      if (!dice.chance(80)) continue;
      const sketch::DDSketch sketch = ddsketch_of(dice, bin_limit);
      cells[i] = sketch;
      blobs[i] = codec::encode_ddsketch_binary(sketch);
    }
    const BlobMerger of_blobs{.settings = {.format = codec::Format::ddsketch_binary}};
    if (auto fault = windows_fault(cells, 0, 40, buckets, AccumulatorMerger{}); !fault.empty()) return fault;
    return windows_fault(blobs, 0, 40, buckets, of_blobs);
  }));
}

TEST(SketchWindows, RefuseSketchesThatDoNotFitWhereTheyMeet) {
  Cells<sketch::Accumulator> cells;
  sketch::DDSketch fine{sketch::Mapping::of_accuracy(0.01)};
  sketch::DDSketch coarse{sketch::Mapping::of_accuracy(0.05)};
  ASSERT_TRUE(fine.add(1) && coarse.add(1));
  for (std::int64_t i = 0; i < 6; ++i) cells[i] = i == 3 ? coarse : fine;
  WindowMerge<AccumulatorMerger> windows{kMinute, 2};
  std::string refused;
  for (std::int64_t last = 0; last < 8; ++last) {
    sketch::Accumulator out;
    const auto merged = windows.merge(engine::Time{kMinute * (last + 1)}, test::looking_in(cells, kMinute),
                                      AccumulatorMerger{}, out);
    if (merged) continue;
    refused += std::to_string(last) + " ";
    EXPECT_NE(merged.error().detail.find("gamma"), std::string::npos) << merged.error().detail;
  }
  EXPECT_EQ(refused, "3 4 ");
}

TEST(SketchGroups, AddWhatSeriesHoldAtTheSameTime) {
  Dice dice{7};
  std::vector<sketch::Accumulator> cells;
  std::vector<std::string> blobs;
  double sum = 0;
  double increase = 0;
  for (int i = 0; i < 5; ++i) {
    const sketch::Stats stats = stats_of(dice, 0);
    sum += stats.content()->sum;
    increase += stats.content()->increase;
    cells.emplace_back(stats);
    blobs.push_back(codec::encode_stats(stats));
  }
  const auto all = {0U, 1U, 2U, 3U, 4U};
  sketch::Accumulator of_cells;
  ASSERT_TRUE(merge_across(
      all, [&](std::size_t i) { return &cells[i]; }, AccumulatorMerger{}, of_cells));
  const auto& content = std::get<sketch::Stats>(of_cells).content();
  EXPECT_EQ(content->sum, sum);
  EXPECT_EQ(content->increase, increase);
  sketch::Accumulator of_blobs;
  const BlobMerger merger{.settings = {.format = codec::Format::stats}};
  ASSERT_TRUE(merge_across(
      all, [&](std::size_t i) { return &blobs[i]; }, merger, of_blobs));
  EXPECT_EQ(canonical_hash(of_blobs), canonical_hash(of_cells));
}

}  // namespace
}  // namespace settle::query
