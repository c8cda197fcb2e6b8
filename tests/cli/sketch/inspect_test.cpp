#include <cmath>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/sketch/sketch_files.hpp"

namespace settle {
namespace {

namespace json = boost::json;
using cli::BlobOptions;
using test::golden_file;
using test::inspect;
using testing::HasSubstr;

double number(const json::value& value) {
  return value.to_number<double>();
}

json::array expected_cases(const std::string& folder) {
  std::ifstream in{golden_file(folder + "/expected.json"), std::ios::binary};
  return json::parse(std::string{std::istreambuf_iterator<char>{in}, {}}).at("cases").as_array();
}

bool is_there(const std::string& file) {
  return std::filesystem::exists(golden_file(file));
}

/// The quantiles that the producer answered, by the same rule of rank.
void expect_quantiles(const json::object& all, const json::object& expected, const std::string& named) {
  const json::object& said = all.at("quantiles").as_object();
  for (const auto& [q, of] : expected) {
    const json::value* answer = said.if_contains(q);
    const json::value* producer = of.as_object().if_contains("producer");
    if (answer == nullptr || producer == nullptr) continue;
    if (producer->is_null()) {
      EXPECT_TRUE(answer->is_null()) << named << " " << q;
      continue;
    }
    // On the negative side sketches-go rounds ranks the other way.
    const double rank = std::stod(std::string{q}) * (number(all.at("count")) - 1);
    ASSERT_TRUE(answer->is_number()) << named << " " << q;
    if (number(*answer) < 0 && rank != std::floor(rank)) continue;
    EXPECT_NEAR(number(*answer), number(*producer), 1e-9 * std::abs(number(*producer))) << named << " " << q;
  }
}

TEST(SketchInspect, AnswersAsTheGoLibraryDoes) {
  std::size_t seen = 0;
  for (const json::value& one : expected_cases("ddsketch-go")) {
    const std::map<std::string, std::string> formats{{"protobuf", "ddsketch-proto"},
                                                     {"binary", "ddsketch-binary"},
                                                     {"binary_without_mapping", "ddsketch-binary"}};
    for (const auto& [key, format] : formats) {
      const std::string file = "ddsketch-go/" + std::string{one.at("files").at(key).at("file").as_string()};
      if (!is_there(file)) continue;
      const double alpha = number(one.at("mapping").at("relative_accuracy"));
      BlobOptions options{.format = format};
      if (key == "binary_without_mapping") {
        if (number(one.at("mapping").at("interpolation")) != 0) continue;
        options.accuracy = std::to_string(alpha);
      }
      const auto outcome = inspect(golden_file(file), options);
      ASSERT_EQ(outcome.code, 0) << file << outcome.err;
      const json::object said = outcome.json();
      EXPECT_EQ(said.at("format").as_string(), format);
      EXPECT_EQ(said.at("kind").as_string(), "ddsketch");
      EXPECT_EQ(number(said.at("count")), number(one.at("count"))) << file;
      EXPECT_EQ(number(said.at("zero_count")), number(one.at("zero_count"))) << file;
      expect_quantiles(said, one.at("quantiles").as_object(), file);
      ++seen;
    }
  }
  EXPECT_GT(seen, 20U);
}

TEST(SketchInspect, AnswersAsTheJavaScriptLibraryDoesWithCeilBins) {
  std::size_t seen = 0;
  for (const json::value& one : expected_cases("ddsketch-js")) {
    const std::string file = "ddsketch-js/" + std::string{one.at("file").as_string()};
    if (!is_there(file) || file.ends_with("07_collapsed_highest_64.pb")) continue;  // NaN counts
    const auto outcome = inspect(golden_file(file), {.format = "ddsketch-proto", .bin_rule = "ceil"});
    ASSERT_EQ(outcome.code, 0) << file << outcome.err;
    // Of values below the normal doubles the library counts zeros otherwise: what its bytes say holds.
    if (file.find("tiny") == file.npos) {
      EXPECT_NEAR(number(outcome.json().at("count")), number(one.at("roundtrip_count")), 1e-6) << file;
    }
    if (file.ends_with("02_single.pb")) {
      expect_quantiles(outcome.json(), one.at("quantiles").as_object(), file);
    }
    EXPECT_EQ(outcome.err, "");
    ++seen;
  }
  EXPECT_GE(seen, 5U);
}

TEST(SketchInspect, SuspectsCeilBinsWhereJavaScriptWrote) {
  const std::string file = golden_file("ddsketch-js/02_single.pb");
  const auto outcome = inspect(file, {.format = "ddsketch-proto"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("--bin-rule ceil"));
  EXPECT_EQ(inspect(golden_file("ddsketch-go/02_single.pb"), {.format = "ddsketch-proto"}).err, "");
}

TEST(SketchInspect, SaysExactStatisticsOnlyWhereTheyAreKnown) {
  const auto exact =
      inspect(golden_file("ddsketch-go/02_single.exact.bin"), {.format = "ddsketch-binary"}).json();
  EXPECT_EQ(number(exact.at("sum")), 42.5);
  EXPECT_EQ(number(exact.at("min")), 42.5);
  EXPECT_EQ(number(exact.at("max")), 42.5);
  EXPECT_EQ(number(exact.at("quantiles").at("0.5")), 42.5);  // kept within them
  const auto plain = inspect(golden_file("ddsketch-go/02_single.bin"), {.format = "ddsketch-binary"}).json();
  EXPECT_FALSE(plain.contains("sum") || plain.contains("min") || plain.contains("max"));
  EXPECT_NEAR(number(plain.at("sum_of_bins")), 42.5, 0.425);
}

TEST(SketchInspect, HasAllQuantilesInOrder) {
  const auto outcome =
      inspect(golden_file("ddsketch-go/03_lognormal_dense.pb"), {.format = "ddsketch-proto"});
  std::string keys;
  const json::object said = outcome.json();
  for (const auto& [key, value] : said.at("quantiles").as_object()) keys += std::string{key} + " ";
  EXPECT_EQ(keys, "0 0.01 0.05 0.1 0.25 0.5 0.75 0.9 0.95 0.99 0.999 1 ");
  EXPECT_NEAR(number(outcome.json().at("relative_accuracy")), 0.01, 1e-12);
}

TEST(SketchInspect, EstimatesAsDataSketchesDoesWithTheTruthInItsInterval) {
  std::size_t seen = 0;
  for (const json::value& one : expected_cases("datasketches-hll")) {
    const std::string file = "datasketches-hll/" + std::string{one.at("name").as_string()} + ".compact.bin";
    if (!is_there(file)) continue;
    const auto outcome = inspect(golden_file(file));  // detected
    ASSERT_EQ(outcome.code, 0) << file << outcome.err;
    const json::object said = outcome.json();
    EXPECT_EQ(said.at("format").as_string(), "datasketches-hll");
    EXPECT_EQ(said.at("kind").as_string(), "hll");
    const double expected = number(one.at("estimate"));
    const double estimate = number(said.at("estimate"));
    const double tolerance =
        said.at("estimator").as_string() == "ertl" ? number(said.at("standard_error")) : 1e-6;
    EXPECT_NEAR(estimate, expected, tolerance * expected + 1e-9) << file;
    EXPECT_LE(number(said.at("interval").at("lower")), estimate) << file;
    EXPECT_GE(number(said.at("interval").at("upper")), estimate) << file;
    ++seen;
  }
  EXPECT_GT(seen, 40U);
}

TEST(SketchInspect, CountsWhatRedisAndPostgresqlCount) {
  for (const json::value& one : expected_cases("redis-hll")) {
    const std::string file = "redis-hll/" + std::string{one.at("file").as_string()};
    if (!is_there(file)) continue;
    const auto said = inspect(golden_file(file)).json();
    EXPECT_EQ(said.at("format").as_string(), "redis-hll");
    // Ertl's estimator in both: equal but for PFCOUNT's rounding.
    EXPECT_NEAR(number(said.at("estimate")), number(one.at("pfcount")), 0.51) << file;
  }
  for (const json::value& one : expected_cases("postgresql-hll")) {
    const std::string file = "postgresql-hll/" + std::string{one.at("file").as_string()};
    if (!is_there(file)) continue;
    const auto said = inspect(golden_file(file), {.format = "postgresql-hll"}).json();
    const double truth = number(one.at("true_distinct"));
    EXPECT_NEAR(number(said.at("estimate")), truth, 4 * number(said.at("standard_error")) * truth + 1)
        << file;
  }
}

TEST(SketchInspect, NamesTheHeavyHittersWithTheirBounds) {
  for (const json::value& one : expected_cases("datasketches-frequent-items")) {
    const std::string file =
        "datasketches-frequent-items/" + std::string{one.at("name").as_string()} + ".bin";
    if (!is_there(file)) continue;
    const auto said = inspect(golden_file(file)).json();  // whether items are texts or numbers is found out
    EXPECT_EQ(said.at("kind").as_string(), "frequent-items") << file;
    EXPECT_EQ(number(said.at("total_weight")), number(one.at("total_weight"))) << file;
    EXPECT_EQ(number(said.at("absent_at_most")), number(one.at("offset_max_error"))) << file;
    std::map<std::string, const json::object*> by_item;
    for (const json::value& item : said.at("items").as_array()) {
      by_item[std::string{item.at("item").as_string()}] = &item.as_object();
    }
    for (const json::value& row : one.at("no_false_negatives").as_array()) {
      const json::value& key = row.at("item");
      const auto found = by_item.find(key.is_string() ? std::string{key.as_string()} : json::serialize(key));
      ASSERT_NE(found, by_item.end()) << file << json::serialize(key);
      for (const char* field : {"estimate", "lower", "upper"}) {
        EXPECT_EQ(number(found->second->at(field)), number(row.at(field))) << file << field;
      }
    }
  }
}

TEST(SketchInspect, ReadsHexadecimalTextAndItsKind) {
  const auto heap = inspect(golden_file("asap/cmsheap_i64_regular_2x3_strkeys.hex")).json();
  EXPECT_EQ(heap.at("format").as_string(), "asap-v1");
  EXPECT_EQ(heap.at("kind").as_string(), "count-min");
  EXPECT_EQ(number(heap.at("rows")), 2);
  EXPECT_EQ(heap.at("items").as_array().size(), 4U);
  const auto quantiles =
      inspect(golden_file("asap/ddsketch_proto_envelope_a001.hex"), {.format = "asap-envelope"});
  EXPECT_EQ(quantiles.json().at("kind").as_string(), "ddsketch");
  const auto otlp =
      inspect(golden_file("otlp-exphistogram/02_lognormal_160.pb"), {.format = "otlp-exphistogram"});
  EXPECT_EQ(number(otlp.json().at("count")), 10'000);
  EXPECT_EQ(number(otlp.json().at("scale")), 3);
  EXPECT_NEAR(number(otlp.json().at("sum")), 16436.191627592794, 1e-6);
}

TEST(SketchInspect, DetectsOrNamesTheCandidates) {
  const std::map<std::string, std::string> formats{
      {"ddsketch-js", "ddsketch-proto"},
      {"datasketches-hll", "datasketches-hll"},
      {"datasketches-frequent-items", "datasketches-frequent-items"},
      {"otlp-exphistogram", "otlp-exphistogram"},
      {"redis-hll", "redis-hll"},
      {"postgresql-hll", "postgresql-hll"}};
  std::size_t detected = 0;
  std::size_t named = 0;
  const auto look = [&](const std::filesystem::path& file, const std::string& format) {
    if (inspect(file.string(), {.format = format}).code != 0) return;  // a producer's fault
    const auto outcome = inspect(file.string());
    if (outcome.code == 0) {
      EXPECT_EQ(outcome.json().at("format").as_string(), format) << file;
      ++detected;
    } else {
      EXPECT_THAT(outcome.err, HasSubstr(format)) << file;
      EXPECT_THAT(outcome.err, HasSubstr("--format")) << file;
      ++named;
    }
  };
  for (const auto& [folder, format] : formats) {
    for (const auto& file : std::filesystem::directory_iterator{golden_file(folder)}) {
      const std::string name = file.path().filename().string();
      if (name.ends_with(".bin") || name.ends_with(".pb")) look(file.path(), format);
    }
  }
  for (const auto& file : std::filesystem::directory_iterator{golden_file("ddsketch-go")}) {
    const std::string name = file.path().filename().string();
    if (name.ends_with(".pb")) look(file.path(), "ddsketch-proto");
    if (name.ends_with(".bin") && name.find("nomapping") == name.npos) look(file.path(), "ddsketch-binary");
  }
  EXPECT_GT(detected, 100U);
  EXPECT_LE(named, 1U) << detected;
}

TEST(SketchInspect, SaysWhatIsWrongWhereAndWhatToDo) {
  const std::string file = golden_file("ddsketch-js/07_collapsed_highest_64.pb");
  const auto nan = inspect(file, {.format = "ddsketch-proto"});
  EXPECT_EQ(nan.code, 1);
  EXPECT_EQ(nan.out, "");
  EXPECT_THAT(nan.err, HasSubstr("settle sketch inspect: " + file + ": not a DDSketch protobuf"));

  const std::string redis = golden_file("redis-hll/n1000.bin");
  const auto other = inspect(redis, {.format = "datasketches-hll"});
  EXPECT_EQ(other.code, 1);
  EXPECT_THAT(other.err, HasSubstr("the bytes can be read as redis-hll: name it by --format"));

  const auto seed = inspect(golden_file("datasketches-count-min/cm_f64_4x128_seed12345.bin"));
  EXPECT_EQ(seed.code, 1);
  EXPECT_THAT(seed.err, HasSubstr("--seed"));
  EXPECT_EQ(inspect(golden_file("datasketches-count-min/cm_f64_4x128_seed12345.bin"),
                    {.element = "f64", .seed = "12345"})
                .code,
            0);

  EXPECT_EQ(inspect("-", {}, "").code, 1);
  EXPECT_THAT(inspect("-", {}, "").err, HasSubstr("zero bytes"));
  EXPECT_EQ(number(inspect("-", {.format = "ddsketch-proto"}, "").json().at("count")), 0);
  const auto text = inspect("-", {}, "hello, world\n");
  EXPECT_EQ(text.code, 1);
  EXPECT_THAT(text.err, HasSubstr("settle sketch inspect: standard input: not a sketch of any format"));
  const auto gzip = inspect(golden_file("datasketches-hll/lgk21_hll4_n1000000.compact.bin.gz"));
  EXPECT_EQ(gzip.code, 1);
  EXPECT_THAT(gzip.err, HasSubstr("zcat"));

  const std::string bare = golden_file("ddsketch-go/03_lognormal_dense.nomapping.bin");
  EXPECT_EQ(inspect(bare).code, 1);
  EXPECT_THAT(inspect(bare).err, HasSubstr("--accuracy 0.01"));
  EXPECT_EQ(inspect(bare, {.accuracy = "0.01"}).json().at("format").as_string(), "ddsketch-binary");

  EXPECT_EQ(inspect("/does/not/exist").code, 2);
  EXPECT_THAT(inspect("/does/not/exist").err, HasSubstr("cannot read \"/does/not/exist\""));
  EXPECT_EQ(inspect("/").code, 2);
  EXPECT_EQ(inspect("-", {.format = "ddsketch"}, "x").code, 2);
  EXPECT_THAT(inspect("-", {.format = "ddsketch"}, "x").err,
              HasSubstr("--format is one of ddsketch-proto, "));
  EXPECT_THAT(inspect("-", {.bin_rule = "round"}, "x").err, HasSubstr("--bin-rule is floor or ceil"));
}

TEST(SketchInspect, PrintsNumbersThatAreExactAndJson) {
  const auto outcome = inspect(golden_file("ddsketch-go/02_single.exact.bin"), {.format = "ddsketch-binary"});
  EXPECT_THAT(outcome.out, HasSubstr("{\n  \"format\": \"ddsketch-binary\",\n  \"kind\": \"ddsketch\",\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\n  \"count\": 1,\n  \"zero_count\": 0,\n  \"sum\": 42.5,\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\n  \"degraded\": []\n}\n"));
}

}  // namespace
}  // namespace settle
