// What was emitted for a job, looked up in the ledgers of both lanes.
#include "runner/streams/revisions.hpp"

#include <utility>

#include <gtest/gtest.h>

#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "tests/runner/store/store_directory.hpp"

namespace settle::runner {
namespace {

using namespace std::chrono_literals;
using engine::Reason;
using engine::Sample;
using engine::Time;
using engine::Value;

const Time kNoon = *engine::parse_time("2026-06-26T12:00:00Z");

/// Every look at it takes time.
class TickingClocks final : public Clocks {
 public:
  explicit TickingClocks(std::chrono::milliseconds each) : each_(each) {}
  Time source_now() override { return kNoon; }
  SteadyTime steady_now() override { return now_ += each_; }
  Time wall_now() override { return kNoon; }
  boost::asio::awaitable<void> sleep_until_source(Time) override { co_return; }
  boost::asio::awaitable<void> sleep_for(std::chrono::milliseconds) override { co_return; }
  void stop() override {}

 private:
  std::chrono::milliseconds each_;
  SteadyTime now_{};
};

class RevisionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Store::open({.directory = directory_.path(), .bytes_max = std::size_t{64} << 20});
    ASSERT_TRUE(opened);
    store_ = *std::move(opened);
    WriteBatch names;
    names.put(Table::series, series_key("default", "s", 1), "m{a=\"x\"}");
    names.put(Table::series, series_key("default", "s", 2), "m{a=\"y\"}");
    ASSERT_TRUE(store_->commit_now(std::move(names)));
  }

  void emit(Lane lane, const std::string& job, Sample sample) {
    const LedgerBlock block{.tenant = "default",
                            .job_id = job,
                            .stream_id = "s",
                            .policy = "learned:0.01",
                            .record = "out",
                            .labels = {},
                            .sinks = {"file"},
                            .samples = {sample}};
    WriteBatch batch;
    append_to_ledger(batch, block, lane);
    ASSERT_TRUE(store_->commit_now(std::move(batch)));
  }
  static Sample value(engine::SeriesNumber series, int minute, std::uint64_t n, std::uint32_t revision = 1) {
    Sample sample;
    sample.series = series;
    sample.bucket = kNoon + 1min * minute;
    sample.value = Value::count(n);
    sample.revision = revision;
    return sample;
  }
  Revisions find(const std::string& job, std::size_t limit, const std::string& series = "",
                 engine::TimeRange range = {kNoon, kNoon + 1h}, std::chrono::milliseconds each = 0ms,
                 const std::string& after = "") {
    TickingClocks clocks{each};
    auto page = find_revisions(*store_,
                               {.tenant = "default",
                                .job_id = job,
                                .series = series,
                                .timestamps = range,
                                .limit = limit,
                                .after = after},
                               1min, clocks);
    EXPECT_TRUE(page);
    return page ? *page : Revisions{};
  }
  void mark(Time wall) {
    WriteBatch batch;
    put_ledger_mark(store_->read(), wall, store_->stat().last_sequence, batch);
    ASSERT_TRUE(store_->commit_now(std::move(batch)));
  }
  static std::vector<std::uint64_t> values(const Revisions& page) {
    std::vector<std::uint64_t> out;
    for (const Revision& one : page.found) out.push_back(one.sample.value.as_count());
    return out;
  }

  StoreDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(RevisionsTest, MergesBothLanesInTheOrderOfCommits) {
  emit(Lane::live, "j", value(1, 0, 10));
  emit(Lane::backfill, "j", value(1, 1, 11));
  emit(Lane::live, "other", value(1, 2, 99));
  emit(Lane::live, "j", value(2, 3, 12));
  emit(Lane::backfill, "j", value(2, 4, 13));
  EXPECT_EQ(values(find("j", 100)), (std::vector<std::uint64_t>{10, 11, 12, 13}));
  EXPECT_EQ(values(find("j", 3)), (std::vector<std::uint64_t>{10, 11, 12}));
  EXPECT_EQ(values(find("other", 100)), (std::vector<std::uint64_t>{99}));
  EXPECT_TRUE(find("nobody", 100).found.empty());
}

TEST_F(RevisionsTest, FindsBySeriesAndTime) {
  emit(Lane::live, "j", value(1, 0, 10));
  emit(Lane::backfill, "j", value(2, 1, 11));
  emit(Lane::live, "j", value(1, 2, 12));
  EXPECT_EQ(values(find("j", 100, "out{a=\"x\"}")), (std::vector<std::uint64_t>{10, 12}));
  EXPECT_EQ(values(find("j", 100, "", {kNoon + 1min, kNoon + 2min})), (std::vector<std::uint64_t>{11}));
  EXPECT_TRUE(find("j", 100, "m{a=\"x\"}").found.empty());  // that is the source's name
}

TEST_F(RevisionsTest, SaysWhyAndOnWhatEvidence) {
  Sample corrected = value(1, 0, 12, 2);
  corrected.reason = Reason::correction;
  corrected.replaced = Value::count(10);
  corrected.age = 5min;
  corrected.evidence_polls = 4;
  emit(Lane::live, "j", corrected);
  const Revisions page = find("j", 100);
  ASSERT_EQ(page.found.size(), 1U);
  EXPECT_EQ(page.found[0].sample, corrected);
  EXPECT_EQ(page.found[0].policy, "learned:0.01");
  EXPECT_EQ(page.found[0].series, "out{a=\"x\"}");
  EXPECT_EQ(page.found[0].timestamp, kNoon);
}

TEST_F(RevisionsTest, SaysWhenItsTimeEndedBeforeTheLedgersDid) {
  for (int i = 0; i < 20; ++i)
    emit(i % 2 == 0 ? Lane::live : Lane::backfill, "j", value(1, i, 100U + static_cast<unsigned>(i)));
  EXPECT_EQ(find("j", 100).next, "");
  EXPECT_EQ(find("j", 20).next, "");
  const Revisions page = find("j", 100, "", {kNoon, kNoon + 1h}, 20ms);
  EXPECT_NE(page.next, "");
  ASSERT_FALSE(page.found.empty());
  // What is there is the beginning, without a hole where one lane was looked at less far than the other.
  for (std::size_t i = 0; i < page.found.size(); ++i) EXPECT_EQ(values(page)[i], 100 + i);
}

TEST_F(RevisionsTest, PagesGoOnWhereTheOneBeforeEnded) {
  std::vector<std::uint64_t> all;
  for (int i = 0; i < 20; ++i) {
    const auto n = static_cast<unsigned>(i);
    emit(i % 3 == 0 ? Lane::backfill : Lane::live, i % 4 == 3 ? "other" : "j", value(1, i, 100U + n));
    if (i % 4 != 3) all.push_back(100U + n);
  }
  // Every look at the clock takes so long: with 40 ms the time of one question is over at once.
  for (const auto each : {0ms, 20ms, 40ms}) {
    for (const std::size_t limit : {1U, 2U, 7U, 100U}) {
      std::vector<std::uint64_t> got;
      std::string after;
      int pages = 0;
      do {
        const Revisions page = find("j", limit, "", {kNoon, kNoon + 1h}, each, after);
        EXPECT_LE(page.found.size(), limit);
        const auto some = values(page);
        got.insert(got.end(), some.begin(), some.end());
        after = page.next;
      } while (!after.empty() && ++pages < 100);
      EXPECT_EQ(got, all) << each.count() << " ms, limit " << limit;
    }
  }
  TickingClocks clocks{0ms};
  for (const char* bad : {"x", "1", "1-0-0", "1-0-0-0-0", "-1-0-0-0", "1-0-0-"}) {
    const auto refused = find_revisions(
        *store_,
        {.tenant = "default", .job_id = "j", .timestamps = {kNoon, kNoon + 1h}, .limit = 1, .after = bad},
        1min, clocks);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.refusal().field, "after");
  }
}

TEST_F(RevisionsTest, ReachesRecentTimeAtOnceInALongLedger) {
  for (int i = 0; i < 50; ++i) emit(Lane::live, "j", value(1, i - 600, 1));
  mark(kNoon - 3h);
  emit(Lane::live, "j", value(1, -170, 2));
  mark(kNoon - 1h);
  emit(Lane::live, "j", value(1, -1, 3));
  // One look at the clock per commit, and 100 ms: two commits can be looked at.
  EXPECT_EQ(values(find("j", 100, "", {kNoon - 5min, kNoon}, 40ms)), (std::vector<std::uint64_t>{3}));
  EXPECT_EQ(find("j", 100, "", {kNoon - 5min, kNoon}, 40ms).next, "");
  // What lies near a mark is looked for before it.
  EXPECT_EQ(values(find("j", 100, "", {kNoon - 170min, kNoon - 1h})), (std::vector<std::uint64_t>{2}));
  EXPECT_EQ(values(find("j", 100, "", {kNoon - 10h, kNoon})).size(), 52U);
}

}  // namespace
}  // namespace settle::runner
