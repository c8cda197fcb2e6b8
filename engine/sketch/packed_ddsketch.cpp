#include "engine/sketch/packed_ddsketch.hpp"

#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>
#include <span>

namespace settle::sketch {
namespace {

/// Bytes in which all counts are what they are.
std::uint8_t width_of(std::span<const double> counts) {
  // Counts below it end, when it is added, with their whole part; larger ones change the exponent. Without a
  // conversion or a branch the loop is vectorized.
  constexpr double kWhole = 0x1p52;
  constexpr auto kWholeBits = std::bit_cast<std::uint64_t>(kWhole);
  std::uint64_t bits = kWholeBits;  // those that any has
  std::uint64_t lost = 0;
  for (const double count : counts) {
    const double with = count + kWhole;
    bits |= std::bit_cast<std::uint64_t>(with);
    lost |= std::bit_cast<std::uint64_t>(with - kWhole) ^ std::bit_cast<std::uint64_t>(count);
  }
  const std::uint64_t most = bits ^ kWholeBits;
  if (lost != 0 || most > std::numeric_limits<std::int32_t>::max()) return 8;
  if (most <= std::numeric_limits<std::uint8_t>::max()) return 1;
  return most <= std::numeric_limits<std::uint16_t>::max() ? 2 : 4;
}

template <class Number>
void pack_as(std::span<const double> counts, char* to) {
  for (const double count : counts) {
    const auto number = static_cast<Number>(static_cast<std::int32_t>(count));
    std::memcpy(to, &number, sizeof number);
    to += sizeof number;
  }
}

template <class Number>
void unpack_as(const char* from, std::size_t size, double* to) {
  for (std::size_t i = 0; i < size; ++i) {
    Number number{};
    std::memcpy(&number, from + i * sizeof number, sizeof number);
    to[i] = static_cast<double>(number);
  }
}

}  // namespace

PackedDDSketch::Side PackedDDSketch::pack_side(const Bins& bins) {
  const auto counts = bins.counts();
  const Side side{.range = bins.range(), .width = width_of(counts)};
  const std::size_t before = counts_.size();
  counts_.resize(before + counts.size() * side.width);
  char* const to = counts_.data() + before;
  if (side.width == 1) pack_as<std::uint8_t>(counts, to);
  if (side.width == 2) pack_as<std::uint16_t>(counts, to);
  if (side.width == 4) pack_as<std::int32_t>(counts, to);
  if (side.width == 8 && !counts.empty()) std::memcpy(to, counts.data(), counts.size_bytes());
  return side;
}

void PackedDDSketch::pack(const DDSketch& from) {
  state_ = from.state();
  counts_.clear();
  positive_ = pack_side(from.positive());
  negative_ = pack_side(from.negative());
}

void PackedDDSketch::unpack(DDSketch& into) const {
  into.restart(state_);
  const char* from = counts_.data();
  for (const bool negative : {false, true}) {
    const Side& side = negative ? negative_ : positive_;
    const auto size = static_cast<std::size_t>(side.range.span());
    if (size == 0) continue;
    double* const to = into.open_bins(negative, side.range);
    if (side.width == 1) unpack_as<std::uint8_t>(from, size, to);
    if (side.width == 2) unpack_as<std::uint16_t>(from, size, to);
    if (side.width == 4) unpack_as<std::int32_t>(from, size, to);
    if (side.width == 8) std::memcpy(to, from, size * sizeof(double));
    from += size * side.width;
  }
}

}  // namespace settle::sketch
