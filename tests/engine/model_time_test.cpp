#include <gtest/gtest.h>

#include "engine/model/time.hpp"

namespace settle::engine {
namespace {

using namespace std::chrono_literals;

TEST(ParseDuration, ReadsEveryUnitAndTheirCombinations) {
  const std::pair<std::string_view, Duration> cases[] = {
      {"1m", 1min},
      {"90s", 90s},
      {"1h30m", 90min},
      {"500ms", 500ms},
      {"1d", 24h},
      {"1d2h3m4s5ms", 24h + 2h + 3min + 4s + 5ms},
      {"36525d", 24h * 36525},
      {"0h1m", 1min},
      {"007s", 7s},
  };
  for (const auto& [text, expected] : cases) {
    const auto read = parse_duration(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(*read, expected) << text;
  }
}

TEST(ParseDuration, RefusesWhatIsNotAPositiveDurationInFallingUnits) {
  for (const std::string_view text : {"",
                                      "0s",
                                      "0ms",
                                      "0d0h",
                                      "-1m",
                                      "+1m",
                                      "1x",
                                      "1",
                                      "m",
                                      "1 m",
                                      " 1m",
                                      "1m ",
                                      "1m1m",
                                      "1s1m",
                                      "1ms1s",
                                      "1.5m",
                                      "1M",
                                      "36526d",
                                      "36525d1ms",
                                      "99999999999999999999d",
                                      "9223372036854775807d",
                                      "9223372036854775807ms",
                                      "1w",
                                      "1y"}) {
    const auto read = parse_duration(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().kind, ErrorKind::refused);
    EXPECT_NE(read.error().detail.find("expected"), std::string::npos);
  }
}

TEST(FormatDuration, WritesTheLargestUnitsFirst) {
  EXPECT_EQ(format_duration(0ms), "0s");
  EXPECT_EQ(format_duration(90s), "1m30s");
  EXPECT_EQ(format_duration(3600s), "1h");
  EXPECT_EQ(format_duration(24h + 1ms), "1d1ms");
  EXPECT_EQ(format_duration(-90s), "-1m30s");
}

TEST(FormatDuration, IsReadBackByParseDuration) {
  for (const std::int64_t ms :
       {1LL, 999LL, 1000LL, 61'001LL, 3'599'999LL, 86'400'000LL, 3'155'760'000'000LL}) {
    const auto read = parse_duration(format_duration(Duration{ms}));
    ASSERT_TRUE(read) << ms;
    EXPECT_EQ(read->count(), ms);
  }
}

TEST(ParseTime, ReadsRfc3339AndEpochMilliseconds) {
  const std::pair<std::string_view, std::int64_t> cases[] = {
      {"2026-06-26T13:57:00Z", 1'782'482'220'000},
      {"1782482220000", 1'782'482'220'000},
      {"2026-06-26T15:57:00+02:00", 1'782'482'220'000},
      {"2026-06-26T13:27:00-00:30", 1'782'482'220'000},
      {"2026-06-26t13:57:00.5z", 1'782'482'220'500},
      {"2026-06-26T13:57:00.123999999Z", 1'782'482'220'123},
      {"1969-12-31T23:59:59.999Z", -1},
      {"-1", -1},
      {"0", 0},
      {"1970-01-01T00:00:00Z", 0},
      {"2024-02-29T00:00:00Z", 1'709'164'800'000},
      {"0000-01-01T00:00:00Z", -62'167'219'200'000},
      {"9999-12-31T23:59:59.999Z", 253'402'300'799'999},
  };
  for (const auto& [text, expected] : cases) {
    const auto read = parse_time(text);
    ASSERT_TRUE(read) << text;
    EXPECT_EQ(epoch_ms(*read), expected) << text;
  }
}

TEST(ParseTime, RefusesWhatIsNeither) {
  for (const std::string_view text : {"",
                                      "-",
                                      "now",
                                      "1.5",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "2026-06-26",
                                      "2026-06-26T13:57:00",
                                      "2026-06-26 13:57:00Z",
                                      "2026-06-26T13:57Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-06-31T00:00:00Z",
                                      "2026-06-26T24:00:00Z",
                                      "2026-06-26T23:60:00Z",
                                      "2026-06-26T23:59:60Z",
                                      "2026-06-26T13:57:00.Z",
                                      "2026-06-26T13:57:00.1234567890Z",
                                      "2026-06-26T13:57:00Zx",
                                      "2026-06-26T13:57:00+2:00",
                                      "2026-06-26T13:57:00+0200",
                                      "253402300800000",
                                      "-62167219200001",
                                      "99999999999999999999",
                                      "0000-01-01T00:00:00+00:01",
                                      "9999-12-31T23:59:59-00:01"}) {
    EXPECT_FALSE(parse_time(text)) << text;
  }
}

TEST(FormatTime, WritesMillisecondsOnlyWhenThereAreSome) {
  EXPECT_EQ(format_time(from_epoch_ms(1'782'482'220'000)), "2026-06-26T13:57:00Z");
  EXPECT_EQ(format_time(from_epoch_ms(1'782'482'220'050)), "2026-06-26T13:57:00.050Z");
  EXPECT_EQ(format_time(from_epoch_ms(-1)), "1969-12-31T23:59:59.999Z");
}

TEST(FormatTime, IsReadBackByParseTime) {
  for (const std::int64_t ms :
       {-62'167'219'200'000LL, -1LL, 0LL, 1'709'164'800'001LL, 253'402'300'799'999LL}) {
    const auto read = parse_time(format_time(from_epoch_ms(ms)));
    ASSERT_TRUE(read) << ms;
    EXPECT_EQ(epoch_ms(*read), ms);
  }
}

TEST(FloorAndCeil, AlignToTheEpochOnBothSidesOfIt) {
  const auto at = [](std::int64_t ms) { return from_epoch_ms(ms); };
  EXPECT_EQ(floor_to(at(119'999), 1min), at(60'000));
  EXPECT_EQ(floor_to(at(120'000), 1min), at(120'000));
  EXPECT_EQ(floor_to(at(-1), 1min), at(-60'000));
  EXPECT_EQ(ceil_to(at(60'001), 1min), at(120'000));
  EXPECT_EQ(ceil_to(at(60'000), 1min), at(60'000));
  EXPECT_EQ(ceil_to(at(-1), 1min), at(0));
}

}  // namespace
}  // namespace settle::engine
