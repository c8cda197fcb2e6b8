// The numbers of cell frames: which way says them, what is let in, and both twins of adding.
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/codec/cell/words.hpp"

namespace settle::codec::cell {
namespace {

constexpr NumberLimits kAny{.below = 1e300, .negative = true};
constexpr Way kWays[] = {Way::u8, Way::u16, Way::u32, Way::i8, Way::i16, Way::i32, Way::f64};

std::string written(Way way, const std::vector<double>& numbers) {
  std::string bytes(numbers.size() * width_of(way), '\0');
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    put_number(way, numbers[i], bytes.data() + i * width_of(way));
  }
  return bytes;
}

TEST(CellWords, AreOfTheFirstWayThatSaysAllNumbers) {
  const auto way = [](const std::vector<double>& numbers) { return way_of(numbers); };
  EXPECT_EQ(way({}), Way::u8);
  EXPECT_EQ(way({0.0, 255.0}), Way::u8);
  EXPECT_EQ(way({-0.0, 256.0}), Way::u16);
  EXPECT_EQ(way({65'535.0}), Way::u16);
  EXPECT_EQ(way({1.0, 65'536.0}), Way::u32);
  EXPECT_EQ(way({0x1p32 - 1}), Way::u32);
  EXPECT_EQ(way({0x1p32}), Way::f64);
  EXPECT_EQ(way({-1.0, 127.0}), Way::i8);
  EXPECT_EQ(way({-128.0}), Way::i8);
  EXPECT_EQ(way({-1.0, 128.0}), Way::i16);
  EXPECT_EQ(way({-129.0}), Way::i16);
  EXPECT_EQ(way({-1.0, 32'768.0}), Way::i32);
  EXPECT_EQ(way({-0x1p31, 0x1p31 - 1}), Way::i32);
  EXPECT_EQ(way({-1.0, 0x1p31}), Way::f64);
  EXPECT_EQ(way({1.0, 0.5}), Way::f64);
  EXPECT_EQ(way({1e300}), Way::f64);
}

TEST(CellWords, AreLetInOnlyInTheirOwnWay) {
  const std::vector<std::vector<double>> columns = {
      {1, 255}, {3, 256}, {70'000, 1}, {-1, 5}, {-1, 200}, {7, -40'000}, {0.5, 1}, {0x1p40, 1}, {-1, 0x1p31}};
  for (const auto& numbers : columns) {
    for (const Way way : kWays) {
      // As it would be if all of them could be said that way.
      if (way < way_of(numbers)) continue;
      const bool is_signed = way >= Way::i8;
      if (!is_signed && numbers[0] + numbers[1] < 0) continue;
      bool says_all = true;
      const std::string bytes = written(way, numbers);
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        says_all = says_all && number_at(way, bytes.data() + i * width_of(way)) == numbers[i];
      }
      if (!says_all) continue;
      EXPECT_EQ(is_column(way, bytes.data(), numbers.size(), kAny), way == way_of(numbers))
          << numbers[0] << " " << static_cast<int>(way);
    }
  }
}

TEST(CellWords, AreWithinTheirLimits) {
  const auto let_in = [](const std::vector<double>& numbers, NumberLimits limits) {
    const Way way = way_of(numbers);
    const std::string bytes = written(way, numbers);
    return is_column(way, bytes.data(), numbers.size(), limits);
  };
  constexpr NumberLimits kCounts{.below = 0x1p65, .negative = false};
  EXPECT_TRUE(let_in({0.5, 3}, kCounts));
  EXPECT_FALSE(let_in({0.5, -3}, kCounts));
  EXPECT_FALSE(let_in({2, -3}, kCounts));
  EXPECT_TRUE(let_in({2, -3}, kAny));
  EXPECT_FALSE(let_in({0.5, 0x1p65}, kCounts));
  EXPECT_FALSE(let_in({std::numeric_limits<double>::quiet_NaN()}, kAny));
  EXPECT_FALSE(let_in({std::numeric_limits<double>::infinity()}, kAny));
  std::string minus_zero = written(Way::f64, {0.5, 0.0});
  EXPECT_TRUE(is_column(Way::f64, minus_zero.data(), 2, kAny));
  minus_zero.back() = '\x80';
  EXPECT_FALSE(is_column(Way::f64, minus_zero.data(), 2, kAny));
}

TEST(CellWords, WithoutBitsAreFound) {
  std::string bytes(40, '\0');
  for (std::size_t word = 0; word < 5; ++word) bytes[word * kWord + word] = '\x80';
  EXPECT_FALSE(has_zero_word(bytes.data(), 5));
  for (std::size_t word = 0; word < 5; ++word) {
    std::string without = bytes;
    without[word * kWord + word] = 0;
    EXPECT_TRUE(has_zero_word(without.data(), 5));
  }
  EXPECT_FALSE(has_zero_word(bytes.data(), 0));
}

TEST(CellWords, AreAddedTheSameByBothTwins) {
  std::mt19937_64 random{1};
  for (const Way way : kWays) {
    for (std::size_t words = 0; words < 40; ++words) {
      std::string bytes(words * kWord + 1, '\0');
      for (char& byte : bytes) byte = static_cast<char>(random());
      const char* const from = bytes.data() + 1;  // lies anywhere
      const std::size_t count = words * numbers_per_word(way);
      if (way == Way::f64) {
        for (std::size_t i = 0; i < count; ++i) {
          put_number(way, std::ldexp(static_cast<double>(random() >> 11), -20), bytes.data() + 1 + i * kWord);
        }
      }
      std::vector<double> fast(count + 8, 0.75);
      std::vector<double> plain = fast;
      std::vector<double> one_by_one = fast;
      add_words(way, fast.data(), from, words);
      plain::add_words(way, plain.data(), from, words);
      for (std::size_t i = 0; i < count; ++i) one_by_one[i] += number_at(way, from + i * width_of(way));
      EXPECT_EQ(fast, one_by_one) << static_cast<int>(way) << " " << words;
      EXPECT_EQ(plain, one_by_one) << static_cast<int>(way) << " " << words;
    }
  }
}

}  // namespace
}  // namespace settle::codec::cell
