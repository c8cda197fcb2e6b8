// cli/sketch/build.hpp: a sketch of values that stand one per line.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::cli {

struct BuildOptions {
  std::string kind = "ddsketch";
  double accuracy = 0.01;         // ddsketch
  std::int64_t bin_limit = 2048;  // ddsketch, for each sign; 0: as many as there may be
  unsigned precision = 12;        // hll
  std::uint32_t width = 2048;     // count-min, count-sketch
  std::uint32_t depth = 4;
  std::size_t keep = 40;      // of their items
  std::string item = "text";  // what is counted, of hll and the frequencies: text, i64 or f64
  bool weighted = false;      // a line begins with the weight, as `uniq -c` writes it
};

/// Of stats a line is a time and a value. Blank lines are passed over. The error names the line or the
/// option.
[[nodiscard]] engine::Result<sketch::Accumulator> build(const BuildOptions& options, std::istream& values);

}  // namespace settle::cli
