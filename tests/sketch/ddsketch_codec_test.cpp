// What producers may write: against messages composed by protozero.

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <protozero/pbf_writer.hpp>
#include <rapidcheck.h>

#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/otlp_exphistogram.hpp"
#include "engine/codec/varint_counts.hpp"
#include "engine/codec/vf64.hpp"
#include "engine/codec/wire.hpp"

namespace settle::codec {
namespace {

using sketch::DDSketch;
using sketch::Mapping;

const double kGamma = Mapping::of_accuracy(0.01).gamma;

std::string mapping_message() {
  std::string out;
  protozero::pbf_writer writer{out};
  writer.add_double(1, kGamma);
  return out;
}
std::string with_mapping(const std::string& store, std::uint32_t field = 2) {
  std::string out;
  protozero::pbf_writer writer{out};
  writer.add_message(field, store);
  writer.add_message(1, mapping_message());
  return out;
}

TEST(DDSketchProto, AddsWhateverShapeTheBinsHave) {
  std::string one;
  {
    protozero::pbf_writer store{one};
    store.add_double(2, 0);  // unpacked
    store.add_double(2, 4);
    const std::vector<double> packed{0, 2.5, 0};
    store.add_packed_double(2, packed.begin(), packed.end());
    store.add_sint32(3, -3);
    for (int i = 0; i < 2; ++i) {  // twice the same key, in both orders of its fields
      std::string entry;
      protozero::pbf_writer fields{entry};
      if (i == 0) fields.add_sint32(1, -2);
      fields.add_double(2, 1);
      if (i == 1) fields.add_sint32(1, -2);
      store.add_message(1, entry);
    }
    store.add_string(17, "unknown");
  }
  std::string two;
  protozero::pbf_writer other{two};
  other.add_message(1, std::string{});  // key 0, count 0
  std::string message = with_mapping(one);
  protozero::pbf_writer writer{message};
  writer.add_message(2, two);  // sub-messages twice
  writer.add_double(4, 3);
  writer.add_string(9, "unknown");
  DDSketch sketch;
  const auto merged = merge_ddsketch_proto(sketch, message, {});
  ASSERT_TRUE(merged) << merged.error().detail;
  EXPECT_EQ(sketch.positive().range(), (sketch::IndexRange{.low = -2, .high = 0}));
  EXPECT_EQ(sketch.positive().at(-2), 6);
  EXPECT_EQ(sketch.positive().at(0), 2.5);
  EXPECT_EQ(sketch.zeros(), 3);
  EXPECT_EQ(sketch.count(), 11.5);
}

TEST(DDSketchProto, PassesOverZerosBesideAMap) {
  std::string store;
  protozero::pbf_writer writer{store};
  std::string entry;
  protozero::pbf_writer fields{entry};
  fields.add_sint32(1, 5);
  fields.add_double(2, 7);
  writer.add_message(1, entry);
  for (int i = 0; i < 3; ++i) writer.add_double(2, 0);
  const std::vector<double> zeros(4);
  writer.add_packed_double(2, zeros.begin(), zeros.end());
  DDSketch sketch;
  ASSERT_TRUE(merge_ddsketch_proto(sketch, with_mapping(store), {}));
  EXPECT_EQ(sketch.positive().range(), (sketch::IndexRange{.low = 5, .high = 5}));
  EXPECT_EQ(sketch.count(), 7);
}

TEST(DDSketchProto, TakesTheMappingOfTheSettings) {
  std::string store;
  protozero::pbf_writer writer{store};
  writer.add_double(2, 1);
  std::string message;
  protozero::pbf_writer outer{message};
  outer.add_message(3, store);
  DDSketch sketch;
  EXPECT_FALSE(merge_ddsketch_proto(sketch, message, {}));
  Settings settings;
  settings.mapping = Mapping::of_accuracy(0.02);
  ASSERT_TRUE(merge_ddsketch_proto(sketch, message, settings));
  EXPECT_NEAR(sketch.quantile(0).value, -1.02, 1e-9);
}

TEST(DDSketchProto, RefusesWhatIsNoCountOrFarAway) {
  const auto refused = [](const std::string& store) {
    for (const std::uint32_t field : {2U, 3U}) {
      DDSketch sketch;
      EXPECT_FALSE(merge_ddsketch_proto(sketch, with_mapping(store, field), {}));
      EXPECT_TRUE(sketch.empty());
      EXPECT_FALSE(sketch.mapping());
    }
  };
  for (const double bad : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    std::string unpacked;
    protozero::pbf_writer{unpacked}.add_double(2, bad);
    refused(unpacked);
    std::string packed;
    const std::vector<double> counts{1, 2, 3, 4, 5, 6, 7, 8, 9, bad, 1};
    protozero::pbf_writer{packed}.add_packed_double(2, counts.begin(), counts.end());
    refused(packed);
    std::string entry;
    protozero::pbf_writer{entry}.add_double(2, bad);
    std::string map;
    protozero::pbf_writer{map}.add_message(1, entry);
    refused(map);
    std::string zeros = with_mapping("");
    protozero::pbf_writer{zeros}.add_double(4, bad);
    DDSketch sketch;
    EXPECT_FALSE(merge_ddsketch_proto(sketch, zeros, {}));
  }
  std::string wide;
  for (const int key : {std::numeric_limits<int>::min(), std::numeric_limits<int>::max()}) {
    std::string entry;
    protozero::pbf_writer fields{entry};
    fields.add_sint32(1, key);
    fields.add_double(2, 1);
    protozero::pbf_writer{wide}.add_message(1, entry);
  }
  refused(wide);
  for (const double gamma :
       {0.0, 1.0, -2.0, std::nan(""), std::numeric_limits<double>::infinity(), 1 + 1e-15}) {
    std::string mapping;
    protozero::pbf_writer{mapping}.add_double(1, gamma);
    std::string message;
    protozero::pbf_writer{message}.add_message(1, mapping);
    protozero::pbf_writer{message}.add_double(4, 1);
    DDSketch sketch;
    EXPECT_FALSE(merge_ddsketch_proto(sketch, message, {})) << gamma;
  }
}

DDSketch drawn(const std::vector<std::pair<std::int32_t, std::uint16_t>>& values, const Mapping& mapping) {
  DDSketch sketch{mapping, 0};
  for (const auto& [value, weight] : values) (void)sketch.add(value / 1000.0, weight);
  return sketch;
}

TEST(DDSketchEncodings, BringBackWhatWasWritten) {
  EXPECT_TRUE(rc::check([](const std::vector<std::pair<std::int32_t, std::uint16_t>>& values,
                           std::uint8_t kind, double offset) {
    const Mapping mapping{.kind = static_cast<Mapping::Kind>(kind % 5),
                          .gamma = 1.02,
                          .offset = std::isfinite(offset) ? std::fmod(offset, 1000.0) : 0};
    const DDSketch sketch = drawn(values, mapping);
    DDSketch binary;
    RC_ASSERT(bool{merge_ddsketch_binary(binary, encode_ddsketch_binary(sketch), {})});
    RC_ASSERT(canonical_hash(binary) == canonical_hash(sketch));
    const auto encoded = encode_ddsketch_proto(sketch);
    RC_ASSERT(bool{encoded} == (mapping.kind != Mapping::Kind::quartic));
    if (!encoded) return;
    DDSketch proto;
    RC_ASSERT(bool{merge_ddsketch_proto(proto, *encoded, {})});
    // Exact statistics have no place there.
    RC_ASSERT(std::ranges::equal(proto.positive().counts(), sketch.positive().counts()));
    RC_ASSERT(std::ranges::equal(proto.negative().counts(), sketch.negative().counts()));
    RC_ASSERT(proto.positive().range() == sketch.positive().range());
    RC_ASSERT(proto.zeros() == sketch.zeros());
    // Merging a blob is merging what it holds.
    DDSketch twice = proto;
    RC_ASSERT(bool{merge_ddsketch_proto(twice, *encoded, {})});
    DDSketch expected = proto;
    RC_ASSERT(bool{expected.merge(proto)});
    RC_ASSERT(canonical_hash(twice) == canonical_hash(expected));
  }));
}

TEST(DDSketchEncodings, ProtobufHasIndexesOf32Bits) {
  for (const double value : {1e10, 1e-10}) {
    for (const double sign : {1.0, -1.0}) {
      DDSketch sketch{{.kind = Mapping::Kind::logarithmic, .gamma = 1 + 1e-8, .offset = 0}};
      ASSERT_TRUE(sketch.add(sign * value));
      const auto encoded = encode_ddsketch_proto(sketch);
      ASSERT_FALSE(encoded);
      EXPECT_NE(encoded.error().detail.find("ddsketch-binary"), std::string::npos);
      DDSketch binary;
      EXPECT_TRUE(merge_ddsketch_binary(binary, encode_ddsketch_binary(sketch), {}));
      EXPECT_EQ(canonical_hash(binary), canonical_hash(sketch));
    }
  }
}

TEST(Vf64, IsReadAsItWasWritten) {
  for (const double value : {0.0, 1.0, 2.0, 3.0, 63.0, 64.0, 1000.0, 4095.0, 0.5, 0x1p52, 1e15, 0x1p53 - 1}) {
    std::string out;
    append_vf64(out, value);
    std::size_t at = 0;
    EXPECT_EQ(read_vf64(out, at), value);
    EXPECT_EQ(at, out.size());
    for (std::size_t size = 0; size < out.size(); ++size) {
      at = 0;
      EXPECT_EQ(read_vf64(std::string_view{out}.substr(0, size), at), std::nullopt);
    }
  }
  std::string one;
  append_vf64(one, 1);
  EXPECT_EQ(one, "\x02");
}

TEST(Vf64, KernelsAreTheirPlainTwins) {
  EXPECT_TRUE(rc::check(
      [](const std::vector<std::pair<std::uint32_t, std::uint8_t>>& values, const std::string& noise) {
        std::string bytes;
        for (int repeat = 0; repeat < 4; ++repeat) {
          for (const auto& [value, shape] : values) {
            append_vf64(bytes, shape % 16 == 0 ? value / 3.0 : static_cast<double>(value >> (shape % 32)));
          }
        }
        const std::size_t count = values.size() * 4;
        RC_ASSERT(measure_counts(bytes, count) == bytes.size());
        RC_ASSERT(measure_counts(bytes + noise, count) == bytes.size());
        RC_ASSERT(measure_counts(bytes, count + 1) == std::nullopt);
        std::vector<double> one(count + 1, 0.25);
        std::vector<double> two = one;
        add_vf64(one.data(), bytes);
        plain::add_vf64(two.data(), bytes);
        RC_ASSERT(one == two);
        // Whatever the bytes.
        const std::string mixed = noise + bytes + noise;
        for (std::size_t n = 0; n < mixed.size() + 2; n += 1 + n / 8) {
          const auto measured = measure_counts(mixed, n);
          RC_ASSERT(measured == plain::measure_counts(mixed, n));
          if (!measured) break;
          std::vector<double> a(n, 0.0);
          std::vector<double> b(n, 0.0);
          add_vf64(a.data(), std::string_view{mixed}.substr(0, *measured));
          plain::add_vf64(b.data(), std::string_view{mixed}.substr(0, *measured));
          RC_ASSERT(a == b);
        }
      }));
}

TEST(Vf64, OnlyNineBytesCanBeNoCount) {
  const std::string eight = std::string(7, '\xff') + '\x7f';
  EXPECT_EQ(measure_counts(eight, 1), 8U);
  EXPECT_EQ(measure_counts(std::string(9, '\xff'), 1), std::nullopt);
  std::string negative;
  append_vf64(negative, -0.75);
  EXPECT_EQ(negative.size(), 9U);
  EXPECT_EQ(measure_counts(negative, 1), std::nullopt);
  std::string infinite;
  append_vf64(infinite, std::numeric_limits<double>::infinity());
  EXPECT_EQ(measure_counts(infinite, 1), std::nullopt);
}

TEST(VarintCounts, AreAddedWhereTheyStand) {
  EXPECT_TRUE(
      rc::check([](const std::vector<std::uint16_t>& drawn_counts, std::int16_t first, std::uint8_t shift) {
        WireWriter packed;
        std::map<std::int64_t, double> expected;
        std::int64_t index = first;
        const unsigned by = shift % 5;
        for (const std::uint16_t count : drawn_counts) {
          const std::uint64_t value = count % 3 == 0 ? 0 : (count % 3 == 1 ? count % 128 : count);
          packed.raw_varint(value);
          if (value != 0) expected[index >> by] += 2.0 * static_cast<double>(value);
          ++index;
        }
        VarintScan scan;
        RC_ASSERT(scan.chunk(packed.view()));
        RC_ASSERT(scan.places == static_cast<std::int64_t>(drawn_counts.size()));
        RC_ASSERT(scan.counted.empty() == expected.empty());
        if (expected.empty()) return;
        std::vector<double> bins(drawn_counts.size() + 2);
        VarintAdd add{.into = bins.data(), .low = first >> by, .first = first, .shift = by, .weight = 2};
        add.chunk(packed.view());
        for (std::size_t i = 0; i < bins.size(); ++i) {
          const auto found = expected.find((first >> by) + static_cast<std::int64_t>(i));
          RC_ASSERT(bins[i] == (found == expected.end() ? 0 : found->second));
        }
      }));
}

struct PointShape {
  std::int64_t scale = 3;
  double zero_threshold = 0;
  std::uint64_t zeros = 0;
  std::int64_t offset = 0;
  std::vector<std::uint64_t> positive;
  std::int64_t stated_extra = 0;
  std::uint32_t flags = 0;
};
std::string point(const PointShape& shape) {
  std::string out;
  protozero::pbf_writer writer{out};
  std::uint64_t total = shape.zeros;
  std::string buckets;
  protozero::pbf_writer inner{buckets};
  inner.add_sint32(1, static_cast<std::int32_t>(shape.offset));
  inner.add_packed_uint64(2, shape.positive.begin(), shape.positive.end());
  for (const std::uint64_t count : shape.positive) total += count;
  writer.add_fixed64(4, total + static_cast<std::uint64_t>(shape.stated_extra));
  writer.add_sint32(6, static_cast<std::int32_t>(shape.scale));
  writer.add_fixed64(7, shape.zeros);
  writer.add_message(8, buckets);
  writer.add_uint32(10, shape.flags);
  writer.add_double(14, shape.zero_threshold);
  return out;
}
std::string request(const std::vector<std::string>& points, std::uint32_t temporality) {
  std::string histogram;
  protozero::pbf_writer writer{histogram};
  for (const auto& one : points) writer.add_message(1, one);
  writer.add_uint32(2, temporality);
  for (const std::uint32_t field : {10U, 2U, 2U, 1U}) {
    std::string outer;
    protozero::pbf_writer{outer}.add_message(field, histogram);
    histogram = outer;
  }
  return histogram;
}

TEST(OtlpExponentialHistogram, MergesThePointsOfARequestOrNone) {
  const std::string a = point({.scale = 2, .offset = -3, .positive = {1, 2, 3, 4, 5}});
  const std::string b = point({.scale = 1, .zeros = 7, .offset = 0, .positive = {10}});
  DDSketch sketch;
  ASSERT_TRUE(merge_otlp_exphistogram(sketch, request({a, b}, 1), {}));
  EXPECT_EQ(sketch.scale(), 1);
  EXPECT_EQ(sketch.count(), 32);
  EXPECT_EQ(sketch.positive().at(-2), 1);  // index -3
  EXPECT_EQ(sketch.positive().at(-1), 5);  // -2, -1
  EXPECT_EQ(sketch.positive().at(0), 19);  // 0, 1 and 10
  DDSketch bare;
  ASSERT_TRUE(merge_otlp_exphistogram(bare, a, {}));
  ASSERT_TRUE(merge_otlp_exphistogram(bare, b, {}));
  EXPECT_EQ(canonical_hash(bare), canonical_hash(sketch));

  const auto before = canonical_hash(sketch);
  EXPECT_FALSE(merge_otlp_exphistogram(sketch, request({a, b}, 2), {}));
  EXPECT_FALSE(
      merge_otlp_exphistogram(sketch, request({a, point({.positive = {1}, .stated_extra = 1})}, 1), {}));
  EXPECT_FALSE(merge_otlp_exphistogram(sketch, request({a, point({.scale = 21, .positive = {1}})}, 1), {}));
  EXPECT_FALSE(
      merge_otlp_exphistogram(sketch, request({a, point({.offset = 1 << 30, .positive = {1}})}, 1), {}));
  EXPECT_FALSE(merge_otlp_exphistogram(sketch, point({.zero_threshold = -1, .positive = {1}}), {}));
  EXPECT_EQ(canonical_hash(sketch), before);
  ASSERT_TRUE(merge_otlp_exphistogram(sketch, request({point({.positive = {1}, .flags = 1})}, 1), {}));
  EXPECT_EQ(canonical_hash(sketch), before);
}

TEST(OtlpExponentialHistogram, FoldsWhatLiesBelowTheZeroThreshold) {
  DDSketch sketch;
  // Scale 0: (1, 2], (2, 4], (4, 8].
  ASSERT_TRUE(merge_otlp_exphistogram(sketch, point({.scale = 0, .offset = 0, .positive = {1, 2, 4}}), {}));
  ASSERT_TRUE(merge_otlp_exphistogram(
      sketch, point({.scale = 0, .zero_threshold = 4, .zeros = 8, .offset = 2, .positive = {16}}), {}));
  EXPECT_EQ(sketch.zeros(), 11);
  EXPECT_EQ(sketch.positive().range(), (sketch::IndexRange{.low = 2, .high = 2}));
  EXPECT_EQ(sketch.positive().at(2), 20);
}

}  // namespace
}  // namespace settle::codec
