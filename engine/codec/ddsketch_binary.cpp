#include "engine/codec/ddsketch_binary.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/codec/vf64.hpp"
#include "engine/codec/wire.hpp"
#include "engine/sketch/counts.hpp"

namespace settle::codec {
namespace {

using sketch::Bins;
using sketch::DDSketch;
using sketch::IndexRange;
using sketch::is_count;
using sketch::Mapping;

constexpr std::int64_t kIndexMost = std::int64_t{1} << 32;

// Leading bytes.
constexpr std::uint8_t kZeroCount = 0x04;
constexpr std::uint8_t kExactCount = 0xa0;
constexpr std::uint8_t kExactSum = 0x84;
constexpr std::uint8_t kExactMin = 0x88;
constexpr std::uint8_t kExactMax = 0x8c;
constexpr std::uint8_t kIndexesAndCounts = 0x05;  // + 2 on the negative side
constexpr std::uint8_t kIndexes = 0x09;
constexpr std::uint8_t kContiguous = 0x0d;

/// Like protobuf's varint, but of at most nine bytes, the last of eight bits.
std::optional<std::uint64_t> read_uvar(std::string_view bytes, std::size_t& at) {
  if (at < bytes.size() && static_cast<std::uint8_t>(bytes[at]) < 0x80) {
    return static_cast<std::uint8_t>(bytes[at++]);
  }
  std::uint64_t value = 0;
  for (unsigned shift = 0; at < bytes.size(); shift += 7) {
    const std::uint64_t next = static_cast<std::uint8_t>(bytes[at++]);
    if (shift == 56 || next < 0x80) return value | (next << shift);
    value |= (next & 0x7f) << shift;
  }
  return std::nullopt;
}

void append_uvar(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8 && value >= 0x80; ++i) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}
void append_var(std::string& out, std::int64_t value) {
  append_uvar(out, to_zigzag(value));
}
void append_f64(std::string& out, double value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

struct Run {  // contiguous counts, as far as they are not zero at the ends
  std::int64_t first = 0;
  std::int64_t stride = 1;
  std::string_view counts;  // measured
  std::size_t size = 0;     // how many
};

/// Reads blocks; the visitor gets what they hold. Everything false or none is a fault.
class Blocks {
 public:
  explicit Blocks(std::string_view blob) : blob_(blob) {}

  template <class Visitor>
  [[nodiscard]] bool walk(Visitor& visitor) {
    while (at_ < blob_.size()) {
      if (!block(static_cast<std::uint8_t>(blob_[at_++]), visitor)) return false;
    }
    return true;
  }

 private:
  template <class Visitor>
  bool block(std::uint8_t lead, Visitor& visitor) {
    switch (lead) {
      case kZeroCount:
      case kExactCount:
        return number(read_vf64(blob_, at_), lead, visitor);
      case kExactSum:
      case kExactMin:
      case kExactMax:
        return number(f64(), lead, visitor);
      case 0x02:
      case 0x06:
      case 0x0a:
      case 0x0e:
      case 0x12: {
        const auto gamma = f64();
        const auto offset = f64();
        if (!gamma || !offset) return false;
        return visitor.mapping(
            {.kind = static_cast<Mapping::Kind>(lead >> 2), .gamma = *gamma, .offset = *offset});
      }
      default:
        break;
    }
    const bool negative = (lead & 3U) == 3;
    switch (negative ? lead - 2 : lead) {
      case kIndexesAndCounts:
        return indexes(negative, true, visitor);
      case kIndexes:
        return indexes(negative, false, visitor);
      case kContiguous:
        return contiguous(negative, visitor);
      default:
        return false;
    }
  }

  template <class Visitor>
  static bool number(std::optional<double> value, std::uint8_t lead, Visitor& visitor) {
    return value && visitor.number(lead, *value);
  }

  template <class Visitor>
  bool indexes(bool negative, bool counted, Visitor& visitor) {
    auto left = read_uvar(blob_, at_);
    std::int64_t index = 0;
    // Each takes a byte at least, so that a length that is too large ends with the blob.
    for (; left && *left > 0; --*left) {
      if (!step(index)) return false;
      const auto count = counted ? read_vf64(blob_, at_) : 1.0;
      if (!count || !visitor.one(negative, index, *count)) return false;
    }
    return left.has_value();
  }

  template <class Visitor>
  bool contiguous(bool negative, Visitor& visitor) {
    const auto size = read_uvar(blob_, at_);
    Run run;
    std::int64_t stride = 0;
    if (!size || *size > blob_.size() - at_ || !step(run.first) || !step(stride)) return false;
    const std::string_view rest = blob_.substr(at_);
    const auto bytes = visitor.measure(rest, static_cast<std::size_t>(*size));
    if (!bytes) return false;
    run.stride = stride;
    run.counts = rest.substr(0, *bytes);
    run.size = static_cast<std::size_t>(*size);
    at_ += *bytes;
    // Zeros at the ends, of one byte each, have no bins. One that ends a longer value is none.
    while (!run.counts.empty() && run.counts.front() == 0) {
      run.counts.remove_prefix(1);
      run.first += run.stride;
      --run.size;
    }
    while (run.counts.size() > 1 && run.counts.back() == 0 &&
           static_cast<std::uint8_t>(run.counts[run.counts.size() - 2]) < 0x80) {
      run.counts.remove_suffix(1);
      --run.size;
    }
    return run.counts.empty() || visitor.run(negative, run);
  }

  /// Adds the signed number that comes; false if the sum lies outside of all indexes.
  bool step(std::int64_t& index) {
    const auto bits = read_uvar(blob_, at_);
    if (!bits) return false;
    const std::int64_t delta = from_zigzag(*bits);
    if (delta < -2 * kIndexMost || delta > 2 * kIndexMost) return false;
    index += delta;
    return index >= -kIndexMost && index <= kIndexMost;
  }

  std::optional<double> f64() {
    if (blob_.size() - at_ < sizeof(double)) return std::nullopt;
    at_ += sizeof(double);
    return f64_at(blob_.data() + at_ - sizeof(double));
  }

  std::string_view blob_;
  std::size_t at_ = 0;
};

/// First pass: whether all is well, and what there is.
struct Scan {
  DDSketch::Source source;
  std::int64_t less = 0;
  // A sketch of one run of contiguous counts on each side: the second pass need not measure it again.
  Run runs[2];
  bool plain = true;

  IndexRange& range(bool negative) { return negative ? source.negative : source.positive; }

  bool number(std::uint8_t lead, double value) {
    auto& exact = source.exact;
    if (!std::isfinite(value)) return false;
    if (lead == kZeroCount || lead == kExactCount) {
      if (value < 0) return false;
      if (lead == kZeroCount) source.zeros += value;
      if (lead == kExactCount) exact.count = exact.count.value_or(0) + value;
      return is_count(source.zeros) && is_count(exact.count.value_or(0));
    }
    if (lead == kExactSum) exact.sum = exact.sum.value_or(0) + value;
    if (lead == kExactMin) exact.min = std::min(exact.min.value_or(value), value);
    if (lead == kExactMax) exact.max = std::max(exact.max.value_or(value), value);
    return std::isfinite(exact.sum.value_or(0));
  }
  bool mapping(const Mapping& mapping) {
    if (source.mapping && !source.mapping->fits(mapping)) return false;
    source.mapping = mapping;
    return true;
  }
  bool one(bool negative, std::int64_t index, double count) {
    plain = false;
    if (count != 0) range(negative).include(index - less);
    return is_count(count);
  }
  static std::optional<std::size_t> measure(std::string_view bytes, std::size_t size) {
    return measure_counts(bytes, size);
  }
  bool run(bool negative, const Run& run) {
    // The size is at most that of the blob, so that the product stays within an int64 unless the blob has
    // 2^30 bytes.
    if (run.size > (std::size_t{1} << 29)) return false;
    Run& before = runs[static_cast<std::size_t>(negative)];
    plain &= before.size == 0;
    before = run;
    const std::int64_t last = run.first + run.stride * (static_cast<std::int64_t>(run.size) - 1);
    range(negative).include(run.first - less);
    range(negative).include(last - less);
    return true;
  }
};

/// Second pass, after which nothing can fail: adds. `shift` is that of DDSketch::open.
struct Add {
  double* bins[2];  // of index `low`, shifted
  std::int64_t low[2];
  std::int64_t less;
  unsigned shift;

  static bool number(std::uint8_t, double) { return true; }
  static bool mapping(const Mapping&) { return true; }
  static std::optional<std::size_t> measure(std::string_view bytes, std::size_t size) {
    return measure_counts(bytes, size);
  }
  bool one(bool negative, std::int64_t index, double count) const {
    const auto side = static_cast<std::size_t>(negative);
    if (count != 0) bins[side][((index - less) >> shift) - low[side]] += count;
    return true;
  }
  bool run(bool negative, const Run& run) const {
    if (run.stride == 1 && shift == 0) {
      const auto side = static_cast<std::size_t>(negative);
      add_vf64(bins[side] + (run.first - less - low[side]), run.counts);
      return true;
    }
    std::int64_t index = run.first;
    for (std::size_t at = 0; at < run.counts.size(); index += run.stride) {
      one(negative, index, read_vf64(run.counts, at).value_or(0));
    }
    return true;
  }
};

}  // namespace

engine::Result<void> merge_ddsketch_binary(DDSketch& into, std::string_view blob, const Settings& settings) {
  Scan scan;
  scan.less = settings.bin_rule == BinRule::ceil ? 1 : 0;
  if (!Blocks{blob}.walk(scan)) {
    return engine::refused("not a DDSketch in binary encoding: malformed, or with a count that is none");
  }
  DDSketch::Exact& exact = scan.source.exact;
  if (exact.count && !exact.sum) exact.sum = 0;  // Go leaves zeros out
  if (exact.min && exact.max && *exact.min > *exact.max) {
    return engine::refused("not a DDSketch in binary encoding: the minimum is above the maximum");
  }
  if (!scan.source.mapping) scan.source.mapping = settings.mapping;
  const auto shift = into.open(scan.source);
  if (!shift) return shift.error();
  Add add{.bins = {}, .low = {}, .less = scan.less, .shift = *shift};
  for (const bool negative : {false, true}) {
    const IndexRange range = scan.range(negative).shifted(*shift);
    add.bins[static_cast<std::size_t>(negative)] = into.open_bins(negative, range);
    add.low[static_cast<std::size_t>(negative)] = range.low;
  }
  if (scan.plain) {
    for (const bool negative : {false, true}) {
      const Run& run = scan.runs[static_cast<std::size_t>(negative)];
      if (run.size > 0) add.run(negative, run);
    }
  } else {
    (void)Blocks{blob}.walk(add);
  }
  into.close();
  return {};
}

namespace {

/// Contiguous, unless that were more than half as large again: a zero takes a byte, an index beside a count
/// at least one, and what is contiguous is merged several times as fast.
void append_bins(std::string& out, const Bins& bins, bool negative) {
  const auto counts = bins.counts();
  if (counts.empty()) return;
  const auto lead = [&](std::uint8_t of_positive) {
    out.push_back(static_cast<char>(of_positive + (negative ? 2 : 0)));
  };
  const auto zeros = static_cast<std::size_t>(std::count(counts.begin(), counts.end(), 0.0));
  const std::size_t used = counts.size() - zeros;
  if (zeros <= 2 * used) {
    lead(kContiguous);
    append_uvar(out, counts.size());
    append_var(out, bins.range().low);
    append_var(out, 1);
    for (const double count : counts) append_vf64(out, count);
    return;
  }
  lead(kIndexesAndCounts);
  append_uvar(out, used);
  std::int64_t before = 0;
  std::int64_t index = bins.range().low;
  for (const double count : counts) {
    if (count != 0) {
      append_var(out, index - before);
      append_vf64(out, count);
      before = index;
    }
    ++index;
  }
}

}  // namespace

std::string encode_ddsketch_binary(const DDSketch& from) {
  std::string out;
  if (!from.mapping()) return out;
  const DDSketch::Exact& exact = from.exact();
  if (exact.count && exact.sum && *exact.count != 0) {  // a count without a sum would say that this is zero
    out.push_back(static_cast<char>(kExactCount));
    append_vf64(out, *exact.count);
  }
  const auto number = [&](std::uint8_t lead, const std::optional<double>& value) {
    if (!value) return;
    out.push_back(static_cast<char>(lead));
    append_f64(out, *value);
  };
  number(kExactSum, exact.sum);
  number(kExactMin, exact.min);
  number(kExactMax, exact.max);
  out.push_back(static_cast<char>((static_cast<unsigned>(from.mapping()->kind) << 2U) | 2U));
  append_f64(out, from.mapping()->gamma);
  append_f64(out, from.mapping()->offset);
  if (from.zeros() != 0) {
    out.push_back(static_cast<char>(kZeroCount));
    append_vf64(out, from.zeros());
  }
  append_bins(out, from.positive(), false);
  append_bins(out, from.negative(), true);
  return out;
}

}  // namespace settle::codec
