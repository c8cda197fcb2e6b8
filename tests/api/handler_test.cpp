#include <string>

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/problem.hpp"
#include "tests/api/api_fixture.hpp"
#include "tests/support/loopback.hpp"

namespace settle::api {
namespace {

using ::testing::HasSubstr;

using Handler = ApiTest;

TEST_F(Handler, AnswersWhatIsNotThereWith404) {
  const auto problem = ask_object(404, "GET", "/nowhere");
  EXPECT_EQ(problem.at("title"), "Not Found");
  EXPECT_THAT(std::string(problem.at("detail").as_string()), HasSubstr("/nowhere"));
}

TEST_F(Handler, AnswersAMethodThatIsNotThereWith405AndAllow) {
  const auto answer = ask("PUT", kJobs, job_body("p"));
  EXPECT_EQ(answer.status, 405);
  EXPECT_EQ(header_of(answer, "allow"), "POST, GET, HEAD");
}

TEST_F(Handler, RefusesABrowserOfAnotherOriginBeforeAnythingHappens) {
  const net::Header foreign{.name = "Origin", .value = "http://evil.example"};
  EXPECT_EQ(ask("POST", kJobs, job_body("p"), {foreign}).status, 403);
  EXPECT_EQ(ask("GET", kJobs).body, R"({"jobs":[],"next":null})");
  const net::Header own{.name = "Origin", .value = "http://127.0.0.1:" + std::to_string(server->port())};
  EXPECT_EQ(ask("POST", kJobs, job_body("p"), {own}).status, 201);
}

TEST_F(Handler, RefusesParametersThatItWouldNotRead) {
  const std::string job = std::string(kJobs) + "/" + add("p");
  for (const auto& [method, path] : {
           std::pair<std::string, std::string>{"GET", kJobs},
           {"POST", kJobs},
           {"GET", job},
           {"DELETE", job},
           {"GET", job + "/backfills"},
           {"POST", job + "/backfills"},
           {"GET", job + "/gaps"},
           {"POST", job + "/verify"},
           {"GET", "/api/v1/precompute/results/p"},
           {"GET", "/api/v1/outbox"},
           {"GET", "/api/v1/dead-letters"},
           {"GET", "/api/v1/revisions"},
       }) {
    EXPECT_EQ(ask_object(422, method, path + "?colour=red").at("field"), "colour") << method << " " << path;
  }
  const auto problem = ask_object(422, "GET", "/api/v1/revisions?job=j&from=0");
  EXPECT_EQ(problem.at("detail"),
            "is not a parameter of /api/v1/revisions; it has job, series, start, end, limit, after");
  EXPECT_EQ(ask_object(422, "GET", std::string(kJobs) + "?limit=1&limit=2").at("detail"), "is given twice");
  EXPECT_EQ(ask("GET", job).status, 200) << "nothing was deleted";
  EXPECT_EQ(ask("GET", "/healthz?probe=1").status, 200);
}

TEST_F(Handler, SaysThatItLivesAndWhetherItIsReady) {
  EXPECT_EQ(ask("GET", "/healthz").body, "ok\n");
  EXPECT_EQ(ask("GET", "/readyz").status, 200);
  service.missing = "sink tsdb is not reachable";
  const auto waiting = ask("GET", "/readyz");
  EXPECT_EQ(waiting.status, 503);
  EXPECT_THAT(waiting.body, HasSubstr("sink tsdb is not reachable"));
  EXPECT_EQ(ask("GET", "/healthz").status, 200) << "alive all the same";
}

TEST_F(Handler, ServesMetricsInThePrometheusFormat) {
  const auto answer = ask("GET", "/metrics");
  EXPECT_EQ(answer.body, "settle_jobs 1\n");
  EXPECT_THAT(header_of(answer, "content-type"), HasSubstr("text/plain; version=0.0.4"));
}

TEST_F(Handler, ShowsAPageToWhoLooksInWithABrowser) {
  add("p");
  service.statuses["p"].state = runner::JobState::running;
  const auto answer = ask("GET", "/");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("p  running"));
  EXPECT_THAT(header_of(answer, "content-type"), HasSubstr("text/plain"));
}

TEST_F(Handler, PutsWhatTheServerRefusesIntoAProblemToo) {
  const auto answer = ask("POST", kJobs, std::string((1u << 20) + 1, ' '));
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(header_of(answer, "content-type"), "application/problem+json");
  EXPECT_EQ(boost::json::parse(answer.body).at("status"), 413);
}

TEST(Problem, HasAStatusForEveryKindOfRefusal) {
  using Kind = runner::Refusal::Kind;
  EXPECT_EQ(status_of(Kind::malformed), 400);
  EXPECT_EQ(status_of(Kind::invalid), 422);
  EXPECT_EQ(status_of(Kind::conflict), 409);
  EXPECT_EQ(status_of(Kind::not_found), 404);
  EXPECT_EQ(status_of(Kind::unavailable), 503);
}

}  // namespace
}  // namespace settle::api
