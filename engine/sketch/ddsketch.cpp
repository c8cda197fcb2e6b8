#include "engine/sketch/ddsketch.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include <xxhash.h>

#include "engine/sketch/counts.hpp"

namespace settle::sketch {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

/// Indexes of all doubles are within 2^40, and so within what Bins::takes looks at.
bool usable(const Mapping& mapping) {
  return mapping.gamma >= 1 + 4e-9 && std::isfinite(mapping.gamma) && std::abs(mapping.offset) < 0x1p39;
}

/// Producers compute 2^(2^-scale) with the last bit off at most.
std::optional<int> scale_of(const Mapping& mapping) {
  if (mapping.kind != Mapping::Kind::logarithmic || mapping.offset != 0) return std::nullopt;
  const double scale = std::round(-std::log2(std::log2(mapping.gamma)));
  if (!(scale >= DDSketch::kScaleMin && scale <= DDSketch::kScaleMax)) return std::nullopt;
  const double gamma = DDSketch::of_scale(static_cast<int>(scale)).gamma;
  if (std::abs(gamma - mapping.gamma) > 1e-15 * gamma) return std::nullopt;
  return static_cast<int>(scale);
}

std::optional<double> larger(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return std::nullopt;
  return std::max(*a, *b);
}
std::optional<double> smaller(std::optional<double> a, std::optional<double> b) {
  if (!a || !b) return std::nullopt;
  return std::min(*a, *b);
}
std::optional<double> added(std::optional<double> a, std::optional<double> b) {
  if (!a || !b || !std::isfinite(*a + *b)) return std::nullopt;
  return *a + *b;
}

std::string too_wide(const char* side, const IndexRange& have, IndexRange more) {
  more.include(have);
  return std::string{"the "} + side + " bins would reach from " + std::to_string(more.low) + " to " +
         std::to_string(more.high) + ": at most " + std::to_string(Bins::kMost) + " are kept";
}

void add_range(Bins& into, const Bins& from, unsigned shift) {
  const IndexRange range = from.range();
  const IndexRange shifted = range.shifted(shift);
  double* to = into.open(shifted);
  if (to == nullptr) return;
  const auto counts = from.counts();
  if (shift == 0) return add_counts(to, reinterpret_cast<const char*>(counts.data()), counts.size());
  for (std::int64_t i = range.low; i <= range.high; ++i) {
    to[(i >> shift) - shifted.low] += counts[static_cast<std::size_t>(i - range.low)];
  }
}

}  // namespace

DDSketch::DDSketch(const Mapping& mapping, std::int64_t bin_limit)
    : limits_{.bins = bin_limit <= 0 ? Bins::kMost : std::min(bin_limit, Bins::kMost)} {
  use(mapping);
}

Mapping DDSketch::of_scale(int scale) {
  return {.kind = Mapping::Kind::logarithmic, .gamma = std::exp2(std::ldexp(1.0, -scale)), .offset = 0};
}

void DDSketch::use(const Mapping& mapping) {
  mapping_ = mapping;
  log2_gamma_ = std::log2(mapping.gamma);
  alpha_ = mapping.alpha();
  scale_ = scale_of(mapping);
}

bool DDSketch::add(double value, double weight) {
  if (!mapping_ || !std::isfinite(value) || !(weight > 0) || !is_count(weight)) return false;
  const bool first = empty();
  const double magnitude = std::abs(value);
  if (magnitude < std::numeric_limits<double>::min()) {
    zeros_ += weight;
  } else {
    const bool negative = value < 0;
    Bins& bins = side(negative);
    auto& collapsed = negative ? limits_.negative_collapsed : limits_.positive_collapsed;
    std::int64_t index = mapping_->index(magnitude);
    const std::int64_t limit = limits_.bins == 0 ? Bins::kMost : limits_.bins;
    if (!bins.range().empty()) {
      const std::int64_t floor = std::max(bins.range().high, index) - limit + 1;
      if (index < floor) collapsed = index = floor;
      if (index > bins.range().high && bins.range().low < floor) {
        // Opened up to the new highest afterwards: the floor may lie above everything there is.
        double below = 0;
        if (floor > bins.range().high) {
          below = bins.take_up_to(bins.range().high);
          *bins.open({.low = floor, .high = floor}) += below;
        } else {
          bins.collapse_to(floor);
        }
        collapsed = floor;
      }
    }
    *bins.open({.low = index, .high = index}) += weight;
  }
  Exact one{.count = weight, .sum = added(value * weight, 0), .min = value, .max = value};
  if (first) {
    exact_ = one;
  } else {
    exact_ = {.count = added(exact_.count, one.count),
              .sum = added(exact_.sum, one.sum),
              .min = smaller(exact_.min, one.min),
              .max = larger(exact_.max, one.max)};
  }
  return true;
}

