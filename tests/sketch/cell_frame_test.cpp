// Cell frames: what is written is read again, the same content is the same bytes, and nothing else is read.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/codec/cell/frame.hpp"
#include "engine/codec/cell/words.hpp"
#include "engine/codec/codec.hpp"
#include "tests/sketch/golden_files.hpp"
#include "tests/sketch/hostile.hpp"

namespace settle {
namespace {

using codec::BinRule;
using codec::Format;
using codec::Settings;
using sketch::Accumulator;

constexpr std::size_t kHead = 6;   // magic, version, kind
constexpr std::size_t kCheck = 4;  // checksum

Accumulator read_frame(std::string_view frame) {
  Accumulator read;
  const auto merged = codec::merge(read, frame, {.format = Format::cell});
  EXPECT_TRUE(merged.has_value()) << (merged ? "" : merged.error().detail);
  return read;
}

/// What is read from the frame has the content, and is written as the same bytes.
void expect_whole(const Accumulator& written, const std::string& named) {
  const std::string frame = codec::encode_cell(written);
  const Accumulator read = read_frame(frame);
  EXPECT_EQ(read.index(), written.index()) << named;
  EXPECT_EQ(canonical_hash(read), canonical_hash(written)) << named;
  EXPECT_EQ(codec::encode_cell(read), frame) << named;
}

struct Blob {
  std::string file;
  Settings settings;
  bool hex = false;
};

std::vector<Blob> golden_blobs() {
  std::vector<Blob> blobs;
  const auto add = [&](const std::string& folder, const std::string& ending, const Settings& settings,
                       bool hex = false) {
    for (const auto& file :
         std::filesystem::directory_iterator{std::string{SETTLE_TEST_DATA "/golden/"} + folder}) {
      const std::string name = file.path().filename().string();
      if (name.ends_with(ending)) blobs.push_back({folder + "/" + name, settings, hex});
    }
  };
  add("ddsketch-js", ".pb", {.format = Format::ddsketch_proto, .bin_rule = BinRule::ceil});
  add("ddsketch-go", ".pb", {.format = Format::ddsketch_proto});
  add("ddsketch-go", ".bin",
      {.format = Format::ddsketch_binary, .mapping = sketch::Mapping::of_accuracy(0.01)});
  add("datasketches-hll", ".bin", {.format = Format::datasketches_hll});
  add("datasketches-frequent-items", "6.bin", {.format = Format::datasketches_frequent_items});
  add("datasketches-frequent-items", "lg10.bin",
      {.format = Format::datasketches_frequent_items, .item = Settings::Item::i64});
  add("datasketches-count-min", "5x272.bin", {.format = Format::datasketches_count_min});
  add("datasketches-count-min", "12345.bin",
      {.format = Format::datasketches_count_min, .element = Settings::Element::f64, .seed = 12345});
  add("otlp-exphistogram", ".pb", {.format = Format::otlp_exphistogram});
  add("redis-hll", ".bin", {.format = Format::redis_hll});
  add("postgresql-hll", ".bin", {.format = Format::postgresql_hll});
  for (const char* one :
       {"cms_f64_fast_2x3.hex", "cms_i64_regular_2x3.hex", "strkeys.hex", "2x4.hex", "positive_a001.hex",
        "signed_a001.hex", "hll_classic_p12.hex", "hll_ertl_mle_p12.hex", "hll_hip_p12.hex"}) {
    add("asap", one, {.format = Format::asap_v1}, true);
  }
  for (const char* one :
       {"envelope_4x2048.hex", "envelope_3x512.hex", "envelope_a001.hex", "envelope_p14.hex"}) {
    add("asap", one, {.format = Format::asap_envelope}, true);
  }
  return blobs;
}

std::string bytes_of(const Blob& blob) {
  return blob.hex ? test::golden_hex(blob.file) : test::golden_bytes(blob.file);
}

TEST(CellFrame, HoldsWhatEveryGoldenBlobSays) {
  std::size_t read = 0;
  for (const Blob& blob : golden_blobs()) {
    Accumulator into;
    // Producers' faults are among them: NaN counts of ddsketch-js.
    if (!codec::merge(into, bytes_of(blob), blob.settings)) continue;
    expect_whole(into, blob.file);
    ++read;
  }
  EXPECT_GT(read, 150U);
}

TEST(CellFrame, MergesAsTheBlobsItStandsFor) {
  for (const Blob& blob : golden_blobs()) {
    const std::string bytes = bytes_of(blob);
    Accumulator one;
    if (!codec::merge(one, bytes, blob.settings)) continue;
    Accumulator twice = one;
    Accumulator by_frames = one;
    const auto as_blob = codec::merge(twice, bytes, blob.settings);
    const auto as_frame = codec::merge(by_frames, codec::encode_cell(one), {.format = Format::cell});
    ASSERT_TRUE(as_blob.has_value()) << blob.file;
    ASSERT_TRUE(as_frame.has_value()) << blob.file << ": " << as_frame.error().detail;
    EXPECT_EQ(canonical_hash(by_frames), canonical_hash(twice)) << blob.file;
  }
}

Accumulator distinct(unsigned precision, std::int64_t from, std::int64_t to, bool backwards = false) {
  auto hll = sketch::Hll::of_precision(precision);
  for (std::int64_t i = from; i < to; ++i) hll.add(backwards ? from + to - 1 - i : i);
  return hll;
}

TEST(CellFrame, OfTheSameContentIsTheSameBytesWhateverItsOrder) {
  for (const std::int64_t items : {0, 1, 20, 500, 5'000, 200'000}) {
    EXPECT_EQ(codec::encode_cell(distinct(12, 0, items)), codec::encode_cell(distinct(12, 0, items, true)));
  }
  sketch::DDSketch up{sketch::Mapping::of_accuracy(0.01)};
  sketch::DDSketch down{sketch::Mapping::of_accuracy(0.01)};
  sketch::FrequentItems items;
  sketch::FrequentItems backwards;
  for (int i = 1; i <= 1000; ++i) {
    up.add(i % 7 == 0 ? -i : i);
    const int other = 1001 - i;
    down.add(other % 7 == 0 ? -other : other);
    ASSERT_TRUE(items.add({std::to_string(i)}, i).has_value());
    ASSERT_TRUE(backwards.add({std::to_string(other)}, other).has_value());
  }
  EXPECT_EQ(codec::encode_cell(up), codec::encode_cell(down));
  EXPECT_EQ(codec::encode_cell(items), codec::encode_cell(backwards));
}

TEST(CellFrame, KeepsThatBinsWereCollapsed) {
  sketch::DDSketch sketch{sketch::Mapping::of_accuracy(0.01), 64};
  for (int i = 1; i <= 10'000; ++i) sketch.add(i);
  ASSERT_TRUE(has(sketch.quantile(0.01).degraded, sketch::Degraded::collapsed));
  expect_whole(sketch, "collapsed");
  const Accumulator read = read_frame(codec::encode_cell(sketch));
  const auto& held = *std::get_if<sketch::DDSketch>(&read);
  EXPECT_EQ(held.limits(), sketch.limits());
  for (const double q : {0.0, 0.01, 0.5, 0.99, 1.0}) {
    EXPECT_EQ(held.quantile(q).value, sketch.quantile(q).value);
    EXPECT_EQ(held.quantile(q).degraded, sketch.quantile(q).degraded);
  }
}

/// One of each kind and form, small enough to be damaged at every byte.
std::vector<std::pair<std::string, Accumulator>> samples() {
  std::vector<std::pair<std::string, Accumulator>> some;
  sketch::DDSketch quantiles{sketch::Mapping::of_accuracy(0.02)};
  for (int i = 1; i <= 40; ++i) quantiles.add(i * i % 2 == 0 ? -i : i, i % 5 == 0 ? 0.5 : 1);
  quantiles.add(0, 3);
  some.emplace_back("DDSketch", quantiles);
  sketch::DDSketch whole{sketch::Mapping::of_accuracy(0.02), 16};
  for (int i = 1; i <= 40; ++i) whole.add(i, 100);
  some.emplace_back("collapsed DDSketch of whole counts", whole);
  some.emplace_back("few distinct", distinct(12, 0, 10));
  some.emplace_back("some distinct of many registers", distinct(4, 0, 40));
  auto redis = sketch::Hll::of({.family = sketch::HllFamily::redis}, 10);
  for (std::int64_t i = 0; i < 30; ++i) redis.add(i);
  some.emplace_back("few registers", redis);
  auto postgresql = sketch::Hll::of({.family = sketch::HllFamily::postgresql, .width = 5}, 11);
  for (std::int64_t i = 0; i < 30; ++i) postgresql.add(i);
  some.emplace_back("hashes", postgresql);
  sketch::CountMin count_min{{.rows = 3, .cols = 32}};
  sketch::CountSketch count_sketch{{.rows = 3, .cols = 32}};
  sketch::FrequentItems items;
  for (int i = 1; i <= 12; ++i) {
    const std::string key = "item " + std::to_string(i);
    count_min.add({key}, i);
    count_sketch.add({key}, i % 2 == 0 ? i : i + 0.25);
    EXPECT_TRUE(items.add({key}, i).has_value());
  }
  some.emplace_back("Count-Min", count_min);
  some.emplace_back("CountSketch", count_sketch);
  some.emplace_back("frequent items", items);
  sketch::Stats stats;
  for (int i = 0; i < 5; ++i) stats.add(engine::from_epoch_ms(1'700'000'000'000 + i * 1000), 10.5 * i);
  some.emplace_back("statistics", stats);
  return some;
}

TEST(CellFrame, HoldsEveryKind) {
  for (const auto& [named, one] : samples()) expect_whole(one, named);
  for (const Accumulator& empty :
       std::vector<Accumulator>{sketch::DDSketch{}, sketch::Hll{}, sketch::CountMin{}, sketch::CountSketch{},
                                sketch::FrequentItems{}, sketch::Stats{}}) {
    expect_whole(empty, "empty " + std::string{family_text(empty)});
  }
  EXPECT_EQ(codec::encode_cell({}), "");
  EXPECT_EQ(read_frame("").index(), 0U);
}

TEST(CellFrame, RefusesWhatWasDamaged) {
  for (const auto& [named, one] : samples()) {
    const std::string frame = codec::encode_cell(one);
    test::for_each_damage(frame, [&, name = named](std::string_view damaged) {
      if (damaged.empty()) return;
      Accumulator into;
      EXPECT_FALSE(codec::merge(into, damaged, {.format = Format::cell}).has_value()) << name;
      EXPECT_EQ(into.index(), 0U);
    });
  }
}

TEST(CellFrame, ReadsOnlyWhatItWouldWrite) {
  // With the right checksum: what somebody made, not what was damaged on its way.
  std::size_t accepted = 0;
  for (const auto& [named, one] : samples()) {
    const std::string frame = codec::encode_cell(one);
    const auto kind = static_cast<std::uint8_t>(frame[5]);
    const std::string body = frame.substr(kHead, frame.size() - kHead - kCheck);
    test::for_each_damage(body, [&, name = named, &whole = one](std::string_view damaged) {
      const std::string made = codec::frame_of(kind, damaged);
      Accumulator into = whole;
      const std::string before = codec::encode_cell(into);
      if (!codec::merge(into, made, {.format = Format::cell})) {
        EXPECT_EQ(codec::encode_cell(into), before) << name;
      }
      Accumulator fresh;
      if (!codec::merge(fresh, made, {.format = Format::cell})) return;
      ++accepted;
      EXPECT_EQ(codec::encode_cell(fresh), made) << name;
    });
  }
  EXPECT_GT(accepted, 1000U);
}

std::string hex_of(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4U]);
    hex.push_back(kDigits[static_cast<unsigned char>(c) & 15U]);
  }
  return hex;
}

