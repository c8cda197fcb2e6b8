// Blobs cut at every byte, with every byte flipped, and noise: good or refused, never a fault.

#include <cmath>
#include <filesystem>
#include <map>
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/codec/asap_ddsketch.hpp"
#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/codec/otlp_exphistogram.hpp"
#include "tests/sketch/golden_files.hpp"
#include "tests/sketch/hostile.hpp"

namespace settle::codec {
namespace {

using sketch::DDSketch;
using sketch::Mapping;

std::map<std::string, engine::Result<void> (*)(DDSketch&, std::string_view, const Settings&)> decoders() {
  return {{".pb", merge_ddsketch_proto},
          {".bin", merge_ddsketch_binary},
          {"otlp", merge_otlp_exphistogram},
          {"asap", [](DDSketch& into, std::string_view blob,
                      const Settings& settings) { return merge_asap_ddsketch(into, blob, settings); }},
          {"delta", [](DDSketch& into, std::string_view blob, const Settings& settings) {
             return merge_asap_ddsketch_delta(into, blob, settings);
           }}};
}

/// Good or refused; refused leaves the sketch as it was, and what is good can be asked.
template <class Decode>
void survive(Decode decode, std::string_view blob) {
  Settings settings;
  settings.mapping = Mapping::of_accuracy(0.01);
  DDSketch sketch;
  if (!decode(sketch, blob, settings)) {
    ASSERT_TRUE(sketch.empty());
    ASSERT_FALSE(sketch.mapping());
    return;
  }
  ASSERT_GE(sketch.count(), 0);
  const double answer = sketch.quantile(0.5).value;
  const bool empty =
      sketch.positive().range().empty() && sketch.negative().range().empty() && sketch.zeros() == 0;
  ASSERT_EQ(std::isnan(answer), empty);
  (void)canonical_hash(sketch);
}

TEST(DDSketchDecoders, SurviveEveryCutAndEveryFlip) {
  const std::string root = SETTLE_TEST_DATA "/golden/";
  const auto all = decoders();
  std::size_t blobs = 0;
  for (const char* folder : {"ddsketch-go", "ddsketch-js", "otlp-exphistogram"}) {
    for (const auto& file : std::filesystem::directory_iterator{root + folder}) {
      const std::string extension = file.path().extension().string();
      if (extension == ".json") continue;
      const std::string blob =
          test::golden_bytes(std::string{folder} + "/" + file.path().filename().string());
      if (blob.size() > 2'000) continue;
      ++blobs;
      const auto decode = all.at(std::string{folder}.starts_with("otlp") ? "otlp" : extension);
      survive(decode, blob);
      test::for_each_damage(
          blob, [decode](std::string_view bytes) { survive(decode, bytes); }, 2000);
    }
  }
  EXPECT_GT(blobs, 30U);
}

TEST(DDSketchDecoders, SurviveNoise) {
  for (const auto& [name, decode] : decoders()) {
    EXPECT_TRUE(rc::check(name, [decode = decode](const std::string& noise) { survive(decode, noise); }));
  }
  // Lengths that nothing follows.
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f";
  for (const char lead : {'\x05', '\x07', '\x09', '\x0b', '\x0d', '\x0f'}) {
    survive(merge_ddsketch_binary, lead + huge + std::string(64, '\x02'));
    survive(merge_ddsketch_binary, lead + huge + huge + huge + std::string(64, '\x02'));
    survive(merge_ddsketch_binary, lead + std::string{"\x10"} + huge + huge + std::string(64, '\x02'));
  }
}

}  // namespace
}  // namespace settle::codec
