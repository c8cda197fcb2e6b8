// Sketches that DataSketches, Redis, postgresql-hll and ASAP wrote: registers to the bit, estimates of HIP to
// the bit, merged ones within a standard error of the producer's own estimator.

#include <cmath>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>
#include <zlib.h>

#include "engine/codec/asap_hll.hpp"
#include "engine/codec/datasketches_hll.hpp"
#include "engine/codec/postgresql_hll.hpp"
#include "engine/codec/redis_hll.hpp"
#include "engine/codec/wire.hpp"
#include "engine/sketch/hash.hpp"
#include "engine/sketch/hll.hpp"
#include "tests/sketch/golden_files.hpp"

namespace settle::test {
namespace {

using codec::HllType;
using sketch::Hll;
using sketch::HllFamily;

boost::json::array expected_cases(std::string_view folder) {
  return golden_expected(folder).at("cases").as_array();
}

std::string text_of(const boost::json::value& value, std::string_view name) {
  return std::string{value.at(name).as_string()};
}

/// As it lies there, or compressed.
std::string golden_or_gz(const std::string& path) {
  std::string bytes = golden_bytes(path);
  if (!bytes.empty()) return bytes;
  const gzFile in = gzopen((SETTLE_TEST_DATA "/golden/" + path + ".gz").c_str(), "rb");
  if (in == nullptr) return bytes;
  char part[1 << 16];
  for (int got = 0; (got = gzread(in, part, sizeof part)) > 0;)
    bytes.append(part, static_cast<std::size_t>(got));
  gzclose(in);
  return bytes;
}

std::string fnv1a64(const std::vector<std::uint8_t>& bytes) {
  // The start that the golden values were made with; FNV has one digit more.
  std::uint64_t hash = 1469598103934665603U;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 0x100000001b3U;
  char text[17];
  (void)std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(hash));
  return text;
}

Hll decoded(std::string_view blob) {
  Hll hll;
  const auto merged = codec::merge_datasketches_hll(hll, blob);
  EXPECT_TRUE(merged) << merged.error().detail;
  return hll;
}

/// The blobs of a case by what its file name says after the case's.
std::map<std::string, std::string> blobs_of(const std::string& name) {
  std::map<std::string, std::string> blobs;
  for (const char* kind : {"compact", "updatable"}) {
    std::string blob = golden_or_gz("datasketches-hll/" + name + "." + kind + ".bin");
    if (!blob.empty()) blobs[kind] = std::move(blob);
  }
  EXPECT_FALSE(blobs.empty()) << name;
  return blobs;
}

std::string compact(const std::string& name) {
  return blobs_of(name).at("compact");
}

void expect_case(const Hll& hll, const boost::json::value& expected) {
  ASSERT_EQ(hll.precision(), expected.at("lg_k").to_number<unsigned>());
  const auto estimate = expected.at("estimate").to_number<double>();
  const bool dense = expected.at("mode") == "HLL";
  ASSERT_EQ(hll.dense(), dense);
  if (!dense) {
    EXPECT_EQ(hll.coupons().size(), expected.at("coupon_count").to_number<std::size_t>());
    EXPECT_NEAR(hll.answer().estimate, estimate, 1e-6 * estimate);
    return;
  }
  EXPECT_EQ(fnv1a64(hll.registers()), text_of(expected, "fnv1a64_of_registers_one_byte_each"));
  std::map<std::string, std::size_t> histogram;
  for (const std::uint8_t value : hll.registers()) ++histogram[std::to_string(value)];
  for (const auto& [value, count] : expected.at("register_histogram").as_object()) {
    EXPECT_EQ(histogram[value], count.to_number<std::size_t>()) << value;
  }
  Hll merged;  // without HIP
  merged.raise(hll.kind(), hll.precision(), hll.registers(), std::nullopt);
  const auto composite = expected.at("composite_estimate").to_number<double>();
  EXPECT_NEAR(merged.answer().estimate, composite, composite * merged.answer().standard_error);
  if (expected.at("out_of_order").as_bool()) {
    EXPECT_FALSE(hll.hip());
  } else {
    EXPECT_DOUBLE_EQ(hll.answer().estimate, estimate);  // Boost.JSON 1.81 rounds the last bit as it likes
  }
  // Their bounds are of one, two and three standard errors: 95 % is between the first two.
  EXPECT_LT(hll.answer().low, expected.at("lower_bounds").at(0).to_number<double>() * 1.05);
  EXPECT_GT(hll.answer().high, expected.at("upper_bounds").at(0).to_number<double>());
}

TEST(DataSketchesGolden, EveryBlobHasItsRegistersAndItsEstimate) {
  for (const auto& expected : expected_cases("datasketches-hll")) {
    const std::string name = text_of(expected, "name");
    std::optional<std::uint64_t> hash;
    for (const auto& [kind, blob] : blobs_of(name)) {
      SCOPED_TRACE(name + " " + kind);
      const Hll hll = decoded(blob);
      expect_case(hll, expected);
      if (!hash) hash = canonical_hash(hll);
      EXPECT_EQ(canonical_hash(hll), *hash);
    }
  }
}

TEST(DataSketchesGolden, TheTypesOfOneSketchAreOneContent) {
  for (const char* lg_k : {"04", "12", "21"}) {
    for (const char* n : {"0", "1", "10", "1000", "1000000"}) {
      const auto hash = [&](const char* type) {
        return canonical_hash(decoded(compact(std::string{"lgk"} + lg_k + "_" + type + "_n" + n)));
      };
      EXPECT_EQ(hash("hll4"), hash("hll6")) << lg_k << " " << n;
      EXPECT_EQ(hash("hll4"), hash("hll8")) << lg_k << " " << n;
    }
  }
}

TEST(DataSketchesGolden, WhatIsWrittenIsWhatWasRead) {
  for (const auto& expected : expected_cases("datasketches-hll")) {
    const std::string name = text_of(expected, "name");
    SCOPED_TRACE(name);
    const std::string blob = compact(name);
    const Hll hll = decoded(blob);
    for (const auto type : {HllType::hll4, HllType::hll6, HllType::hll8, HllType::smallest}) {
      const auto written = encode_datasketches_hll(hll, type);
      ASSERT_TRUE(written);
      const Hll again = decoded(*written);
      EXPECT_EQ(canonical_hash(again), canonical_hash(hll));
      EXPECT_EQ(again.registers(), hll.registers());
    }
    // Coupons and exceptions have no order there; where there is one at most, the bytes agree.
    const auto type = text_of(expected, "type");
    const auto as = type == "HLL_4" ? HllType::hll4 : type == "HLL_6" ? HllType::hll6 : HllType::hll8;
    const auto written = encode_datasketches_hll(hll, as);
    EXPECT_EQ(written->size(), blob.size());
    if (!hll.dense() ? hll.coupons().size() > 1 : expected.at("aux_count").to_number<int>() > 1) continue;
    std::string like = blob;
    if (name.find("fullsize") != std::string::npos) like[5] = static_cast<char>(like[5] & ~32);
    EXPECT_EQ(*written, like);
  }
}

Hll built(unsigned lg_k, std::uint64_t from, std::uint64_t to) {
  Hll hll = Hll::of_precision(lg_k);
  for (std::uint64_t item = from; item < to; ++item) hll.add(static_cast<std::int64_t>(item));
  return hll;
}

TEST(DataSketchesGolden, BuildingTheSameItemsGivesTheSameRegisters) {
  for (const unsigned lg_k : {4U, 12U, 21U}) {
    for (const std::uint64_t n : {0U, 1U, 10U, 1000U, 1'000'000U}) {
      char name[64];
      (void)std::snprintf(name, sizeof name, "lgk%02u_hll8_n%lu", lg_k, static_cast<unsigned long>(n));
      SCOPED_TRACE(name);
      const Hll golden = decoded(compact(name));
      const Hll hll = built(lg_k, 0, n);
      ASSERT_EQ(hll.dense(), golden.dense());
      EXPECT_EQ(hll.registers(), golden.registers());
      EXPECT_EQ(hll.coupons().sorted(), golden.coupons().sorted());
      const auto answer = hll.answer();
      EXPECT_LE(answer.low, static_cast<double>(n));
      EXPECT_GE(answer.high, static_cast<double>(n));
    }
  }
  Hll doubles = Hll::of_precision(12);
  for (int i = 0; i < 5000; ++i) doubles.add(0.5 * i);
  doubles.add(-0.0);
  EXPECT_EQ(doubles.registers(), decoded(compact("lgk12_hll4_doubles_n5000")).registers());
  EXPECT_EQ(built(12, 0, 385).registers(), decoded(compact("lgk12_hll4_hll385")).registers());
  EXPECT_TRUE(built(12, 0, 385).dense());
  EXPECT_FALSE(built(12, 0, 384).dense());
}

TEST(DataSketchesGolden, UnionsAreTheirs) {
  Hll u1 = decoded(compact("u1_left_lgk12_hll8"));
  EXPECT_TRUE(u1.hip());
  ASSERT_TRUE(codec::merge_datasketches_hll(u1, compact("u1_right_lgk12_hll8")));
  EXPECT_FALSE(u1.hip());
  for (const char* type : {"4", "6", "8"}) {
    const Hll result = decoded(compact(std::string{"u1_result_hll"} + type));
    EXPECT_EQ(result.registers(), u1.registers());
    EXPECT_EQ(canonical_hash(result), canonical_hash(u1));
  }
  EXPECT_EQ(built(12, 0, 100'000).registers(), u1.registers());

  for (const bool left_first : {true, false}) {
    Hll u3;
    const char* operands[] = {"u3_left_list_lgk12", "u3_right_set_lgk10"};
    ASSERT_TRUE(codec::merge_datasketches_hll(u3, compact(operands[left_first ? 0 : 1])));
    ASSERT_TRUE(codec::merge_datasketches_hll(u3, compact(operands[left_first ? 1 : 0])));
    EXPECT_EQ(canonical_hash(u3), canonical_hash(decoded(compact("u3_result_hll8"))));
    EXPECT_EQ(u3.precision(), 12U);
  }

  // Of one sketch of lgK 14, whose HIP estimate stays its own.
  const Hll u5 = decoded(compact("u5_result_maxlgk8_single"));
  Hll folded;
  folded.raise({}, 14, built(14, 0, 200'000).registers(), u5.hip());
  (void)folded.open({}, 8, std::nullopt);
  EXPECT_EQ(folded.registers(), u5.registers());
  Hll large_into_small = Hll::of_precision(8);
  large_into_small.raise({}, 8, std::vector<std::uint8_t>(256), std::nullopt);
  ASSERT_TRUE(large_into_small.merge(built(14, 0, 200'000)));
  EXPECT_EQ(large_into_small.registers(), u5.registers());
}

TEST(RedisGolden, RegistersAreThoseOfTheItemsAndTheEstimateIsRedis) {
  std::size_t read = 0;
  for (const auto& expected : expected_cases("redis-hll")) {
    const std::string file = text_of(expected, "file");
    const std::string blob = golden_bytes("redis-hll/" + file);
    if (blob.empty()) continue;
    SCOPED_TRACE(file);
    Hll hll;
    ASSERT_TRUE(codec::merge_redis_hll(hll, blob));
    Hll items = Hll::of({.family = HllFamily::redis}, 14);
    const auto n = expected.at("true_distinct").to_number<int>();
    for (int i = 0; i < n; ++i) items.add("user-" + std::to_string(i));
    EXPECT_EQ(hll.registers(), items.registers());
    EXPECT_EQ(std::llround(hll.answer().estimate), expected.at("pfcount").to_number<long long>());
    EXPECT_EQ(canonical_hash(hll), [&] {
      Hll raised;
      raised.raise(items.kind(), 14, items.registers(), std::nullopt);
      return canonical_hash(raised);
    }());
    ++read;
  }
  EXPECT_GE(read, 7U);
}

TEST(PostgresqlGolden, RegistersAreThoseOfTheItems) {
  for (const auto& expected : expected_cases("postgresql-hll")) {
    const std::string file = text_of(expected, "file");
    SCOPED_TRACE(file);
    Hll hll;
    ASSERT_TRUE(codec::merge_postgresql_hll(hll, golden_bytes("postgresql-hll/" + file)));
    const auto log2m = expected.at("log2m").to_number<unsigned>();
    const auto width = expected.at("regwidth").to_number<std::uint8_t>();
    const auto n = expected.at("true_distinct").to_number<std::int64_t>();
    Hll items = Hll::of({.family = HllFamily::postgresql, .width = width}, log2m);
    for (std::int64_t i = 0; i < n; ++i) {
      file.starts_with("text") ? items.add("user-" + std::to_string(i)) : items.add(i);
    }
    EXPECT_EQ(hll.precision(), log2m);
    EXPECT_EQ(hll.registers(), items.registers());
    const auto answer = hll.answer();
    const std::string type = text_of(expected, "type");
    if (type == "EMPTY" || type == "EXPLICIT") {
      EXPECT_EQ(answer.estimate, static_cast<double>(n));
      EXPECT_EQ(canonical_hash(hll), canonical_hash(items));
    } else {
      EXPECT_NEAR(answer.estimate, static_cast<double>(n),
                  2 * answer.standard_error * static_cast<double>(n));
      EXPECT_LE(answer.low, static_cast<double>(n));
      EXPECT_GE(answer.high, static_cast<double>(n));
    }
    if (expected.at("hll_cardinality").is_number() && n > 0) {
      const auto theirs = expected.at("hll_cardinality").to_number<double>();
      EXPECT_NEAR(answer.estimate, theirs, theirs * (1e-9 + answer.standard_error));
    }
  }
}

/// The HLL state of an envelope, whose other fields are another test's.
std::string state_of(std::string_view envelope) {
  codec::WireReader reader{envelope};
  while (reader.next()) {
    if (reader.field() == 12) return std::string{reader.bytes()};
  }
  return {};
}

TEST(AsapGolden, RegistersAreThoseOfTheItems) {
  const std::string state = state_of(golden_hex("asap/hll_proto_envelope_p14.hex"));
  Hll hll;
  const auto merged = codec::merge_asap_hll_state(hll, state);
  ASSERT_TRUE(merged) << merged.error().detail;
  Hll items = Hll::of({.family = HllFamily::asap, .variant = 2}, 14);
  for (int i = 1; i <= 50; ++i) items.add(static_cast<double>(i));
  EXPECT_EQ(hll.registers(), items.registers());
  EXPECT_NEAR(hll.answer().estimate, 50, 0.5);
  EXPECT_EQ(*codec::encode_asap_hll_state(hll), state);
}

TEST(AsapGolden, TheVariantsOfAsapV1) {
  for (const char* file : {"hll_classic_p12.hex", "hll_ertl_mle_p12.hex", "hll_hip_p12.hex"}) {
    SCOPED_TRACE(file);
    const std::string bytes = golden_hex(std::string{"asap/"} + file);
    // "ASAPv1", version, kind length, kind (2), metadata length, payload length (4 each), metadata; the
    // payload is an array of a bin of two length bytes, and, of HIP, three doubles.
    const auto metadata =
        18 + (static_cast<std::uint8_t>(bytes[12]) << 8 | static_cast<std::uint8_t>(bytes[13]));
    const auto variant = static_cast<std::uint8_t>(bytes[9]);
    const auto registers = static_cast<std::size_t>(metadata) + 4;
    Hll hll;
    ASSERT_TRUE(codec::merge_asap_hll(hll, {.variant = variant,
                                            .precision = 12,
                                            .registers = std::string_view{bytes}.substr(registers, 4096),
                                            .hip = variant == 3 ? std::optional{3.0} : std::nullopt}));
    std::vector<std::uint8_t> expected(4096);
    expected[0] = 1, expected[1] = 7, expected[100] = 42, expected[4095] = 3;
    EXPECT_EQ(hll.registers(), expected);
    EXPECT_EQ(hll.kind().variant, variant);
    if (variant == 3) {
      EXPECT_EQ(hll.answer().estimate, 3.0);
    }
  }
}

TEST(Hash, IsThatOfTheReferences) {
  // MurmurHash3's own verification value says the same of all its lengths: hash keys 0, 01, 0102, ... with
  // seed 256 - length, then the hashes with 0.
  std::string keys;
  std::string hashes;
  for (unsigned length = 0; length < 256; ++length) {
    const auto hash = sketch::murmur3_x64_128(keys, 256 - length);
    hashes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
    keys += static_cast<char>(length);
  }
  EXPECT_EQ(static_cast<std::uint32_t>(sketch::murmur3_x64_128(hashes, 0).low), 0x6384BA69U);
  keys.clear();
  hashes.clear();
  for (unsigned length = 0; length < 256; ++length) {
    const std::uint64_t hash = sketch::murmur64a(keys, 256 - length);
    hashes.append(reinterpret_cast<const char*>(&hash), sizeof hash);
    keys += static_cast<char>(length);
  }
  EXPECT_EQ(static_cast<std::uint32_t>(sketch::murmur64a(hashes, 0)), 0x1F0D3804U);
}

}  // namespace
}  // namespace settle::test
