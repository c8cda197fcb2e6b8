// engine/sketch/packed_ddsketch.hpp: a DDSketch at rest, as it was to the bit: its counts in one, two, four
// or eight bytes each, the least that say all of them; for merging they take eight.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/sketch/ddsketch.hpp"

namespace settle::sketch {

class PackedDDSketch {
 public:
  /// Over what it held; keeps its memory.
  void pack(const DDSketch& from);
  /// Over what `into` held, whose memory is kept.
  void unpack(DDSketch& into) const;
  [[nodiscard]] std::string_view bytes() const { return counts_; }  // of the counts

 private:
  struct Side {
    IndexRange range;
    std::uint8_t width = 0;  // bytes of a count
  };
  [[nodiscard]] Side pack_side(const Bins& bins);

  DDSketch::State state_;
  Side positive_;
  Side negative_;
  std::string counts_;  // of both
};

}  // namespace settle::sketch
