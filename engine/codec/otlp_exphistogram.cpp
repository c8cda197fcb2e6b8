#include "engine/codec/otlp_exphistogram.hpp"

#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "engine/codec/varint_counts.hpp"
#include "engine/codec/wire.hpp"

namespace settle::codec {
namespace {

using engine::Result;
using sketch::DDSketch;
using sketch::IndexRange;

constexpr std::uint64_t kCumulative = 2;
constexpr std::uint64_t kNoRecordedValue = 1;

struct Buckets {
  std::int64_t offset = 0;
  VarintScan scan;
  [[nodiscard]] IndexRange range() const {
    if (scan.counted.empty()) return {};
    return {.low = offset + scan.counted.low, .high = offset + scan.counted.high};
  }
};

struct Point {
  std::optional<std::uint64_t> count;
  std::int64_t scale = 0;
  std::uint64_t flags = 0;
  std::uint64_t zeros = 0;
  double zero_threshold = 0;
  DDSketch::Exact exact;
  Buckets buckets[2];  // positive, negative
};

/// Visitor: offset(index), chunk(packed) -> bool, one(count). False at a fault.
template <class Visitor>
bool walk_buckets(std::string_view message, Visitor visitor) {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() == 1) {
      if (!reader.is(WireType::varint)) return false;
      visitor.offset(reader.zigzag());
    } else if (reader.field() == 2) {
      if (reader.is(WireType::varint)) {
        visitor.one(reader.varint());
      } else if (!reader.is(WireType::bytes) || !visitor.chunk(reader.bytes())) {
        return false;
      }
    }
  }
  return !reader.failed();
}

struct ScanBuckets {
  Buckets& into;
  void offset(std::int64_t index) const { into.offset = index; }
  [[nodiscard]] bool chunk(std::string_view packed) const { return into.scan.chunk(packed); }
  void one(std::uint64_t count) const { into.scan.one(count); }
};

struct AddBuckets {
  VarintAdd& into;
  static void offset(std::int64_t) {}
  [[nodiscard]] bool chunk(std::string_view packed) const { return into.chunk(packed), true; }
  void one(std::uint64_t count) const { into.one(count); }
};

bool is_fixed64(std::uint32_t field) {
  return field == 4 || field == 5 || field == 7 || (field >= 12 && field <= 14);
}

bool read_point(std::string_view message, Point& point) {
  WireReader reader{message};
  while (reader.next()) {
    const std::uint32_t field = reader.field();
    if (is_fixed64(field) && !reader.is(WireType::fixed64)) return false;
    if ((field == 6 || field == 10) && !reader.is(WireType::varint)) return false;
    switch (field) {
      case 4:
        point.count = reader.fixed64();
        break;
      case 5:
        point.exact.sum = reader.f64();
        break;
      case 6:
        point.scale = reader.zigzag();
        break;
      case 7:
        point.zeros = reader.fixed64();
        break;
      case 8:
      case 9:
        if (!reader.is(WireType::bytes)) return false;
        if (!walk_buckets(reader.bytes(), ScanBuckets{point.buckets[field - 8]})) return false;
        break;
      case 10:
        point.flags = reader.varint();
        break;
      case 12:
        point.exact.min = reader.f64();
        break;
      case 13:
        point.exact.max = reader.f64();
        break;
      case 14:
        point.zero_threshold = reader.f64();
        break;
      default:
        break;
    }
  }
  return !reader.failed();
}

