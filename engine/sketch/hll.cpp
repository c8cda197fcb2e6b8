#include "engine/sketch/hll.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <iterator>
#include <limits>
#include <utility>

#include "engine/sketch/load.hpp"
#include "engine/sketch/registers.hpp"

namespace settle::sketch {

namespace {

constexpr std::uint32_t address_of(std::uint32_t coupon) {
  return coupon & ((std::uint32_t{1} << kAddressBits) - 1);
}

/// Registers of a kind whose index and rank are of one word, to fewer.
void fold_one_word(const HllKind& kind, std::span<const std::uint8_t> from, std::span<std::uint8_t> into) {
  const auto dropped_bits =
      static_cast<unsigned>(std::countr_zero(from.size()) - std::countr_zero(into.size()));
  const std::uint8_t rank_max = kind.rank_max(static_cast<unsigned>(std::countr_zero(into.size())));
  const bool top = kind.family == HllFamily::asap;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (from[i] == 0) continue;
    const std::size_t slot = top ? i >> dropped_bits : i & (into.size() - 1);
    const std::size_t dropped = top ? i & ((std::size_t{1} << dropped_bits) - 1) : i / into.size();
    unsigned rank = dropped_bits + from[i];
    if (dropped != 0) {
      rank = top ? dropped_bits - static_cast<unsigned>(std::bit_width(dropped)) + 1
                 : static_cast<unsigned>(std::countr_zero(dropped)) + 1;
    }
    into[slot] = std::max(into[slot], static_cast<std::uint8_t>(std::min<unsigned>(rank, rank_max)));
  }
}

/// Both a power of two, `into` not longer.
void fold(const HllKind& kind, std::span<const std::uint8_t> from, std::span<std::uint8_t> into) {
  if (kind.family == HllFamily::datasketches || from.size() == into.size()) {
    for (std::size_t at = 0; at < from.size(); at += into.size()) {
      register_loops().raise(into.data(), from.data() + at, into.size());
    }
  } else {
    fold_one_word(kind, from, into);
  }
}

}  // namespace

std::string HllKind::text() const {
  std::string text;
  switch (family) {
    case HllFamily::datasketches:
      return "DataSketches HLL";
    case HllFamily::redis:
      return "Redis HLL";
    case HllFamily::postgresql:
      return "PostgreSQL HLL of " + std::to_string(width) + " bits";
    case HllFamily::asap:
      text = "ASAP HLL";
      break;
  }
  constexpr const char* kVariants[] = {"", " (classic)", " (Ertl)", " (HIP)"};
  if (variant < std::size(kVariants)) text += kVariants[variant];
  if (sample_p != 1) text += " of a share of " + std::to_string(sample_p);
  return text;
}

unsigned HllKind::precision_max() const {
  return family == HllFamily::datasketches ? 21 : 18;
}

std::uint8_t HllKind::rank_max(unsigned precision) const {
  switch (family) {
    case HllFamily::datasketches:
      return 63;
    case HllFamily::postgresql:
      return static_cast<std::uint8_t>(std::min((1U << width) - 1, 64 - precision));
    case HllFamily::asap:
    case HllFamily::redis:
      break;
  }
  return static_cast<std::uint8_t>(65 - precision);
}

Hll Hll::of(const HllKind& kind, unsigned precision) {
  assert(precision >= kHllPrecisionMin && precision <= kind.precision_max());
  Hll hll;
  hll.start(kind, precision);
  if (kind.family == HllFamily::asap || kind.family == HllFamily::redis) hll.make_dense(precision);
  return hll;
}

engine::Result<void> Hll::mismatch(const HllKind& kind) const {
  if (!is_share(kind.sample_p)) {
    return engine::refused(kind.text() + " of the events: shares are from 1e-9 to 1");
  }
  return engine::refused("HLL sketches of different kinds cannot be merged: " + kind_.text() + " against " +
                         kind.text());
}

void Hll::start(const HllKind& kind, unsigned precision) {
  if (!started_) {
    started_ = true;
    kind_ = kind;
    precision_ = precision;
  }
  if (kind_.variant == 0) kind_.variant = kind.variant;
  if (kind.variant != 0) kind_.variant = std::min(kind_.variant, kind.variant);  // Ertl and HIP make Ertl
}

void Hll::start_few(const HllKind& kind, unsigned precision, bool empty) {
  start(kind, precision);
  if (!empty) {
    // Of an empty sketch nothing is known but its parameters: they yield to those of one that holds
    // something.
    if (!dense_) precision_ = few_is_empty() ? precision : std::max(precision_, precision);
    count_source();
  } else if (!dense_ && few_is_empty()) {
    precision_ = std::max(precision_, precision);
  }
}

void Hll::raise_coupon(std::uint32_t coupon) {
  std::uint8_t& at = registers_[address_of(coupon) & (registers_.size() - 1)];
  at = std::max(at, static_cast<std::uint8_t>(coupon >> kAddressBits));
}

