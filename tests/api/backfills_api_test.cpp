#include <cmath>
#include <limits>
#include <string>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/api/api_fixture.hpp"

namespace settle::api {
namespace {

using std::chrono::minutes;
using ::testing::HasSubstr;

using BackfillsApi = ApiTest;

constexpr const char* kHour = R"({"start":"2026-06-26T11:00:00Z","end":"2026-06-26T12:00:00Z"})";
const engine::Time kStart = engine::from_epoch_ms(1'782'471'600'000);  // 2026-06-26T11:00:00Z

std::string text(const boost::json::value& value) {
  return std::string(value.as_string());
}

std::string of(const std::string& job) {
  return std::string(kJobs) + "/" + job + "/backfills";
}

TEST_F(BackfillsApi, AddsARangeAndSaysWhereItIs) {
  const std::string job = add("p");
  const auto answer = ask("POST", of(job), kHour);
  EXPECT_EQ(answer.status, 201) << answer.body;
  const auto added = boost::json::parse(answer.body).as_object();
  EXPECT_EQ(header_of(answer, "location"), of(job) + "/" + text(added.at("id")));
  EXPECT_EQ(ask_object(200, "GET", header_of(answer, "location")), added);
  EXPECT_EQ(boost::json::value(added), boost::json::parse(R"({"id":"bf3","job_id":"id2","state":"queued",
      "start":"2026-06-26T11:00:00Z","end":"2026-06-26T12:00:00Z","end_effective":"2026-06-26T12:00:00Z",
      "chunk":null,"rate":null,"force":false,"buckets":{"total":60,"done":0,"impossible":0},
      "samples":0,"held_back":0,"errors":0,"last_error":null,"last_error_at":null,"created_at":"2026-06-26T13:57:01Z",
      "finished_at":null,"samples_per_second":null,"eta_seconds":null})"));
}

TEST_F(BackfillsApi, ShowsHowItGoes) {
  const std::string job = add("p");
  ask_object(
      201, "POST", of(job),
      R"({"start":"2026-06-26T11:00:00Z","end":"2026-06-26T13:57:00Z","chunk":"5m","rate":1.5,"force":true})");
  runner::BackfillStatus& status = service.backfills.front();
  status.state = runner::BackfillState::waiting;
  status.buckets_done = 7;
  status.buckets_impossible = 2;
  status.samples = 18'446'744'073'709'551'615U;
  status.held_back = 7;
  status.errors = 3;
  status.last_error = "the source does not answer";
  status.last_error_at = kStart + engine::Duration{5};
  status.finished_at = kStart;
  status.samples_per_second = 0.5;
  status.eta = engine::Duration{1'001};
  const auto shown = ask_object(200, "GET", of(job) + "/" + status.id);
  EXPECT_EQ(boost::json::value(shown), boost::json::parse(R"({"id":"bf3","job_id":"id2","state":"waiting",
      "start":"2026-06-26T11:00:00Z","end":"2026-06-26T13:57:00Z","end_effective":"2026-06-26T13:27:00Z",
      "chunk":"5m","rate":1.5,"force":true,"buckets":{"total":147,"done":7,"impossible":2},
      "samples":18446744073709551615,"held_back":7,"errors":3,"last_error":"the source does not answer",
      "last_error_at":"2026-06-26T11:00:00.005Z","created_at":"2026-06-26T13:57:01Z",
      "finished_at":"2026-06-26T11:00:00Z","samples_per_second":0.5,"eta_seconds":2})"));
}

TEST_F(BackfillsApi, AnswersTheSameRangeWith200AndTheSameBackfill) {
  const std::string job = add("p");
  const auto first = ask_object(201, "POST", of(job), kHour);
  const auto answer = ask("POST", of(job), kHour);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(header_of(answer, "location"), "");
  EXPECT_EQ(boost::json::parse(answer.body).as_object(), first);
}

TEST_F(BackfillsApi, TellsAnUnknownJobFromAnUnknownBackfill) {
  const std::string job = add("p");
  const std::string other = add("q");
  const std::string id = text(ask_object(201, "POST", of(job), kHour).at("id"));
  struct Request {
    const char* method;
    std::string rest;
  };
  for (const Request& request :
       {Request{"POST", "/backfills"}, Request{"GET", "/backfills"}, Request{"GET", "/backfills/" + id},
        Request{"DELETE", "/backfills/" + id}, Request{"POST", "/backfills/" + id + "/pause"},
        Request{"GET", "/gaps"}, Request{"POST", "/verify"}}) {
    const auto problem = ask_object(404, request.method, std::string(kJobs) + "/nobody" + request.rest);
    EXPECT_EQ(problem.at("code"), "unknown_job") << request.rest;
    EXPECT_EQ(problem.at("field"), "job_id") << request.rest;
  }
  for (const Request& request : {Request{"GET", ""}, Request{"DELETE", ""}, Request{"POST", "/resume"}}) {
    for (const std::string& path : {of(job) + "/nothing", of(other) + "/" + id}) {
      const auto problem = ask_object(404, request.method, path + request.rest);
      EXPECT_EQ(problem.at("code"), "unknown_backfill") << path;
      EXPECT_EQ(problem.at("field"), "backfill_id") << path;
    }
  }
}

TEST_F(BackfillsApi, NamesTheFieldOfABadBody) {
  const std::string job = add("p");
  EXPECT_EQ(ask_object(422, "POST", of(job), R"({"start":0})").at("field"), "end");
  EXPECT_EQ(ask_object(422, "POST", of(job), R"({"start":0,"end":60000,"rate":0})").at("field"), "rate");
  EXPECT_FALSE(ask_object(400, "POST", of(job), "").contains("field"));
  EXPECT_TRUE(service.backfills.empty());
  service.store_fails = true;
  ask_object(503, "POST", of(job), kHour);
}

TEST_F(BackfillsApi, RefusesWhatACounterCannotTakeBackWith409) {
  const auto added = ask_object(201, "POST", kJobs, job_body("p", R"(,"output":"counter")"));
  const auto problem = ask_object(409, "POST", of(text(added.at("job_id"))), kHour);
  EXPECT_THAT(text(problem.at("detail")), HasSubstr("counter"));
}

TEST_F(BackfillsApi, PausesResumesAndCancels) {
  const std::string job = add("p");
  const std::string path = of(job) + "/" + text(ask_object(201, "POST", of(job), kHour).at("id"));
  EXPECT_EQ(ask_object(200, "POST", path + "/pause").at("state"), "paused");
  EXPECT_EQ(ask_object(200, "GET", path).at("state"), "paused");
  EXPECT_EQ(ask_object(200, "POST", path + "/resume").at("state"), "queued");
  EXPECT_EQ(ask_object(200, "DELETE", path).at("state"), "cancelled");
  EXPECT_EQ(ask_object(409, "DELETE", path).at("detail"), "the backfill is over");
  EXPECT_EQ(ask_object(200, "GET", path).at("state"), "cancelled") << "it stays in the list";
}

TEST_F(BackfillsApi, ListsInPagesUntilNextIsNull) {
  const std::string job = add("p");
  const std::string other = add("q");
  EXPECT_EQ(ask("GET", of(job)).body, R"({"backfills":[],"next":null})");
  ask_object(201, "POST", of(other), kHour);
  for (const char* end : {"60000", "120000", "180000"}) {
    ask_object(201, "POST", of(job), std::string(R"({"start":0,"end":)") + end + "}");
  }
  const auto first = ask_object(200, "GET", of(job) + "?limit=2");
  EXPECT_EQ(first.at("backfills").as_array().size(), 2U);
  const auto second = ask_object(200, "GET", of(job) + "?limit=2&after=" + text(first.at("next")));
  ASSERT_EQ(second.at("backfills").as_array().size(), 1U);
  EXPECT_EQ(second.at("backfills").as_array()[0].at("end"), "1970-01-01T00:03:00Z");
  EXPECT_TRUE(second.at("next").is_null());
  EXPECT_EQ(ask_object(422, "GET", of(job) + "?after=x").at("field"), "after");
  EXPECT_EQ(ask_object(422, "GET", of(job) + "?limit=1001").at("field"), "limit");
}

TEST_F(BackfillsApi, ShowsTheGapsOfAJob) {
  const std::string job = add("p");
  const std::string path = std::string(kJobs) + "/" + job + "/gaps";
  EXPECT_EQ(ask("GET", path).body, R"({"gaps":[],"next":null})");
  runner::GapStatus open{.scope = "",
                         .range = {.from = kStart, .to = kStart + minutes{3}},
                         .reason = "the source did not answer",
                         .last_error = "",
                         .noticed_at = kStart + minutes{40},
                         .closed_at = {}};
  runner::GapStatus gone = open;
  gone.scope = "zone=a";
  gone.state = runner::GapState::impossible;
  gone.reason = "the source keeps 1d";
  gone.cells = 4;
  gone.attempts = 2;
  gone.last_error = "status 422";
  gone.closed_at = kStart + minutes{50};
  service.gaps_of[job] = {open, gone};
  EXPECT_EQ(ask("GET", path + "?limit=1").body,
            R"({"gaps":[{"state":"open","start":"2026-06-26T11:00:00Z","end":"2026-06-26T11:03:00Z",)"
            R"("scope":null,"reason":"the source did not answer","cells":0,"attempts":0,"last_error":null,)"
            R"("noticed_at":"2026-06-26T11:40:00Z","closed_at":null}],"next":"1"})");
  EXPECT_EQ(ask("GET", path + "?limit=1&after=1").body,
            R"({"gaps":[{"state":"impossible","start":"2026-06-26T11:00:00Z","end":"2026-06-26T11:03:00Z",)"
            R"("scope":"zone=a","reason":"the source keeps 1d","cells":4,"attempts":2,)"
            R"("last_error":"status 422","noticed_at":"2026-06-26T11:40:00Z",)"
            R"("closed_at":"2026-06-26T11:50:00Z"}],"next":null})");
  EXPECT_EQ(ask("GET", path + "?after=18446744073709551615").body, R"({"gaps":[],"next":null})");
  EXPECT_EQ(ask_object(422, "GET", path + "?after=-1").at("field"), "after");
}

TEST_F(BackfillsApi, ComparesWithTheSinksAndShowsWhatDiffers) {
  const std::string job = add("p");
  const std::string path = std::string(kJobs) + "/" + job + "/verify";
  service.report.compared = 10;
  service.report.waiting = 2;
  service.report.missing = 1;
  service.report.different = 1;
  service.report.extra = 1;
  service.report.sinks_without_read_back = {"log"};
  using Kind = runner::Mismatch::Kind;
  const auto count = engine::Value::count(9'007'199'254'740'993U);
  const auto endless = engine::Value::number(std::numeric_limits<double>::infinity());
  service.report.mismatches = {{.kind = Kind::missing,
                                .sink = "tsdb",
                                .series = "m",
                                .timestamp = kStart,
                                .acknowledged = count,
                                .stored = {}},
                               {.kind = Kind::different,
                                .sink = "tsdb",
                                .series = "m",
                                .timestamp = kStart + minutes{1},
                                .acknowledged = count,
                                .stored = {engine::Value::count(1), endless}},
                               {.kind = Kind::extra,
                                .sink = "tsdb",
                                .series = "m",
                                .timestamp = kStart + minutes{2},
                                .acknowledged = {},
                                .stored = {engine::Value::number(0.5)}}};
  EXPECT_EQ(
      ask("POST", path, R"({"from":"2026-06-26T11:00:00Z","to":"2026-06-26T12:00:00Z"})").body,
      R"({"job_id":"id2","from":"2026-06-26T11:00:00Z","to":"2026-06-26T12:00:00Z","compared":10,"waiting":2,"refused":0,)"
      R"("missing":1,"different":1,"extra":1,"mismatches":[)"
      R"({"kind":"missing","sink":"tsdb","series":"m","timestamp":"2026-06-26T11:00:00Z",)"
      R"("acknowledged":9007199254740993,"stored":[]},)"
      R"({"kind":"different","sink":"tsdb","series":"m","timestamp":"2026-06-26T11:01:00Z",)"
      R"("acknowledged":9007199254740993,"stored":[1,"+Inf"]},)"
      R"({"kind":"extra","sink":"tsdb","series":"m","timestamp":"2026-06-26T11:02:00Z",)"
      R"("acknowledged":null,"stored":[0.5]}],"sinks_without_read_back":["log"]})");
  const auto counts = ask_object(200, "POST", path, R"({"from":0,"to":1,"limit":0})");
  EXPECT_TRUE(counts.at("mismatches").as_array().empty());
  EXPECT_EQ(counts.at("missing"), 1);
  EXPECT_EQ(ask_object(422, "POST", path, R"({"from":0})").at("field"), "to");
  ask_object(400, "POST", path, "");
  service.too_many_samples = true;
  EXPECT_EQ(ask_object(422, "POST", path, R"({"from":0,"to":1})").at("detail"), "too many samples");
}

}  // namespace
}  // namespace settle::api
