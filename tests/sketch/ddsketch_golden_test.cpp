// Blobs of sketches-go, sketches-js, OpenTelemetry's JavaScript SDK and ASAP's sketchlib.

#include <cmath>
#include <limits>
#include <map>
#include <string>

#include <gtest/gtest.h>

#include "engine/codec/asap_ddsketch.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/otlp_exphistogram.hpp"
#include "engine/codec/wire.hpp"
#include "tests/sketch/golden_files.hpp"

namespace settle::codec {
namespace {

using boost::json::object;
using boost::json::value;
using sketch::Bins;
using sketch::DDSketch;
using sketch::Mapping;
using test::number;
using BinMap = std::map<std::int64_t, double>;

std::string golden(const std::string& name) {
  std::string bytes = test::golden_bytes(name);
  EXPECT_NE(bytes.empty(), name.find("01_empty.nomapping") == std::string::npos) << name;
  return bytes;
}

/// Keys less `less`.
BinMap bins_of(const object& json, std::int64_t less = 0) {
  BinMap bins;
  for (const auto& [key, count] : json) bins[std::stoll(std::string{key}) - less] = number(count);
  return bins;
}
BinMap bins_of(const Bins& real) {
  BinMap bins;
  for (std::int64_t i = real.range().low; i <= real.range().high; ++i) {
    if (real.at(i) != 0) bins[i] = real.at(i);
  }
  return bins;
}

Mapping mapping_of(const object& json) {
  return {.kind = static_cast<Mapping::Kind>(json.at("interpolation").as_int64()),
          .gamma = number(json.at("gamma")),
          .offset = number(json.at("index_offset"))};
}

void expect_quantiles(const DDSketch& sketch, const object& expected, bool producers_answer,
                      const std::string& what) {
  for (const auto& [q, answers] : expected) {
    const auto answer = sketch.quantile(std::stod(std::string{q}));
    const object& of = answers.as_object();
    const value* producer = of.if_contains("producer");
    if (producer != nullptr && producer->is_null()) {
      EXPECT_EQ(std::isnan(answer.value), sketch.empty()) << what;  // or its store was at fault
      if (of.if_contains("exact_lower") == nullptr || of.at("exact_lower").is_null()) continue;
    }
    // On the negative side sketches-go rounds ranks the other way.
    const double rank = std::stod(std::string{q}) * (sketch.count() - 1);
    if (producer != nullptr && !producer->is_null() && producers_answer &&
        (answer.value >= 0 || rank == std::floor(rank))) {
      EXPECT_NEAR(answer.value, number(*producer), 1e-9 * std::abs(number(*producer))) << what << ", q " << q;
    }
    // Between the values of the two ranks around. Producers count what is below the normal doubles as zeros.
    const double tiny = std::numeric_limits<double>::min();
    const double low = number(of.at("exact_lower"));
    const double high = number(of.at("exact_upper"));
    EXPECT_GE(answer.value, low - answer.alpha * std::abs(low) * (1 + 1e-9) - tiny) << what << ", q " << q;
    EXPECT_LE(answer.value, high + answer.alpha * std::abs(high) * (1 + 1e-9) + tiny) << what << ", q " << q;
  }
}

struct GoCase {
  const object& json;
  [[nodiscard]] std::string name() const { return std::string{json.at("name").as_string()}; }
  [[nodiscard]] std::string blob(const char* kind) const {
    const object& file = json.at("files").at(kind).as_object();
    std::string bytes = golden("ddsketch-go/" + std::string{file.at("file").as_string()});
    EXPECT_EQ(bytes.size(), static_cast<std::size_t>(file.at("bytes").as_int64()));
    return bytes;
  }
  void expect_is(const DDSketch& sketch, bool collapsed_or_exact) const {
    SCOPED_TRACE(name());
    EXPECT_EQ(bins_of(sketch.positive()), bins_of(json.at("positive").as_object()));
    EXPECT_EQ(bins_of(sketch.negative()), bins_of(json.at("negative").as_object()));
    EXPECT_EQ(sketch.zeros(), number(json.at("zero_count")));
    EXPECT_EQ(sketch.count(), number(json.at("count")));
    if (name().find("collapse") == std::string::npos) {
      expect_quantiles(sketch, json.at("quantiles").as_object(), !collapsed_or_exact, name());
    }
  }
};

template <class Check>
void for_go_cases(Check check) {
  const value json = test::golden_expected("ddsketch-go");
  std::size_t seen = 0;
  for (const value& one : json.at("cases").as_array()) check(GoCase{one.as_object()}), ++seen;
  EXPECT_EQ(seen, 11U);
}

TEST(DDSketchGo, ProtobufIsReadBinByBin) {
  for_go_cases([](const GoCase& one) {
    DDSketch sketch;
    ASSERT_TRUE(merge_ddsketch_proto(sketch, one.blob("protobuf"), {}));
    EXPECT_TRUE(sketch.mapping()->fits(mapping_of(one.json.at("mapping").as_object())));
    EXPECT_NEAR(sketch.mapping()->alpha(), number(one.json.at("mapping").at("relative_accuracy")), 1e-12);
    const double largest = sketch.empty() ? 0 : sketch.quantile(1).value;
    EXPECT_NEAR(sketch.sum(), number(one.json.at("approx_sum")), 1e-9 * (std::abs(sketch.sum()) + largest));
    one.expect_is(sketch, false);
  });
}

TEST(DDSketchGo, BinaryIsReadBinByBin) {
  for_go_cases([](const GoCase& one) {
    DDSketch proto;
    DDSketch sketch;
    ASSERT_TRUE(merge_ddsketch_proto(proto, one.blob("protobuf"), {}));
    ASSERT_TRUE(merge_ddsketch_binary(sketch, one.blob("binary"), {}));
    one.expect_is(sketch, false);
    EXPECT_EQ(canonical_hash(sketch), canonical_hash(proto)) << one.name();

    DDSketch configured;
    const Settings settings{.format = Format::ddsketch_binary,
                            .bin_rule = BinRule::floor,
                            .mapping = sketch.mapping(),
                            .kind = Kind::ddsketch};
    const std::string without = one.blob("binary_without_mapping");
    ASSERT_TRUE(merge_ddsketch_binary(configured, without, settings));
    EXPECT_EQ(canonical_hash(configured), canonical_hash(sketch)) << one.name();
    DDSketch unknown;
    EXPECT_EQ(bool{merge_ddsketch_binary(unknown, without, {})}, sketch.empty());
  });
}

TEST(DDSketchGo, BinaryBringsExactStatistics) {
  for_go_cases([](const GoCase& one) {
    DDSketch sketch;
    ASSERT_TRUE(merge_ddsketch_binary(sketch, one.blob("binary_exact_summary"), {}));
    one.expect_is(sketch, true);
    const object& exact = one.json.at("files").at("binary_exact_summary").at("exact").as_object();
    if (sketch.empty()) return;
    EXPECT_DOUBLE_EQ(sketch.exact().count.value_or(-7), number(exact.at("count")));
    EXPECT_DOUBLE_EQ(sketch.exact().sum.value_or(-7), number(exact.at("sum")));
    EXPECT_DOUBLE_EQ(sketch.exact().min.value_or(-7), number(exact.at("min")));
    EXPECT_DOUBLE_EQ(sketch.exact().max.value_or(-7), number(exact.at("max")));
    EXPECT_DOUBLE_EQ(sketch.quantile(0).value, number(exact.at("min")));
    EXPECT_DOUBLE_EQ(sketch.quantile(1).value, number(exact.at("max")));
  });
}

/// What the counts take in protobuf: contiguous, unless a map takes less than half of that.
std::size_t bytes_as_written(const Bins& bins) {
  const auto contiguous = static_cast<std::size_t>(8 * bins.range().span());
  std::size_t map = 0;
  for (const auto& [key, count] : bins_of(bins)) map += 12 + varint_size(to_zigzag(key));
  return 2 * map < contiguous ? map : contiguous;
}

TEST(DDSketchGo, IsWrittenAsItIsRead) {
  std::size_t maps = 0;
  for_go_cases([&maps](const GoCase& one) {
    DDSketch sketch;
    ASSERT_TRUE(merge_ddsketch_binary(sketch, one.blob("binary_exact_summary"), {}));
    DDSketch again;
    ASSERT_TRUE(merge_ddsketch_binary(again, encode_ddsketch_binary(sketch), {}));
    EXPECT_EQ(canonical_hash(again), canonical_hash(sketch)) << one.name();

    DDSketch proto;
    ASSERT_TRUE(merge_ddsketch_proto(proto, one.blob("protobuf"), {}));
    DDSketch proto_again;
    const auto encoded = encode_ddsketch_proto(proto);
    ASSERT_TRUE(encoded);
    const std::size_t counts = bytes_as_written(proto.positive()) + bytes_as_written(proto.negative());
    EXPECT_GE(encoded->size(), counts) << one.name();
    EXPECT_LE(encoded->size(), counts + 48) << one.name();  // mapping, zeros, heads of two stores
    maps += counts < static_cast<std::size_t>(8 * proto.positive().range().span()) ? 1 : 0;
    ASSERT_TRUE(merge_ddsketch_proto(proto_again, *encoded, {}));
    EXPECT_EQ(canonical_hash(proto_again), canonical_hash(proto)) << one.name();
  });
  EXPECT_GT(maps, 0U);
  EXPECT_LT(maps, 11U);
}

TEST(DDSketchGo, MergesAddBins) {
  DDSketch sketch;
  BinMap positive;
  BinMap negative;
  for_go_cases([&](const GoCase& one) {
    if (one.json.at("mapping").at("interpolation").as_int64() != 0) return;
    ASSERT_TRUE(merge_ddsketch_proto(sketch, one.blob("protobuf"), {}));
    ASSERT_TRUE(merge_ddsketch_binary(sketch, one.blob("binary"), {}));
    for (const auto& [index, count] : bins_of(one.json.at("positive").as_object()))
      positive[index] += 2 * count;
    for (const auto& [index, count] : bins_of(one.json.at("negative").as_object()))
      negative[index] += 2 * count;
  });
  EXPECT_EQ(bins_of(sketch.positive()), positive);
  EXPECT_EQ(bins_of(sketch.negative()), negative);
  for_go_cases([&](const GoCase& one) {
    if (one.json.at("mapping").at("interpolation").as_int64() == 0) return;
    const auto before = canonical_hash(sketch);
    const auto merged = merge_ddsketch_proto(sketch, one.blob("protobuf"), {});
    ASSERT_FALSE(merged);
    EXPECT_NE(merged.error().detail.find("linear"), std::string::npos);
    EXPECT_NE(merged.error().detail.find("logarithmic"), std::string::npos);
    EXPECT_EQ(canonical_hash(sketch), before);
  });
}

TEST(DDSketchJs, IsReadWithTheCeilRule) {
  const Settings settings{.format = Format::ddsketch_proto,
                          .bin_rule = BinRule::ceil,
                          .mapping = std::nullopt,
                          .kind = Kind::ddsketch};
  const value json = test::golden_expected("ddsketch-js");
  for (const value& v : json.at("cases").as_array()) {
    const object& one = v.as_object();
    const std::string name{one.at("file").as_string()};
    const std::string blob = golden("ddsketch-js/" + name);
    DDSketch sketch;
    const auto merged = merge_ddsketch_proto(sketch, blob, settings);
    if (name.starts_with("07")) {  // NaN counts
      EXPECT_FALSE(merged);
      EXPECT_TRUE(sketch.empty());
      continue;
    }
    ASSERT_TRUE(merged) << name << ": " << merged.error().detail;
    EXPECT_EQ(bins_of(sketch.positive()), bins_of(one.at("positive").at("nonzero_bins").as_object(), 1))
        << name;
    EXPECT_EQ(bins_of(sketch.negative()), bins_of(one.at("negative").at("nonzero_bins").as_object(), 1))
        << name;
    EXPECT_EQ(sketch.zeros(), number(one.at("zero_count"))) << name;
    // A fault of the producer: what it collapses it counts twice.
    if (name.starts_with("06")) continue;
    EXPECT_EQ(sketch.count(), number(one.at("count"))) << name;
    if (name.starts_with("05")) continue;  // collapsed
    expect_quantiles(sketch, one.at("quantiles").as_object(), false, name);
  }
}

TEST(DDSketchJs, ReadWithTheWrongRuleIsABinOff) {
  const std::string blob = golden("ddsketch-js/02_single.pb");
  Settings settings;
  settings.bin_rule = BinRule::ceil;
  DDSketch right;
  DDSketch wrong;
  ASSERT_TRUE(merge_ddsketch_proto(right, blob, settings));
  ASSERT_TRUE(merge_ddsketch_proto(wrong, blob, {}));
  EXPECT_NEAR(right.quantile(0.5).value, 42.524271413443394, 1e-9);
  EXPECT_NEAR(wrong.quantile(0.5).value, 43.38, 0.01);
}

TEST(OtlpExponentialHistogram, IsReadBucketByBucket) {
  const value json = test::golden_expected("otlp-exphistogram");
  DDSketch all;
  double count = 0;
  for (const value& v : json.at("cases").as_array()) {
    const object& one = v.as_object();
    const std::string name{one.at("file").as_string()};
    DDSketch sketch;
    const auto merged = merge_otlp_exphistogram(sketch, golden("otlp-exphistogram/" + name), {});
    ASSERT_TRUE(merged) << name << ": " << merged.error().detail;
    EXPECT_EQ(sketch.scale(), one.at("scale").as_int64());
    EXPECT_EQ(sketch.zeros(), number(one.at("zero_count")));
    BinMap expected;
    std::int64_t index = one.at("positive").at("offset").as_int64();
    for (const value& bucket : one.at("positive").at("bucket_counts").as_array()) {
      if (number(bucket) != 0) expected[index] = number(bucket);
      ++index;
    }
    EXPECT_EQ(bins_of(sketch.positive()), expected) << name;
    EXPECT_EQ(sketch.count(), number(one.at("count")));
    EXPECT_DOUBLE_EQ(sketch.exact().sum.value_or(-7), number(one.at("sum")));
    EXPECT_DOUBLE_EQ(sketch.exact().min.value_or(-7), number(one.at("min")));
    EXPECT_DOUBLE_EQ(sketch.exact().max.value_or(-7), number(one.at("max")));
    EXPECT_NEAR(sketch.quantile(0.5).alpha, number(one.at("relative_error_bound")), 1e-9);
    // Exact powers lie on the upper edge of their bucket, where the bound is met but for rounding.
    expect_quantiles(sketch, one.at("exact_quantiles").as_object(), false, name);
    ASSERT_TRUE(all.merge(sketch));
    count += sketch.count();
  }
  EXPECT_EQ(all.scale(), -1);
  EXPECT_EQ(all.count(), count);
  EXPECT_TRUE(has(all.quantile(0.5).degraded, sketch::Degraded::mixed_gamma));
}

TEST(AsapDDSketch, EnvelopesStateIsRead) {
  const std::string envelope = test::golden_hex("asap/ddsketch_proto_envelope_a001.hex");
  WireReader reader{envelope};
  std::string_view state;
  while (reader.next()) {
    if (reader.field() == 14) state = reader.bytes();
  }
  ASSERT_FALSE(state.empty());
  DDSketch sketch;
  ASSERT_TRUE(merge_asap_ddsketch(sketch, state, {}));
  EXPECT_EQ(sketch.count(), 50);
  EXPECT_EQ(sketch.positive().range().low, 0);
  for (int percent = 0; percent <= 100; ++percent) {
    const double exact = 1 + std::floor(percent / 100.0 * 49);
    EXPECT_NEAR(sketch.quantile(percent / 100.0).value, exact, exact * 0.0100001);
  }
  const auto encoded = encode_asap_ddsketch(sketch);
  ASSERT_TRUE(encoded);
  DDSketch again;
  ASSERT_TRUE(merge_asap_ddsketch(again, *encoded, {}));
  EXPECT_EQ(bins_of(again.positive()), bins_of(sketch.positive()));

  // Half of the events seen: counts twice as high, the same quantiles.
  DDSketch sampled;
  ASSERT_TRUE(merge_asap_ddsketch(sampled, state, {}, 0.5));
  EXPECT_EQ(sampled.count(), 100);
  EXPECT_TRUE(has(sampled.quantile(0.5).degraded, sketch::Degraded::sampled));
  EXPECT_NEAR(sampled.quantile(0.5).value, 25, 0.3);
  EXPECT_FALSE(merge_asap_ddsketch(sampled, state, {}, 0));
  EXPECT_FALSE(merge_asap_ddsketch(sampled, state, {}, 1.5));
  EXPECT_FALSE(merge_asap_ddsketch(sampled, state, {}, std::nan("")));

  // A delta counts on.
  WireWriter entry;
  entry.zigzag(1, -7);
  entry.varint(2, 3);
  WireWriter delta;
  delta.bytes(1, entry.view());
  delta.bytes(1, entry.view());
  ASSERT_TRUE(merge_asap_ddsketch_delta(sketch, delta.view(), {}));
  EXPECT_EQ(sketch.count(), 56);
  EXPECT_EQ(sketch.positive().at(-7), 6);
  DDSketch unknown;
  EXPECT_FALSE(merge_asap_ddsketch_delta(unknown, delta.view(), {}));
}

TEST(AsapDDSketch, ArraysAreRead) {
  // asap/ddsketch_signed_a001.hex.
  const std::uint64_t positive[] = {3, 0, 2};
  const std::uint64_t negative[] = {5, 1};
  const AsapDDSketch payload{.alpha = 0.01,
                             .positive = positive,
                             .positive_first = 310,
                             .negative = negative,
                             .negative_first = -208,
                             .zeros = 7,
                             .sum = 2523.90625,
                             .min = -0.016,
                             .max = 515.0};
  DDSketch sketch;
  ASSERT_TRUE(merge_asap_ddsketch(sketch, payload));
  EXPECT_EQ(bins_of(sketch.positive()), (BinMap{{310, 3}, {312, 2}}));
  EXPECT_EQ(bins_of(sketch.negative()), (BinMap{{-208, 5}, {-207, 1}}));
  EXPECT_EQ(sketch.count(), 18);
  EXPECT_EQ(sketch.sum(), 2523.90625);
  EXPECT_EQ(sketch.quantile(0).value, -0.016);
  EXPECT_EQ(sketch.quantile(0.5).value, 0);
  EXPECT_EQ(sketch.quantile(1).value, 515);
  AsapDDSketch hostile = payload;
  hostile.positive_first = std::numeric_limits<std::int64_t>::max();
  EXPECT_FALSE(merge_asap_ddsketch(sketch, hostile));
  hostile = payload;
  hostile.alpha = 1;
  EXPECT_FALSE(merge_asap_ddsketch(sketch, hostile));
  hostile = payload;
  hostile.max = std::nan("");
  EXPECT_FALSE(merge_asap_ddsketch(sketch, hostile));
  EXPECT_EQ(sketch.count(), 18);
}

}  // namespace
}  // namespace settle::codec
