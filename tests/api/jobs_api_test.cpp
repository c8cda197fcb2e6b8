#include <string>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/api/api_fixture.hpp"

namespace settle::api {
namespace {

using ::testing::HasSubstr;

using JobsApi = ApiTest;

TEST_F(JobsApi, CreatesAJobAndSaysWhereItIs) {
  const auto answer = ask("POST", kJobs, job_body("p"));
  EXPECT_EQ(answer.status, 201);
  EXPECT_EQ(header_of(answer, "content-type"), "application/json");
  const auto body = boost::json::parse(answer.body).as_object();
  EXPECT_EQ(body.at("status"), "created");
  EXPECT_EQ(body.at("created_at"), "2026-06-26T13:57:01Z");
  EXPECT_EQ(body.size(), 3U) << answer.body;
  const std::string id(body.at("job_id").as_string());
  EXPECT_EQ(header_of(answer, "location"), kJobs + ("/" + id));
  EXPECT_EQ(ask_object(200, "GET", kJobs + ("/" + id)).at("job_id"), body.at("job_id"));
}

TEST_F(JobsApi, WorksForTheTenantOfTheDaemon) {
  service.tenant_name = "team";
  const std::string id = add("p");
  ASSERT_NE(service.find_job("team", id), nullptr);
  EXPECT_EQ(ask_object(200, "GET", kJobs).at("jobs").as_array().size(), 1U);
  EXPECT_EQ(ask_object(200, "GET", kJobs + ("/" + id)).at("job_id"), boost::json::string(id));
  EXPECT_EQ(ask_object(404, "GET", "/api/v1/precompute/results/p").at("code"), "not_ready");
  EXPECT_THAT(ask("GET", "/").body, HasSubstr("  p  "));
  EXPECT_EQ(ask("DELETE", kJobs + ("/" + id)).status, 204);
}

TEST_F(JobsApi, TakesAnyContentType) {
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8"}) {
    const auto answer = ask("POST", kJobs, job_body("p"), {{.name = "Content-Type", .value = type}});
    EXPECT_TRUE(answer.status == 201 || answer.status == 200) << type << " " << answer.body;
  }
}

TEST_F(JobsApi, AnswersTheSameRequestWith200AndTheSameJob) {
  const auto first = ask_object(201, "POST", kJobs, job_body("p", R"(,"watch":"1h")"));
  const auto again = ask_object(200, "POST", kJobs,
                                job_body("p", R"( , "watch" : "60m","valid_until":"2031-01-01T00:00:00Z")"));
  EXPECT_EQ(again.at("job_id"), first.at("job_id"));
  EXPECT_EQ(again.at("created_at"), first.at("created_at"));
  EXPECT_EQ(again.at("status"), "exists");
  const auto job = ask_object(200, "GET", kJobs + ("/" + std::string(first.at("job_id").as_string())));
  EXPECT_EQ(job.at("valid_until"), "2031-01-01T00:00:00Z");
}

TEST_F(JobsApi, RefusesATakenPathWith409AndTheHolder) {
  const auto holder = ask_object(201, "POST", kJobs, job_body("p"));
  const auto problem = ask_object(409, "POST", kJobs, job_body("p", R"(,"watch":"1h")"));
  EXPECT_EQ(problem.at("job_id"), holder.at("job_id"));
  EXPECT_EQ(problem.at("field"), "store_path");
  EXPECT_EQ(problem.at("title"), "Conflict");
}

TEST_F(JobsApi, ReplacesTheHolderWhenAskedTo) {
  const auto holder = ask_object(201, "POST", kJobs, job_body("p"));
  const auto next =
      ask_object(201, "POST", std::string(kJobs) + "?replace=true", job_body("p", R"(,"watch":"1h")"));
  EXPECT_EQ(next.at("replaces"), holder.at("job_id"));
  EXPECT_EQ(next.at("status"), "created");
  ask_object(404, "GET", kJobs + ("/" + std::string(holder.at("job_id").as_string())));
  EXPECT_EQ(ask_object(422, "POST", std::string(kJobs) + "?replace=1", job_body("p")).at("field"), "replace");
}

TEST_F(JobsApi, NamesTheFieldOfABadBody) {
  const auto answer = ask("POST", kJobs, job_body("../p"));
  EXPECT_EQ(answer.status, 422);
  EXPECT_EQ(header_of(answer, "content-type"), "application/problem+json");
  const auto problem = boost::json::parse(answer.body).as_object();
  EXPECT_EQ(problem.at("type"), "about:blank");
  EXPECT_EQ(problem.at("title"), "Unprocessable Content");
  EXPECT_EQ(problem.at("status"), 422);
  EXPECT_EQ(problem.at("field"), "store_path");
  EXPECT_THAT(std::string(problem.at("detail").as_string()), HasSubstr("expected"));
  EXPECT_FALSE(problem.contains("job_id"));
  const auto malformed = ask_object(400, "POST", kJobs, "{");
  EXPECT_FALSE(malformed.contains("field"));
  ask_object(400, "POST", kJobs, "");
  EXPECT_EQ(ask_object(422, "POST", kJobs, job_body("p", R"(,"source":"x")")).at("field"), "source");
}

TEST_F(JobsApi, SaysWhenNothingCouldBeWritten) {
  service.store_fails = true;
  EXPECT_EQ(ask_object(503, "POST", kJobs, job_body("p")).at("detail"), "the store is full");
}

TEST_F(JobsApi, DeletesWith204OnceAnd404Afterwards) {
  const std::string path = kJobs + ("/" + add("p"));
  EXPECT_EQ(ask_object(422, "DELETE", path + "?flush=yes").at("field"), "flush");
  const auto gone = ask("DELETE", path);
  EXPECT_EQ(gone.status, 204);
  EXPECT_EQ(gone.body, "");
  EXPECT_FALSE(service.flushed);
  EXPECT_EQ(ask_object(404, "DELETE", path).at("field"), "job_id");
  ask_object(404, "GET", path);
}

TEST_F(JobsApi, FlushesWhatIsOpenWhenAskedTo) {
  EXPECT_EQ(ask("DELETE", kJobs + ("/" + add("p")) + "?flush=true").status, 204);
  EXPECT_TRUE(service.flushed);
}

TEST_F(JobsApi, LeavesJobsOfTheConfigurationAlone) {
  const auto added = service.add("default", job_body("p"), false, runner::Origin::config);
  ASSERT_TRUE(added);
  const auto problem = ask_object(409, "DELETE", kJobs + ("/" + added->job.id));
  EXPECT_THAT(std::string(problem.at("detail").as_string()), HasSubstr("configuration"));
  EXPECT_EQ(ask_object(200, "GET", kJobs + ("/" + added->job.id)).at("origin"), "config");
}

TEST_F(JobsApi, ShowsEverythingInForceAndHowTheJobIsDoing) {
  runner::JobStatus status;
  status.state = runner::JobState::failing;
  status.last_error = "the source does not answer";
  status.last_error_at = service.now;
  status.lag = std::chrono::minutes{7};
  status.open_cells = 12;
  status.series = 3;
  status.next_tick = service.now + std::chrono::minutes{1};
  status.live_from = service.now - std::chrono::minutes{57};
  status.samples = 18'446'744'073'709'551'615U;
  status.unpropagated = -0.5;
  service.statuses["p"] = status;
  const auto added =
      ask_object(201, "POST", kJobs, job_body("p", R"(,"labels":{"a":"b"},"sinks":["tsdb","log"])"));
  const auto job = ask_object(200, "GET", kJobs + ("/" + std::string(added.at("job_id").as_string())));
  const auto expected = boost::json::parse(R"({
      "origin": "api", "state": "failing", "last_error": "the source does not answer",
      "last_error_at": "2026-06-26T13:57:00Z", "lag": "7m", "open_cells": 12, "series": 3,
      "next_tick": "2026-06-26T13:58:00Z", "frontier": null, "live_from": "2026-06-26T13:00:00Z",
      "samples": 18446744073709551615, "unpropagated": -0.5, "gaps_open": 0,
      "query": "m", "granularity": "1m", "source": "trace", "sketch_type": "scalar", "store_path": "p",
      "valid_until": null, "finality": "learned:0.01", "watch": "30m", "ttl": "30m", "poll_interval": "1m",
      "output": "gauge", "absent": "none", "timestamp": "start", "corrections": "hold",
      "sinks": ["log", "tsdb"], "record": "m", "labels": {"a": "b"}})");
  for (const auto& member : expected.as_object()) {
    ASSERT_TRUE(job.contains(member.key())) << member.key();
    EXPECT_EQ(job.at(member.key()), member.value()) << member.key();
  }
}

