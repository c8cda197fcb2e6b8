#include "engine/codec/ddsketch_proto.hpp"

#include <cmath>
#include <limits>
#include <optional>

#include "engine/codec/wire.hpp"
#include "engine/sketch/counts.hpp"

namespace settle::codec {
namespace {

using sketch::Bins;
using sketch::DDSketch;
using sketch::IndexRange;
using sketch::is_count;
using sketch::Mapping;

constexpr std::int64_t kKeyMost = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t kDoubleBytes = sizeof(double);

struct Entry {
  std::int64_t key = 0;
  double count = 0;
};

/// A map entry of the shape that all producers write: key, then count. Moves `at` behind it.
std::optional<Entry> take_plain_entry(std::string_view store, std::size_t& at) {
  // 0a length 08 key 11 count; keys of one or two bytes, from -8,192 to 8,191, are nearly all there are.
  if (store.size() - at < 14) return std::nullopt;
  const char* entry = store.data() + at;
  const auto head = sketch::load<std::uint64_t>(entry);
  const std::uint64_t low = (head >> 24) & 0x7f;
  if ((head & 0x0000'00ff'80ff'ffffULL) == 0x0000'0011'0008'0b0aULL) {
    at += 13;
    return Entry{.key = from_zigzag(low), .count = f64_at(entry + 5)};
  }
  if ((head & 0x0000'ff80'80ff'ffffULL) == 0x0000'1100'8008'0c0aULL) {
    at += 14;
    return Entry{.key = from_zigzag(low | (((head >> 32) & 0x7f) << 7)), .count = f64_at(entry + 6)};
  }
  return std::nullopt;
}

std::optional<Entry> read_entry(std::string_view message) {
  Entry entry;
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() == 1) {
      if (!reader.is(WireType::varint)) return std::nullopt;
      entry.key = reader.zigzag();
    } else if (reader.field() == 2) {
      if (!reader.is(WireType::fixed64)) return std::nullopt;
      entry.count = reader.f64();
    }
  }
  if (reader.failed()) return std::nullopt;
  return entry;
}

/// Goes through a store; false at a fault. Visitor: entry(Entry), counts(bytes, how many), offset(index).
template <class Visitor>
bool walk_store(std::string_view store, Visitor& visitor) {
  std::size_t at = 0;
  while (at < store.size()) {
    if (const auto entry = take_plain_entry(store, at)) {
      if (!visitor.entry(*entry)) return false;
      continue;
    }
    WireReader reader{store.substr(at)};
    if (!reader.next()) return !reader.failed();
    at += reader.position();
    if (reader.field() == 1) {
      if (!reader.is(WireType::bytes)) return false;
      const auto entry = read_entry(reader.bytes());
      if (!entry || !visitor.entry(*entry)) return false;
    } else if (reader.field() == 2) {
      const double one = reader.f64();
      const bool packed = reader.is(WireType::bytes);
      if (!packed && !reader.is(WireType::fixed64)) return false;
      const std::string_view counts =
          packed ? reader.bytes() : std::string_view{reinterpret_cast<const char*>(&one), kDoubleBytes};
      if (counts.size() % kDoubleBytes != 0 ||
          !visitor.counts(counts.data(), counts.size() / kDoubleBytes, packed)) {
        return false;
      }
    } else if (reader.field() == 3) {
      if (!reader.is(WireType::varint) || !visitor.offset(reader.zigzag())) return false;
    }
  }
  return true;
}

/// First pass: whether all is well, and where there are counts.
struct Scan {
  IndexRange entries;       // keys of counts that are not zero
  IndexRange contiguous;    // places, from the first count on
  std::int64_t places = 0;  // of contiguous counts, zeros included
  std::int64_t first = 0;   // index of place 0
  // A store of one packed array, as most are: the second pass need not look for it again.
  std::string_view only;
  bool plain = true;

