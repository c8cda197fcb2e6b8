#include "fetchers/exact_json.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <random>

#include <boost/json/value.hpp>
#include <gtest/gtest.h>

namespace settle::fetchers {
namespace {

TEST(ExactJson, ReadsEveryDoubleBackToItsBits) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    const auto number = std::bit_cast<double>(random());
    if (!std::isfinite(number)) continue;
    std::array<char, 40> text{};
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), number, std::chars_format::scientific).ptr;
    const auto parsed = parse_exact_json({text.data(), end});
    ASSERT_TRUE(parsed) << text.data();
    EXPECT_EQ(parsed->as_double(), number) << text.data();
  }
}

TEST(ExactJson, KeepsWholeNumbersWhole) {
  EXPECT_EQ(*number_of(*parse_exact_json("18446744073709551615")), engine::Value::count(~0ULL));
  EXPECT_EQ(*number_of(*parse_exact_json("9007199254740993")), engine::Value::count(9007199254740993ULL));
  EXPECT_EQ(*number_of(*parse_exact_json("-3")), engine::Value::number(-3));
  EXPECT_EQ(*number_of(*parse_exact_json("12.0")), engine::Value::count(12));
  EXPECT_EQ(*number_of(*parse_exact_json("0.1")), engine::Value::number(0.1));
}

TEST(ExactJson, RefusesWhatIsNoFiniteNumber) {
  for (const auto* bad : {"1e999", "-1e999", "\"1\"", "null", "true", "[1]"}) {
    const auto parsed = parse_exact_json(bad);
    ASSERT_TRUE(parsed) << bad;
    EXPECT_FALSE(number_of(*parsed)) << bad;
  }
}

TEST(ExactJson, RefusesWhatIsNotJson) {
  const std::string deep(100, '[');
  for (const std::string& bad :
       {std::string{}, std::string{"{"}, std::string{"1 2"}, std::string{"NaN"}, deep}) {
    EXPECT_FALSE(parse_exact_json(bad)) << bad;
  }
  EXPECT_NE(parse_exact_json("[1,,2]").error().detail.find("at byte 4"), std::string::npos);
}

}  // namespace
}  // namespace settle::fetchers