std::optional<int> DDSketch::common_scale(const Source& source, int theirs) const {
  const auto fit_at = [&](int scale, const IndexRange& ours, const IndexRange& more) {
    IndexRange both = ours.shifted(static_cast<unsigned>(scale_.value_or(scale) - scale));
    both.include(more.shifted(static_cast<unsigned>(theirs - scale)));
    return both.span() <= kExponentialSpan;
  };
  for (int scale = std::min(scale_.value_or(theirs), theirs); scale >= kScaleMin; --scale) {
    if (fit_at(scale, positive_.range(), source.positive) &&
        fit_at(scale, negative_.range(), source.negative)) {
      return scale;
    }
  }
  return std::nullopt;
}

engine::Result<unsigned> DDSketch::open_scaled(const Source& source, int theirs) {
  if (!Bins::near_enough(source.positive) || !Bins::near_enough(source.negative)) {
    return engine::refused("indexes of bins beyond those of all doubles");
  }
  const auto scale = common_scale(source, theirs);
  if (!scale) return engine::refused("indexes of bins beyond those of all doubles");
  const auto shift = static_cast<unsigned>(theirs - *scale);
  if ((scale_ && *scale_ != *scale && !empty()) || (shift > 0 && !source.empty())) {
    degraded_ |= Degraded::mixed_gamma;
  }
  for (int s = scale_.value_or(*scale); s > *scale; --s) {
    positive_.halve();
    negative_.halve();
    if (limits_.positive_collapsed) *limits_.positive_collapsed >>= 1;
    if (limits_.negative_collapsed) *limits_.negative_collapsed >>= 1;
  }
  if (scale_ != *scale) use(of_scale(*scale));
  return shift;
}

engine::Result<unsigned> DDSketch::open(const Source& source) {
  if (!source.mapping) {
    if (source.empty()) return 0U;
    return engine::refused("the sketch says no mapping, and the source's settings have none");
  }
  const Mapping& theirs = *source.mapping;
  // Cell after cell has the same mapping: its logarithms would cost more than adding its bins.
  const bool same = mapping_ && *mapping_ == theirs;
  if (!same && !usable(theirs)) return engine::refused("no usable mapping: " + theirs.text());
  const std::optional<int> their_scale = same ? scale_ : scale_of(theirs);
  unsigned shift = 0;
  if (their_scale && (!mapping_ || scale_)) {
    auto opened = open_scaled(source, *their_scale);
    if (!opened) return opened;
    shift = *opened;
  } else if (!mapping_ || mapping_->fits(theirs)) {
    if (!positive_.takes(source.positive)) {
      return engine::refused(too_wide("positive", positive_.range(), source.positive));
    }
    if (!negative_.takes(source.negative)) {
      return engine::refused(too_wide("negative", negative_.range(), source.negative));
    }
    // Of two gammas that differ by rounding the smaller one, so that the order of merging does not matter.
    if (!same) {
      Mapping mapping = theirs;
      if (mapping_) {
        mapping.gamma = std::min(mapping.gamma, mapping_->gamma);
        mapping.offset = std::min(mapping.offset, mapping_->offset);
      }
      use(mapping);
    }
  } else {
    return engine::refused("another mapping: " + theirs.text() + " against " + mapping_->text());
  }
  keep_exact(source);
  zeros_ += source.zeros;
  zero_threshold_ = std::max(zero_threshold_, source.zero_threshold);
  degraded_ |= source.degraded;
  keep_limits(source.limits, shift);
  return shift;
}

