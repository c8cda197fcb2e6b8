// engine/sketch/hll.hpp: counts of distinct items: HyperLogLog registers, or the few hashes themselves while
// there are few.
//
// Flajolet, Fusy, Gandouet, Meunier: HyperLogLog, 2007. Estimator: Ertl, New cardinality estimation
// algorithms for HyperLogLog sketches, 2017 ("improved"); a producer's own HIP estimate (Cohen; Ting, 2014)
// as long as nothing else was merged. Programs place and rank items by hashes of their own, so that only
// sketches of one kind can be merged. Merging is a maximum by register: exact, whatever the order, however
// often.
//
// Fewer registers: DataSketches ranks by another word than it places by; slots whose low bits agree fold. The
// others use one word for both: what leaves the index comes before the rank's bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"
#include "engine/sketch/answer.hpp"
#include "engine/sketch/coupons.hpp"

namespace settle::sketch {

enum class HllFamily : std::uint8_t {
  datasketches = 1,  // MurmurHash3, seed 9001: low bits of one half place, leading zeros of the other rank
  asap = 2,          // XXH3, seed 0x6a09e667: top bits place, leading zeros of the rest rank
  redis = 3,         // MurmurHash64A, seed 0xadc83b19: low bits place, trailing zeros of the rest rank
  postgresql = 4,    // MurmurHash3, seed 0: as Redis; ranks end at 2^width - 1
};

/// What must agree between sketches that are merged.
struct HllKind {
  HllFamily family = HllFamily::datasketches;
  // asap: 1 classic, 2 Ertl, 3 HIP, which is Ertl once merged; 0 where the message does not say: fits each
  std::uint8_t variant = 0;
  std::uint8_t width = 0;  // postgresql: bits of a register, 1 to 8; otherwise 0
  double sample_p = 1;     // asap: the share of events that the producer looked at

  [[nodiscard]] constexpr bool fits(const HllKind& other) const {
    const bool same_estimator = variant == 0 || other.variant == 0 || (variant == 1) == (other.variant == 1);
    return family == other.family && width == other.width && sample_p == other.sample_p && same_estimator;
  }
  [[nodiscard]] std::string text() const;  // for errors: "PostgreSQL HLL of 5 bits"
  [[nodiscard]] unsigned precision_max() const;
  [[nodiscard]] std::uint8_t rank_max(unsigned precision) const;
};

inline constexpr unsigned kHllPrecisionMin = 4;
// Until when a sketch keeps the few hashes themselves. PostgreSQL: exact up to here, as 64 KiB of hashes are;
// it itself stops where registers take less.
inline constexpr std::size_t kHllHashesMax = 8192;
/// As DataSketches: registers take over where a table of coupons would be as large.
[[nodiscard]] constexpr std::size_t hll_coupons_max(unsigned precision) {
  return precision < 8 ? 7 : std::size_t{3} << (precision - 5);
}

/// Registers begin where a line of the cache does: a store that straddles two of them costs twice.
template <class T>
struct LineAllocator {
  using value_type = T;
  static constexpr std::align_val_t kLine{64};
  LineAllocator() = default;
  template <class U>
  explicit LineAllocator(const LineAllocator<U>& /*other*/) {}
  [[nodiscard]] T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), kLine)); }
  void deallocate(T* at, std::size_t /*n*/) noexcept { ::operator delete(at, kLine); }
  friend bool operator==(const LineAllocator&, const LineAllocator&) = default;
};

class Hll {
 public:
  /// Takes the kind and precision of the first that is merged.
  Hll() = default;
  /// To build: 2^precision registers of DataSketches' kind, kHllPrecisionMin to 21.
  [[nodiscard]] static Hll of_precision(unsigned precision = 12) { return of({}, precision); }
  /// precision: kHllPrecisionMin to kind.precision_max().
  [[nodiscard]] static Hll of(const HllKind& kind, unsigned precision);

  /// Items, hashed as the family's own programs do. What was built depends on the set of items only, not on
  /// their order; so it has no HIP estimate. Needs a kind (of()).
  void add(std::string_view key);  // DataSketches does not count the empty string
  void add(std::int64_t item);
  void add(double item);  // 0 and -0 are one item, all NaN one

