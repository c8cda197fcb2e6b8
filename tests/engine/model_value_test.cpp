#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "engine/model/answer.hpp"
#include "engine/model/value.hpp"

namespace settle::engine {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kCountMax = std::numeric_limits<std::uint64_t>::max();

TEST(Value, HoldsEveryNumberInOneForm) {
  EXPECT_EQ(Value{}, Value::count(0));
  EXPECT_EQ(Value::number(7.0), Value::count(7));
  EXPECT_EQ(Value::number(-0.0), Value::count(0));
  EXPECT_EQ(Value::number(9007199254740992.0), Value::count(1ULL << 53));
  EXPECT_EQ(Value::number(std::bit_cast<double>(0xFFF8'0000'0000'0001ULL)), Value::number(kNan));
  EXPECT_TRUE(Value::number(9223372036854775808.0).is_count());
  EXPECT_FALSE(Value::number(18446744073709551616.0).is_count());
  EXPECT_FALSE(Value::number(-1.0).is_count());
  EXPECT_FALSE(Value::number(0.5).is_count());
  EXPECT_NE(Value::count((1ULL << 53) + 1), Value::count(1ULL << 53));
}

TEST(Value, OrdersByNumberAcrossBothForms) {
  const std::vector<Value> ascending = {Value::number(-kInf),     Value::number(-1e300),
                                        Value::number(-1),        Value::number(-0.5),
                                        Value::count(0),          Value::number(5e-324),
                                        Value::number(0.5),       Value::count(1),
                                        Value::number(1.5),       Value::count(2),
                                        Value::count(1ULL << 53), Value::count((1ULL << 53) + 1),
                                        Value::count(kCountMax),  Value::number(18446744073709551616.0),
                                        Value::number(1e300),     Value::number(kInf),
                                        Value::number(kNan)};
  for (std::size_t i = 0; i < ascending.size(); ++i) {
    for (std::size_t j = 0; j < ascending.size(); ++j) {
      EXPECT_EQ(ascending[i] <=> ascending[j], i <=> j) << i << " " << j;
      EXPECT_EQ(ascending[i] == ascending[j], i == j) << i << " " << j;
    }
  }
}

TEST(Value, KnowsWhatIsFinite) {
  EXPECT_TRUE(Value::count(kCountMax).is_finite());
  EXPECT_TRUE(Value::number(-1.5).is_finite());
  EXPECT_FALSE(Value::number(kInf).is_finite());
  EXPECT_FALSE(Value::number(kNan).is_finite());
  EXPECT_TRUE(Value::number(kNan).is_nan());
  EXPECT_FALSE(Value::number(kInf).is_nan());
}

TEST(Value, IsTheSameAfterItsBits) {
  for (const Value& value :
       {Value::count(0), Value::count(kCountMax), Value::number(-2.25), Value::number(kNan)}) {
    EXPECT_EQ(Value::from_bits(value.held_bits()), value);
  }
}

TEST(Value, BitsThatAreNotCanonicalAreMadeSo) {
  EXPECT_EQ(Value::from_bits({.is_count = false, .bits = std::bit_cast<std::uint64_t>(3.0)}),
            Value::count(3));
  EXPECT_EQ(Value::from_bits({.is_count = false, .bits = std::bit_cast<std::uint64_t>(-0.0)}),
            Value::count(0));
}

TEST(FormatValue, WritesTheShortestTextThatReadsBack) {
  const std::pair<Value, std::string_view> cases[] = {
      {Value::count(123), "123"},
      {Value::number(0.5), "0.5"},
      {Value::number(1e300), "1e+300"},
      {Value::number(kNan), "NaN"},
      {Value::number(kInf), "+Inf"},
      {Value::number(-kInf), "-Inf"},
      {Value::number(-3), "-3"},
      {Value::number(0.1), "0.1"},
      {Value::count(kCountMax), "18446744073709551615"},
      {Value::number(1e20), "1e+20"},
      {Value::number(5e-324), "5e-324"},
  };
  for (const auto& [value, text] : cases) {
    EXPECT_EQ(format_value(value), text);
    const auto read = parse_value(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, value) << text;
  }
}

TEST(ParseValue, ReadsOtherFormsOfTheSameNumber) {
  EXPECT_EQ(*parse_value("1.0"), Value::count(1));
  EXPECT_EQ(*parse_value("1e3"), Value::count(1000));
  EXPECT_EQ(*parse_value("-0"), Value::count(0));
  EXPECT_EQ(*parse_value("1E-1"), Value::number(0.1));
  EXPECT_EQ(*parse_value("18446744073709551616"), Value::number(18446744073709551616.0));
}

TEST(ParseValue, RefusesWhatIsNotANumber) {
  for (const std::string_view text : {"", " 1", "1 ", "+1", "01", "1.", ".5", "1e", "1e+", "-", "0x10", "nan",
                                      "inf", "Inf", "1,5", "1_000", "1e999", "--1", "true"}) {
    EXPECT_FALSE(parse_value(text)) << text;
  }
}

TEST(TextArena, KeepsTextsWhereTheyAreWhenItIsMoved) {
  TextArena arena;
  std::vector<std::string> originals;
  std::vector<std::string_view> kept;
  for (int i = 0; i < 5000; ++i) originals.push_back("series{n=\"" + std::to_string(i) + "\"}");
  originals.push_back(std::string(200'000, 'x'));
  originals.emplace_back();
  originals.emplace_back("after the long one");
  for (const auto& text : originals) kept.push_back(arena.keep(text));
  TextArena moved = std::move(arena);
  kept.push_back(moved.keep("later"));
  arena = TextArena{};
  originals.emplace_back("later");
  for (std::size_t i = 0; i < kept.size(); ++i) EXPECT_EQ(kept[i], originals[i]);
}

TEST(TextArena, CanBeUsedAgainAfterItWasMovedFrom) {
  TextArena arena;
  (void)arena.keep("first");
  const TextArena moved = std::move(arena);
  EXPECT_EQ(arena.keep("second"), "second");  // NOLINT(bugprone-use-after-move): the promise under test
}

}  // namespace
}  // namespace settle::engine
