// Blobs of heavy hitters and of ASAP: written and read again; and damaged, which must be refused or harmless.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/codec.hpp"
#include "tests/sketch/asap_blobs.hpp"
#include "tests/sketch/golden_files.hpp"
#include "tests/sketch/hostile.hpp"

namespace {

using namespace settle;
using codec::Kind;
using codec::Settings;
using sketch::Accumulator;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::DDSketch;
using sketch::FrequentItems;
using sketch::Hll;
using test::hex_of_gzip;
using test::matrix_delta;
using test::stream_count_min;

using Weights = std::vector<std::pair<std::string, std::uint32_t>>;

RC_GTEST_PROP(AsapEnvelope, AreReadAgainAsTheyWereWritten, (Weights weights)) {
  using Rule = sketch::MatrixShape::Rule;
  const auto rule = *rc::gen::element(Rule::asap_packed, Rule::asap_regular);
  const double unit = *rc::gen::element(1.0, 0.1);
  const std::array<char, 8> five{5};
  CountMin count_min{{.rows = 3, .cols = 8, .rule = rule}, 3};
  CountSketch count_sketch{{.rows = 3, .cols = 8, .rule = rule}, 3};
  FrequentItems items;
  Hll hll = Hll::of({.family = sketch::HllFamily::asap, .variant = 2}, 5);
  Hll datasketches = Hll::of_precision(6);
  DDSketch positive{sketch::Mapping::of_accuracy(0.01)};
  DDSketch any{sketch::Mapping::of_accuracy(0.02)};
  count_min.add({{five.data(), 8}, sketch::KeyKind::i64}, 1);
  for (const auto& [key, weight] : weights) {
    count_min.add({key}, unit * weight);
    count_sketch.add({key}, unit * weight);
    RC_ASSERT(items.add({key}, weight).has_value());
    hll.add(key);
    datasketches.add(key);
    positive.add(1.0 + weight);
    any.add(5.0 - weight);
  }
  for (const Accumulator& from :
       std::vector<Accumulator>{count_min, count_sketch, items, hll, datasketches, positive, any}) {
    const auto written = codec::encode_asap_envelope(from);
    RC_ASSERT(written.has_value());
    Accumulator again;
    const auto merged = codec::merge_asap_envelope(again, *written, {});
    RC_ASSERT(merged.has_value());
    const auto twice = codec::encode_asap_envelope(again);
    RC_ASSERT(twice.has_value());
    RC_ASSERT(*twice == *written);
    RC_ASSERT(weights.empty() || from.index() == 1 || canonical_hash(again) == canonical_hash(from));
  }
}

/// An error or a sketch; and after an error all is as before.
void check_damage(const std::string& blob, const Settings& settings) {
  Accumulator good;
  ASSERT_TRUE(codec::merge(good, blob, settings));
  const std::uint64_t before = canonical_hash(good);
  test::for_each_damage(blob, [&](std::string_view bytes) {
    Accumulator fresh;
    const bool merged = codec::merge(fresh, bytes, settings).has_value();
    EXPECT_TRUE(merged || std::holds_alternative<std::monostate>(fresh));
    Accumulator full = good;
    const bool added = codec::merge(full, bytes, settings).has_value();
    EXPECT_TRUE(added || canonical_hash(full) == before);
    if (const auto* sketch = std::get_if<CountMin>(&fresh)) (void)sketch->top_k(3);
    if (const auto* sketch = std::get_if<CountSketch>(&fresh)) (void)sketch->top_k(3);
    if (const auto* items = std::get_if<FrequentItems>(&fresh)) (void)items->top_k(3);
  });
}

TEST(Damage, OfAsapsBlobsIsRefusedOrHarmless) {
  const auto expected = test::golden_expected("asap");
  for (const auto& one : expected.at("cases").as_array()) {
    const std::string file{one.at("file").as_string()};
    const bool is_v1 = one.as_object().if_contains("kind_id") != nullptr;
    check_damage(test::golden_hex("asap/" + file),
                 {.format = is_v1 ? codec::Format::asap_v1 : codec::Format::asap_envelope});
  }
  check_damage(test::space_saving(10, 6), {.format = codec::Format::asap_v1});
  check_damage(matrix_delta(1, 3, 5), {.format = codec::Format::asap_delta, .kind = Kind::count_min});
  check_damage(matrix_delta(1, 3, -5), {.format = codec::Format::asap_delta, .kind = Kind::count_sketch});
  for (const bool heap : {false, true}) {
    check_damage(hex_of_gzip(stream_count_min(heap, 9)), {.format = codec::Format::asapquery});
  }
}

TEST(Damage, OfDatasketchesBlobsIsRefusedOrHarmless) {
  const std::string folder = "datasketches-frequent-items/";
  for (const char* name : {"fi_str_empty", "fi_str_exact6", "fi_str_single"}) {
    check_damage(test::golden_bytes(folder + name + ".bin"),
                 {.format = codec::Format::datasketches_frequent_items});
  }
  check_damage(test::golden_bytes(folder + "fi_long_zipf_lg10.bin"),
               {.format = codec::Format::datasketches_frequent_items, .item = Settings::Item::i64});
  for (const char* name : {"cm_empty_3x16", "cm_u64_5x272"}) {
    check_damage(test::golden_bytes(std::string{"datasketches-count-min/"} + name + ".bin"),
                 {.format = codec::Format::datasketches_count_min});
  }
  check_damage(
      test::golden_bytes("datasketches-count-min/cm_f64_4x128_seed12345.bin"),
      {.format = codec::Format::datasketches_count_min, .element = Settings::Element::f64, .seed = 12345});
}

}  // namespace
