#include "cli/jobs.hpp"

#include <sstream>

#include <gtest/gtest.h>

#include "cli/ask/daemon_call.hpp"
#include "cli/text_table.hpp"

namespace settle::cli {
namespace {

TEST(Jobs, FormatsAPageWithAbsentAndNullFieldsEmpty) {
  const auto page = format_jobs(R"({"jobs": [{"job_id": "j1", "state": "running", "store_path": "a/b",
    "query": "m", "granularity": "1m", "lag": null, "origin": "api"}], "next": "j1"})");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->rows,
            "job_id  state    origin  store_path  query  granularity  lag  last_error\n"
            "j1      running  api     a/b         m      1m\n");
  EXPECT_EQ(page->next, "j1");
}

TEST(Jobs, RefusesAnAnswerThatIsNotAListOfJobs) {
  for (const char* text : {"", "[]", "{}", R"({"jobs": 3})", R"({"jobs": [1]})", "<html>"}) {
    EXPECT_FALSE(format_jobs(text)) << text;
  }
}

TEST(Jobs, TakesNoFolderForAFile) {
  JobsOptions options;
  options.body_file = "/";
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  EXPECT_EQ(add_job(options, in, out, err), 2);
  EXPECT_EQ(err.str(), "settle jobs: cannot read \"/\"\n");
}

TEST(Jobs, SaysWhatAProblemSays) {
  EXPECT_EQ(
      problem_text(422,
                   R"({"title": "bad job", "detail": "7m does not divide an hour", "field": "granularity"})"),
      "granularity: 7m does not divide an hour (status 422)");
  EXPECT_EQ(problem_text(409, R"({"title": "taken", "job_id": "j7"})"), "taken (job j7) (status 409)");
  EXPECT_EQ(problem_text(502, "bad gateway"), "status 502: bad gateway");
  EXPECT_EQ(problem_text(500, ""), "status 500");
}

TEST(Jobs, SaysThatNobodyAnswers) {
  std::ostringstream out;
  std::ostringstream err;
  // Port 1 of loopback: nothing listens there.
  EXPECT_EQ(list_jobs({.server = "http://127.0.0.1:1"}, out, err), 1);
  EXPECT_EQ(out.str(), "");
  EXPECT_NE(err.str().find("no answer from http://127.0.0.1:1"), std::string::npos) << err.str();
}

TEST(TextTable, PutsNumbersToTheRight) {
  TextTable table({"name", "n"});
  table.add({"a", "5"});
  table.add({"long name", "123"});
  EXPECT_EQ(table.text(), "name         n\na            5\nlong name  123\n");
}

}  // namespace
}  // namespace settle::cli
