// Quantiles, beside the values that really have these ranks: of delays of real flights and of generated data,
// before and after merging in random trees.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "engine/codec/ddsketch_binary.hpp"
#include "engine/codec/ddsketch_proto.hpp"
#include "engine/sketch/ddsketch.hpp"
#include "tests/sketch/merge_trees.hpp"

namespace settle::test {
namespace {

using sketch::DDSketch;
using sketch::Degraded;
using sketch::Mapping;
using sketch::QuantileAnswer;
using Values = std::vector<double>;

constexpr std::int64_t kNoLimit = 0;
constexpr std::size_t kParts = 24;
constexpr int kSeeds = 3;
constexpr int kPercents = 101;  // quantiles 0, 0.01 ... 1

/// How late flights were, in minutes, in the file's order; below zero: early.
Values read_delays() {
  const std::string path = SETTLE_NPM "/vega-datasets/data/flights-200k.json";
  std::ifstream in{path, std::ios::binary};
  if (!in) {
    ADD_FAILURE() << path << " is not there: run scripts/test-data";
    return {};
  }
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const boost::json::value flights = boost::json::parse(text);
  Values delays;
  for (const auto& row : flights.as_array()) {
    delays.push_back(row.at("delay").to_number<double>());
  }
  return delays;
}

Values generated(const std::string& name) {
  Random random{7};
  std::lognormal_distribution<double> lognormal{0, 2};
  std::uniform_real_distribution<double> uniform{0, 1};
  std::normal_distribution<double> normal{0, 1};
  const bool signs = name.ends_with("of_both_signs");
  Values values;
  for (int i = 0; i < 20'000; ++i) {
    double value = 42.5;
    if (name.starts_with("lognormal")) value = lognormal(random);
    if (name.starts_with("pareto")) value = std::pow(1 - uniform(random), -1 / 1.1);
    if (name.starts_with("bimodal")) value = i % 2 == 0 ? 10 + normal(random) : 1e6 + 1e4 * normal(random);
    values.push_back(signs && random() % 3 == 0 ? -value : value);
  }
  return values;
}

struct Data {
  Values values;
  Values sorted;
};

const Data& data_of(const std::string& name) {
  static std::map<std::string, Data> all;
  Data& data = all[name];
  if (data.values.empty()) {
    data.values = name == "flights" ? read_delays() : generated(name);
    data.sorted = data.values;
    std::sort(data.sorted.begin(), data.sorted.end());
  }
  return data;
}

struct Asked {
  double q = 0;
  double truth = 0;
  QuantileAnswer answer;
};

std::vector<Asked> ask(const DDSketch& sketch, const Values& sorted) {
  std::vector<Asked> all;
  for (int percent = 0; percent < kPercents; ++percent) {
    const double q = percent / 100.0;
    const auto rank = static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1));
    all.push_back({.q = q, .truth = sorted[rank], .answer = sketch.quantile(q)});
  }
  return all;
}

/// The error as a share of the one that the answer states. Rounding of the logarithm may add 1e-9 of it.
double share_of_bound(const Asked& asked) {
  const double error = std::abs(asked.answer.value - asked.truth);
  return error == 0 ? 0 : error / (asked.answer.alpha * std::abs(asked.truth));
}
constexpr double kBound = 1 + 1e-9;

/// The greatest share of the stated error among all quantiles.
double expect_accurate(const DDSketch& sketch, const Values& sorted, double alpha) {
  EXPECT_EQ(sketch.count(), static_cast<double>(sorted.size()));
  double worst = 0;
  for (const Asked& asked : ask(sketch, sorted)) {
    EXPECT_NEAR(asked.answer.alpha, alpha, alpha * 1e-9);
    EXPECT_EQ(asked.answer.degraded, Degraded::nothing);
    EXPECT_LE(share_of_bound(asked), kBound)
        << "q " << asked.q << ": " << asked.answer.value << " for " << asked.truth;
    worst = std::max(worst, share_of_bound(asked));
  }
  return worst;
}

/// Some have many values, some few, and the last one none.
std::vector<DDSketch> dealt(const Values& values, const DDSketch& empty, Random& random) {
  std::vector<DDSketch> parts(kParts, empty);
  for (const double value : values) {
    EXPECT_TRUE(parts[std::min(random() % (kParts - 1), random() % (kParts - 1))].add(value));
  }
  return parts;
}

DDSketch by_proto(const DDSketch& sketch) {
  const auto blob = codec::encode_ddsketch_proto(sketch);
  EXPECT_TRUE(blob.has_value());
  return read_blob<DDSketch>(*blob, codec::Format::ddsketch_proto);
}
DDSketch by_binary(const DDSketch& sketch) {
  return read_blob<DDSketch>(codec::encode_ddsketch_binary(sketch), codec::Format::ddsketch_binary);
}

