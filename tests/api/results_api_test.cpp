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

using ResultsApi = ApiTest;

const engine::Time kBucket = engine::from_epoch_ms(1'782'482'160'000);  // 2026-06-26T13:56:00Z

TEST_F(ResultsApi, GivesTheCachedValuesWithTheirTimeAndCoverage) {
  runner::ResultView view;
  view.job_id = "id1";
  view.bucket = kBucket;
  view.timestamp = kBucket + minutes{1};
  view.is_final = true;
  view.covered = {.from = kBucket, .to = kBucket + minutes{1}};
  view.points = {
      {.series = "m{a=\"x\"}", .value = engine::Value::count(9'007'199'254'740'993U), .revision = 2},
      {.series = "m{a=\"y\"}", .value = engine::Value::number(NAN), .revision = 1}};
  service.results["a/b"] = view;
  EXPECT_EQ(ask("GET", "/api/v1/precompute/results/a/b").body,
            R"({"job_id":"id1","store_path":"a/b","bucket":"2026-06-26T13:56:00Z",)"
            R"("timestamp":"2026-06-26T13:57:00Z","final":true,)"
            R"("coverage":{"from":"2026-06-26T13:56:00Z","to":"2026-06-26T13:57:00Z"},"error_bound":0,)"
            R"("points":[{"series":"m{a=\"x\"}","value":9007199254740993,"revision":2},)"
            R"({"series":"m{a=\"y\"}","value":"NaN","revision":1}]})");
}

TEST_F(ResultsApi, TellsAnUnknownPathFromOneThatIsNotReady) {
  const auto unknown = ask_object(404, "GET", "/api/v1/precompute/results/p");
  EXPECT_EQ(unknown.at("code"), "unknown");
  EXPECT_FALSE(unknown.contains("field"));
  const std::string id = add("p");
  const auto early = ask_object(404, "GET", "/api/v1/precompute/results/p");
  EXPECT_EQ(early.at("code"), "not_ready");
  EXPECT_EQ(early.at("job_id").as_string(), id);
  EXPECT_EQ(ask_object(404, "GET", "/api/v1/precompute/results/..%2fp").at("code"), "unknown");
}

TEST_F(ResultsApi, ShowsWhatWaitsForEachSink) {
  runner::PumpStatus waiting;
  waiting.sink = "tsdb";
  waiting.state = runner::PumpState::backing_off;
  waiting.rows_waiting = 5;
  waiting.oldest_timestamp = kBucket;
  waiting.last_error = "connection refused";
  runner::PumpStatus idle;
  idle.sink = "log";
  idle.state = runner::PumpState::idle;
  idle.health = sinks::SinkHealth{};
  idle.health->reachable = true;
  idle.health->server = "file";
  idle.health->capabilities.overwrite = sinks::Overwrite::append_log;
  service.pumps = {waiting, idle};
  const auto all = ask_object(200, "GET", "/api/v1/outbox").at("sinks").as_array();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].at("sink"), "tsdb");
  EXPECT_EQ(all[0].at("state"), boost::json::string(pump_state_text(runner::PumpState::backing_off)));
  EXPECT_EQ(all[0].at("rows_waiting"), 5);
  EXPECT_EQ(all[0].at("oldest_timestamp"), "2026-06-26T13:56:00Z");
  EXPECT_EQ(all[0].at("last_error"), "connection refused");
  EXPECT_EQ(all[0].at("reachable"), false);
  EXPECT_TRUE(all[0].at("server").is_null());
  EXPECT_EQ(all[1].at("reachable"), true);
  EXPECT_EQ(all[1].at("server"), "file");
  EXPECT_EQ(all[1].at("overwrite"), boost::json::string(overwrite_text(sinks::Overwrite::append_log)));
}

TEST_F(ResultsApi, ListsDeadLettersBySinkInPages) {
  for (std::uint64_t number : {1U, 2U, 3U}) {
    runner::DeadLetter letter;
    letter.number = number;
    letter.sink = "tsdb";
    letter.series = "m";
    letter.timestamp = kBucket;
    letter.value = engine::Value::number(INFINITY);
    letter.reason = "not finite";
    service.letters.push_back(letter);
  }
  const std::string path = "/api/v1/dead-letters?sink=tsdb&limit=2";
  const auto first = ask_object(200, "GET", path);
  ASSERT_EQ(first.at("dead_letters").as_array().size(), 2U);
  EXPECT_EQ(first.at("dead_letters").at(0).at("value"), "+Inf");
  EXPECT_EQ(first.at("dead_letters").at(0).at("reason"), "not finite");
  EXPECT_EQ(first.at("more"), true);
  EXPECT_EQ(first.at("next"), "2");
  const auto second = ask_object(200, "GET", path + "&after=2");
  EXPECT_EQ(second.at("dead_letters").at(0).at("number"), 3);
  EXPECT_EQ(second.at("more"), false);
  EXPECT_TRUE(second.at("next").is_null());
  const auto of_all = ask_object(200, "GET", "/api/v1/dead-letters?limit=2");
  EXPECT_EQ(of_all.at("more"), true);
  EXPECT_TRUE(of_all.at("next").is_null()) << "numbers are counted per sink";
  EXPECT_EQ(ask_object(422, "GET", "/api/v1/dead-letters?after=2").at("field"), "sink");
  EXPECT_EQ(ask_object(422, "GET", "/api/v1/dead-letters?sink=tsdb&after=x").at("field"), "after");
}

