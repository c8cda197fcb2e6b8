// engine/sketch/bins.hpp: the counts of a DDSketch on one side of zero: an array from a first index on.
//
// The array begins and ends at multiples of 64, so that sums over it are associated by index alone, whatever
// was merged in which order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace settle::sketch {

/// [low, high]; low > high is none.
struct IndexRange {
  std::int64_t low = std::numeric_limits<std::int64_t>::max();
  std::int64_t high = std::numeric_limits<std::int64_t>::min();
  [[nodiscard]] bool empty() const { return low > high; }
  /// Of indexes within +-2^62.
  [[nodiscard]] std::int64_t span() const { return empty() ? 0 : high - low + 1; }
  void include(std::int64_t index) {
    low = std::min(low, index);
    high = std::max(high, index);
  }
  void include(const IndexRange& other) {
    low = std::min(low, other.low);
    high = std::max(high, other.high);
  }
  [[nodiscard]] IndexRange shifted(unsigned by) const {
    return empty() ? IndexRange{} : IndexRange{.low = low >> by, .high = high >> by};
  }
  bool operator==(const IndexRange&) const = default;
};

class Bins {
 public:
  static constexpr std::int64_t kMost = 131'072;  // all doubles at 1 % are 69,000

  /// From the first to the last count that is not zero.
  [[nodiscard]] const IndexRange& range() const { return range_; }
  [[nodiscard]] double at(std::int64_t index) const;
  /// The counts of range(); empty if there is none.
  [[nodiscard]] std::span<const double> counts() const;
  /// Whether it can be computed with at all: within +-2^40.
  [[nodiscard]] static bool near_enough(const IndexRange& range);
  /// Whether the range, too, finds place within kMost.
  [[nodiscard]] bool takes(IndexRange more) const;
  /// Makes place and returns the count of more.low, behind which those up to more.high follow; only if
  /// takes(). After writing through it: tighten(). Null for no range.
  double* open(const IndexRange& more);
  void tighten();

  /// Everything below `floor` (of at most range().high) goes into it. Whether there was something.
  bool collapse_to(std::int64_t floor);
  /// Every two bins become one: index i becomes i >> 1.
  void halve();
  /// Takes everything up to `index` out and returns how much that was.
  double take_up_to(std::int64_t index);
  void clear();

  struct Sums {
    double total = 0;
    double groups[kMost / 64 + 1];  // NOLINT: written by sum() as far as it is read
  };
  void sum(Sums& sums) const;
  /// The first bin, counted from below or from above, where `before` and all counts up to it exceed `rank`;
  /// the last one if rounding lets none. Only if there is a count.
  [[nodiscard]] std::int64_t find(const Sums& sums, double before, double rank, bool from_above) const;

 private:
  [[nodiscard]] std::size_t offset(std::int64_t index) const {
    return static_cast<std::size_t>(index - first_);
  }

  std::vector<double> counts_;  // a multiple of 64; zero outside range_
  std::int64_t first_ = 0;      // index of counts_[0], a multiple of 64
  IndexRange range_;
};

}  // namespace settle::sketch
