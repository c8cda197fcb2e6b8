// engine/codec/cell/whole_numbers.hpp: columns of whole numbers, as varints; nearly all of them take one
// byte, and eight of those are looked at in one word.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/sketch/load.hpp"

namespace settle::codec::cell {

inline constexpr std::uint64_t kHighBits = 0x8080808080808080U;
inline constexpr std::uint64_t kLowBits = 0x0101010101010101U;

/// A varint at `at`, which moves behind it; false where it is cut short, has more bytes than it needs, or
/// more than 63 bits.
[[nodiscard]] inline bool take_whole(const char*& at, const char* end, std::uint64_t& value) {
  if (at != end && static_cast<std::uint8_t>(*at) < 0x80) {
    value = static_cast<std::uint8_t>(*at++);
    return true;
  }
  value = 0;
  for (unsigned shift = 0; shift < 63 && at != end; shift += 7) {
    const std::uint64_t next = static_cast<std::uint8_t>(*at++);
    value |= (next & 0x7f) << shift;
    if (next < 0x80) return next != 0 || shift == 0;
  }
  return false;
}

/// The low `count` bytes of a word; 0 < count <= 8.
[[nodiscard]] inline std::uint64_t low_bytes(std::size_t count) {
  return ~std::uint64_t{0} >> (64 - 8 * count);
}

/// A byte is zero. Without high bits a byte borrows only if one is.
[[nodiscard]] inline bool has_zero(std::uint64_t word, std::uint64_t mask) {
  return ((word - (kLowBits & mask)) & kHighBits) != 0;
}

/// Where `count` numbers below 2^53 end that begin at `from`, nullptr if they are not there. `zeros`: some
/// may be zero. `any`: gets a bit if one is not.
[[nodiscard]] inline const char* check_whole(const char* from, const char* end, std::size_t count, bool zeros,
                                             std::uint64_t& any) {
  const char* at = from;
  std::uint64_t seen = 0;
  while (count > 0) {
    while (count >= 8 && end - at >= 8) {
      const auto word = sketch::load<std::uint64_t>(at);
      if ((word & kHighBits) != 0 || (!zeros && has_zero(word, ~std::uint64_t{0}))) break;
      seen |= word;
      at += 8;
      count -= 8;
    }
    if (count > 0 && count < 8 && end - at >= 8) {
      const std::uint64_t mask = low_bytes(count);
      const std::uint64_t word = sketch::load<std::uint64_t>(at) & mask;
      if ((word & kHighBits) == 0 && (zeros || !has_zero(word, mask))) {
        any |= seen | word;
        return at + count;
      }
    }
    if (count == 0) break;
    std::uint64_t value = 0;
    if (!take_whole(at, end, value) || value >> 53 != 0 || (value == 0 && !zeros)) return nullptr;
    seen |= value;
    --count;
  }
  any |= seen;
  return at;
}

/// into[i] += the i-th of them, which were checked; gives where they end. Up to `into_end` zeros may be added
/// behind them. add_bytes(into, word): adds eight bytes.
template <class AddBytes>
[[gnu::always_inline]] inline const char* add_whole(double* into, const double* into_end, const char* from,
                                                    const char* end, std::size_t count, AddBytes add_bytes) {
  const char* at = from;
  while (count > 0) {
    while (count >= 8 && end - at >= 8) {
      const auto word = sketch::load<std::uint64_t>(at);
      if ((word & kHighBits) != 0) break;
      add_bytes(into, word);
      at += 8;
      into += 8;
      count -= 8;
    }
    if (count > 0 && count < 8 && end - at >= 8 && into_end - into >= 8) {
      const std::uint64_t word = sketch::load<std::uint64_t>(at) & low_bytes(count);
      if ((word & kHighBits) == 0) {
        add_bytes(into, word);
        return at + count;
      }
    }
    if (count == 0) break;
    std::uint64_t value = 0;
    (void)take_whole(at, end, value);
    *into++ += static_cast<double>(value);
    --count;
  }
  return at;
}

}  // namespace settle::codec::cell
