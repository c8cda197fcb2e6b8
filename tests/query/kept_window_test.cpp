#include "engine/query/kept_window.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "tests/support/histories.hpp"

namespace settle::query {
namespace {

using settle::test::Dice;
using sketch::Accumulator;

Accumulator some_window(Dice& dice) {
  const std::uint64_t size = dice.below(50);
  const auto key = [&] { return "k" + std::to_string(dice.below(30)); };
  switch (dice.below(6)) {
    case 0: {
      sketch::Stats stats;
      for (std::uint64_t i = 0; i < size; ++i) {
        EXPECT_TRUE(stats.add(engine::from_epoch_ms(static_cast<std::int64_t>(i)),
                              static_cast<double>(dice.below(1000)) / 7));
      }
      return stats;
    }
    case 1: {
      auto hll = sketch::Hll::of_precision(4 + static_cast<unsigned>(dice.below(6)));
      for (std::uint64_t i = 0; i < size * 20; ++i) hll.add(std::to_string(dice.next()));
      return hll;
    }
    case 2: {
      sketch::CountMin matrix{{.rows = 2, .cols = 8}, 3};
      for (std::uint64_t i = 0; i < size; ++i) matrix.add({.bytes = key()}, 1.5);
      return matrix;
    }
    case 3:
      return {};
    default: {
      // Weights of all widths.
      const double most = dice.one_of({1.0, 3.0, 300.0, 70'000.0, 0x1p31, 0x1p50, 0.3});
      sketch::DDSketch made{sketch::Mapping::of_accuracy(0.01), dice.one_of<std::int64_t>({0, 20, 2048})};
      for (std::uint64_t i = 0; i < size; ++i) {
        const double sign = dice.chance(30) ? -1 : 1;
        const double value = dice.chance(5) ? 0 : sign * std::exp(static_cast<double>(dice.below(900)) / 100);
        EXPECT_TRUE(made.add(value, dice.chance(50) ? 1 : most));
      }
      return made;
    }
  }
}

/// Further merges included: what is restored goes on as what was kept.
TEST(KeptWindow, IsRestoredToTheBit) {
  EXPECT_TRUE(settle::test::holds_for_seeds("keeping", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    KeptWindow kept;
    Accumulator out;
    for (int i = 0; i < 20; ++i) {
      Accumulator window = some_window(dice);
      kept.keep(window);
      kept.restore(out);
      if (out.index() != window.index()) return "another kind";
      if (codec::encode_cell(out) != codec::encode_cell(window)) return "another window";
      const Accumulator more = some_window(dice);
      const bool fits = bool{sketch::merge(window, more)};
      if (bool{sketch::merge(out, more)} != fits) return "fits others";
      if (codec::encode_cell(out) != codec::encode_cell(window)) return "merged otherwise";
    }
    return "";
  }));
}

}  // namespace
}  // namespace settle::query
