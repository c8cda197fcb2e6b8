#include "cli/ask/backfill.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/ask/daemon_call.hpp"
#include "tests/cli/ask/daemon_fixture.hpp"

namespace settle::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class Backfill : public DaemonTest {
 protected:
  BackfillOptions options_of(const std::string& job, const std::string& id = "") {
    BackfillOptions options;
    options.server = url;
    options.job = job;
    options.id = id;
    options.start = "2026-06-26T11:00:00Z";
    options.end = "2026-06-26T12:00:00Z";
    return options;
  }
};

TEST_F(Backfill, AddsARangeToAJobByIdOrByPath) {
  const std::string id = add_job("edge/requests");
  BackfillOptions options = options_of("edge/requests");
  options.chunk = "10m";
  options.rate = 2.5;
  options.force = true;
  EXPECT_EQ(add_backfill(options, out, err), 0) << err.str();
  EXPECT_THAT(out.str(),
              HasSubstr(": 2026-06-26T11:00:00Z to 2026-06-26T12:00:00Z, 60 buckets in chunks of 10m\n"));
  EXPECT_EQ(out.str().find("live lane"), std::string::npos);
  on_daemon([&](const test::FakeService& service) {
    ASSERT_EQ(service.backfills.size(), 1U);
    EXPECT_EQ(service.backfills[0].job_id, id);
    EXPECT_EQ(service.backfills[0].request.rate, 2.5);
    EXPECT_TRUE(service.backfills[0].request.force);
  });
  out.str("");
  EXPECT_EQ(add_backfill(options_of(id), out, err), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr(" was there before: "));
}

TEST_F(Backfill, SaysWhatIsLeftToTheLiveLane) {
  add_job("p");
  BackfillOptions options = options_of("p");
  options.end = "2026-06-26T13:57:00Z";
  EXPECT_EQ(add_backfill(options, out, err), 0) << err.str();
  EXPECT_THAT(out.str(),
              HasSubstr("what is later than 2026-06-26T13:27:00Z is still watched by the live lane\n"));
}

TEST_F(Backfill, NamesWhatIsWrong) {
  add_job("p");
  BackfillOptions options = options_of("p");
  options.start = "yesterday";
  EXPECT_EQ(add_backfill(options, out, err), 1);
  EXPECT_THAT(err.str(), StartsWith("settle backfill: --start: \"yesterday\" is not a time; expected now, "));
  err.str("");
  EXPECT_EQ(add_backfill(options_of("q"), out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("no job has the id or the store_path \"q\""));
  err.str("");
  options = options_of("p");
  options.chunk = "90s";
  EXPECT_EQ(add_backfill(options, out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("chunk: \"1m30s\" is not a multiple of the granularity, 1m (status 422)"));
  err.str("");
  EXPECT_EQ(show_backfill(options_of("p", "b9"), out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("has no backfill \"b9\" (status 404)"));
  EXPECT_EQ(out.str(), "");
}

TEST_F(Backfill, ListsShowsAndSteers) {
  add_job("p");
  ASSERT_EQ(add_backfill(options_of("p"), out, err), 0) << err.str();
  std::string id;
  on_daemon([&](test::FakeService& service) {
    service.backfills[0].buckets_done = 15;
    service.backfills[0].samples = 45;
    service.backfills[0].samples_per_second = 3;
    service.backfills[0].eta = std::chrono::seconds{90};
    id = service.backfills[0].id;
  });
  out.str("");
  EXPECT_EQ(list_backfills(options_of("p"), out, err), 0) << err.str();
  EXPECT_EQ(out.str(),
            "id   state   start                 end                   done  buckets  samples  errors  "
            "last_error\n" +
                id +
                "  queued  2026-06-26T11:00:00Z  2026-06-26T12:00:00Z    15       60       45       0\n");
  out.str("");
  EXPECT_EQ(show_backfill(options_of("p", id), out, err), 0);
  EXPECT_THAT(out.str(), HasSubstr("queued: 15 of 60 buckets (25 %), 45 samples, 3.0/s, 1m30s left\n"));
  out.str("");
  EXPECT_EQ(steer_backfill(options_of("p", id), "pause", out, err), 0);
  EXPECT_THAT(out.str(), StartsWith("paused: "));
  EXPECT_EQ(steer_backfill(options_of("p", id), "resume", out, err), 0);
  EXPECT_EQ(steer_backfill(options_of("p", id), "cancel", out, err), 0);
  EXPECT_EQ(err.str(), "");
  EXPECT_EQ(steer_backfill(options_of("p", id), "cancel", out, err), 1);
  EXPECT_THAT(err.str(), HasSubstr("the backfill is over (status 409)"));
}

TEST_F(Backfill, WatchesUntilTheEndAndTellsTheTruthOfIt) {
  add_job("p");
  std::string id;
  ASSERT_EQ(add_backfill(options_of("p"), out, err), 0) << err.str();
  on_daemon([&](test::FakeService& service) {
    service.backfills[0].state = runner::BackfillState::done;
    service.backfills[0].buckets_done = 60;
    id = service.backfills[0].id;
  });
  EXPECT_EQ(watch_backfill(options_of("p", id), out, err), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("done: 60 of 60 buckets (100 %)"));
  on_daemon([&](test::FakeService& service) {
    service.backfills[0].state = runner::BackfillState::failed;
    service.backfills[0].last_error = "the job is gone";
  });
  EXPECT_EQ(watch_backfill(options_of("p", id), out, err), 1);
  EXPECT_THAT(out.str(), HasSubstr("failed: 60 of 60 buckets (100 %), 0 samples: the job is gone"));
  EXPECT_EQ(watch_backfill(options_of("p", "gone"), out, err), 1);
}

TEST(BackfillAnswers, AreRefusedWhenTheyAreSomethingElse) {
  for (const char* text :
       {"", "[]", "{}", R"({"id":"a"})", R"({"id":"a","state":"done","buckets":3})", "<html>"}) {
    EXPECT_FALSE(read_backfill(text)) << text;
  }
  for (const char* text : {"", "{}", R"({"backfills":3})", R"({"backfills":[3]})"}) {
    EXPECT_FALSE(format_backfills(text)) << text;
  }
}

TEST(ParseWhen, TakesTimesBeforeNow) {
  const engine::Time now = engine::from_epoch_ms(1'782'482'220'000);
  EXPECT_EQ(*parse_when("now", now), now);
  EXPECT_EQ(*parse_when("-2h", now), now - std::chrono::hours{2});
  EXPECT_EQ(*parse_when("now-1d12h", now), now - std::chrono::hours{36});
  EXPECT_EQ(*parse_when("2026-06-26T13:57:00Z", now), now);
  EXPECT_EQ(*parse_when("1782482220000", now), now);
  EXPECT_EQ(*parse_when("-60000", now), engine::from_epoch_ms(-60'000)) << "epoch milliseconds";
  for (const char* bad : {"", "-", "now-", "2h", "now+1h", "-2x", "nowadays", "yesterday"}) {
    EXPECT_FALSE(parse_when(bad, now)) << bad;
  }
}

TEST(FindJobId, SaysThatNobodyAnswers) {
  // Port 1 of loopback: nothing listens there.
  const auto found = find_job_id("http://127.0.0.1:1", "p");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, engine::ErrorKind::retry_later);
  EXPECT_THAT(found.error().detail, HasSubstr("no answer from http://127.0.0.1:1"));
}

}  // namespace
}  // namespace settle::cli
