// ASAP's deltas, and what ASAPQuery's stream jobs put on Kafka.

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "engine/codec/asap_envelope.hpp"
#include "engine/codec/asapquery.hpp"
#include "tests/sketch/asap_blobs.hpp"
#include "tests/sketch/golden_files.hpp"

namespace {

using namespace settle;
using codec::Kind;
using codec::MsgpackWriter;
using codec::Settings;
using codec::WireWriter;
using sketch::Accumulator;
using sketch::CountMin;
using sketch::CountSketch;
using sketch::DDSketch;
using sketch::FrequentItems;
using sketch::Hll;
using test::envelope;
using test::hex_of_gzip;
using test::matrix_delta;
using test::stream_count_min;

TEST(AsapDelta, AddsCellsAndNamesKeys) {
  for (const Kind kind : {Kind::count_min, Kind::count_sketch}) {
    const Settings settings{.kind = kind};
    Accumulator into;
    ASSERT_TRUE(codec::merge_asap_delta(into, matrix_delta(1, 3, 5), settings));
    ASSERT_TRUE(codec::merge_asap_delta(into, matrix_delta(1, 3, 5), settings));
    const sketch::MatrixSketch* held = std::get_if<CountMin>(&into);
    if (held == nullptr) held = &std::get<CountSketch>(into);
    EXPECT_EQ(held->matrix().cells()[0], 4);
    EXPECT_EQ(held->matrix().cells()[11], 10);
    EXPECT_NE(held->items().keys().find({"heavy"}), nullptr);
    EXPECT_FALSE(codec::merge_asap_delta(into, matrix_delta(2, 3, 5), settings));
    EXPECT_FALSE(codec::merge_asap_delta(into, matrix_delta(1, 8, 5), settings));
    EXPECT_EQ(codec::merge_asap_delta(into, matrix_delta(1, 3, -5), settings).has_value(),
              kind == Kind::count_sketch);
  }
  Accumulator into;
  EXPECT_FALSE(codec::merge_asap_delta(into, matrix_delta(1, 3, 5), {}));
}

TEST(AsapDelta, NeedsWhatItIsADeltaTo) {
  WireWriter bucket;
  bucket.zigzag(1, 10);
  bucket.varint(2, 4);
  WireWriter delta;
  delta.bytes(1, bucket.view());
  Settings settings{.kind = Kind::ddsketch};
  Accumulator nothing;
  EXPECT_FALSE(codec::merge_asap_delta(nothing, delta.view(), settings));
  Accumulator into = envelope("ddsketch_proto_envelope_a001.hex");
  ASSERT_TRUE(codec::merge_asap_delta(into, delta.view(), settings));
  EXPECT_EQ(std::get<DDSketch>(into).count(), 54);
  settings.kind = Kind::hll;
  WireWriter registers;
  registers.bytes(1, std::string_view{"\x05\x32", 2});
  Accumulator hll = envelope("hll_proto_envelope_p14.hex");
  ASSERT_TRUE(codec::merge_asap_delta(hll, registers.view(), settings));
  EXPECT_EQ(std::get<Hll>(hll).registers()[5], 50);
}

TEST(Asapquery, HoldsCountMinWithAndWithoutHeap) {
  for (const bool heap : {false, true}) {
    Accumulator into;
    const auto merged = codec::merge_asapquery(into, hex_of_gzip(stream_count_min(heap, 9)), {});
    ASSERT_TRUE(merged) << merged.error().detail;
    const auto& sketch = std::get<CountMin>(into);
    EXPECT_EQ(sketch.matrix().shape(),
              (sketch::MatrixShape{.rows = 3, .cols = 4, .rule = sketch::MatrixShape::Rule::xxh32}));
    EXPECT_EQ(sketch.matrix().cells()[0], 9);
    EXPECT_EQ(sketch.matrix().cells()[7], 3);
    EXPECT_EQ(sketch.items().keys().size(), heap ? 1U : 0U);
    EXPECT_EQ(sketch.top_k(5).absent_at_most, 9);  // no cell is greater, and the heap says nothing
    EXPECT_FALSE(codec::merge_asapquery(into, hex_of_gzip(stream_count_min(heap, 9)),
                                        {.hashing = Settings::Hashing::asap}));
    EXPECT_FALSE(codec::merge_asapquery(into, hex_of_gzip(stream_count_min(heap, -1)), {}));
  }
}

TEST(Asapquery, HoldsExactSums) {
  MsgpackWriter out;
  out.map(2);
  out.text("a");
  out.f64(2.5);
  out.text("b");
  out.f64(1);
  const std::string blob = hex_of_gzip(std::move(out).take());
  Accumulator into;
  const Settings settings{.kind = Kind::frequent_items};
  ASSERT_TRUE(codec::merge_asapquery(into, blob, settings));
  ASSERT_TRUE(codec::merge_asapquery(into, blob, settings));
  const auto top = std::get<FrequentItems>(into).top_k(1);
  EXPECT_EQ(top.items[0].item, "a");
  EXPECT_EQ(top.items[0].low, 5);
  EXPECT_EQ(top.items[0].high, 5);
}

TEST(Asapquery, InflatesNoMoreThanItMay) {
  const std::string zeros(codec::kInflatedMax + 1, '\0');
  const auto merged = [](const std::string& bytes) {
    Accumulator into;
    const auto result = codec::merge_asapquery(into, hex_of_gzip(bytes), {});
    return result ? std::string{} : result.error().detail;
  };
  EXPECT_NE(merged(zeros).find("inflates to more"), std::string::npos);
  EXPECT_EQ(merged(zeros.substr(0, codec::kInflatedMax - 1)).find("inflates to more"), std::string::npos);
}

}  // namespace