TEST_F(ResultsApi, ListsTheRevisionsOfAJob) {
  for (std::uint32_t number : {1U, 2U}) {
    runner::Revision revision;
    revision.job_id = "id1";
    revision.series = "m{a=\"x\",b=\"y\"}";
    revision.timestamp = kBucket;
    revision.sample.bucket = kBucket;
    revision.sample.value = engine::Value::count(10 + number);
    revision.sample.revision = number;
    revision.sample.reason = number == 1 ? engine::Reason::settled : engine::Reason::correction;
    revision.sample.age = minutes{3};
    revision.sample.evidence_polls = 3;
    revision.policy = "consecutive:3";
    service.ledger.push_back(revision);
  }
  const std::string path = "/api/v1/revisions";
  const auto all = ask_object(200, "GET", path + "?job=id1");
  ASSERT_EQ(all.at("revisions").as_array().size(), 2U);
  EXPECT_FALSE(all.at("more").as_bool());
  EXPECT_TRUE(all.at("next").is_null());
  service.ledger_at_once = 1;
  const auto begun = ask_object(200, "GET", path + "?job=id1");
  EXPECT_TRUE(begun.at("more").as_bool());
  EXPECT_EQ(begun.at("next"), "1");
  EXPECT_TRUE(ask_object(200, "GET", path + "?job=id1&after=1").at("next").is_null());
  EXPECT_EQ(ask_object(422, "GET", path + "?job=id1&after=x").at("field"), "after");
  service.ledger_at_once = 0;
  EXPECT_EQ(boost::json::serialize(all.at("revisions").at(1)),
            R"({"job_id":"id1","series":"m{a=\"x\",b=\"y\"}","timestamp":"2026-06-26T13:56:00Z",)"
            R"("bucket":"2026-06-26T13:56:00Z","value":12,"revision":2,"reason":"correction","age":"3m",)"
            R"("evidence_polls":3,"policy":"consecutive:3"})");
  EXPECT_EQ(all.at("more"), false);
  EXPECT_EQ(ask_object(200, "GET", path + "?job=id1&limit=1").at("more"), true);
  const std::string unsorted = net::url_encode("m{b='y', a='x'}");
  EXPECT_EQ(ask_object(200, "GET", path + "?job=id1&series=" + unsorted).at("revisions").as_array().size(),
            2U);
  EXPECT_TRUE(ask_object(200, "GET", path + "?job=id1&start=2026-06-26T13:57:00Z")
                  .at("revisions")
                  .as_array()
                  .empty());
  EXPECT_TRUE(
      ask_object(200, "GET", path + "?job=id1&end=2026-06-26T13:56:00Z").at("revisions").as_array().empty());
  const std::string backwards = "?job=id1&start=2026-06-26T13:57:00Z&end=2026-06-26T13:56:00Z";
  EXPECT_EQ(ask_object(422, "GET", path + backwards).at("field"), "start");
  EXPECT_EQ(ask_object(422, "GET", path).at("field"), "job");
  const auto unknown = ask_object(404, "GET", path + "?job=nobody");
  EXPECT_EQ(unknown.at("code"), "unknown_job");
  EXPECT_EQ(unknown.at("field"), "job_id");
  service.ledger_at_once = 1;
  EXPECT_FALSE(ask_object(200, "GET", path + "?job=nobody").at("next").is_null()) << "not known yet";
  EXPECT_TRUE(ask_object(200, "GET", path + "?job=nobody&after=1").at("next").is_null())
      << "nor from its end";
  EXPECT_EQ(ask_object(422, "GET", path + "?job=id1&series=%7B").at("field"), "series");
  EXPECT_EQ(ask_object(422, "GET", path + "?job=id1&start=soon").at("field"), "start");
  EXPECT_EQ(ask_object(422, "GET", path + "?job=id1&end=soon").at("field"), "end");
}

}  // namespace
}  // namespace settle::api
