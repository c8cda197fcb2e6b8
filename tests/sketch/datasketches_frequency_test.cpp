// Frequent items and Count-Min sketches that Apache DataSketches wrote.

#include <cstdint>
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "engine/codec/datasketches_count_min.hpp"
#include "engine/codec/datasketches_frequent_items.hpp"
#include "tests/sketch/golden_files.hpp"

namespace {

using namespace settle;
using codec::Settings;
using sketch::CountMin;
using sketch::FrequentItems;
using sketch::Key;
using sketch::KeyKind;
using test::number;

Settings settings_of(const boost::json::value& one) {
  Settings settings;
  if (const auto* type = one.as_object().if_contains("item_type")) {
    settings.item = *type == "int64" ? Settings::Item::i64 : Settings::Item::text;
  }
  if (const auto* seed = one.as_object().if_contains("seed"))
    settings.seed = seed->to_number<std::uint64_t>();
  if (const auto* type = one.as_object().if_contains("weight_type")) {
    settings.element = *type == "double" ? Settings::Element::f64 : Settings::Element::u64;
  }
  return settings;
}

std::string as_bytes(std::int64_t value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

double estimate(const FrequentItems& items, const std::string& item, Settings::Item kind) {
  if (kind == Settings::Item::text) return items.estimate({item});
  return items.estimate({as_bytes(std::stoll(item)), KeyKind::i64});
}

TEST(DatasketchesFrequentItems, DecodeToTheItemsAndBoundsOfTheLibrary) {
  const auto expected = test::golden_expected("datasketches-frequent-items");
  for (const auto& one : expected.at("cases").as_array()) {
    const std::string name{one.at("name").as_string()};
    SCOPED_TRACE(name);
    const Settings settings = settings_of(one);
    FrequentItems items;
    const std::string blob = test::golden_bytes("datasketches-frequent-items/" + name + ".bin");
    ASSERT_EQ(blob.size(), number(one.at("bytes")));
    const auto merged = codec::merge_datasketches_frequent_items(items, blob, settings);
    ASSERT_TRUE(merged) << merged.error().detail;
    EXPECT_EQ(items.items().size(), number(one.at("num_active")));
    EXPECT_EQ(items.total(), number(one.at("total_weight")));
    EXPECT_EQ(items.offset(), number(one.at("offset_max_error")));
    const auto top = items.top_k(100000);
    EXPECT_EQ(top.items.size(), number(one.at("no_false_negatives_rows")));
    std::size_t rank = 0;
    for (const auto& row : one.at("no_false_negatives").as_array()) {
      const std::string item{row.at("item").as_string()};
      EXPECT_EQ(estimate(items, item, settings.item), number(row.at("estimate"))) << item;
      ASSERT_LT(rank, top.items.size());
      EXPECT_EQ(top.items[rank].estimate, number(row.at("estimate")));
      EXPECT_LE(top.items[rank].low, top.items[rank].estimate);
      ++rank;
    }
    for (const auto& item : top.items) EXPECT_EQ(item.high - item.low, items.offset());
  }
}

TEST(DatasketchesFrequentItems, AreReadAgainAsTheyWereWritten) {
  const auto expected = test::golden_expected("datasketches-frequent-items");
  for (const auto& one : expected.at("cases").as_array()) {
    const Settings settings = settings_of(one);
    FrequentItems items;
    const std::string path =
        "datasketches-frequent-items/" + std::string{one.at("name").as_string()} + ".bin";
    ASSERT_TRUE(codec::merge_datasketches_frequent_items(items, test::golden_bytes(path), settings));
    FrequentItems again;
    const std::string written = codec::encode_datasketches_frequent_items(items);
    EXPECT_EQ(written.size(), number(one.at("bytes")));
    ASSERT_TRUE(codec::merge_datasketches_frequent_items(again, written, settings));
    EXPECT_EQ(canonical_hash(again), canonical_hash(items));
    EXPECT_EQ(again.total(), items.total());
  }
}

TEST(DatasketchesFrequentItems, SumWeightsAndOffsets) {
  const std::string blob = test::golden_bytes("datasketches-frequent-items/fi_long_zipf_lg10.bin");
  Settings settings;
  settings.item = Settings::Item::i64;
  FrequentItems items;
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(codec::merge_datasketches_frequent_items(items, blob, settings));
  const auto top = items.top_k(1);
  ASSERT_EQ(top.items.size(), 1U);
  EXPECT_EQ(top.items[0].item, "0");
  EXPECT_EQ(top.items[0].low, 3 * 30256);
  EXPECT_EQ(top.items[0].high, 3 * 30356);
  EXPECT_EQ(top.absent_at_most, 300);
  EXPECT_EQ(items.total(), 600000);
}

TEST(DatasketchesFrequentItems, SayWhatIsWrongWhenTheyAreOfAnotherType) {
  FrequentItems items;
  const std::string blob = test::golden_bytes("datasketches-frequent-items/fi_long_zipf_lg10.bin");
  const auto merged = codec::merge_datasketches_frequent_items(items, blob, {});
  ASSERT_FALSE(merged);
  EXPECT_NE(merged.error().detail.find("integers"), std::string::npos);
  EXPECT_EQ(items.items().size(), 0U);
}

TEST(DatasketchesCountMin, AnswersAsTheLibraryDoes) {
  const auto expected = test::golden_expected("datasketches-count-min");
  for (const auto& one : expected.at("cases").as_array()) {
    const std::string name{one.at("name").as_string()};
    SCOPED_TRACE(name);
    CountMin sketch;
    const auto merged = codec::merge_datasketches_count_min(
        sketch, test::golden_bytes("datasketches-count-min/" + name + ".bin"), settings_of(one));
    ASSERT_TRUE(merged) << merged.error().detail;
    EXPECT_EQ(sketch.matrix().shape().rows, number(one.at("num_hashes")));
    EXPECT_EQ(sketch.matrix().shape().cols, number(one.at("num_buckets")));
    EXPECT_EQ(sketch.total(), number(one.at("total_weight")));
    for (const auto& query : one.at("queries").as_array()) {
      const std::string key{query.at("key").as_string()};
      const auto answer = sketch.query({key});
      EXPECT_EQ(answer.estimate, number(query.at("estimate"))) << key;
      EXPECT_EQ(answer.high, answer.estimate);
      // The library adds its error to the estimate; the true weight lies below the estimate, not above.
      const double slack = number(query.at("upper")) - number(query.at("estimate"));
      EXPECT_NEAR(answer.low, std::max(0.0, answer.estimate - slack), 1.0) << key;
    }
  }
}

TEST(DatasketchesCountMin, AddsCellsAndRefusesOtherSeedsAndShapes) {
  const std::string blob = test::golden_bytes("datasketches-count-min/cm_u64_5x272.bin");
  CountMin sketch;
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(codec::merge_datasketches_count_min(sketch, blob, {}));
  EXPECT_EQ(sketch.query({"item-0"}).estimate, 2 * 15141);
  const std::uint64_t before = canonical_hash(sketch);

  const std::string other = test::golden_bytes("datasketches-count-min/cm_f64_4x128_seed12345.bin");
  const auto wrong_seed = codec::merge_datasketches_count_min(sketch, other, {});
  ASSERT_FALSE(wrong_seed);
  EXPECT_NE(wrong_seed.error().detail.find("seed"), std::string::npos);
  Settings settings;
  settings.seed = 12345;
  settings.element = Settings::Element::f64;
  const auto wrong_shape = codec::merge_datasketches_count_min(sketch, other, settings);
  ASSERT_FALSE(wrong_shape);
  EXPECT_NE(wrong_shape.error().detail.find("5 x 272"), std::string::npos);
  EXPECT_NE(wrong_shape.error().detail.find("4 x 128"), std::string::npos);
  EXPECT_EQ(canonical_hash(sketch), before);
}

TEST(DatasketchesCountMin, LetsNoNegativeCellIn) {
  std::string blob = test::golden_bytes("datasketches-count-min/cm_f64_4x128_seed12345.bin");
  Settings settings;
  settings.seed = 12345;
  settings.element = Settings::Element::f64;
  for (const double bad :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    std::memcpy(blob.data() + blob.size() - 8, &bad, sizeof bad);
    CountMin sketch;
    EXPECT_FALSE(codec::merge_datasketches_count_min(sketch, blob, settings)) << bad;
    EXPECT_FALSE(sketch.matrix().has_shape());
  }
}

}  // namespace
