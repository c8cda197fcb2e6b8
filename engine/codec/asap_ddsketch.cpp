#include "engine/codec/asap_ddsketch.hpp"

#include <cmath>
#include <limits>
#include <optional>

#include "engine/codec/varint_counts.hpp"
#include "engine/codec/wire.hpp"

namespace settle::codec {
namespace {

using sketch::DDSketch;
using sketch::Degraded;
using sketch::IndexRange;
using sketch::is_share;
using sketch::Mapping;

constexpr std::int64_t kIndexMost = std::int64_t{1} << 32;

bool is_index(std::int64_t index) {
  return index >= -kIndexMost && index <= kIndexMost;
}
bool is_alpha(double alpha) {
  return alpha > 0 && alpha < 1;
}

engine::Error malformed() {
  return engine::refused("not a DDSketch of an ASAP envelope: malformed");
}
engine::Error wrong_share() {
  return engine::refused("a sampled DDSketch whose share of events is not within [1e-9, 1]");
}

/// The accuracy that is read as this gamma to its last bit, if there is one, else as the nearest there is:
/// what was written is read as the same. Quotients of rounded numbers do not come back by themselves; it is
/// three of these steps away at most.
double accuracy_of(double gamma) {
  for (int round = 0; round < 2; ++round) {
    const double about = (gamma - 1) / (gamma + 1);
    for (const int step : {0, 1, -1, 2, -2, 3, -3, 4, -4}) {
      const double alpha = about + step * 0x1p-55;
      if (is_alpha(alpha) && Mapping::of_accuracy(alpha).gamma == gamma) return alpha;
    }
    gamma = Mapping::of_accuracy(about).gamma;
  }
  return (gamma - 1) / (gamma + 1);
}

DDSketch::Source source_of(std::optional<Mapping> mapping, double sample_p) {
  return {.mapping = mapping, .degraded = sample_p < 1 ? Degraded::sampled : Degraded::nothing};
}

/// Visitor: alpha(f64), first(index), chunk(packed), one(count), all of them false at a fault.
template <class Visitor>
bool walk_state(std::string_view message, Visitor& visitor) {
  WireReader reader{message};
  while (reader.next()) {
    bool good = true;
    if (reader.field() == 1) good = reader.is(WireType::fixed64) && visitor.alpha(reader.f64());
    if (reader.field() == 2) {
      good = reader.is(WireType::varint) ? visitor.one(reader.varint())
                                         : reader.is(WireType::bytes) && visitor.chunk(reader.bytes());
    }
    if (reader.field() == 3) good = reader.is(WireType::varint) && visitor.first(reader.zigzag());
    if (!good) return false;
  }
  return !reader.failed();
}

struct ScanState {
  std::optional<double> said_alpha;
  std::int64_t first_index = 0;
  VarintScan counts;
  bool alpha(double value) {
    said_alpha = value;
    return is_alpha(value);
  }
  bool first(std::int64_t index) {
    first_index = index;
    return is_index(index);
  }
  bool chunk(std::string_view packed) { return counts.chunk(packed); }
  bool one(std::uint64_t count) {
    counts.one(count);
    return true;
  }
};

struct AddState {
  VarintAdd add;
  static bool alpha(double) { return true; }
  static bool first(std::int64_t) { return true; }
  bool chunk(std::string_view packed) {
    add.chunk(packed);
    return true;
  }
  bool one(std::uint64_t count) {
    add.one(count);
    return true;
  }
};

/// Visitor: (index, count) -> false at a fault.
template <class Visitor>
bool walk_delta(std::string_view message, Visitor visitor) {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() != 1) continue;
    if (!reader.is(WireType::bytes)) return false;
    std::int64_t index = 0;
    std::uint64_t count = 0;
    WireReader entry{reader.bytes()};
    while (entry.next()) {
      if (entry.field() > 2) continue;
      if (!entry.is(WireType::varint)) return false;
      if (entry.field() == 1) index = entry.zigzag();
      if (entry.field() == 2) count = entry.varint();
    }
    if (entry.failed() || !visitor(index, count)) return false;
  }
  return !reader.failed();
}

}  // namespace

