#include <gtest/gtest.h>

#include "runner/push/delivery.hpp"
#include "runner/push/delivery_records.hpp"

namespace settle::runner {
namespace {

using sinks::Overwrite;
using sinks::PushVerdict;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Backoff, StaysUnderADoublingCapAndReachesItsUpperHalf) {
  for (int n = 0; n < 8; ++n) {
    const milliseconds cap = std::min(milliseconds{200} * (1 << n), milliseconds{5'000});
    milliseconds longest{0};
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
      Backoff backoff{milliseconds{200}, milliseconds{5'000}, seed};
      milliseconds wait{};
      for (int i = 0; i <= n; ++i) wait = backoff.next(std::nullopt);
      EXPECT_GE(wait, milliseconds{1});
      EXPECT_LE(wait, cap);
      longest = std::max(longest, wait);
    }
    EXPECT_GT(longest, cap / 2);
  }
}

TEST(Backoff, IsDeterministicBySeedAndNeverShorterThanAsked) {
  Backoff one{milliseconds{200}, seconds{60}, 3};
  Backoff two{milliseconds{200}, seconds{60}, 3};
  for (int i = 0; i < 20; ++i) EXPECT_EQ(one.next(std::nullopt), two.next(std::nullopt));
  EXPECT_GE(one.next(seconds{100}), seconds{100});
}

TEST(Backoff, StartsOverAfterAReset) {
  Backoff backoff{milliseconds{200}, seconds{60}, 3};
  for (int i = 0; i < 20; ++i) (void)backoff.next(std::nullopt);
  backoff.reset();
  EXPECT_LE(backoff.next(std::nullopt), milliseconds{200});
}

TEST(Backoff, WaitsForAnOperatorAtLeastHalfOfTheLongest) {
  Backoff backoff{milliseconds{200}, seconds{60}, 3};
  for (int i = 0; i < 100; ++i) {
    const milliseconds wait = backoff.slow();
    EXPECT_GE(wait, seconds{30});
    EXPECT_LE(wait, seconds{60});
  }
}

TEST(Delivery, DecidesByVerdictAndSize) {
  struct Case {
    PushVerdict verdict;
    std::size_t rows;
    NextStep step;
    bool doubtful;
  };
  for (const Case& one : {Case{PushVerdict::accepted, 5, NextStep::done, false},
                          Case{PushVerdict::retry, 5, NextStep::wait, false},
                          Case{PushVerdict::uncertain, 5, NextStep::wait, true},
                          Case{PushVerdict::misconfigured, 5, NextStep::wait_slowly, false},
                          Case{PushVerdict::misconfigured, 1, NextStep::wait_slowly, false},
                          Case{PushVerdict::refused, 2, NextStep::split, true},
                          Case{PushVerdict::refused, 1, NextStep::bury, false}}) {
    const AfterPush after = decide_after_push(one.verdict, one.rows);
    EXPECT_EQ(after.step, one.step) << static_cast<int>(one.verdict);
    EXPECT_EQ(after.doubtful, one.doubtful) << static_cast<int>(one.verdict);
  }
}

TEST(Delivery, ComparesOnlyWhereASecondValueDoesHarm) {
  for (const Overwrite overwrite :
       {Overwrite::none, Overwrite::max_wins, Overwrite::last_wins, Overwrite::append_log}) {
    sinks::Capabilities can;
    can.overwrite = overwrite;
    EXPECT_FALSE(must_compare(can));
    can.can_read_back = true;
    EXPECT_EQ(must_compare(can), overwrite == Overwrite::none || overwrite == Overwrite::append_log);
    EXPECT_EQ(takes_revisions(overwrite), overwrite != Overwrite::none);
  }
}

TEST(Delivery, KnowsALostCapability) {
  EXPECT_TRUE(is_worse(Overwrite::max_wins, Overwrite::none));
  EXPECT_TRUE(is_worse(Overwrite::last_wins, Overwrite::max_wins));
  EXPECT_FALSE(is_worse(Overwrite::none, Overwrite::none));
  EXPECT_FALSE(is_worse(Overwrite::none, Overwrite::max_wins));
}

SinkRecord full_record() {
  SinkRecord record;
  record.next = {std::string("key\0x", 5), 17};
  record.uncertain_until = {"later", 3};
  record.batch_rows = 10'000;
  record.dead_letters = 4;
  record.overwrite = Overwrite::append_log;
  record.started_at = engine::from_epoch_ms(123);
  record.recent = {{engine::from_epoch_ms(1), engine::from_epoch_ms(2), {"a", 1}, 5},
                   {engine::from_epoch_ms(3), engine::from_epoch_ms(4), {"b", 2}, 6}};
  return record;
}

TEST(SinkRecord, ReadsBackWhatWasWritten) {
  EXPECT_EQ(*decode_sink_record(encode_sink_record(full_record())), full_record());
  EXPECT_EQ(*decode_sink_record(encode_sink_record(SinkRecord{})), SinkRecord{});
}

TEST(SinkRecord, RefusesEveryTruncationANewerVersionAndAnUnknownCapability) {
  const std::string bytes = encode_sink_record(full_record());
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_FALSE(decode_sink_record(std::string_view{bytes}.substr(0, length)));
  }
  EXPECT_FALSE(decode_sink_record(bytes + "x"));
  std::string newer = bytes;
  newer[0] = 2;
  const auto refused = decode_sink_record(newer);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().detail.find("newer settle"), std::string::npos);
}

TEST(Acknowledged, OfOneGrainBecomeOneEntryWhichKeepsTheOldestPositionAndTheNewestTime) {
  std::vector<Acknowledged> recent;
  const auto at = [](int ms) { return engine::from_epoch_ms(ms); };
  remember_acknowledged(recent, {at(100), at(100), {"a", 0}, 10}, milliseconds{50});
  remember_acknowledged(recent, {at(140), at(140), {"b", 0}, 10}, milliseconds{50});
  remember_acknowledged(recent, {at(160), at(160), {"c", 0}, 10}, milliseconds{50});
  ASSERT_EQ(recent.size(), 2u);
  EXPECT_EQ(recent[0], (Acknowledged{at(100), at(140), {"a", 0}, 20}));
  EXPECT_EQ(first_since(recent, at(0)), 0u);
  EXPECT_EQ(first_since(recent, at(140)), 0u);
  EXPECT_EQ(first_since(recent, at(141)), 1u);
  EXPECT_EQ(first_since(recent, at(161)), 2u);
}

}  // namespace
}  // namespace settle::runner
