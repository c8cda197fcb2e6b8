// engine/codec/cell/words.hpp: numbers of one width, as they lie in cell frames: little-endian, eight bytes
// at a time.
//
// Words without zeros between them begin and end at multiples of eight bytes, so that neither checking nor
// adding them has an end to look at. Both twins of a kernel give the same bits; the CPU decides at run time
// which one runs, the plain ones are here for the tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace settle::codec::cell {

/// Of a column: the first that says all of its numbers exactly.
enum class Way : std::uint8_t { u8 = 0, u16 = 1, u32 = 2, i8 = 3, i16 = 4, i32 = 5, f64 = 6 };
inline constexpr auto kLastWay = static_cast<std::uint8_t>(Way::f64);

inline constexpr std::size_t kWord = 8;
/// Bytes of a number.
[[nodiscard]] constexpr std::size_t width_of(Way way) {
  constexpr std::uint8_t kWidths[] = {1, 2, 4, 1, 2, 4, 8};
  return kWidths[static_cast<std::uint8_t>(way)];
}
[[nodiscard]] constexpr std::size_t numbers_per_word(Way way) {
  return kWord / width_of(way);
}

[[nodiscard]] Way way_of(std::span<const double> numbers);
[[nodiscard]] double number_at(Way way, const char* from);
/// Minus zero as zero.
void put_number(Way way, double number, char* to);

struct NumberLimits {
  double below = 0;      // of the magnitude; at least 2^32
  bool negative = true;  // may be
};
/// Whether `count` numbers are written as they must be: no way before theirs says all of them, all are within
/// the limits, none is minus zero.
[[nodiscard]] bool is_column(Way way, const char* from, std::size_t count, NumberLimits limits);
/// Whether one of them has no bits.
[[nodiscard]] bool has_zero_word(const char* from, std::size_t words);

/// into[i] += the i-th number, of all that the words hold.
void add_words(Way way, double* into, const char* from, std::size_t words);
namespace plain {
void add_words(Way way, double* into, const char* from, std::size_t words);
}  // namespace plain

}  // namespace settle::codec::cell