TEST(Flights, AreAsManyAsWereCounted) {
  const Values& delays = data_of("flights").sorted;
  EXPECT_EQ(delays.size(), 231'083U);
  EXPECT_EQ(std::count_if(delays.begin(), delays.end(), [](double delay) { return delay < 0; }), 99'063);
}

class OnData : public testing::TestWithParam<std::tuple<std::string, double>> {
 protected:
  [[nodiscard]] static const Data& data() { return data_of(std::get<0>(GetParam())); }
  [[nodiscard]] static double alpha() { return std::get<1>(GetParam()); }
};

INSTANTIATE_TEST_SUITE_P(, OnData,
                         testing::Combine(testing::Values("flights", "lognormal", "pareto", "bimodal",
                                                          "constant", "lognormal_of_both_signs",
                                                          "pareto_of_both_signs", "bimodal_of_both_signs",
                                                          "constant_of_both_signs"),
                                          testing::Values(0.001, 0.01, 0.05)),
                         [](const auto& param) {
                           return std::get<0>(param.param) + "_" +
                                  std::to_string(std::lround(std::get<1>(param.param) * 1000)) + "_per_mille";
                         });

TEST_P(OnData, EveryQuantileIsWithinTheStatedError) {
  ASSERT_FALSE(data().sorted.empty());
  const DDSketch empty{Mapping::of_accuracy(alpha()), kNoLimit};
  DDSketch whole = empty;
  for (const double value : data().values) ASSERT_TRUE(whole.add(value));
  double worst = expect_accurate(whole, data().sorted, alpha());
  for (int seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE("merged in the tree of seed " + std::to_string(seed));
    Random random{static_cast<std::uint64_t>(seed)};
    const auto travel = [&](const DDSketch& sketch) {
      switch (random() % 4) {
        case 0:
          return by_cell_frame(sketch);
        case 1:
          return by_proto(sketch);
        case 2:
          return by_binary(sketch);
        default:
          return sketch;
      }
    };
    const DDSketch merged = merged_in_a_tree(dealt(data().values, empty, random), random, travel);
    worst = std::max(worst, expect_accurate(merged, data().sorted, alpha()));
  }
  RecordProperty("worst_share_of_the_stated_error", std::to_string(worst));
}

/// What is not said to be collapsed is within the stated error, and what is lies no nearer to zero than the
/// truth. How many are collapsed.
int expect_honest(const DDSketch& sketch, const Values& sorted) {
  EXPECT_EQ(sketch.count(), static_cast<double>(sorted.size()));
  int collapsed = 0;
  for (const Asked& asked : ask(sketch, sorted)) {
    SCOPED_TRACE("q " + std::to_string(asked.q) + ": " + std::to_string(asked.answer.value) + " for " +
                 std::to_string(asked.truth));
    if (has(asked.answer.degraded, Degraded::collapsed)) {
      ++collapsed;
      EXPECT_GE(std::abs(asked.answer.value), std::abs(asked.truth) * (1 - asked.answer.alpha * kBound));
      EXPECT_EQ(asked.answer.value < 0, asked.truth < 0);
    } else {
      EXPECT_LE(share_of_bound(asked), kBound);
    }
  }
  return collapsed;
}

TEST_P(OnData, WhatACollapsedStoreCannotPromiseIsSaid) {
  ASSERT_FALSE(data().sorted.empty());
  for (const std::int64_t limit : {std::int64_t{20}, std::int64_t{200}, DDSketch::kDefaultBinLimit}) {
    SCOPED_TRACE("at most " + std::to_string(limit) + " bins");
    const DDSketch empty{Mapping::of_accuracy(alpha()), limit};
    DDSketch whole = empty;
    for (const double value : data().values) ASSERT_TRUE(whole.add(value));
    const int collapsed = expect_honest(whole, data().sorted);
    for (int seed = 0; seed < kSeeds; ++seed) {
      SCOPED_TRACE("merged in the tree of seed " + std::to_string(seed));
      Random random{static_cast<std::uint64_t>(seed)};
      const auto travel = [&](const DDSketch& sketch) {
        return random() % 2 == 0 ? by_cell_frame(sketch) : sketch;
      };
      const DDSketch merged = merged_in_a_tree(dealt(data().values, empty, random), random, travel);
      EXPECT_EQ(expect_honest(merged, data().sorted), collapsed);
    }
    RecordProperty("collapsed_quantiles_of_" + std::to_string(limit) + "_bins", collapsed);
    // A place for all: nothing is said to be lost. Far too few: something is, and not of the highest values.
    const bool one_value = data().sorted.front() == data().sorted.back();
    if (one_value || (limit == DDSketch::kDefaultBinLimit && alpha() > 0.005)) {
      EXPECT_EQ(collapsed, 0);
    }
    if (limit == 20 && alpha() < 0.02 && !std::get<0>(GetParam()).starts_with("constant")) {
      EXPECT_GT(collapsed, 0);
      EXPECT_LT(collapsed, kPercents);
    }
  }
}

}  // namespace
}  // namespace settle::test