TEST_F(JobsApi, ShowsOfAFunctionWhatItAsksAndWhatItsCellsAre) {
  const auto shown = [this](const std::string& asked) {
    const auto added =
        ask_object(201, "POST", kJobs, R"({"granularity":"1m","source":"trace",)" + asked + "}");
    return ask_object(200, "GET", kJobs + ("/" + std::string(added.at("job_id").as_string())));
  };
  const auto expect_has = [](const boost::json::object& job, const char* text) {
    const auto expected = boost::json::parse(text);
    for (const auto& member : expected.as_object()) {
      ASSERT_TRUE(job.contains(member.key())) << member.key();
      EXPECT_EQ(job.at(member.key()), member.value()) << member.key();
    }
  };
  const auto p99 = shown(
      R"-("query":"quantile_over_time(.99, m[300s])","sketch_type":"ddsketch","store_path":"edge/p99",)-"
      R"("finality":"fixed:3m","watch":"1h","ttl":"20m","by":["zone","host"],"accuracy":0.02)");
  expect_has(p99, R"-({"query": "quantile_over_time(0.99, m[5m])", "sketch_type": "ddsketch", "window": "5m",
      "by": ["host", "zone"], "accuracy": 0.02, "max_bins": 2048, "finality": "fixed:3m", "watch": "1h",
      "ttl": "20m", "poll_interval": "1m", "timestamp": "end", "record": "edge_p99"})-");
  for (const char* other : {"item", "precision", "width", "depth"})
    EXPECT_FALSE(p99.contains(other)) << other;
  const auto top =
      shown(R"-("query":"topk_over_time(3, m[1h])","sketch_type":"countminsketch","store_path":"top",)-"
            R"("item":"path","error":0.001,"confidence":0.99)");
  expect_has(top, R"-({"query": "top_k_over_time(3, m[1h])", "window": "1h", "item": "path", "width": 4096,
      "depth": 5})-");
  for (const char* other : {"by", "error", "accuracy"}) EXPECT_FALSE(top.contains(other)) << other;
  const auto distinct =
      shown(R"-("query":"count_distinct_over_time(m[1h])","sketch_type":"hll","store_path":"distinct")-");
  expect_has(distinct, R"({"window": "1h", "precision": 12})");
  const auto sum = shown(R"-("query":"sum_over_time(m[1h])","sketch_type":"stats","store_path":"sum")-");
  expect_has(sum, R"({"window": "1h", "finality": "learned:0.01", "watch": "30m"})");
  EXPECT_FALSE(sum.contains("precision"));
  EXPECT_FALSE(ask_object(200, "GET", kJobs + ("/" + add("plain"))).contains("window"));
}

TEST_F(JobsApi, ListsInPagesUntilNextIsNull) {
  EXPECT_EQ(ask("GET", kJobs).body, R"({"jobs":[],"next":null})");
  for (const char* path : {"a", "b", "c"}) add(path);
  std::string paths;
  std::string after;
  int pages = 0;
  do {
    const auto page =
        ask_object(200, "GET", std::string(kJobs) + "?limit=2" + (after.empty() ? "" : "&after=" + after));
    for (const auto& job : page.at("jobs").as_array()) paths += job.at("store_path").as_string().c_str();
    after = page.at("next").is_null() ? "" : std::string(page.at("next").as_string());
    ++pages;
  } while (!after.empty() && pages < 5);
  EXPECT_EQ(paths, "abc");
  EXPECT_EQ(pages, 2);
  EXPECT_EQ(ask_object(422, "GET", std::string(kJobs) + "?after=x").at("field"), "after");
  EXPECT_EQ(ask_object(422, "GET", std::string(kJobs) + "?limit=0").at("field"), "limit");
}

}  // namespace
}  // namespace settle::api