TEST(CellFrame, IsAsItsPageShowsIt) {
  std::ifstream in{SETTLE_DOCS "/formats/cell.md"};
  const std::string page{std::istreambuf_iterator<char>{in}, {}};
  sketch::DDSketch quantiles{sketch::Mapping::of_accuracy(0.01)};
  for (const double value : {1.0, -2.0, 2.0, 0.0}) quantiles.add(value);
  auto hll = sketch::Hll::of_precision(12);
  sketch::CountMin count_min{{.rows = 2, .cols = 8}};
  sketch::CountSketch count_sketch{{.rows = 2, .cols = 8}};
  sketch::FrequentItems items;
  for (const std::string_view item : {"a", "b", "a"}) {
    hll.add(item);
    count_min.add({item}, 1);
    count_sketch.add({item}, 1);
    ASSERT_TRUE(items.add({item}, 1).has_value());
  }
  sketch::Stats stats;
  ASSERT_TRUE(stats.add(engine::from_epoch_ms(1000), 1));
  ASSERT_TRUE(stats.add(engine::from_epoch_ms(2000), 2.5));
  for (const Accumulator& one :
       std::vector<Accumulator>{quantiles, hll, count_min, count_sketch, items, stats}) {
    const std::string frame = hex_of(codec::encode_cell(one));
    EXPECT_NE(page.find("`" + frame + "`"), std::string::npos) << family_text(one) << ": " << frame;
  }
}