engine::Result<void> merge_asap_ddsketch(DDSketch& into, std::string_view message, const Settings& settings,
                                         double sample_p) {
  if (!is_share(sample_p)) return wrong_share();
  ScanState scan;
  if (!walk_state(message, scan)) return malformed();
  DDSketch::Source source = source_of(settings.mapping, sample_p);
  if (scan.said_alpha) source.mapping = Mapping::of_accuracy(*scan.said_alpha);
  if (!scan.counts.counted.empty()) {
    source.positive = {.low = scan.first_index + scan.counts.counted.low,
                       .high = scan.first_index + scan.counts.counted.high};
  }
  const auto shift = into.open(source);
  if (!shift) return shift.error();
  const IndexRange range = source.positive.shifted(*shift);
  AddState adder{.add = {.into = into.open_bins(false, range),
                         .low = range.low,
                         .first = scan.first_index,
                         .shift = *shift,
                         .weight = 1 / sample_p}};
  if (adder.add.into != nullptr) (void)walk_state(message, adder);
  into.close();
  return {};
}

engine::Result<void> merge_asap_ddsketch_delta(DDSketch& into, std::string_view message,
                                               const Settings& settings, double sample_p) {
  if (!is_share(sample_p)) return wrong_share();
  DDSketch::Source source = source_of(settings.mapping ? settings.mapping : into.mapping(), sample_p);
  const bool good = walk_delta(message, [&](std::int64_t index, std::uint64_t count) {
    if (count != 0) source.positive.include(index);
    return is_index(index);
  });
  if (!good) return malformed();
  const auto shift = into.open(source);
  if (!shift) return shift.error();
  const IndexRange range = source.positive.shifted(*shift);
  double* bins = into.open_bins(false, range);
  (void)walk_delta(message, [&](std::int64_t index, std::uint64_t count) {
    if (count != 0) bins[(index >> *shift) - range.low] += static_cast<double>(count) / sample_p;
    return true;
  });
  into.close();
  return {};
}

engine::Result<void> merge_asap_ddsketch(DDSketch& into, const AsapDDSketch& payload) {
  if (!is_alpha(payload.alpha) || !is_index(payload.positive_first) || !is_index(payload.negative_first)) {
    return malformed();
  }
  DDSketch::Source source{
      .mapping = Mapping::of_accuracy(payload.alpha),
      .zeros = static_cast<double>(payload.zeros),
      .exact = {.count = std::nullopt, .sum = payload.sum, .min = payload.min, .max = payload.max}};
  const auto range_of = [](std::span<const std::uint64_t> counts, std::int64_t first) {
    IndexRange range;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (counts[i] != 0) range.include(first + static_cast<std::int64_t>(i));
    }
    return range;
  };
  source.positive = range_of(payload.positive, payload.positive_first);
  source.negative = range_of(payload.negative, payload.negative_first);
  if (source.empty()) source.exact = {};
  if (!source.empty() && (!std::isfinite(payload.sum) || !std::isfinite(payload.min) ||
                          !(payload.min <= payload.max) || !std::isfinite(payload.max))) {
    return malformed();
  }
  const auto shift = into.open(source);
  if (!shift) return shift.error();
  for (const bool negative : {false, true}) {
    const auto counts = negative ? payload.negative : payload.positive;
    const IndexRange range = (negative ? source.negative : source.positive).shifted(*shift);
    double* bins = into.open_bins(negative, range);
    std::int64_t index = negative ? payload.negative_first : payload.positive_first;
    for (const std::uint64_t count : counts) {
      if (count != 0) bins[(index >> *shift) - range.low] += static_cast<double>(count);
      ++index;
    }
  }
  into.close();
  return {};
}

engine::Result<std::string> encode_asap_ddsketch(const DDSketch& from) {
  if (!from.mapping()) return std::string{};
  if (from.mapping()->kind != Mapping::Kind::logarithmic || from.mapping()->offset != 0) {
    return engine::refused("ASAP's DDSketch has no such mapping: " + from.mapping()->text());
  }
  if (from.zeros() != 0 || !from.negative().range().empty()) {
    return engine::refused("ASAP's DDSketch has no place for zeros and negative values");
  }
  WireWriter packed;
  for (const double count : from.positive().counts()) {
    if (count != std::floor(count) || count >= 0x1p64) {
      return engine::refused("ASAP's DDSketch has no place for counts that are not whole");
    }
    packed.raw_varint(static_cast<std::uint64_t>(count));
  }
  WireWriter out;
  out.f64(1, accuracy_of(from.mapping()->gamma));
  if (!packed.view().empty()) {
    out.bytes(2, packed.view());
    out.zigzag(3, from.positive().range().low);
  }
  return std::move(out).take();
}

}  // namespace settle::codec
