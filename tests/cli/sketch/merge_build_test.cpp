#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cli/sketch/sketch_files.hpp"

namespace settle {
namespace {

namespace json = boost::json;
using cli::BlobOptions;
using cli::BuildOptions;
using test::build;
using test::Folder;
using test::golden_file;
using test::inspect;
using test::Outcome;
using testing::HasSubstr;

double number(const json::value& value) {
  return value.to_number<double>();
}

Outcome merge(const cli::MergeArguments& arguments) {
  return test::run(cli::merge_sketches, arguments);
}

/// From 1 to n, a line each, behind `before`.
std::string lines(int from, int to, const std::string& before = "") {
  std::string text;
  for (int i = from; i <= to; ++i) text += before + std::to_string(i) + "\n";
  return text;
}

TEST(SketchBuild, KeepsQuantilesWithinTheAccuracy) {
  for (const double accuracy : {0.001, 0.01, 0.05}) {
    const auto built = build({.kind = "ddsketch", .accuracy = accuracy, .bin_limit = 0}, lines(1, 10'000));
    ASSERT_EQ(built.code, 0) << built.err;
    const auto said = inspect("-", {}, built.out).json();  // detected
    EXPECT_EQ(said.at("format").as_string(), "cell");
    EXPECT_EQ(number(said.at("count")), 10'000);
    EXPECT_EQ(number(said.at("sum")), 50'005'000);
    EXPECT_EQ(number(said.at("min")), 1);
    EXPECT_EQ(number(said.at("max")), 10'000);
    for (const char* q : {"0.01", "0.25", "0.5", "0.99", "0.999"}) {
      const double truth = 1 + std::floor(std::stod(q) * 9'999);
      EXPECT_NEAR(number(said.at("quantiles").at(q)), truth, accuracy * truth * 1.0000001) << q;
    }
  }
}

TEST(SketchBuild, SaysThatBinsWereCollapsed) {
  const auto built = build({.kind = "ddsketch", .bin_limit = 32}, lines(1, 10'000));
  const auto said = inspect("-", {}, built.out).json();
  EXPECT_EQ(number(said.at("bin_limit")), 32);
  EXPECT_EQ(said.at("degraded").as_array(), json::array{"collapsed"});
}

TEST(SketchBuild, CountsDistinctItemsOnceHoweverOftenTheyCome) {
  const auto built = build({.kind = "hll"}, lines(1, 300) + lines(1, 300));
  const auto said = inspect("-", {}, built.out).json();
  EXPECT_NEAR(number(said.at("estimate")), 300, 0.01);
  EXPECT_EQ(number(said.at("precision")), 12);
  const auto many = inspect("-", {}, build({.kind = "hll", .precision = 14}, lines(1, 100'000)).out).json();
  EXPECT_NEAR(number(many.at("estimate")), 100'000, 5 * number(many.at("standard_error")) * 100'000);
}

TEST(SketchBuild, HashesNumbersAsDataSketchesDoes) {
  // The golden sketch is of the numbers 0 to 9: the same coupons, whoever built it.
  std::string values;
  for (int i = 0; i < 10; ++i) values += std::to_string(i) + "\n";
  cli::BuildArguments arguments{.build = {.kind = "hll", .item = "i64"}, .to = "datasketches-hll"};
  const auto built = test::run(cli::build_sketch, arguments, values);
  ASSERT_EQ(built.code, 0) << built.err;
  const Folder folder;
  const auto merged = merge({.files = {folder.write("built", built.out),
                                       golden_file("datasketches-hll/lgk12_hll8_n10.compact.bin")},
                             .out_file = folder.file("out")});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_NEAR(number(inspect(folder.file("out")).json().at("estimate")), 10, 1e-3);
}

TEST(SketchBuild, WeighsHeavyHittersAsUniqCounts) {
  const std::string counted = "     30 /index.html\n      7 /a b\n\n      1 /c\r\n";
  for (const char* kind : {"count-min", "count-sketch", "frequent-items"}) {
    const auto built = build({.kind = kind, .weighted = true}, counted);
    ASSERT_EQ(built.code, 0) << built.err;
    const auto said = inspect("-", {}, built.out).json();
    EXPECT_EQ(said.at("kind").as_string(), kind);
    const json::array& items = said.at("items").as_array();
    ASSERT_EQ(items.size(), 3U) << kind;
    EXPECT_EQ(items[0].at("item").as_string(), "/index.html");
    EXPECT_EQ(number(items[0].at("estimate")), 30);
    EXPECT_EQ(items[1].at("item").as_string(), "/a b");
    EXPECT_EQ(items[2].at("item").as_string(), "/c");
    EXPECT_LE(number(items[2].at("lower")), 1);
    EXPECT_GE(number(items[2].at("upper")), 1);
  }
}

TEST(SketchBuild, ShowsItemsThatAreNoText) {
  const auto built = build({.kind = "frequent-items"}, "a\xff\nb\n");
  const auto said = inspect("-", {}, built.out).json();
  EXPECT_EQ(said.at("items").at(0).at("item").as_string(), "a\xef\xbf\xbd");
  EXPECT_EQ(said.at("items").at(0).at("item_hex").as_string(), "61ff");
  EXPECT_FALSE(said.at("items").at(1).as_object().contains("item_hex"));
}

TEST(SketchBuild, KeepsStatisticsInTime) {
  const auto built =
      build({.kind = "stats"}, "2026-01-01T00:00:00Z 5\n2026-01-01T00:01:00Z 8\n2026-01-01T00:02:00Z 2\n");
  ASSERT_EQ(built.code, 0) << built.err;
  const auto said = inspect("-", {}, built.out).json();
  EXPECT_EQ(number(said.at("count")), 3);
  EXPECT_EQ(number(said.at("sum")), 15);
  EXPECT_EQ(number(said.at("increase")), 5);  // 3, then a reset and 2
  EXPECT_EQ(said.at("last").at("time").as_string(), "2026-01-01T00:02:00Z");
}

TEST(SketchBuild, NamesTheLineThatIsNoValue) {
  const auto error_of = [](const BuildOptions& options, const std::string& values) {
    const auto outcome = build(options, values);
    EXPECT_EQ(outcome.code, 1);
    EXPECT_EQ(outcome.out, "");
    return outcome.err;
  };
  EXPECT_EQ(error_of({}, "1\n2\n\nthree\n"),
            "settle sketch build: line 4: \"three\" is not a finite number\n");
  EXPECT_THAT(error_of({}, "nan\n"), HasSubstr("line 1: \"nan\" is not a finite number"));
  EXPECT_THAT(error_of({}, "1e999\n"), HasSubstr("line 1"));
  EXPECT_THAT(error_of({.weighted = true}, "0 5\n"), HasSubstr("\"0\" is not a weight above 0"));
  EXPECT_THAT(error_of({.weighted = true}, "5\n"), HasSubstr("a weight and nothing behind it"));
  EXPECT_THAT(error_of({.kind = "hll", .item = "i64"}, "1\n1.5\n"), HasSubstr("line 2"));
  EXPECT_THAT(error_of({.kind = "stats"}, "2026-01-01T00:00:00Z 1\n2026-01-01T00:00:00Z 2\n"),
              HasSubstr("line 2: 2026-01-01T00:00:00Z is not later"));
  EXPECT_THAT(error_of({.kind = "tdigest"}, ""), HasSubstr("--kind is ddsketch, "));
  EXPECT_THAT(error_of({.accuracy = 1}, ""), HasSubstr("--accuracy"));
  EXPECT_THAT(error_of({.kind = "hll", .precision = 3}, ""), HasSubstr("--precision is 4 to 21"));
  EXPECT_THAT(error_of({.kind = "count-min", .depth = 65}, ""), HasSubstr("--depth and --width"));
}

TEST(SketchMerge, AddsDdsketchesAndKeepsTheirFormat) {
  const Folder folder;
  const std::vector<std::string> files{golden_file("ddsketch-go/03_lognormal_dense.pb"),
                                       golden_file("ddsketch-go/07_negatives_zeros.pb")};
  const auto merged =
      merge({.files = files, .blob = {.format = "ddsketch-proto"}, .out_file = folder.file("out")});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_THAT(merged.out, HasSubstr("merged 2 sketches: ddsketch, count "));
  const auto said = inspect(folder.file("out"), {.format = "ddsketch-proto"}).json();
  double count = 0;
  double zeros = 0;
  for (const std::string& file : files) {
    const auto one = inspect(file, {.format = "ddsketch-proto"}).json();
    count += number(one.at("count"));
    zeros += number(one.at("zero_count"));
  }
  EXPECT_EQ(number(said.at("count")), count);
  EXPECT_EQ(number(said.at("zero_count")), zeros);
}

TEST(SketchMerge, MergesAsDataSketchesMerged) {
  const Folder folder;
  const auto merged = merge({.files = {golden_file("datasketches-hll/u1_left_lgk12_hll8.compact.bin"),
                                       golden_file("datasketches-hll/u1_right_lgk12_hll8.compact.bin")},
                             .out_file = folder.file("out"),
                             .to = "cell"});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_THAT(merged.err, HasSubstr("HIP"));
  const auto ours = inspect(folder.file("out")).json();
  const auto theirs = inspect(golden_file("datasketches-hll/u1_result_hll8.compact.bin")).json();
  EXPECT_EQ(ours.at("estimate"), theirs.at("estimate"));  // the same registers
}

TEST(SketchMerge, GivesTheSameBytesInWhateverOrder) {
  const Folder folder;
  std::vector<std::string> files;
  for (int i = 0; i < 4; ++i) {
    files.push_back(folder.write(std::to_string(i), build({}, lines(100 * i, 100 * i + 150)).out));
  }
  ASSERT_EQ(merge({.files = files, .out_file = folder.file("up")}).code, 0);
  ASSERT_EQ(merge({.files = {files.rbegin(), files.rend()}, .out_file = folder.file("down")}).code, 0);
  EXPECT_EQ(Folder::read(folder.file("up")), Folder::read(folder.file("down")));
  EXPECT_NE(Folder::read(folder.file("up")), "");
}

TEST(SketchMerge, RefusesWhatDoesNotFitAndNamesBothSides) {
  const Folder folder;
  const auto one_percent = folder.write("one", build({.accuracy = 0.01}, "1\n").out);
  const auto two_percent = folder.write("two", build({.accuracy = 0.02}, "1\n").out);
  const auto distinct = folder.write("hll", build({.kind = "hll"}, "1\n").out);
  const auto wide = folder.write("wide", build({.kind = "count-min"}, "1\n").out);
  const auto narrow = folder.write("narrow", build({.kind = "count-min", .width = 512}, "1\n").out);
  const auto refused = [&](const std::string& left, const std::string& right) {
    const auto outcome = merge({.files = {left, right}, .out_file = folder.file("out")});
    EXPECT_EQ(outcome.code, 1);
    EXPECT_FALSE(std::filesystem::exists(folder.file("out")));
    EXPECT_THAT(outcome.err,
                HasSubstr("settle sketch merge: " + right + " does not fit what is before it: "));
    return outcome.err;
  };
  EXPECT_THAT(
      refused(one_percent, two_percent),
      HasSubstr("another mapping: logarithmic, gamma 1.0408163265306123, offset 0 against logarithmic, "
                "gamma 1.02020202020202, offset 0"));
  EXPECT_THAT(refused(one_percent, distinct),
              HasSubstr("a DDSketch against a HyperLogLog sketch; nothing was written"));
  EXPECT_THAT(refused(wide, narrow), HasSubstr("4 x 2048, asap packed against 4 x 512, asap packed"));
  EXPECT_THAT(refused(distinct, golden_file("redis-hll/n1000.bin")),
              HasSubstr("DataSketches HLL against Redis HLL"));
}

TEST(SketchMerge, SaysWhatBecameOfDifferentPrecisionsAndScales) {
  const Folder folder;
  const auto fine = folder.write("fine", build({.kind = "hll", .precision = 14}, lines(1, 20'000)).out);
  const auto coarse = folder.write("coarse", build({.kind = "hll", .precision = 10}, lines(1, 20'000)).out);
  const auto merged = merge({.files = {fine, coarse}, .out_file = folder.file("out")});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_THAT(merged.err,
              HasSubstr("different precision, up to 14: the smallest of those with registers holds, 10"));
  EXPECT_EQ(number(inspect(folder.file("out")).json().at("precision")), 10);

  const auto scales = merge({.files = {golden_file("otlp-exphistogram/01_single.pb"),
                                       golden_file("otlp-exphistogram/02_lognormal_160.pb")},
                             .blob = {.format = "otlp-exphistogram"},
                             .out_file = folder.file("scales")});
  ASSERT_EQ(scales.code, 0) << scales.err;
  EXPECT_THAT(scales.err, HasSubstr("coarsest, scale 3"));
  EXPECT_THAT(scales.out, HasSubstr("bytes of cell"));  // otlp-exphistogram is not written
  const auto said = inspect(folder.file("scales")).json();
  EXPECT_EQ(number(said.at("count")), 10'001);
  EXPECT_EQ(said.at("degraded").as_array(), json::array{"mixed_gamma"});
}

TEST(SketchMerge, SaysWhatAFormatHasNoPlaceFor) {
  const Folder folder;
  const auto exact = golden_file("ddsketch-go/02_single.exact.bin");
  const auto merged = merge({.files = {exact, exact},
                             .blob = {.format = "ddsketch-binary"},
                             .out_file = folder.file("out"),
                             .to = "ddsketch-proto"});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_THAT(merged.err, HasSubstr("no place for the exact count, sum, minimum and maximum"));
  EXPECT_EQ(merge({.files = {exact},
                   .blob = {.format = "ddsketch-binary"},
                   .out_file = folder.file("out"),
                   .to = "datasketches-hll"})
                .code,
            1);
  const auto unknown = merge({.files = {exact}, .out_file = folder.file("out"), .to = "redis-hll"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("--to: \"redis-hll\" is read, not written; written are cell, "));
}

TEST(SketchMerge, TurnsCeilBinsToFloorBinsAndSaysSo) {
  const Folder folder;
  const BlobOptions ceil{.format = "ddsketch-proto", .bin_rule = "ceil"};
  const auto single = golden_file("ddsketch-js/02_single.pb");
  const auto merged = merge({.files = {single, single}, .blob = ceil, .out_file = folder.file("out")});
  ASSERT_EQ(merged.code, 0) << merged.err;
  EXPECT_THAT(merged.err, HasSubstr("read it without --bin-rule ceil"));
  const auto said = inspect(folder.file("out"), {.format = "ddsketch-proto"}).json();
  EXPECT_EQ(number(said.at("count")), 2);
  EXPECT_NEAR(number(said.at("quantiles").at("0.5")), 42.52427141344266, 1e-9);
}

TEST(SketchMerge, AddsStatisticsAlongTimeOrSeries) {
  const Folder folder;
  const auto early = folder.write("early", build({.kind = "stats"}, "0 1\n60000 4\n").out);
  const auto late = folder.write("late", build({.kind = "stats"}, "120000 6\n").out);
  ASSERT_EQ(merge({.files = {late, early}, .out_file = folder.file("out")}).code, 0);
  EXPECT_EQ(number(inspect(folder.file("out")).json().at("increase")), 5);
  const auto overlap = merge({.files = {early, early}, .out_file = folder.file("no")});
  EXPECT_EQ(overlap.code, 1);
  EXPECT_THAT(overlap.err, HasSubstr("overlap"));
  ASSERT_EQ(merge({.files = {early, early}, .out_file = folder.file("across"), .along = "series"}).code, 0);
  EXPECT_EQ(number(inspect(folder.file("across")).json().at("sum")), 10);
}

}  // namespace
}  // namespace settle