void DDSketch::keep_limits(const Limits& theirs, unsigned shift) {
  if (theirs.bins != 0) limits_.bins = limits_.bins == 0 ? theirs.bins : std::min(limits_.bins, theirs.bins);
  const auto higher = [&](std::optional<std::int64_t>& into, const std::optional<std::int64_t>& from) {
    if (from) into = std::max(into.value_or(*from >> shift), *from >> shift);
  };
  higher(limits_.positive_collapsed, theirs.positive_collapsed);
  higher(limits_.negative_collapsed, theirs.negative_collapsed);
}

void DDSketch::keep_exact(const Source& source) {
  if (source.empty()) return;
  if (empty()) {
    exact_ = source.exact;
    return;
  }
  exact_ = {.count = added(exact_.count, source.exact.count),
            .sum = added(exact_.sum, source.exact.sum),
            .min = smaller(exact_.min, source.exact.min),
            .max = larger(exact_.max, source.exact.max)};
}

void DDSketch::close() {
  positive_.tighten();
  negative_.tighten();
  if (zero_threshold_ > 0) {
    // The last bin that ends at or below the threshold.
    std::int64_t last = mapping_->index(zero_threshold_);
    while (mapping_->lower(last + 1) > zero_threshold_) --last;
    zeros_ += negative_.take_up_to(last);
    zeros_ += positive_.take_up_to(last);
  }
  if (limits_.bins != 0) collapse();
}

void DDSketch::collapse() {
  const auto limit = [this](Bins& bins, std::optional<std::int64_t>& collapsed) {
    if (bins.range().span() <= limits_.bins) return;
    const std::int64_t floor = bins.range().high - limits_.bins + 1;
    bins.collapse_to(floor);
    collapsed = std::max(collapsed.value_or(floor), floor);
  };
  limit(positive_, limits_.positive_collapsed);
  limit(negative_, limits_.negative_collapsed);
}

engine::Result<void> DDSketch::merge(const DDSketch& other) {
  const auto shift = open({.mapping = other.mapping_,
                           .zeros = other.zeros_,
                           .zero_threshold = other.zero_threshold_,
                           .exact = other.exact_,
                           .positive = other.positive_.range(),
                           .negative = other.negative_.range(),
                           .degraded = other.degraded_,
                           .limits = other.limits_});
  if (!shift) return shift.error();
  add_range(positive_, other.positive_, *shift);
  add_range(negative_, other.negative_, *shift);
  close();
  return {};
}

void DDSketch::clear() {
  mapping_.reset();
  log2_gamma_ = 0;
  alpha_ = 0;
  scale_.reset();
  positive_.clear();
  negative_.clear();
  zeros_ = 0;
  zero_threshold_ = 0;
  exact_ = {};
  limits_ = {};
  degraded_ = Degraded::nothing;
}

DDSketch::State DDSketch::state() const {
  return {.mapping = mapping_,
          .log2_gamma = log2_gamma_,
          .alpha = alpha_,
          .scale = scale_,
          .zeros = zeros_,
          .zero_threshold = zero_threshold_,
          .exact = exact_,
          .limits = limits_,
          .degraded = degraded_};
}

void DDSketch::restart(const State& state) {
  mapping_ = state.mapping;
  log2_gamma_ = state.log2_gamma;
  alpha_ = state.alpha;
  scale_ = state.scale;
  positive_.clear();
  negative_.clear();
  zeros_ = state.zeros;
  zero_threshold_ = state.zero_threshold;
  exact_ = state.exact;
  limits_ = state.limits;
  degraded_ = state.degraded;
}

double DDSketch::value_of(std::int64_t index) const {
  const double exponent = (static_cast<double>(index) - mapping_->offset) * log2_gamma_;
  const double value = mapping_->at_exponent(exponent) * (1 + alpha_);
  return std::min(value, std::numeric_limits<double>::max());
}

