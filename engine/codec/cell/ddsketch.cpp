// engine/codec/cell/ddsketch.cpp: quantile sketches in cell frames.
#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "engine/codec/cell/bodies.hpp"
#include "engine/codec/cell/columns.hpp"
#include "engine/sketch/counts.hpp"

namespace settle::codec::cell {

namespace {

using sketch::Bins;
using sketch::DDSketch;
using sketch::Degraded;
using sketch::IndexRange;
using sketch::Mapping;

constexpr std::int64_t kIndexMost = std::int64_t{1} << 40;
constexpr NumberLimits kCounts{.below = sketch::kCountBound, .negative = false};

enum Flag : std::uint8_t {
  kCount = 1,
  kSum = 2,
  kMin = 4,
  kMax = 8,
  kZeroThreshold = 16,
  kBinLimit = 32,
  kPositiveCollapsed = 64,
  kNegativeCollapsed = 128
};
/// Of the byte after the flags, above those of Degraded.
enum More : std::uint8_t { kDegraded = 7, kOffset = 8, kZeros = 16, kAllMore = 31 };

engine::Error wrong(std::string_view what) {
  return engine::refused("not a DDSketch in a cell frame: " + std::string{what});
}

std::int64_t read_index(engine::ByteReader& in) {
  const std::int64_t index = from_zigzag(read_varint(in));
  if (index < -kIndexMost || index > kIndexMost) in.fail();
  return index;
}

double read_not_zero(engine::ByteReader& in) {
  const double number = read_f64(in);
  if (number == 0) in.fail();
  return number;
}

/// Runs of counts; place 0 is bin 8 * `eighth`, and the first is of the eight from there on.
struct Side {
  static constexpr std::size_t kAligned = 8;
  std::int64_t eighth = 0;
  Runs runs;

