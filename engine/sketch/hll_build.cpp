// engine/sketch/hll_build.cpp: items to hashes, as each family's own programs do it.
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cmath>
#include <limits>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/sketch/hash.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::sketch {

namespace {

constexpr std::uint64_t kDataSketchesSeed = 9001;
constexpr std::uint64_t kAsapSeed = 0x6a09e667;
constexpr std::uint64_t kRedisSeed = 0xadc83b19;

std::uint32_t coupon_of(std::string_view bytes) {
  const Hash128 hash = murmur3_x64_128(bytes, kDataSketchesSeed);
  const auto rank = static_cast<std::uint32_t>(std::min(std::countl_zero(hash.high), 62) + 1);
  return rank << kAddressBits | (static_cast<std::uint32_t>(hash.low) & ((1U << kAddressBits) - 1));
}

std::string_view as_bytes(const std::array<char, 8>& word) {
  return {word.data(), word.size()};
}

}  // namespace

void Hll::add_hash(std::string_view bytes) {
  assert(started_);
  if (sources_ == 0) sources_ = 1;
  hip_.reset();
  if (kind_.family == HllFamily::datasketches) {
    const std::uint32_t coupon = coupon_of(bytes);
    if (dense_) return raise_coupon(coupon);
    coupons_.insert(coupon);
    return densify_if_many();
  }
  std::uint64_t hash = 0;
  switch (kind_.family) {
    case HllFamily::asap:
      hash = XXH3_64bits_withSeed(bytes.data(), bytes.size(), kAsapSeed);
      break;
    case HllFamily::redis:
      hash = murmur64a(bytes, kRedisSeed);
      break;
    case HllFamily::postgresql:
    case HllFamily::datasketches:
      hash = murmur3_x64_128(bytes, 0).low;
      break;
  }
  if (dense_) return raise_hash(hash);
  const auto number = std::bit_cast<std::int64_t>(hash);
  const auto at = std::lower_bound(hashes_.begin(), hashes_.end(), number);
  if (at != hashes_.end() && *at == number) return;
  hashes_.insert(at, number);
  densify_if_many();
}

void Hll::add(std::string_view key) {
  if (key.empty() && kind_.family == HllFamily::datasketches) return;
  add_hash(key);
}

void Hll::add(std::int64_t item) {
  if (kind_.family == HllFamily::redis) return add_hash(std::to_string(item));  // whose items are all strings
  add_hash(as_bytes(std::bit_cast<std::array<char, 8>>(item)));
}

void Hll::add(double item) {
  if (item == 0) item = 0;
  if (std::isnan(item)) item = std::numeric_limits<double>::quiet_NaN();
  add_hash(as_bytes(std::bit_cast<std::array<char, 8>>(item)));
}

}  // namespace settle::sketch