QuantileAnswer DDSketch::quantile(double q) const {
  QuantileAnswer answer{.value = kNan, .alpha = alpha_, .degraded = degraded_};
  Bins::Sums negative;  // NOLINT: written as far as it is read
  Bins::Sums positive;  // NOLINT
  negative_.sum(negative);
  positive_.sum(positive);
  const double count = negative.total + zeros_ + positive.total;
  if (!(count > 0) || std::isnan(q)) return answer;
  if (q < 0 || q > 1) {
    answer.value = q < 0 ? -kInfinity : kInfinity;
    return answer;
  }
  const double rank = std::max(q * (count - 1), 0.0);
  const double up_to_zero = negative.total + zeros_;
  const auto from = [&](const Bins& bins, std::int64_t index, std::optional<std::int64_t> collapsed) {
    if (collapsed && index <= *collapsed) answer.degraded |= Degraded::collapsed;
    return bins.range().empty() ? kNan : value_of(index);
  };
  if (negative.total > rank || (up_to_zero <= rank && positive_.range().empty() && zeros_ == 0)) {
    answer.value = -from(negative_, negative_.find(negative, 0, rank, true), limits_.negative_collapsed);
  } else if (up_to_zero > rank || positive_.range().empty()) {
    answer.value = 0;
  } else {
    answer.value =
        from(positive_, positive_.find(positive, up_to_zero, rank, false), limits_.positive_collapsed);
  }
  if (q == 0 && exact_.min) answer.value = *exact_.min;
  if (q == 1 && exact_.max) answer.value = *exact_.max;
  if (exact_.min) answer.value = std::max(answer.value, *exact_.min);
  if (exact_.max) answer.value = std::min(answer.value, *exact_.max);
  return answer;
}

double DDSketch::count() const {
  if (exact_.count) return *exact_.count;
  Bins::Sums negative;  // NOLINT
  Bins::Sums positive;  // NOLINT
  negative_.sum(negative);
  positive_.sum(positive);
  return negative.total + zeros_ + positive.total;
}

double DDSketch::sum() const {
  if (exact_.sum) return *exact_.sum;
  double sum = 0;
  for (const bool negative : {true, false}) {
    const Bins& bins = negative ? negative_ : positive_;
    std::int64_t index = bins.range().low;
    for (const double count : bins.counts()) {
      if (count != 0) sum += (negative ? -count : count) * value_of(index);
      ++index;
    }
  }
  return sum;
}

std::uint64_t canonical_hash(const DDSketch& sketch) {
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value + 0.0); };  // no minus zero
  const Mapping mapping = sketch.mapping().value_or(Mapping{});
  const DDSketch::Exact& exact = sketch.exact();
  const auto known = [&](const std::optional<double>& value, unsigned bit) {
    return value ? std::uint64_t{1} << bit : 0;
  };
  const std::array<std::uint64_t, 14> head{
      static_cast<std::uint64_t>(mapping.kind),
      bits(mapping.gamma),
      bits(mapping.offset),
      bits(sketch.zeros()),
      bits(sketch.zero_threshold()),
      known(exact.count, 0) | known(exact.sum, 1) | known(exact.min, 2) | known(exact.max, 3),
      bits(exact.count.value_or(0)),
      bits(exact.sum.value_or(0)),
      bits(exact.min.value_or(0)),
      bits(exact.max.value_or(0)),
      static_cast<std::uint64_t>(sketch.positive().range().low),
      sketch.positive().counts().size(),
      static_cast<std::uint64_t>(sketch.negative().range().low),
      sketch.negative().counts().size()};
  std::uint64_t hash = XXH3_64bits(head.data(), sizeof head);
  for (const Bins* bins : {&sketch.positive(), &sketch.negative()}) {
    hash = XXH3_64bits_withSeed(bins->counts().data(), bins->counts().size_bytes(), hash);
  }
  return hash;
}

}  // namespace settle::sketch
