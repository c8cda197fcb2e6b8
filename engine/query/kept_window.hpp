// engine/query/kept_window.hpp: a window, or part of one, at rest: as it was to the bit, in less memory.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include "engine/sketch/accumulator.hpp"
#include "engine/sketch/packed_ddsketch.hpp"

namespace settle::query {

class KeptWindow {
 public:
  /// Over what it held; keeps its memory where it can.
  void keep(const sketch::Accumulator& window);
  /// Over what `out` held.
  void restore(sketch::Accumulator& out) const;
  /// Bytes that restore() reads beside this.
  [[nodiscard]] std::string_view bytes() const;

 private:
  // Few numbers as they are, registers and matrices as cell frames.
  std::variant<std::monostate, sketch::PackedDDSketch, sketch::Stats, std::string> held_;
};

}  // namespace settle::query