Result<void> check(const Point& point) {
  if (point.scale < DDSketch::kScaleMin || point.scale > DDSketch::kScaleMax) {
    return engine::refused("an exponential histogram of scale " + std::to_string(point.scale) +
                           ": -9 to 20 are read");
  }
  // Beyond the smallest and the largest double.
  const double most = 1100 * std::ldexp(1.0, static_cast<int>(point.scale)) + 2;
  std::uint64_t total = point.zeros;
  for (const Buckets& buckets : point.buckets) {
    const IndexRange range = buckets.range();
    if (std::abs(static_cast<double>(buckets.offset)) > 0x1p40 ||
        (!range.empty() &&
         (static_cast<double>(range.low) < -most || static_cast<double>(range.high) > most))) {
      return engine::refused("an exponential histogram with buckets beyond all doubles");
    }
    if (total + buckets.scan.total < total)
      return engine::refused("an exponential histogram that counts too much");
    total += buckets.scan.total;
  }
  if (point.count && *point.count != total) {
    return engine::refused("an exponential histogram of " + std::to_string(*point.count) +
                           " whose buckets count " + std::to_string(total));
  }
  const auto& [count, sum, min, max] = point.exact;
  if (!std::isfinite(sum.value_or(0)) || !std::isfinite(min.value_or(0)) || !std::isfinite(max.value_or(0)) ||
      (min && max && *min > *max) || !std::isfinite(point.zero_threshold) || point.zero_threshold < 0) {
    return engine::refused("an exponential histogram whose sum, minimum, maximum or zero threshold is none");
  }
  return {};
}

Result<void> merge_point(DDSketch& into, std::string_view message) {
  Point point;
  if (!read_point(message, point))
    return engine::refused("not an OTLP exponential histogram: malformed point");
  if ((point.flags & kNoRecordedValue) != 0) return {};
  if (auto checked = check(point); !checked) return checked;
  const DDSketch::Source source{.mapping = DDSketch::of_scale(static_cast<int>(point.scale)),
                                .zeros = static_cast<double>(point.zeros),
                                .zero_threshold = point.zero_threshold,
                                .exact = point.exact,
                                .positive = point.buckets[0].range(),
                                .negative = point.buckets[1].range()};
  const auto shift = into.open(source);
  if (!shift) return shift.error();
  VarintAdd adds[2];
  for (const bool negative : {false, true}) {
    VarintAdd& add = adds[static_cast<std::size_t>(negative)];
    const IndexRange range = (negative ? source.negative : source.positive).shifted(*shift);
    double* bins = into.open_bins(negative, range);
    if (bins == nullptr) continue;
    add = {.into = bins, .low = range.low, .first = point.buckets[negative ? 1 : 0].offset, .shift = *shift};
  }
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() != 8 && reader.field() != 9) continue;
    VarintAdd& add = adds[reader.field() - 8];
    if (add.into != nullptr) (void)walk_buckets(reader.bytes(), AddBuckets{add});
  }
  into.close();
  return {};
}

/// Messages in messages, down the path of fields; the last level gets what it may look at.
Result<void> merge_histogram(DDSketch& into, std::string_view histogram) {
  WireReader reader{histogram};
  while (reader.next()) {
    if (reader.field() == 2 && reader.varint() == kCumulative) {
      return engine::refused("cumulative exponential histograms: let the producer send deltas");
    }
    if (reader.field() != 1) continue;
    if (auto merged = merge_point(into, reader.bytes()); !merged) return merged;
  }
  if (reader.failed()) return engine::refused("not an OTLP exponential histogram: malformed");
  return {};
}

Result<void> descend(DDSketch& into, std::string_view message, unsigned level) {
  // ExportMetricsServiceRequest 1 > ResourceMetrics 2 > ScopeMetrics 2 > Metric 10 > ExponentialHistogram.
  constexpr std::uint32_t kPath[] = {1, 2, 2, 10};
  if (level == std::size(kPath)) return merge_histogram(into, message);
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() != kPath[level] || !reader.is(WireType::bytes)) continue;
    if (auto merged = descend(into, reader.bytes(), level + 1); !merged) return merged;
  }
  if (reader.failed()) return engine::refused("not an OTLP export request: malformed");
  return {};
}

bool is_point(std::string_view blob) {
  WireReader reader{blob};
  while (reader.next()) {
    if (reader.field() != 1) return true;
  }
  return false;
}

}  // namespace

Result<void> merge_otlp_exphistogram(DDSketch& into, std::string_view blob, const Settings& /*settings*/) {
  // Several points, any of which may be at fault: gathered aside, so that nothing is half merged.
  DDSketch own;
  auto read = is_point(blob) ? merge_point(own, blob) : descend(own, blob, 0);
  if (!read) return read;
  return into.merge(own);
}

}  // namespace settle::codec
