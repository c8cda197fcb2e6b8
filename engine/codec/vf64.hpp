// engine/codec/vf64.hpp: the doubles of variable length of DDSketch's binary encoding.
//
// x = rotl(bits(v + 1) - bits(1), 6), 7 bits at a time from the top, the high bit of a byte says that more
// follows; a ninth byte carries 8 bits (sketches-go, encoding/encoding.go). Small whole numbers take one or
// two bytes. Up to eight bytes the value is from 0 to 2^64 whatever they hold; only nine can say NaN,
// infinity or less than zero.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace settle::codec {

/// What lies at `at`, which moves behind it; nothing if it is cut short. May be no count.
[[nodiscard]] std::optional<double> read_long_vf64(std::string_view bytes, std::size_t& at);
[[nodiscard]] inline std::optional<double> read_vf64(std::string_view bytes, std::size_t& at) {
  if (at == bytes.size()) return std::nullopt;
  const std::uint64_t first = static_cast<std::uint8_t>(bytes[at]);
  if (first >= 0x80) return read_long_vf64(bytes, at);
  ++at;
  return std::bit_cast<double>((first << 51) + 0x3ff0'0000'0000'0000) - 1;
}
void append_vf64(std::string& out, double value);

/// How many bytes the `count` values at the beginning take; none if they are cut short or one is no count
/// (finite and not negative).
[[nodiscard]] std::optional<std::size_t> measure_counts(std::string_view bytes, std::size_t count);
/// into[i] += the i-th of the values that `bytes`, measured, consists of.
void add_vf64(double* into, std::string_view bytes);

namespace plain {
[[nodiscard]] std::optional<std::size_t> measure_counts(std::string_view bytes, std::size_t count);
void add_vf64(double* into, std::string_view bytes);
}  // namespace plain

}  // namespace settle::codec
