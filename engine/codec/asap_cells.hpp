// engine/codec/asap_cells.hpp: the cells of ASAP's matrix messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/sketch/matrix_kernels.hpp"

namespace settle::codec {

/// The elements of a repeated number, which is packed as a rule, but may come in parts or one by one.
class PackedField {
 public:
  void add(std::string_view packed);
  void add_varint(std::uint64_t value);
  void add_f64(double value);
  [[nodiscard]] std::string_view bytes() const { return many_.empty() ? one_ : std::string_view{many_}; }

 private:
  std::string_view one_;
  std::string many_;  // at most ten bytes for each two of the message
};

/// Whether there are n zigzag varints, none negative if `sign` forbids it.
[[nodiscard]] bool are_zigzag_cells(std::string_view packed, std::size_t n, sketch::CellSign sign);
/// Cells that are_zigzag_cells() found; each times `factor`.
void add_zigzag_cells(double* into, std::string_view packed, double factor);
/// The same for 2n of them, high and low halves of n numbers.
[[nodiscard]] bool are_wide_cells(std::string_view packed, std::size_t n, sketch::CellSign sign);
void add_wide_cells(double* into, std::string_view packed, double factor);

}  // namespace settle::codec