TEST(CellFrame, SaysWhatIsWrong) {
  const auto error_of = [](std::string_view frame) {
    Accumulator into;
    const auto merged = codec::merge_cell(into, frame);
    return merged ? std::string{} : merged.error().detail;
  };
  EXPECT_EQ(error_of("hello, world"), "not a cell frame: it does not begin with \"SCEL\"");
  EXPECT_EQ(error_of("SCEL"), "not a cell frame: cut short: 4 bytes of at least 10");
  EXPECT_EQ(error_of("SCEL\x02\x01zzzz"), "not a cell frame: version 2 is not known here; read is version 1");
  EXPECT_EQ(error_of("SCEL\x01\x01zzzz"),
            "not a cell frame: its checksum is another: it was cut short or damaged on its way");
  EXPECT_EQ(error_of(codec::frame_of(9, "")), "not a cell frame: a sketch of kind 9, which is not known");
}

TEST(CellFrame, AsksForNoMoreMemoryThanItsBytesAllow) {
  // 2^24 cells in thirty bytes: larger matrices than 2^22 cells must have all of theirs written.
  sketch::CountMin large{{.rows = 64, .cols = 1U << 18}};
  Accumulator into;
  ASSERT_TRUE(codec::merge_cell(into, codec::encode_cell(large)).has_value());
  EXPECT_EQ(std::get_if<sketch::CountMin>(&into)->matrix().cells_in_use(), 0U);
  std::string body = codec::encode_cell(large);
  body = body.substr(kHead, body.size() - kHead - kCheck);
  ASSERT_EQ(body.back(), '\0');  // no runs
  body.back() = '\1';
  // In bytes, no words passed, one word: 1.
  body += std::string{"\0\0\1\1\0\0\0\0\0\0\0", 11};
  EXPECT_FALSE(codec::merge_cell(into, codec::frame_of(3, body)).has_value());
}