  static Side read(engine::ByteReader& in) {
    const std::int64_t eighth = read_index(in);
    Side side{.eighth = eighth, .runs = Runs{in, {.places = Bins::kMost + kAligned - 1, .numbers = kCounts}}};
    if (side.runs.first() >= kAligned || (side.runs.empty() && eighth != 0)) in.fail();
    return side;
  }
  [[nodiscard]] std::int64_t begin() const { return eighth * static_cast<std::int64_t>(kAligned); }
  [[nodiscard]] IndexRange range() const {
    if (runs.empty()) return {};
    return {.low = begin() + static_cast<std::int64_t>(runs.first()),
            .high = begin() + static_cast<std::int64_t>(runs.end()) - 1};
  }
  void add(DDSketch& into, bool negative, unsigned shift) const {
    const IndexRange to = range().shifted(shift);
    double* counts = into.open_bins(negative, to);
    if (counts == nullptr) return;
    // There is place around the range up to multiples of 64.
    if (shift == 0) return runs.add_to(counts - runs.first());
    runs.for_each([&](std::size_t place, double count) {
      counts[((begin() + static_cast<std::int64_t>(place)) >> shift) - to.low] += count;
    });
  }
};

void write_side(engine::ByteWriter& out, const Bins& bins) {
  if (bins.range().empty()) {
    out.signed_varint(0);
    return write_runs(out, {});
  }
  const std::int64_t low = bins.range().low;
  out.signed_varint(low >> 3);
  write_runs(out, bins.counts(), static_cast<std::size_t>(low & 7));
}

std::uint8_t flags_of(const DDSketch& from) {
  const DDSketch::Exact& exact = from.exact();
  const DDSketch::Limits& limits = from.limits();
  unsigned flags = 0;
  if (exact.count) flags |= kCount;
  if (exact.sum) flags |= kSum;
  if (exact.min) flags |= kMin;
  if (exact.max) flags |= kMax;
  if (from.zero_threshold() > 0) flags |= kZeroThreshold;
  if (limits.bins != 0) flags |= kBinLimit;
  if (limits.positive_collapsed) flags |= kPositiveCollapsed;
  if (limits.negative_collapsed) flags |= kNegativeCollapsed;
  return static_cast<std::uint8_t>(flags);
}

std::uint8_t more_of(const DDSketch& from) {
  unsigned more = static_cast<std::uint8_t>(from.degraded());
  if (from.mapping()->offset != 0) more |= kOffset;
  if (from.zeros() != 0) more |= kZeros;
  return static_cast<std::uint8_t>(more);
}

struct Parts {
  DDSketch::Source source;
  Side positive;
  Side negative;
};

/// The fields that `flags` announces.
void read_optional(engine::ByteReader& in, unsigned flags, DDSketch::Source& source) {
  const auto number = [&](Flag flag, std::optional<double>& into) {
    if ((flags & flag) != 0) into = read_f64(in);
    if (into && !std::isfinite(*into)) in.fail();
  };
  number(kCount, source.exact.count);
  number(kSum, source.exact.sum);
  number(kMin, source.exact.min);
  number(kMax, source.exact.max);
  if (source.exact.count && *source.exact.count < 0) in.fail();
  if ((flags & kZeroThreshold) != 0) {
    source.zero_threshold = read_f64(in);
    if (!(source.zero_threshold > 0) || !std::isfinite(source.zero_threshold)) in.fail();
  }
  if ((flags & kBinLimit) != 0) {
    const std::uint64_t bins = read_varint(in);
    if (bins == 0 || bins > static_cast<std::uint64_t>(Bins::kMost)) return in.fail();
    source.limits.bins = static_cast<std::int64_t>(bins);
  }
  if ((flags & kPositiveCollapsed) != 0) source.limits.positive_collapsed = read_index(in);
  if ((flags & kNegativeCollapsed) != 0) source.limits.negative_collapsed = read_index(in);
}

engine::Result<void> read_parts(std::string_view body, Parts& parts) {
  engine::ByteReader in{body};
  DDSketch::Source& source = parts.source;
  const std::uint8_t kind = in.byte();
  Mapping mapping;
  mapping.kind = static_cast<Mapping::Kind>(kind);
  mapping.gamma = read_f64(in);
  const std::uint8_t flags = in.byte();
  const std::uint8_t more = in.byte();
  if ((more & kOffset) != 0) mapping.offset = read_not_zero(in);
  if ((more & kZeros) != 0) source.zeros = read_not_zero(in);
  read_optional(in, flags, source);
  parts.positive = Side::read(in);
  parts.negative = Side::read(in);
  if (!in.done()) return wrong("it is cut short or too long, or a number is not as it is written");
  if (kind > static_cast<std::uint8_t>(Mapping::Kind::quartic)) return wrong("its mapping is unknown");
  if (more > kAllMore) return wrong("what degraded it is unknown");
  if (!sketch::is_count(source.zeros)) return wrong("its count of zeros is none");
  source.mapping = mapping;
  source.degraded = static_cast<Degraded>(more & kDegraded);
  source.positive = parts.positive.range();
  source.negative = parts.negative.range();
  const std::int64_t bins = std::max(source.positive.span(), source.negative.span());
  if (source.limits.bins != 0 && bins > source.limits.bins) return wrong("it has more bins than its limit");
  if (source.empty() && source.exact != DDSketch::Exact{}) return wrong("it is empty and has statistics");
  return {};
}

}  // namespace

engine::Result<void> merge_ddsketch(DDSketch& into, std::string_view body) {
  if (body.empty()) return {};
  Parts parts;
  if (auto read = read_parts(body, parts); !read) return read;
  const auto shift = into.open(parts.source);
  if (!shift) return shift.error();
  parts.positive.add(into, false, *shift);
  parts.negative.add(into, true, *shift);
  into.close();
  return {};
}

std::string encode_ddsketch(const DDSketch& from) {
  if (!from.mapping()) return {};
  engine::ByteWriter out;
  out.byte(static_cast<std::uint8_t>(from.mapping()->kind));
  write_f64(out, from.mapping()->gamma);
  out.byte(flags_of(from));
  out.byte(more_of(from));
  if (from.mapping()->offset != 0) write_f64(out, from.mapping()->offset);
  if (from.zeros() != 0) write_f64(out, from.zeros());
  for (const auto& number : {from.exact().count, from.exact().sum, from.exact().min, from.exact().max}) {
    if (number) write_f64(out, *number);
  }
  if (from.zero_threshold() > 0) write_f64(out, from.zero_threshold());
  if (from.limits().bins != 0) out.varint(static_cast<std::uint64_t>(from.limits().bins));
  if (from.limits().positive_collapsed) out.signed_varint(*from.limits().positive_collapsed);
  if (from.limits().negative_collapsed) out.signed_varint(*from.limits().negative_collapsed);
  write_side(out, from.positive());
  write_side(out, from.negative());
  return std::move(out).take();
}

}  // namespace settle::codec::cell