  bool entry(const Entry& e) {
    plain = false;
    if (e.count != 0) entries.include(e.key);
    return is_count(e.count) && e.key >= -kKeyMost - 1 && e.key <= kKeyMost;
  }
  bool counts(const char* from, std::size_t size, bool packed) {
    if (!sketch::all_counts(from, size)) return false;
    std::size_t low = 0;
    std::size_t high = size;
    while (low < high && f64_at(from + low * kDoubleBytes) == 0) ++low;
    while (low < high && f64_at(from + (high - 1) * kDoubleBytes) == 0) --high;
    if (low < high) {
      contiguous.include(places + static_cast<std::int64_t>(low));
      contiguous.include(places + static_cast<std::int64_t>(high) - 1);
    }
    plain &= packed && places == 0;
    only = {from, size * kDoubleBytes};
    places += static_cast<std::int64_t>(size);
    return true;
  }
  bool offset(std::int64_t index) {
    first = index;
    return index >= -kKeyMost - 1 && index <= kKeyMost;
  }
  /// Of the indexes, `less` lower than the keys.
  [[nodiscard]] IndexRange range(std::int64_t less) const {
    IndexRange all;
    if (!entries.empty()) all = {.low = entries.low - less, .high = entries.high - less};
    if (!contiguous.empty())
      all.include({.low = contiguous.low + first - less, .high = contiguous.high + first - less});
    return all;
  }
};

/// Second pass, after which nothing can fail: adds. `shift` is that of DDSketch::open.
struct Add {
  const Scan& scan;
  double* bins;  // of index `low`, shifted
  std::int64_t low;
  std::int64_t less;
  unsigned shift;
  std::int64_t place = 0;

  void one(std::int64_t key, double count) const {
    if (count != 0) bins[((key - less) >> shift) - low] += count;
  }
  bool entry(const Entry& e) const {
    one(e.key, e.count);
    return true;
  }
  bool counts(const char* from, std::size_t size, bool /*packed*/ = true) {
    if (scan.contiguous.empty()) return true;
    // Only what lies in the range: zeros around it have no bins.
    const std::int64_t begin = std::max<std::int64_t>(0, scan.contiguous.low - place);
    const std::int64_t end = std::min(static_cast<std::int64_t>(size), scan.contiguous.high + 1 - place);
    const char* counted = from + begin * static_cast<std::int64_t>(kDoubleBytes);
    if (begin < end && shift == 0) {
      sketch::add_counts(bins + (scan.first + place + begin - less - low), counted,
                         static_cast<std::size_t>(end - begin));
    } else {
      for (std::int64_t i = begin; i < end; ++i, counted += kDoubleBytes) {
        one(scan.first + place + i, f64_at(counted));
      }
    }
    place += static_cast<std::int64_t>(size);
    return true;
  }
  static bool offset(std::int64_t) { return true; }
};

/// Fields that a later message of the same sub-message sets again win.
bool read_mapping(std::string_view message, Mapping& mapping) {
  WireReader reader{message};
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        if (!reader.is(WireType::fixed64)) return false;
        mapping.gamma = reader.f64();
        break;
      case 2:
        if (!reader.is(WireType::fixed64)) return false;
        mapping.offset = reader.f64();
        break;
      case 3:
        if (!reader.is(WireType::varint) || reader.varint() > 3) return false;
        mapping.kind = static_cast<Mapping::Kind>(reader.varint());
        break;
      default:
        break;
    }
  }
  return !reader.failed();
}

/// Calls on_store(negative, store) for every store there is; false at a fault.
template <class OnStore>
bool walk(std::string_view blob, std::optional<Mapping>& mapping, double& zeros, OnStore on_store) {
  WireReader reader{blob};
  while (reader.next()) {
    const std::uint32_t field = reader.field();
    if (field >= 1 && field <= 3 && !reader.is(WireType::bytes)) return false;
    if (field == 1) {
      if (!mapping) mapping.emplace();
      if (!read_mapping(reader.bytes(), *mapping)) return false;
    } else if (field == 2 || field == 3) {
      if (!on_store(field == 3, reader.bytes())) return false;
    } else if (field == 4) {
      if (!reader.is(WireType::fixed64) || !is_count(reader.f64())) return false;
      zeros = reader.f64();
    }
  }
  return !reader.failed();
}

}  // namespace

