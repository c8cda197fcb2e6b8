#include "engine/codec/varint_counts.hpp"

#include <limits>

#include "engine/codec/wire.hpp"

namespace settle::codec {
namespace {

constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;

/// one(count) for each varint, zeros(8) for eight of them in a row; false at a fault.
template <class One, class Zeros>
bool walk(std::string_view packed, One one, Zeros zeros) {
  for (std::size_t at = 0; at < packed.size();) {
    if (packed.size() - at >= 8) {
      auto word = sketch::load<std::uint64_t>(packed.data() + at);
      if ((word & kHighBits) == 0) {  // eight varints of a byte each
        if (word == 0) {
          zeros(8);
        } else {
          for (int i = 0; i < 8; ++i, word >>= 8) one(word & 0xff);
        }
        at += 8;
        continue;
      }
    }
    const auto count = read_varint(packed, at);
    if (!count) return false;
    one(*count);
  }
  return true;
}

}  // namespace

void VarintScan::one(std::uint64_t count) {
  if (count != 0) counted.include(places);
  ++places;
  const std::uint64_t sum = total + count;
  total = sum < total ? std::numeric_limits<std::uint64_t>::max() : sum;
}

bool VarintScan::chunk(std::string_view packed) {
  return walk(
      packed, [this](std::uint64_t count) { one(count); }, [this](std::int64_t more) { places += more; });
}

void VarintAdd::one(std::uint64_t count) {
  if (count != 0) into[((first + place) >> shift) - low] += weight * static_cast<double>(count);
  ++place;
}

void VarintAdd::chunk(std::string_view packed) {
  (void)walk(
      packed, [this](std::uint64_t count) { one(count); }, [this](std::int64_t more) { place += more; });
}

}  // namespace settle::codec
