#include <limits>

#include <gtest/gtest.h>

#include "runner/store/keys.hpp"

namespace settle::runner {
namespace {

TEST(Keys, WriteNumbersBigEndian) {
  EXPECT_EQ(key_u64(0x0102030405060708), std::string("\x01\x02\x03\x04\x05\x06\x07\x08"));
  for (const std::uint64_t n :
       {std::uint64_t{0}, std::uint64_t{255}, std::numeric_limits<std::uint64_t>::max()}) {
    EXPECT_EQ(read_u64(key_u64(n)), n);
  }
}

TEST(Keys, SortAsTheirPartsDo) {
  EXPECT_LT(key_of("a", "z"), key_of("ab", "a"));
  EXPECT_LT(key_of("t", "job"), key_of("t", "job1"));
  EXPECT_LT(series_key("t", "s", 255), series_key("t", "s", 256));
  EXPECT_LT(part_suffix("t", "s", 255), part_suffix("t", "s", 256));
  EXPECT_LT(gap_key("t", "s", engine::from_epoch_ms(-1), "z"),
            gap_key("t", "s", engine::from_epoch_ms(0), "a"));
  EXPECT_LT(gap_key("t", "s", engine::from_epoch_ms(0), "a"),
            gap_key("t", "s", engine::from_epoch_ms(0), "b"));
}

TEST(Keys, EndAPrefixRightBehindIt) {
  EXPECT_EQ(prefix_end("ab"), "ac");
  EXPECT_EQ(prefix_end("a\xff\xff"), "b");
  EXPECT_EQ(prefix_end("\xff"), "");
  EXPECT_EQ(prefix_end(""), "");
  const std::string stream = key_of("t", "s");
  EXPECT_LT(series_key("t", "s", std::numeric_limits<std::uint64_t>::max()), prefix_end(stream));
  EXPECT_GT(series_key("t", "s1", 0), prefix_end(stream));
}

}  // namespace
}  // namespace settle::runner
