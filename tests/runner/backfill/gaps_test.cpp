#include "runner/backfill/gaps.hpp"

#include <gtest/gtest.h>

#include "runner/store/dead_letter.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Value;

const engine::Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");

GapEntry entry() {
  GapEntry made;
  made.gap.scope = "zone-7";
  made.gap.range = {.from = kNoon, .to = kNoon + 5min};
  made.gap.cells = {
      {.series = 1, .bucket = kNoon, .last_observed = Value::count(7), .emitted = {}, .revision = 0},
      {.series = 900,
       .bucket = kNoon + 1min,
       .last_observed = Value::number(-0.5),
       .emitted = Value::count(3),
       .revision = 2}};
  made.noticed_at = kNoon + 2h;
  return made;
}

TEST(GapEntry, ReadsBackWhatWasWritten) {
  const GapEntry written = entry();
  const engine::Result<GapEntry> read = decode_gap(encode_gap(written));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->gap.scope, written.gap.scope);
  EXPECT_EQ(read->gap.range, written.gap.range);
  EXPECT_EQ(read->gap.cells, written.gap.cells);
  EXPECT_EQ(read->noticed_at, written.noticed_at);
}

TEST(GapEntry, RefusesEveryCutOfItself) {
  const std::string bytes = encode_gap(entry());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_gap(std::string_view{bytes}.substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_gap(bytes + "x"));
}

DeadLetter letter() {
  return {.number = 12,
          .sink = "vm",
          .job_id = "j",
          .series = "m{a=\"b\"}",
          .timestamp = kNoon,
          .value = Value::number(1.5),
          .revision = 3,
          .reason = "label value longer than 16 KiB",
          .refused_at = kNoon + 1h};
}

TEST(DeadLetter, ReadsBackWhatWasWritten) {
  const engine::Result<DeadLetter> read = decode_dead_letter(encode_dead_letter(letter()));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->number, 12u);
  EXPECT_EQ(read->sink, "vm");
  EXPECT_EQ(read->series, "m{a=\"b\"}");
  EXPECT_EQ(read->timestamp, kNoon);
  EXPECT_EQ(read->value, Value::number(1.5));
  EXPECT_EQ(read->revision, 3u);
  EXPECT_EQ(read->reason, "label value longer than 16 KiB");
  EXPECT_EQ(read->refused_at, kNoon + 1h);
}

TEST(DeadLetter, RefusesEveryCutOfItself) {
  const std::string bytes = encode_dead_letter(letter());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_dead_letter(std::string_view{bytes}.substr(0, size))) << size;
  }
}

}  // namespace
}  // namespace settle::runner