/// Counts of every width, with every gap between them and every beginning of the first word, added to what is
/// there.
TEST(CellFrame, ReadsCountsOfEveryWidthInRunsOfEveryLength) {
  std::uint64_t state = 1;
  const auto below = [&](std::uint64_t n) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (state >> 10) % n;
  };
  const sketch::Mapping mapping = sketch::Mapping::of_accuracy(0.01);
  std::set<codec::cell::Way> ways;
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t gaps = below(3) == 0 ? 95 : below(30);
    const std::uint64_t bits = 1 + below(54);
    sketch::DDSketch written{mapping};
    const auto end = static_cast<std::int64_t>(below(150));
    for (std::int64_t bin = static_cast<std::int64_t>(below(150)) - 150; bin < end; ++bin) {
      if (below(100) < gaps) continue;
      const double count = 1 + static_cast<double>(below(std::uint64_t{1} << below(bits)));
      const double value = mapping.lower(bin) * 1.005;
      ASSERT_TRUE(written.add(below(10) == 0 ? -value : value, count));
    }
    ways.insert(codec::cell::way_of(written.positive().counts()));
    const std::string frame = codec::encode_cell(written);
    Accumulator twice;
    ASSERT_TRUE(codec::merge_cell(twice, frame).has_value());
    ASSERT_EQ(codec::encode_cell(twice), frame);
    ASSERT_TRUE(codec::merge_cell(twice, frame).has_value());
    const auto& read = std::get<sketch::DDSketch>(twice);
    for (const bool negative : {false, true}) {
      const auto& bins = negative ? written.negative() : written.positive();
      const auto& doubled = negative ? read.negative() : read.positive();
      ASSERT_EQ(doubled.range(), bins.range());
      for (std::int64_t i = bins.range().low; i <= bins.range().high; ++i) {
        ASSERT_EQ(doubled.at(i), 2 * bins.at(i)) << round << " " << i;
      }
    }
  }
  using codec::cell::Way;
  EXPECT_EQ(ways, (std::set{Way::u8, Way::u16, Way::u32, Way::f64}));
}

}  // namespace
}  // namespace settle