  [[nodiscard]] DistinctAnswer answer() const;
  /// "kind A against kind B", a share that is none, or nothing; after an error this is as it was.
  [[nodiscard]] engine::Result<void> fits(const HllKind& kind) const {
    return accepts(kind) && is_share(kind.sample_p) ? engine::Result<void>{} : mismatch(kind);
  }
  [[nodiscard]] bool accepts(const HllKind& kind) const { return !started_ || kind_.fits(kind); }
  [[nodiscard]] engine::Result<void> merge(const Hll& other);
  void clear();  // as Hll{}, but keeps its memory

  [[nodiscard]] bool has_kind() const { return started_; }
  [[nodiscard]] const HllKind& kind() const { return kind_; }
  [[nodiscard]] unsigned precision() const { return precision_; }
  [[nodiscard]] bool dense() const { return dense_; }
  /// 2^precision bytes; of few items, made from their hashes.
  [[nodiscard]] std::vector<std::uint8_t> registers() const;
  [[nodiscard]] std::span<const std::uint8_t> dense_registers() const { return registers_; }  // dense() only
  [[nodiscard]] const CouponSet& coupons() const { return coupons_; }  // DataSketches, while not dense
  [[nodiscard]] std::span<const std::int64_t> hashes() const {
    return hashes_;
  }  // PostgreSQL, while not dense
  /// The producer's, if the dense sketch of one is all that was merged.
  [[nodiscard]] std::optional<double> hip() const { return hip_; }

  // What codecs merge with. They have validated their source and asked fits().

  /// Registers to raise, 2^precision() of them, at most 2^precision. `hip`: the source's estimate.
  [[nodiscard]] std::span<std::uint8_t> open(const HllKind& kind, unsigned precision,
                                             std::optional<double> hip) {
    if (!dense_ || precision < precision_ || kind_.variant != kind.variant) prepare(kind, precision);
    count_source();
    hip_ = sources_ == 1 ? hip : std::nullopt;
    return registers_;
  }
  /// Registers of a source, 2^precision bytes.
  void raise(const HllKind& kind, unsigned precision, std::span<const std::uint8_t> from,
             std::optional<double> hip);
  /// 4-byte little-endian coupons, zeros among them skipped. They do not lower the precision.
  void take_coupons(unsigned precision, std::string_view words);
  /// Hashes of PostgreSQL's kind, ascending, each once. They do not lower the precision.
  void take_hashes(const HllKind& kind, unsigned precision, std::span<const std::int64_t> hashes);

 private:
  using Registers = std::vector<std::uint8_t, LineAllocator<std::uint8_t>>;

  [[nodiscard]] engine::Result<void> mismatch(const HllKind& kind) const;
  void start(const HllKind& kind, unsigned precision);
  void start_few(const HllKind& kind, unsigned precision, bool empty);
  void add_hash(std::string_view bytes);
  void raise_coupon(std::uint32_t coupon);
  void raise_hash(std::uint64_t hash);
  void make_dense(unsigned precision);
  void densify_if_many();
  void prepare(const HllKind& kind, unsigned precision);
  void count_source() { sources_ = sources_ == 0 ? 1 : 2; }
  [[nodiscard]] bool few_is_empty() const { return coupons_.empty() && hashes_.empty(); }

  HllKind kind_;
  bool started_ = false;
  bool dense_ = false;
  std::uint8_t sources_ = 0;  // that held anything: 0, 1, or 2 for more
  unsigned precision_ = 0;
  Registers registers_;               // dense
  CouponSet coupons_;                 // not dense, DataSketches
  std::vector<std::int64_t> hashes_;  // not dense, PostgreSQL: ascending
  std::optional<double> hip_;
};

/// Equal for equal content, however it was encoded: kind, precision, registers (or the few hashes) and HIP
/// estimate.
[[nodiscard]] std::uint64_t canonical_hash(const Hll& hll);

/// Relative standard error of the merged estimate of `n` items in 2^precision registers; what was measured,
/// and that it is too small below precision 8: docs/sketches.md.
[[nodiscard]] double hll_standard_error(unsigned precision, double n);

}  // namespace settle::sketch
