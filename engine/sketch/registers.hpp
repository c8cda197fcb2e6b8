// engine/sketch/registers.hpp: the loops over HyperLogLog registers: one byte each in the accumulator, packed
// as the encodings have them in the source. Every loop exists plainly and for AVX2; the CPU decides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace settle::sketch {

struct RegisterSums {
  std::uint64_t scaled = 0;  // sum of 2^(shift - register), of each that is an integer
  std::uint64_t zeros = 0;   // registers that are 0
  bool beyond_31 = false;    // there are such
};

/// `n` counts registers, a multiple of 16. Sources need no alignment and are read within their bytes only.
struct RegisterLoops {
  /// into[i] = max(into[i], from[i])
  void (*raise)(std::uint8_t* into, const std::uint8_t* from, std::size_t n);
  /// Two registers a byte, the low nibble first; each has `base` added.
  void (*raise_nibbles)(std::uint8_t* into, const std::uint8_t* from, std::size_t n, std::uint8_t base);
  /// Six bits each, from the lowest bit of the first byte on.
  void (*raise_sixes)(std::uint8_t* into, const std::uint8_t* from, std::size_t n);
  /// All bits that any of them has.
  std::uint8_t (*bits)(const std::uint8_t* from, std::size_t n);
  /// How many of `n` nibbles are 15.
  std::size_t (*count_fifteens)(const std::uint8_t* from, std::size_t n);
  /// 31 <= shift <= 62 - log2(n)
  RegisterSums (*sums)(const std::uint8_t* from, std::size_t n, unsigned shift);
};

[[nodiscard]] const RegisterLoops& plain_loops();
/// The fastest that this CPU has.
[[nodiscard]] const RegisterLoops& register_loops();
/// Whether any is above `limit`.
[[nodiscard]] bool any_beyond(std::span<const std::uint8_t> registers, std::uint8_t limit);

}  // namespace settle::sketch