void Hll::raise_hash(std::uint64_t hash) {
  std::size_t slot = hash & (registers_.size() - 1);
  int rank = 0;
  if (kind_.family == HllFamily::asap) {
    slot = hash >> (64 - precision_);
    rank = std::countl_zero(hash << precision_) + 1;  // at most 65 - precision, by rank_max
  } else if (kind_.family == HllFamily::redis || hash >> precision_ != 0) {
    rank = std::countr_zero(hash >> precision_) + 1;
  }
  std::uint8_t& at = registers_[slot];
  at = std::max(at, std::min(static_cast<std::uint8_t>(rank), kind_.rank_max(precision_)));
}

void Hll::make_dense(unsigned precision) {
  dense_ = true;
  precision_ = precision;
  registers_.assign(std::size_t{1} << precision, 0);
  for (const std::uint32_t coupon : coupons_.slots()) {
    if (coupon != 0) raise_coupon(coupon);
  }
  for (const std::int64_t hash : hashes_) raise_hash(std::bit_cast<std::uint64_t>(hash));
  coupons_.clear();
  hashes_.clear();
}

void Hll::densify_if_many() {
  if (dense_) return;
  const bool many = coupons_.size() > hll_coupons_max(precision_) || coupons_.crowded();
  if (many || hashes_.size() > kHllHashesMax) make_dense(precision_);
}

void Hll::prepare(const HllKind& kind, unsigned precision) {
  start(kind, precision);
  if (!dense_) {
    make_dense(precision);
  } else if (precision < precision_) {
    Registers fewer(std::size_t{1} << precision);
    fold(kind_, registers_, fewer);
    registers_ = std::move(fewer);
    precision_ = precision;
  }
}

void Hll::raise(const HllKind& kind, unsigned precision, std::span<const std::uint8_t> from,
                std::optional<double> hip) {
  fold(kind, from, open(kind, precision, hip));
}

void Hll::take_coupons(unsigned precision, std::string_view words) {
  constexpr std::size_t kWord = sizeof(std::uint32_t);
  start_few({}, precision, words.empty());
  if (words.empty()) return;
  hip_.reset();
  if (!dense_) {
    coupons_.reserve(std::min(coupons_.size() + words.size() / kWord, hll_coupons_max(precision_) + 1));
  }
  for (std::size_t at = 0; at + kWord <= words.size(); at += kWord) {
    const auto coupon = load<std::uint32_t>(words.data() + at);
    if (coupon == 0) continue;
    if (dense_) {
      raise_coupon(coupon);
    } else {
      coupons_.insert(coupon);
      densify_if_many();
    }
  }
}

void Hll::take_hashes(const HllKind& kind, unsigned precision, std::span<const std::int64_t> hashes) {
  start_few(kind, precision, hashes.empty());
  if (hashes.empty()) return;
  hip_.reset();
  if (dense_) {
    for (const std::int64_t hash : hashes) raise_hash(std::bit_cast<std::uint64_t>(hash));
    return;
  }
  std::vector<std::int64_t> all;
  all.reserve(hashes_.size() + hashes.size());
  std::set_union(hashes_.begin(), hashes_.end(), hashes.begin(), hashes.end(), std::back_inserter(all));
  hashes_ = std::move(all);
  densify_if_many();
}

engine::Result<void> Hll::merge(const Hll& other) {
  if (!other.started_) return {};
  if (auto fitting = fits(other.kind_); !fitting) return fitting;
  if (&other == this) {
    if (sources_ != 0) sources_ = 2, hip_.reset();
    return {};
  }
  // Of several that held anything no estimate is left; an empty one takes none away.
  const auto sources = static_cast<std::uint8_t>(std::min(2, sources_ + other.sources_));
  const auto hip = sources > 1 ? std::nullopt : sources_ == 1 ? hip_ : other.hip_;
  if (other.dense_) {
    raise(other.kind_, other.precision_, other.registers_, other.hip_);
  } else if (!other.coupons_.empty()) {
    const auto& slots = other.coupons_.slots();
    take_coupons(other.precision_,
                 {reinterpret_cast<const char*>(slots.data()), slots.size() * sizeof slots[0]});
  } else {
    take_hashes(other.kind_, other.precision_, other.hashes_);
  }
  sources_ = sources;
  hip_ = hip;
  return {};
}

void Hll::clear() {
  kind_ = {};
  started_ = dense_ = false;
  sources_ = 0;
  precision_ = 0;
  registers_.clear();
  coupons_.clear();
  hashes_.clear();
  hip_.reset();
}

std::vector<std::uint8_t> Hll::registers() const {
  if (started_ && !dense_) {
    Hll dense = *this;
    dense.make_dense(precision_);
    return dense.registers();
  }
  return {registers_.begin(), registers_.end()};
}

}  // namespace settle::sketch
