// ASAP's envelopes, ASAPv1, deltas and ASAPQuery's precomputes: what other implementations wrote, and what
// Settle does.

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/asap_matrix.hpp"
#include "engine/codec/asap_v1.hpp"
#include "engine/codec/wire.hpp"
#include "tests/sketch/asap_blobs.hpp"
#include "tests/sketch/golden_files.hpp"

namespace {

using namespace settle;
using codec::WireWriter;
using sketch::Accumulator;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::DDSketch;
using sketch::FrequentItems;
using sketch::Hll;
using sketch::Mapping;
using test::envelope;
using test::number;

TEST(AsapEnvelope, HoldsCountMinOfTheCollector) {
  const Accumulator into = envelope("countmin_proto_envelope_4x2048.hex");
  const auto& sketch = std::get<CountMin>(into);
  EXPECT_EQ(sketch.matrix().shape(), (sketch::MatrixShape{.rows = 4, .cols = 2048}));
  EXPECT_EQ(sketch.total(), 50);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(sketch.query({"flow-" + std::to_string(i)}).estimate, 5);
  EXPECT_EQ(sketch.query({"flow-10"}).estimate, 0);
  // The same from the same keys.
  CountMin built{sketch::MatrixSketch::kDefaultShape};
  for (int i = 0; i < 10; ++i) built.add({"flow-" + std::to_string(i)}, 5);
  EXPECT_EQ(built.matrix().canonical_hash(), sketch.matrix().canonical_hash());
}

TEST(AsapEnvelope, HoldsCountSketchOfTheCollector) {
  const Accumulator into = envelope("countsketch_proto_envelope_3x512.hex");
  const auto& sketch = std::get<CountSketch>(into);
  EXPECT_DOUBLE_EQ(sketch.norm() * sketch.norm(), 125);
  CountSketch built{{.rows = 3, .cols = 512}};
  for (const char* key : {"k-a", "k-b", "k-c", "k-d", "k-e"}) {
    EXPECT_EQ(sketch.query({key}).estimate, 5);
    built.add({key}, 5);
  }
  EXPECT_EQ(built.matrix().canonical_hash(), sketch.matrix().canonical_hash());
}

TEST(AsapEnvelope, HoldsHyperLogLogAndDdsketch) {
  const Accumulator hll = envelope("hll_proto_envelope_p14.hex");
  EXPECT_NEAR(std::get<Hll>(hll).answer().estimate, 50, 1);
  const Accumulator ddsketch = envelope("ddsketch_proto_envelope_a001.hex");
  EXPECT_EQ(std::get<DDSketch>(ddsketch).count(), 50);
  EXPECT_NEAR(std::get<DDSketch>(ddsketch).quantile(0.5).value, 25, 0.5);
}

TEST(AsapEnvelope, KeepsTheAccuracyToItsLastBit) {
  // Written is alpha, merged by is gamma: what comes back must be the same sketch.
  const auto again = [](const Mapping& mapping) {
    DDSketch from{mapping};
    EXPECT_TRUE(from.add(42));
    Accumulator into;
    EXPECT_TRUE(codec::merge_asap_envelope(into, *codec::encode_asap_envelope(from), {}));
    return std::get<DDSketch>(into).mapping()->gamma;
  };
  std::mt19937_64 random{1};
  std::uniform_real_distribution<double> exponent{-8, 0};
  for (int i = 0; i < 5000; ++i) {
    const Mapping mapping = Mapping::of_accuracy(std::pow(10, exponent(random)));
    ASSERT_EQ(again(mapping), mapping.gamma) << i;
    // Of gammas that no alpha gives the nearest is written, and stays.
    const Mapping other{.kind = mapping.kind, .gamma = std::nextafter(mapping.gamma, 10), .offset = 0};
    const double once = again(other);
    ASSERT_NEAR(once / other.gamma, 1, 1e-12) << i;
    ASSERT_EQ(again({.kind = mapping.kind, .gamma = once, .offset = 0}), once) << i;
  }
}

/// Merged into another family; the error names both.
TEST(AsapEnvelope, RefusesAnotherFamily) {
  Accumulator into = envelope("countmin_proto_envelope_4x2048.hex");
  const std::uint64_t before = canonical_hash(into);
  const auto merged =
      codec::merge_asap_envelope(into, test::golden_hex("asap/hll_proto_envelope_p14.hex"), {});
  ASSERT_FALSE(merged);
  EXPECT_NE(merged.error().detail.find("a Count-Min sketch against a HyperLogLog"), std::string::npos)
      << merged.error().detail;
  EXPECT_EQ(canonical_hash(into), before);
}

std::string with_fields(std::uint64_t version, double sample_p, std::string_view hash_spec) {
  CountMin built{{.rows = 2, .cols = 8}};
  built.add({"a"}, 3);
  WireWriter out;
  out.varint(1, version);
  if (!hash_spec.empty()) out.bytes(3, hash_spec);
  if (sample_p != 1) out.f64(4, sample_p);
  out.bytes(10, codec::encode_asap_matrix(built));
  return std::move(out).take();
}

std::string hash_spec(std::uint64_t algorithm, std::uint64_t first_seed) {
  WireWriter seeds;
  seeds.raw_varint(first_seed);
  for (std::size_t i = 1; i < sketch::kAsapSeeds.size(); ++i) seeds.raw_varint(sketch::kAsapSeeds[i]);
  WireWriter out;
  out.varint(1, algorithm);
  out.varint(2, 5);
  out.bytes(3, seeds.view());
  out.varint(4, 1);
  return std::move(out).take();
}

TEST(AsapEnvelope, ChecksVersionShareAndHashing) {
  const auto merged = [](const std::string& blob) {
    Accumulator into;
    const auto result = codec::merge_asap_envelope(into, blob, {});
    EXPECT_EQ(std::holds_alternative<std::monostate>(into), !result.has_value());
    return result ? std::string{} : result.error().detail;
  };
  EXPECT_EQ(merged(with_fields(1, 1, {})), "");
  EXPECT_EQ(merged(with_fields(1, 0.25, hash_spec(1, 0xcafe3553))), "");
  EXPECT_NE(merged(with_fields(2, 1, {})).find("version 2"), std::string::npos);
  EXPECT_NE(merged(with_fields(1, 1.5, {})).find("sample_p"), std::string::npos);
  EXPECT_NE(merged(with_fields(1, -1, {})).find("sample_p"), std::string::npos);
  EXPECT_NE(merged(with_fields(1, 1e-300, {})).find("sample_p"), std::string::npos);
  EXPECT_NE(merged(with_fields(1, std::numeric_limits<double>::quiet_NaN(), {})).find("sample_p"),
            std::string::npos);
  EXPECT_NE(merged(with_fields(1, 1, hash_spec(3, 0xcafe3553))).find("XXH3"), std::string::npos);
  EXPECT_NE(merged(with_fields(1, 1, hash_spec(1, 1))).find("seeds"), std::string::npos);
}

TEST(AsapEnvelope, ScalesCountsBySampleP) {
  Accumulator into;
  ASSERT_TRUE(codec::merge_asap_envelope(into, with_fields(1, 0.25, {}), {}));
  EXPECT_EQ(std::get<CountMin>(into).query({"a"}).estimate, 12);
  ASSERT_TRUE(codec::merge_asap_envelope(into, with_fields(1, 1, {}), {}));
  EXPECT_EQ(std::get<CountMin>(into).query({"a"}).estimate, 15);
  ASSERT_TRUE(codec::merge_asap_envelope(into, with_fields(1, 0.125, {}), {}));
  EXPECT_EQ(std::get<CountMin>(into).query({"a"}).estimate, 39);
  EXPECT_TRUE(has(std::get<CountMin>(into).top_k(1).degraded, sketch::Degraded::sampled));
}

Accumulator v1(const std::string& file) {
  Accumulator into;
  const auto merged = codec::merge_asap_v1(into, test::golden_hex("asap/" + file), {});
  EXPECT_TRUE(merged) << file << ": " << merged.error().detail;
  return into;
}

TEST(AsapV1, HoldsTheCellsAndKeysOfTheVectors) {
  const auto expected = test::golden_expected("asap");
  for (const auto& one : expected.at("cases").as_array()) {
    const auto* kind = one.as_object().if_contains("kind_id");
    if (kind == nullptr) continue;
    const std::string file{one.at("file").as_string()};
    SCOPED_TRACE(file);
    const Accumulator into = v1(file);
    const sketch::MatrixSketch* held = std::get_if<CountMin>(&into);
    if (held == nullptr) held = std::get_if<CountSketch>(&into);
    if (held == nullptr) continue;
    EXPECT_EQ(std::holds_alternative<CountMin>(into), *kind == "0200" || *kind == "0300");
    const auto& metadata = one.at("metadata");
    EXPECT_EQ(held->matrix().shape().rows, number(metadata.at("rows")));
    EXPECT_EQ(held->matrix().shape().cols, number(metadata.at("cols")));
    EXPECT_EQ(held->matrix().shape().rule == sketch::MatrixShape::Rule::asap_packed,
              metadata.at("mode") == "fast");
    const auto& payload = one.at("payload").as_array();
    const auto& cells = payload[0].as_array();
    ASSERT_EQ(held->matrix().cells().size(), cells.size());
    for (std::size_t i = 0; i < cells.size(); ++i) EXPECT_EQ(held->matrix().cells()[i], number(cells[i]));
    if (payload.size() < 3) continue;
    EXPECT_EQ(held->items().keys().size(), payload[1].as_array().size());
    for (const auto& key : payload[1].as_array()) {
      EXPECT_NE(held->items().keys().find({std::string_view{key.as_string()}}), nullptr);
    }
    EXPECT_EQ(held->items().absent_at_most(), 0);  // 4 keys in a heap of 5
  }
}

TEST(AsapV1, HoldsDdsketches) {
  const Accumulator positive = v1("ddsketch_positive_a001.hex");
  EXPECT_EQ(std::get<DDSketch>(positive).count(), 1 + 127 + 128 + 300 + 65536 + 4294967296.0);
  EXPECT_EQ(std::get<DDSketch>(positive).sum(), 2181071000.0);
  EXPECT_EQ(std::get<DDSketch>(positive).quantile(0).value, 0.453125);
  const Accumulator both = v1("ddsketch_signed_a001.hex");
  EXPECT_EQ(std::get<DDSketch>(both).count(), 3 + 2 + 5 + 1 + 7);
  EXPECT_EQ(std::get<DDSketch>(both).zeros(), 7);
  EXPECT_EQ(std::get<DDSketch>(both).quantile(0).value, -0.016);
}

TEST(AsapV1, HoldsHyperLogLogs) {
  for (const char* file : {"hll_classic_p12.hex", "hll_ertl_mle_p12.hex", "hll_hip_p12.hex"}) {
    const Accumulator into = v1(file);
    const auto registers = std::get<Hll>(into).registers();
    ASSERT_EQ(registers.size(), 4096U);
    EXPECT_EQ(registers[0], 1);
    EXPECT_EQ(registers[1], 7);
    EXPECT_EQ(registers[100], 42);
    EXPECT_EQ(registers[4095], 3);
  }
  EXPECT_EQ(std::get<Hll>(v1("hll_hip_p12.hex")).answer().estimate, 3.0);
}

TEST(AsapV1, TakesSpaceSavingAsFrequentItems) {
  Accumulator into;
  ASSERT_TRUE(codec::merge_asap_v1(into, test::space_saving(10, 6), {}));
  const auto& items = std::get<FrequentItems>(into);
  const auto top = items.top_k(2);
  ASSERT_EQ(top.items.size(), 2U);
  EXPECT_EQ(top.items[0].item, "-7");
  EXPECT_EQ(top.items[0].low, 86);
  EXPECT_GE(top.items[0].high, 90);
  EXPECT_EQ(top.items[1].item, "70000");
  EXPECT_EQ(top.items[1].low, 20);
  EXPECT_EQ(top.absent_at_most, 6);
  EXPECT_EQ(items.total(), 130);
  // Full: what is absent weighs at most the least that is held.
  Accumulator full;
  ASSERT_TRUE(codec::merge_asap_v1(full, test::space_saving(2, 6), {}));
  EXPECT_EQ(std::get<FrequentItems>(full).top_k(1).absent_at_most, 20);
  EXPECT_FALSE(codec::merge_asap_v1(full, test::space_saving(1, 6), {}));
  EXPECT_FALSE(codec::merge_asap_v1(full, test::space_saving(2, 21), {}));
}

}  // namespace
