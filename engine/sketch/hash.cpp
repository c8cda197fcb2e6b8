#include "engine/sketch/hash.hpp"

#include <bit>
#include <cstddef>

#include "engine/sketch/load.hpp"

namespace settle::sketch {

namespace {

/// The rest of less than eight bytes, as a little-endian number.
std::uint64_t load_part(const char* at, std::size_t bytes) {
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    word |= std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  }
  return word;
}

std::uint64_t finish(std::uint64_t h) {
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return h ^ (h >> 33);
}

constexpr std::uint64_t kFirst = 0x87c37b91114253d5ULL;
constexpr std::uint64_t kSecond = 0x4cf5ad432745937fULL;

std::uint64_t mix_low(std::uint64_t k) {
  return std::rotl(k * kFirst, 31) * kSecond;
}

std::uint64_t mix_high(std::uint64_t k) {
  return std::rotl(k * kSecond, 33) * kFirst;
}

}  // namespace

Hash128 murmur3_x64_128(std::string_view bytes, std::uint64_t seed) {
  std::uint64_t h1 = seed;
  std::uint64_t h2 = seed;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 16; left -= 16, at += 16) {
    h1 = (std::rotl(h1 ^ mix_low(load<std::uint64_t>(at)), 27) + h2) * 5 + 0x52dce729;
    h2 = (std::rotl(h2 ^ mix_high(load<std::uint64_t>(at + 8)), 31) + h1) * 5 + 0x38495ab5;
  }
  if (left > 8) h2 ^= mix_high(load_part(at + 8, left - 8));
  if (left > 0) h1 ^= mix_low(load_part(at, left > 8 ? 8 : left));
  h1 ^= bytes.size();
  h2 ^= bytes.size();
  h1 += h2;
  h2 += h1;
  h1 = finish(h1);
  h2 = finish(h2);
  h1 += h2;
  h2 += h1;
  return {.low = h1, .high = h2};
}

std::uint64_t murmur64a(std::string_view bytes, std::uint64_t seed) {
  constexpr std::uint64_t kFactor = 0xc6a4a7935bd1e995ULL;
  std::uint64_t h = seed ^ (bytes.size() * kFactor);
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    std::uint64_t k = load<std::uint64_t>(at) * kFactor;
    k = (k ^ (k >> 47)) * kFactor;
    h = (h ^ k) * kFactor;
  }
  if (left > 0) h = (h ^ load_part(at, left)) * kFactor;
  h = (h ^ (h >> 47)) * kFactor;
  return h ^ (h >> 47);
}

}  // namespace settle::sketch
