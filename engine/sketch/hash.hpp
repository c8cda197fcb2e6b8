// engine/sketch/hash.hpp: the hash functions by which other programs place items in their sketches. Austin
// Appleby's MurmurHash3 (x64, 128 bit) and MurmurHash2 (64A), both public domain, read as little-endian; XXH3
// comes from libxxhash.
#pragma once

#include <cstdint>
#include <string_view>

namespace settle::sketch {

struct Hash128 {
  std::uint64_t low = 0;  // what the first eight bytes of the reference's output say
  std::uint64_t high = 0;
  friend bool operator==(const Hash128&, const Hash128&) = default;
};

/// The seed starts both halves, as in DataSketches, whose seed has 64 bits.
[[nodiscard]] Hash128 murmur3_x64_128(std::string_view bytes, std::uint64_t seed);
/// As in Redis.
[[nodiscard]] std::uint64_t murmur64a(std::string_view bytes, std::uint64_t seed);

}  // namespace settle::sketch
