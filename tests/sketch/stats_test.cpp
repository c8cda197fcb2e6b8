#include "engine/sketch/stats.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/codec/stats.hpp"

namespace settle::codec {
namespace {

sketch::Stats stats_of(const std::vector<std::pair<std::int64_t, double>>& samples) {
  sketch::Stats stats;
  for (const auto& [at, value] : samples) EXPECT_TRUE(stats.add(engine::from_epoch_ms(at), value));
  return stats;
}

TEST(Stats, AreWhatTheSamplesAre) {
  const auto stats = stats_of({{1000, 5}, {2000, 7}, {3000, 2}, {4000, 2.5}});
  ASSERT_TRUE(stats.content());
  EXPECT_EQ(stats.content()->count, 4U);
  EXPECT_EQ(stats.content()->sum, 16.5);
  EXPECT_EQ(stats.content()->min, 2);
  EXPECT_EQ(stats.content()->max, 7);
  EXPECT_EQ(stats.content()->first.value, 5);
  EXPECT_EQ(stats.content()->last.value, 2.5);
  EXPECT_EQ(stats.content()->increase, 2 + 2 + 0.5);
  sketch::Stats refuses = stats;
  EXPECT_FALSE(refuses.add(engine::from_epoch_ms(4000), 1));
  EXPECT_FALSE(refuses.add(engine::from_epoch_ms(5000), std::nan("")));
  EXPECT_EQ(refuses, stats);
}

TEST(Stats, MergeAndTravel) {
  EXPECT_TRUE(rc::check(
      [](const std::vector<std::uint16_t>& values, std::uint8_t first_cut, std::uint8_t second_cut) {
        std::vector<sketch::Stats> parts(3);
        sketch::Stats whole;
        const std::size_t a = values.empty() ? 0 : std::min(first_cut, second_cut) % values.size();
        const std::size_t b = values.empty() ? 0 : std::max(a, second_cut % values.size());
        for (std::size_t i = 0; i < values.size(); ++i) {
          const auto at = engine::from_epoch_ms(static_cast<std::int64_t>(i) * 1000 - 5000);
          RC_ASSERT(whole.add(at, values[i]));
          RC_ASSERT(parts[i < a ? 0 : (i < b ? 1 : 2)].add(at, values[i]));
        }
        sketch::Stats forward = parts[0];
        RC_ASSERT(bool{forward.merge_in_time(parts[1])});
        RC_ASSERT(bool{forward.merge_in_time(parts[2])});
        RC_ASSERT(forward == whole);
        // The later ones first.
        sketch::Stats backward = parts[2];
        RC_ASSERT(bool{backward.merge_in_time(parts[1])});
        RC_ASSERT(bool{backward.merge_in_time(parts[0])});
        RC_ASSERT(backward == whole);
        if (!parts[0].empty() && !parts[2].empty()) {
          sketch::Stats twice = whole;
          RC_ASSERT(!twice.merge_in_time(parts[0]));
          RC_ASSERT(twice == whole);
        }
        sketch::Stats read;
        RC_ASSERT(bool{merge_stats(read, encode_stats(whole), {})});
        RC_ASSERT(read == whole);
        RC_ASSERT(canonical_hash(read) == canonical_hash(whole));
        const std::string bytes = encode_stats(whole);
        for (std::size_t size = 1; size < bytes.size(); ++size)
          RC_ASSERT(!parse_stats(bytes.substr(0, size)));
        RC_ASSERT(bytes.empty() || !parse_stats(bytes + '\0'));
        for (std::size_t at = 0; at < bytes.size(); ++at) {
          std::string flipped = bytes;
          flipped[at] = static_cast<char>(flipped[at] ^ 0x80);
          (void)parse_stats(flipped);
        }
      }));
}

TEST(Stats, AcrossSeriesAdd) {
  sketch::Stats sum = stats_of({{1000, 5}, {2000, 9}});
  sum.merge_across(stats_of({{1000, 1}, {2000, 0.5}}));
  sum.merge_across({});
  EXPECT_EQ(sum.content()->count, 4U);
  EXPECT_EQ(sum.content()->sum, 15.5);
  EXPECT_EQ(sum.content()->first.value, 6);
  EXPECT_EQ(sum.content()->last.value, 9.5);
  EXPECT_EQ(sum.content()->increase, 4.5);
  EXPECT_EQ(sum.content()->min, 0.5);
}

}  // namespace
}  // namespace settle::codec
