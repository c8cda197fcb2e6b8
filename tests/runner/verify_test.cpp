// What is acknowledged against what is there: by cases, and against a naive comparison.
#include "runner/verify/verify.hpp"

#include <limits>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace settle::runner {
namespace {

using engine::Time;
using engine::Value;
using sinks::StoredSample;
using Kind = Mismatch::Kind;

Time at(int minute) {
  return engine::from_epoch_ms(1'800'000'000'000 + minute * 60'000);
}
EmittedRow row(const std::string& series, int minute, Value value, std::uint32_t revision = 1) {
  EmittedRow one;
  one.series = series;
  one.timestamp = at(minute);
  one.value = value;
  one.revision = revision;
  one.sequence = revision;
  one.acknowledged = true;
  return one;
}
StoredSample kept(const std::string& series, int minute, Value value) {
  return {.series = series, .timestamp = at(minute), .value = value};
}
const Value kOne = Value::count(1);
const Value kTwo = Value::count(2);

TEST(Verify, FindsNothingWhereAllIsAsItWasSent) {
  const auto out =
      verify_rows({}, {row("a", 0, kOne), row("b", 0, kTwo)}, {kept("b", 0, kTwo), kept("a", 0, kOne)});
  EXPECT_EQ(out.compared, 2u);
  EXPECT_TRUE(out.mismatches.empty());
}

TEST(Verify, TellsMissingDifferentAndExtraApart) {
  const auto out =
      verify_rows({.sink = "tsdb"}, {row("a", 0, kOne), row("a", 1, kOne), row("a", 3, kOne)},
                  {kept("a", 1, kTwo), kept("a", 2, kTwo), kept("a", 3, kOne), kept("a", 3, kTwo)});
  ASSERT_EQ(out.mismatches.size(), 4u);
  EXPECT_EQ(out.mismatches[0].kind, Kind::missing);
  EXPECT_EQ(out.mismatches[0].acknowledged, kOne);
  EXPECT_EQ(out.mismatches[1].kind, Kind::different);
  EXPECT_EQ(out.mismatches[1].stored, std::vector<Value>{kTwo});
  EXPECT_EQ(out.mismatches[2].kind, Kind::extra);
  EXPECT_EQ(out.mismatches[2].timestamp, at(2));
  EXPECT_EQ(out.mismatches[2].acknowledged, std::nullopt);
  EXPECT_EQ(out.mismatches[3].kind, Kind::extra) << "beside the right one";
  EXPECT_EQ(out.mismatches[3].stored, std::vector<Value>{kTwo});
  EXPECT_EQ(out.mismatches[3].sink, "tsdb");
  EXPECT_EQ(out.compared, 3u);
}

TEST(Verify, LeavesAloneWhatTheNewestRevisionOfWaits) {
  EmittedRow newest = row("a", 0, kTwo, 2);
  newest.acknowledged = false;
  const auto out = verify_rows({}, {row("a", 0, kOne), newest}, {kept("a", 0, Value::count(7))});
  EXPECT_EQ(out.waiting, 1u);
  EXPECT_EQ(out.compared, 0u);
  EXPECT_TRUE(out.mismatches.empty());
}

TEST(Verify, AnOlderRevisionBesideTheNewestIsNotExtraButIsNotEnough) {
  const std::vector<EmittedRow> sent{row("a", 0, kOne), row("a", 0, kTwo, 2)};
  EXPECT_TRUE(verify_rows({}, sent, {kept("a", 0, kOne), kept("a", 0, kTwo)}).mismatches.empty());
  const auto old_only = verify_rows({}, sent, {kept("a", 0, kOne)});
  ASSERT_EQ(old_only.mismatches.size(), 1u);
  EXPECT_EQ(old_only.mismatches[0].kind, Kind::different);
}

TEST(Verify, ASecondEqualValueIsExtraOnlyWhereItDoesHarm) {
  const std::vector<StoredSample> twice{kept("a", 0, kOne), kept("a", 0, kOne)};
  EXPECT_TRUE(verify_rows({}, {row("a", 0, kOne)}, twice).mismatches.empty());
  const auto out = verify_rows({.sink = "", .keeps_duplicates = true}, {row("a", 0, kOne)}, twice);
  ASSERT_EQ(out.mismatches.size(), 1u);
  EXPECT_EQ(out.mismatches[0].kind, Kind::extra);
  EXPECT_EQ(out.mismatches[0].stored.size(), 1u);
}

TEST(Verify, SaysNothingOfExtraWhereTheLedgerWasCut) {
  const auto out =
      verify_rows({.sink = "", .extra_from = at(5)}, {}, {kept("a", 4, kOne), kept("a", 5, kOne)});
  ASSERT_EQ(out.mismatches.size(), 1u);
  EXPECT_EQ(out.mismatches[0].timestamp, at(5));
}

TEST(Verify, ComparesNothingWhereAStaleMarkerWent) {
  EmittedRow marker = row("a", 0, Value::number(std::numeric_limits<double>::quiet_NaN()));
  marker.is_stale = true;
  EXPECT_EQ(verify_rows({}, {marker}, {}).compared, 0u);
  EXPECT_TRUE(verify_rows({}, {marker}, {}).mismatches.empty());
}

TEST(Verify, WholeNumbersAreExactAndFractionsAsNearAsTheyAreKept) {
  const std::uint64_t most = 1ull << 53;
  EXPECT_TRUE(is_kept_as(Value::count(most), Value::count(most)));
  EXPECT_FALSE(is_kept_as(Value::count(most), Value::count(most - 1)));
  EXPECT_TRUE(is_kept_as(Value::count((most << 4) + 1), Value::number(static_cast<double>(most << 4))));
  EXPECT_TRUE(is_kept_as(Value::number(0.1), Value::number(0.1 * (1 + 1e-12))));
  EXPECT_FALSE(is_kept_as(Value::number(0.1), Value::number(0.1 * (1 + 1e-11))));
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(is_kept_as(Value::number(infinity), Value::number(infinity)));
  EXPECT_FALSE(is_kept_as(Value::number(infinity), Value::number(-infinity)));
  EXPECT_FALSE(is_kept_as(Value::number(1.5), Value::number(infinity)));
}

/// Place by place, by looking through everything each time.
std::multiset<std::tuple<std::string, Time, Kind>> naive(const VerifyOrder& order,
                                                         const std::vector<EmittedRow>& sent,
                                                         const std::vector<StoredSample>& stored) {
  std::set<std::pair<std::string, Time>> places;
  for (const auto& one : sent) places.insert({std::string{one.series}, one.timestamp});
  for (const auto& one : stored) places.insert({one.series, one.timestamp});
  std::multiset<std::tuple<std::string, Time, Kind>> out;
  for (const auto& place : places) {
    const EmittedRow* newest = nullptr;
    std::vector<Value> values;
    for (const auto& one : sent) {
      if (one.series != std::string_view{place.first} || one.timestamp != place.second) continue;
      values.push_back(one.value);
      if (newest == nullptr || one.revision > newest->revision) newest = &one;
    }
    std::vector<Value> there;
    for (const auto& one : stored) {
      if (one.series == place.first && one.timestamp == place.second) there.push_back(one.value);
    }
    const auto count = [&there](const Value& value) { return std::count(there.begin(), there.end(), value); };
    if (newest == nullptr) {
      if (place.second >= order.extra_from) out.insert({place.first, place.second, Kind::extra});
    } else if (newest->acknowledged && there.empty()) {
      out.insert({place.first, place.second, Kind::missing});
    } else if (newest->acknowledged && count(newest->value) == 0) {
      out.insert({place.first, place.second, Kind::different});
    } else if (newest->acknowledged) {
      bool extra = order.keeps_duplicates && count(newest->value) > 1;
      for (const Value& value : there) extra = extra || std::count(values.begin(), values.end(), value) == 0;
      if (extra) out.insert({place.first, place.second, Kind::extra});
    }
  }
  return out;
}

TEST(VerifyProperty, AgreesWithANaiveComparisonInAnyOrder) {
  EXPECT_TRUE(rc::check([] {
    const VerifyOrder order{
        .sink = "s", .extra_from = at(1), .keeps_duplicates = *rc::gen::arbitrary<bool>()};
    std::map<std::pair<int, int>, std::uint32_t> revisions;
    std::vector<EmittedRow> sent;
    for (const int code : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 72))) {
      const int series = code % 3;
      const int minute = code / 3 % 4;
      EmittedRow one = row(std::string(1, static_cast<char>('a' + series)), minute,
                           Value::count(static_cast<unsigned>(code) / 12 % 3), ++revisions[{series, minute}]);
      one.acknowledged = code < 60;
      sent.push_back(one);
    }
    std::vector<StoredSample> stored;
    for (const int code : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 36))) {
      stored.push_back(kept(std::string(1, static_cast<char>('a' + code % 3)), code / 3 % 4,
                            Value::count(static_cast<unsigned>(code) / 12)));
    }
    std::multiset<std::tuple<std::string, Time, Kind>> found;
    std::vector<EmittedRow> turned{sent.rbegin(), sent.rend()};
    for (const Mismatch& one : verify_rows(order, turned, stored).mismatches) {
      found.insert({one.series, one.timestamp, one.kind});
    }
    RC_ASSERT(found == naive(order, sent, stored));
  }));
}

}  // namespace
}  // namespace settle::runner
