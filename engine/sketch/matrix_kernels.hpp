// engine/sketch/matrix_kernels.hpp: adding the cells of a blob to those of a matrix.
//
// `from` points at n little-endian cells of 8 bytes, aligned anyhow. A cell that must not get in (NaN, beyond
// kCellMax, or negative where `sign` forbids it) makes the call give false, and `into` is as it was.
#pragma once

#include <cstddef>
#include <cstdint>

namespace settle::sketch {

/// No sum of as many cells as a machine adds in a year reaches infinity.
inline constexpr double kCellMax = 1e300;

enum class CellSign : std::uint8_t { not_negative, any };

[[nodiscard]] bool add_f64_cells(double* into, const char* from, std::size_t n, CellSign sign);
[[nodiscard]] bool add_i64_cells(double* into, const char* from, std::size_t n, CellSign sign);
void add_u64_cells(double* into, const char* from, std::size_t n);
/// Whether add_f64_cells would let them in.
[[nodiscard]] bool are_f64_cells(const char* from, std::size_t n, CellSign sign);

/// The plain twins that the tests compare with.
namespace plain {
[[nodiscard]] bool add_f64_cells(double* into, const char* from, std::size_t n, CellSign sign);
[[nodiscard]] bool add_i64_cells(double* into, const char* from, std::size_t n, CellSign sign);
void add_u64_cells(double* into, const char* from, std::size_t n);
}  // namespace plain

}  // namespace settle::sketch
