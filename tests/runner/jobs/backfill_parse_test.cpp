#include "runner/backfill/backfill_parse.hpp"

#include <initializer_list>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace settle::runner {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using ::testing::HasSubstr;

const engine::Time kStart = engine::from_epoch_ms(1'782'482'220'000);  // 2026-06-26T13:57:00Z

constexpr const char* kRange = R"("start":"2026-06-26T13:57:00Z","end":"2026-06-26T14:57:00Z")";

Outcome<BackfillRequest> parse(const std::string& members, engine::Duration granularity = minutes{1}) {
  return parse_backfill("{" + members + "}", granularity);
}

TEST(BackfillParse, ReadsARangeAndLeavesTheRestToTheDaemon) {
  const auto request = parse(kRange);
  ASSERT_TRUE(request);
  EXPECT_EQ(request->range, (engine::TimeRange{.from = kStart, .to = kStart + hours{1}}));
  EXPECT_EQ(request->chunk, std::nullopt);
  EXPECT_EQ(request->rate, std::nullopt);
  EXPECT_FALSE(request->force);
}

TEST(BackfillParse, ReadsEveryField) {
  const auto request = parse(std::string(kRange) + R"(,"chunk":"300s","rate":2.5,"force":true)");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->chunk, minutes{5});
  EXPECT_EQ(request->rate, 2.5);
  EXPECT_TRUE(request->force);
  EXPECT_EQ(parse(std::string(kRange) + R"(,"rate":1000)")->rate, 1000.0);
}

TEST(BackfillParse, TakesEpochMillisecondsAsNumberOrText) {
  const auto request = parse(R"("start":1782482220000,"end":"1782485820000")");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->range, (engine::TimeRange{.from = kStart, .to = kStart + hours{1}}));
  EXPECT_EQ(parse(R"("start":-60000,"end":0)")->range.from, engine::from_epoch_ms(-60'000));
}

TEST(BackfillParse, MovesBothEndsInwardToWholeBuckets) {
  const auto request = parse(R"("start":"2026-06-26T13:57:00.001Z","end":"2026-06-26T14:00:59.999Z")");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->range, (engine::TimeRange{.from = kStart + minutes{1}, .to = kStart + minutes{3}}));
}

TEST(BackfillParse, NamesTheFieldThatIsWrong) {
  struct Case {
    std::string members;
    const char* field;
    const char* detail;
  };
  const std::string range = std::string(kRange) + ",";
  for (const Case& c : {
           Case{R"("end":0)", "start", "is missing"},
           Case{R"("start":0)", "end", "is missing"},
           Case{R"("start":null,"end":0)", "start", "found null"},
           Case{R"("start":1.5,"end":9)", "start", "found a number"},
           Case{R"("start":"yesterday","end":0)", "start", "yesterday"},
           Case{R"("start":9223372036854775807,"end":0)", "start", "9223372036854775807"},
           Case{R"("start":18446744073709551615,"end":0)", "start", "18446744073709551615"},
           Case{R"("start":60000,"end":60000)", "end", "is not after \"start\""},
           Case{R"("start":120000,"end":60000)", "end", "is not after \"start\""},
           Case{R"("start":1,"end":119999)", "end", "no bucket of 1m lies wholly between"},
           Case{R"("start":"0000-01-01T00:00:00Z","end":"9999-01-01T00:00:00Z")", "start",
                "more than 10000000 buckets"},
           Case{range + R"("chunk":60)", "chunk", "found a number"},
           Case{range + R"("chunk":"90s")", "chunk", "is not a multiple of the granularity, 1m"},
           Case{range + R"("chunk":"30s")", "chunk", "out of range"},
           Case{range + R"("chunk":"30d")", "chunk", "out of range"},
           Case{range + R"("rate":0)", "rate", "0 is not a rate"},
           Case{range + R"("rate":-1.5)", "rate", "is not a rate"},
           Case{range + R"("rate":1e-300)", "rate", "a number from 0.001 on"},
           Case{range + R"("rate":0.00099)", "rate", "a number from 0.001 on"},
           Case{range + R"("rate":"fast")", "rate", "found a string"},
           Case{range + R"("force":1)", "force", "found a number"},
           Case{range + R"("speed":1)", "speed", "is not a field of a backfill"},
           Case{range + R"("start":0)", "start", "is given twice"},
       }) {
    const auto request = parse(c.members);
    ASSERT_FALSE(request) << c.members;
    EXPECT_EQ(request.refusal().kind, Refusal::Kind::invalid) << c.members;
    EXPECT_EQ(request.refusal().field, c.field) << c.members;
    EXPECT_THAT(request.refusal().detail, HasSubstr(c.detail)) << c.members;
  }
}

TEST(BackfillParse, TellsWhatIsNotJsonFromWhatIsNotAnObject) {
  for (const char* text : {"", "{", "{\"start\":}", "no"}) {
    const auto request = parse_backfill(text, minutes{1});
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.refusal().kind, Refusal::Kind::malformed) << text;
  }
  const auto list = parse_backfill("[]", minutes{1});
  ASSERT_FALSE(list);
  EXPECT_EQ(list.refusal().kind, Refusal::Kind::invalid);
}

TEST(VerifyParse, ReadsARangeAsItIs) {
  const auto request = parse_verify(R"({"from":1,"to":"1970-01-01T00:00:00.003Z","limit":0})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->timestamps,
            (engine::TimeRange{.from = engine::from_epoch_ms(1), .to = engine::from_epoch_ms(3)}));
  EXPECT_EQ(request->limit, 0U);
  EXPECT_EQ(parse_verify(R"({"from":1,"to":2})")->limit, 100U);
}

TEST(VerifyParse, NamesTheFieldThatIsWrong) {
  for (const auto& [text, field] : std::initializer_list<std::pair<const char*, const char*>>{
           {R"({"to":1})", "from"},
           {R"({"from":1,"to":1})", "to"},
           {R"({"from":1,"to":2,"limit":-1})", "limit"},
           {R"({"from":1,"to":2,"limit":1001})", "limit"},
           {R"({"from":1,"to":2,"limit":"9"})", "limit"},
           {R"({"from":1,"to":2,"job":"x"})", "job"}}) {
    const auto request = parse_verify(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.refusal().field, field) << text;
  }
}

TEST(BackfillParse, CountsInBucketsOfTheJob) {
  EXPECT_TRUE(parse(std::string(kRange) + R"(,"chunk":"90s")", seconds{30}));
  EXPECT_FALSE(parse(kRange, hours{1})) << "no whole hour between 13:57 and 14:57";
}

}  // namespace
}  // namespace settle::runner
