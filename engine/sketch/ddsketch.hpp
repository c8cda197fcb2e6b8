// engine/sketch/ddsketch.hpp: quantiles with a relative error bound.
//
// Masson, Rim, Lee: DDSketch, VLDB 2019. Bins are those of Mapping, on each side of zero, and a count of
// zeros. Merging adds counts: exact as long as they are whole and below 2^53, so in any order. OTLP's
// exponential histograms are DDSketches of gamma 2^(2^-scale), whose bins can be halved exactly: those are
// brought to the coarsest scale, all else of another mapping is refused.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/result.hpp"
#include "engine/sketch/answer.hpp"
#include "engine/sketch/bins.hpp"
#include "engine/sketch/mapping.hpp"

namespace settle::sketch {

class DDSketch {
 public:
  /// What a producer kept besides the bins; each kept on only while every source with values carries it.
  struct Exact {
    std::optional<double> count;
    std::optional<double> sum;
    std::optional<double> min;
    std::optional<double> max;
    bool operator==(const Exact&) const = default;
  };
  static constexpr std::int64_t kDefaultBinLimit = 2048;
  /// How many bins a side may have before its lowest are collapsed (0: Bins::kMost, then it is an error), and
  /// up to which index they may hold what belongs below them.
  struct Limits {
    std::int64_t bins = 0;
    std::optional<std::int64_t> positive_collapsed{};
    std::optional<std::int64_t> negative_collapsed{};
    bool operator==(const Limits&) const = default;
  };

  /// Without parameters: takes those of what is merged first.
  DDSketch() = default;
  /// For building. More than `bin_limit` bins (0: Bins::kMost) on one side of zero are collapsed into the
  /// lowest.
  explicit DDSketch(const Mapping& mapping, std::int64_t bin_limit = kDefaultBinLimit);

  /// Values nearer to zero than the normal doubles count as zeros. False, and nothing done, for what is not
  /// finite and for weights that are not positive
  /// or no count (counts.hpp).
  bool add(double value, double weight = 1);
  /// Refused, and nothing done, if the mappings do not fit or the bins would become too many.
  engine::Result<void> merge(const DDSketch& other);
  /// Forgets everything but keeps the memory.
  void clear();

  /// Rank q * (count - 1), from the lowest value up, without interpolation; kept within the exact minimum and
  /// maximum if known. NaN without values; -inf and +inf for q outside [0, 1].
  [[nodiscard]] QuantileAnswer quantile(double q) const;
  [[nodiscard]] double count() const;
  /// Exact if known, otherwise from the bins: within alpha if all values have one sign.
  [[nodiscard]] double sum() const;

  [[nodiscard]] bool empty() const {
    return negative_.range().empty() && positive_.range().empty() && zeros_ == 0;
  }
  [[nodiscard]] const std::optional<Mapping>& mapping() const { return mapping_; }
  /// If gamma is 2^(2^-scale).
  [[nodiscard]] std::optional<int> scale() const { return scale_; }
  [[nodiscard]] const Bins& positive() const { return positive_; }
  [[nodiscard]] const Bins& negative() const { return negative_; }  // of the values' magnitudes
  [[nodiscard]] double zeros() const { return zeros_; }
  [[nodiscard]] double zero_threshold() const { return zero_threshold_; }
  [[nodiscard]] const Exact& exact() const { return exact_; }
  [[nodiscard]] Degraded degraded() const { return degraded_; }
  [[nodiscard]] const Limits& limits() const { return limits_; }

  // For codecs: open() with what the blob was found to hold, then the bins by open_bins(), then close().
  // Everything that can fail fails in open(), and leaves the sketch as it was.
  struct Source {
    std::optional<Mapping> mapping;
    double zeros = 0;
    double zero_threshold = 0;
    Exact exact{};
    IndexRange positive{};  // around the counts that are not zero
    IndexRange negative{};
    Degraded degraded = Degraded::nothing;
    Limits limits{};
    [[nodiscard]] bool empty() const { return zeros == 0 && positive.empty() && negative.empty(); }
  };
  /// By how much the source's indexes are to be shifted right (0 but for exponential histograms).
  [[nodiscard]] engine::Result<unsigned> open(const Source& source);
  /// The counts of a range within what open() was told, shifted; see Bins::open.
  double* open_bins(bool negative, const IndexRange& range) { return side(negative).open(range); }
  void close();

  /// All but the bins, with what is derived of the mapping: for PackedDDSketch.
  struct State {
    std::optional<Mapping> mapping;
    double log2_gamma = 0;
    double alpha = 0;
    std::optional<int> scale;
    double zeros = 0;
    double zero_threshold = 0;
    Exact exact;
    Limits limits;
    Degraded degraded = Degraded::nothing;
  };
  [[nodiscard]] State state() const;
  /// Becomes that, without bins; those follow by open_bins().
  void restart(const State& state);

  static constexpr int kScaleMin = -9;  // at -10 the base is no double any more
  static constexpr int kScaleMax = 20;
  static constexpr std::int64_t kExponentialSpan = 16'384;  // more bins than that are halved
  [[nodiscard]] static Mapping of_scale(int scale);

 private:
  [[nodiscard]] Bins& side(bool negative) { return negative ? negative_ : positive_; }
  void use(const Mapping& mapping);
  void keep_exact(const Source& source);
  void keep_limits(const Limits& theirs, unsigned shift);
  void collapse();
  /// The scale, at most those of both, at which this and a source fit; none: at no scale.
  [[nodiscard]] std::optional<int> common_scale(const Source& source, int theirs) const;
  [[nodiscard]] engine::Result<unsigned> open_scaled(const Source& source, int theirs);
  [[nodiscard]] double value_of(std::int64_t index) const;

  std::optional<Mapping> mapping_;
  double log2_gamma_ = 0;
  double alpha_ = 0;
  std::optional<int> scale_;  // of mapping_
  Bins positive_;
  Bins negative_;
  double zeros_ = 0;
  double zero_threshold_ = 0;
  Exact exact_;
  Limits limits_;
  Degraded degraded_ = Degraded::nothing;
};

/// XXH3-64 of the canonical content: equal exactly if mapping, counts and exact statistics are, whatever
/// encoding and order of bytes they came in.
[[nodiscard]] std::uint64_t canonical_hash(const DDSketch& sketch);

}  // namespace settle::sketch