engine::Result<void> merge_ddsketch_proto(DDSketch& into, std::string_view blob, const Settings& settings) {
  Scan scans[2];
  DDSketch::Source source;
  const bool good = walk(blob, source.mapping, source.zeros, [&](bool negative, std::string_view store) {
    return walk_store(store, scans[negative ? 1 : 0]);
  });
  if (!good) return engine::refused("not a DDSketch protobuf: malformed, or with a count that is none");
  if (!source.mapping) source.mapping = settings.mapping;
  const std::int64_t less = settings.bin_rule == BinRule::ceil ? 1 : 0;
  source.positive = scans[0].range(less);
  source.negative = scans[1].range(less);
  const auto shift = into.open(source);
  if (!shift) return shift.error();

  const auto add_to = [&](bool negative) {
    const IndexRange range = (negative ? source.negative : source.positive).shifted(*shift);
    return Add{.scan = scans[negative ? 1 : 0],
               .bins = into.open_bins(negative, range),
               .low = range.low,
               .less = less,
               .shift = *shift};
  };
  Add adds[2] = {add_to(false), add_to(true)};
  if (scans[0].plain && scans[1].plain) {
    for (Add& add : adds) add.counts(add.scan.only.data(), add.scan.only.size() / kDoubleBytes);
    into.close();
    return {};
  }
  (void)walk(blob, source.mapping, source.zeros, [&](bool negative, std::string_view store) {
    Add& add = adds[negative ? 1 : 0];
    return add.bins == nullptr || walk_store(store, add);
  });
  into.close();
  return {};
}

namespace {

/// Contiguous, unless that were more than twice as large: it is merged ten times as fast as a map.
std::string encode_store(const Bins& bins) {
  const auto counts = bins.counts();
  std::size_t map_bytes = 0;
  std::int64_t index = bins.range().low;
  for (const double count : counts) {
    if (count != 0) map_bytes += 12 + varint_size(to_zigzag(index));
    ++index;
  }
  WireWriter out;
  if (2 * map_bytes >= counts.size_bytes()) {
    out.doubles(2, counts.data(), counts.size());
    out.zigzag(3, bins.range().low);
    return std::move(out).take();
  }
  index = bins.range().low;
  for (const double count : counts) {
    if (count != 0) {
      out.open(1, 10 + varint_size(to_zigzag(index)));
      out.zigzag(1, index);
      out.f64(2, count);
    }
    ++index;
  }
  return std::move(out).take();
}

}  // namespace

engine::Result<std::string> encode_ddsketch_proto(const DDSketch& from) {
  if (!from.mapping()) return std::string{};
  const Mapping& mapping = *from.mapping();
  if (mapping.kind == Mapping::Kind::quartic) {
    return engine::refused("DDSketch's protobuf has no quartic mapping: use ddsketch-binary");
  }
  for (const Bins* bins : {&from.positive(), &from.negative()}) {
    const IndexRange& range = bins->range();
    if (!range.empty() && (range.low < -kKeyMost - 1 || range.high > kKeyMost)) {
      return engine::refused("DDSketch's protobuf has indexes of 32 bits only: use ddsketch-binary");
    }
  }
  WireWriter inner;
  inner.f64(1, mapping.gamma);
  if (mapping.offset != 0) inner.f64(2, mapping.offset);
  if (mapping.kind != Mapping::Kind::logarithmic) inner.varint(3, static_cast<std::uint64_t>(mapping.kind));
  WireWriter out;
  out.bytes(1, inner.view());
  if (!from.positive().range().empty()) out.bytes(2, encode_store(from.positive()));
  if (!from.negative().range().empty()) out.bytes(3, encode_store(from.negative()));
  if (from.zeros() != 0) out.f64(4, from.zeros());
  return std::move(out).take();
}

}  // namespace settle::codec
