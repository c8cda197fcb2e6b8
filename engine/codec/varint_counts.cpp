#include "engine/codec/varint_counts.hpp"

#include <bit>
#include <cstring>
#include <limits>

#include "engine/codec/wire.hpp"

namespace settle::codec {
namespace {

constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;

/// The next eight bytes, if each of them is a varint of its own.
bool eight(std::string_view packed, std::size_t at, std::uint64_t& word) {
  if (packed.size() - at < 8) return false;
  std::memcpy(&word, packed.data() + at, 8);
  return (word & kHighBits) == 0;
}

}  // namespace

void VarintScan::one(std::uint64_t count) {
  if (count != 0) counted.include(places);
  ++places;
  const std::uint64_t sum = total + count;
  total = sum < total ? std::numeric_limits<std::uint64_t>::max() : sum;
}

bool VarintScan::chunk(std::string_view packed) {
  for (std::size_t at = 0; at < packed.size();) {
    std::uint64_t word = 0;
    if (eight(packed, at, word)) {
      if (word == 0) {
        places += 8;
      } else {
        for (int i = 0; i < 8; ++i, word >>= 8) one(word & 0xff);
      }
      at += 8;
      continue;
    }
    const auto count = read_varint(packed, at);
    if (!count) return false;
    one(*count);
  }
  return true;
}

void VarintAdd::one(std::uint64_t count) {
  if (count != 0) into[((first + place) >> shift) - low] += weight * static_cast<double>(count);
  ++place;
}

void VarintAdd::chunk(std::string_view packed) {
  for (std::size_t at = 0; at < packed.size();) {
    std::uint64_t word = 0;
    if (eight(packed, at, word)) {
      if (word == 0) {
        place += 8;
      } else {
        for (int i = 0; i < 8; ++i, word >>= 8) one(word & 0xff);
      }
      at += 8;
      continue;
    }
    one(read_varint(packed, at).value_or(0));
  }
}

}  // namespace settle::codec
