// engine/codec/cell/ddsketch.cpp: quantile sketches in cell frames.
#include <cmath>
#include <cstdlib>

#include "engine/codec/cell/bodies.hpp"
#include "engine/codec/cell/columns.hpp"
#include "engine/codec/wire.hpp"
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

engine::Error wrong(std::string_view what) {
  return engine::refused("not a DDSketch in a cell frame: " + std::string{what});
}

std::int64_t read_index(engine::ByteReader& in) {
  const std::int64_t index = from_zigzag(read_varint(in));
  if (index < -kIndexMost || index > kIndexMost) in.fail();
  return index;
}

/// Index of the first bin, then runs, of which the first begins there.
struct Side {
  std::int64_t low = 0;
  Runs runs;

  static Side read(engine::ByteReader& in) {
    const std::int64_t low = read_index(in);
    Side side{.low = low, .runs = Runs{in, {.places = Bins::kMost, .numbers = kCounts}}};
    if (side.runs.first() != 0 || (side.runs.empty() && low != 0)) in.fail();
    return side;
  }
  [[nodiscard]] IndexRange range() const {
    if (runs.empty()) return {};
    return {.low = low, .high = low + static_cast<std::int64_t>(runs.end()) - 1};
  }
  void add(DDSketch& into, bool negative, unsigned shift) const {
    const IndexRange to = range().shifted(shift);
    double* counts = into.open_bins(negative, to);
    if (counts == nullptr) return;
    if (shift == 0) return runs.add_to(counts);
    runs.for_each([&](std::size_t place, double count) {
      counts[((low + static_cast<std::int64_t>(place)) >> shift) - to.low] += count;
    });
  }
};

void write_side(engine::ByteWriter& out, const Bins& bins) {
  out.signed_varint(bins.range().empty() ? 0 : bins.range().low);
  write_runs(out, bins.counts());
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
  mapping.offset = read_f64(in);
  const std::uint8_t flags = in.byte();
  const std::uint8_t degraded = in.byte();
  source.zeros = read_f64(in);
  read_optional(in, flags, source);
  parts.positive = Side::read(in);
  parts.negative = Side::read(in);
  if (!in.done()) return wrong("it is cut short or too long, or a number is not as it is written");
  if (kind > static_cast<std::uint8_t>(Mapping::Kind::quartic)) return wrong("its mapping is unknown");
  if (degraded > 7) return wrong("what degraded it is unknown");
  if (!sketch::is_count(source.zeros)) return wrong("its count of zeros is none");
  source.mapping = mapping;
  source.degraded = static_cast<Degraded>(degraded);
  source.positive = parts.positive.range();
  source.negative = parts.negative.range();
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
  write_f64(out, from.mapping()->offset);
  const std::uint8_t flags = flags_of(from);
  out.byte(flags);
  out.byte(static_cast<std::uint8_t>(from.degraded()));
  write_f64(out, from.zeros());
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
