#include "cli/ask/backfill_watch.hpp"

#include <deque>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace settle::cli {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

std::string body(const std::string& state, int done, const std::string& error = "") {
  return R"({"id":"b","job_id":"j","state":")" + state + R"(","buckets":{"total":100,"done":)" +
         std::to_string(done) + R"(,"impossible":0},"samples":)" + std::to_string(done * 2) +
         R"(,"held_back":)" + std::to_string(done / 100) + R"(,"errors":0,"last_error":)" +
         (error.empty() ? "null" : "\"" + error + "\"") + "}";
}

/// A daemon that says one thing after another; the last one for ever.
struct Script {
  std::deque<engine::Result<CallAnswer>> answers;
  std::size_t waits_before_the_user_leaves = 1'000;
  std::size_t width = 0;
  milliseconds waited{};
  std::ostringstream out;
  std::ostringstream err;

  void say(const std::string& text) { answers.push_back(CallAnswer{.status = 200, .body = text}); }
  void fall_silent() { answers.push_back(engine::retry_later("no answer from there")); }
  int run() {
    WatchPorts ports;
    ports.ask = [this] {
      auto answer = answers.front();
      if (answers.size() > 1) answers.pop_front();
      return answer;
    };
    ports.wait = [this](milliseconds time) {
      waited += time;
      return waits_before_the_user_leaves-- > 0;
    };
    ports.width = width;
    return watch(ports, out, err);
  }
};

TEST(BackfillWatch, SaysOneLinePerChangeWithoutATerminal) {
  Script script;
  for (int done : {0, 0, 1, 2}) script.say(body("running", done));
  script.say(body("waiting", 2, "the source does not answer"));
  script.say(body("waiting", 2, "the source does not answer"));
  script.say(body("running", 50));
  script.say(body("done", 100));
  EXPECT_EQ(script.run(), 0);
  EXPECT_EQ(script.out.str(),
            "running: 0 of 100 buckets (0 %), 0 samples\n"
            "waiting: 2 of 100 buckets (2 %), 4 samples: the source does not answer\n"
            "running: 50 of 100 buckets (50 %), 100 samples\n"
            "done: 100 of 100 buckets (100 %), 200 samples, 1 held back\n");
  EXPECT_EQ(script.err.str(), "");
}

TEST(BackfillWatch, SaysALineNowAndThenWhileBucketsGetDone) {
  Script script;
  for (int second = 0; second < 25; ++second) script.say(body("running", second));
  for (int second = 0; second < 25; ++second) script.say(body("running", 24));
  script.say(body("done", 100));
  EXPECT_EQ(script.run(), 0);
  EXPECT_EQ(script.out.str(),
            "running: 0 of 100 buckets (0 %), 0 samples\n"
            "running: 10 of 100 buckets (10 %), 20 samples\n"
            "running: 20 of 100 buckets (20 %), 40 samples\n"
            "running: 24 of 100 buckets (24 %), 48 samples\n"
            "done: 100 of 100 buckets (100 %), 200 samples, 1 held back\n");
}

TEST(BackfillWatch, EndsWithWhatBecameOfIt) {
  for (const auto& [state, code] :
       {std::pair{"done", 0}, std::pair{"failed", 1}, std::pair{"cancelled", 1}}) {
    Script script;
    script.say(body(state, 7));
    EXPECT_EQ(script.run(), code) << state;
    EXPECT_EQ(script.waited, milliseconds{0}) << "an end needs no further look";
  }
  Script gone;
  gone.answers.push_back(engine::refused("job \"j\" has no backfill \"b\" (status 404)"));
  EXPECT_EQ(gone.run(), 1);
  EXPECT_THAT(gone.err.str(), HasSubstr("has no backfill"));
  Script foreign;
  foreign.say("<html>");
  EXPECT_EQ(foreign.run(), 1);
}

TEST(BackfillWatch, WaitsForADaemonThatRestarts) {
  Script script;
  script.say(body("running", 1));
  for (int i = 0; i < 20; ++i) script.fall_silent();
  script.say(body("running", 1));
  for (int i = 0; i < 20; ++i) script.fall_silent();
  script.say(body("done", 100));
  EXPECT_EQ(script.run(), 0);
  EXPECT_THAT(script.out.str(), HasSubstr("no answer from there; asking again\nrunning: "));
}

TEST(BackfillWatch, GivesUpOnADaemonThatStaysAway) {
  Script script;
  script.say(body("running", 1));
  script.fall_silent();
  EXPECT_EQ(script.run(), 1);
  EXPECT_EQ(script.waited, kWatchInterval + kWatchPatience);
  EXPECT_EQ(script.err.str(), "settle backfill: no answer from there\n");
}

TEST(BackfillWatch, LeavesTheBackfillAloneWhenTheUserStopsLooking) {
  Script script;
  script.say(body("running", 1));
  script.waits_before_the_user_leaves = 3;
  EXPECT_EQ(script.run(), 130);
  EXPECT_EQ(script.err.str(), "settle backfill: you stopped looking; the backfill goes on in the daemon\n");
}

TEST(BackfillWatch, DrawsOverItsOwnLineOnATerminal) {
  Script script;
  script.width = 60;
  script.say(body("running", 25));
  script.say(body("running", 50));
  script.say(body("done", 100));
  EXPECT_EQ(script.run(), 0);
  EXPECT_EQ(script.out.str(),
            "\r[######..................] running: 25 of 100 buckets (25 %\x1b[K"
            "\r[############............] running: 50 of 100 buckets (50 %\x1b[K"
            "\r[########################] done: 100 of 100 buckets (100 %)\x1b[K\n");
}

TEST(ProgressLine, SaysWhatIsKnown) {
  BackfillView view;
  view.state = "running";
  view.total = 3;
  view.done = 2;
  view.impossible = 1;
  view.samples = 12;
  view.errors = 2;
  view.last_error = "status 503";
  view.samples_per_second = 1234.6;
  view.eta_seconds = 3'661;
  EXPECT_EQ(progress_line(view),
            "running: 2 of 3 buckets (66 %, 1 impossible), 12 samples, 1235/s, 1h1m1s left, 2 errors: "
            "status 503");
  view.state = "done";
  EXPECT_EQ(progress_line(view),
            "done: 2 of 3 buckets (66 %, 1 impossible), 12 samples, 2 errors: status 503");
  EXPECT_EQ(progress_line({.state = "done"}), "done: 0 of 0 buckets (100 %), 0 samples");
  EXPECT_EQ(progress_line({.state = "queued", .total = 4, .done = 9}),
            "queued: 9 of 4 buckets (100 %), 0 samples");
}

TEST(ProgressBar, IsNeverLongerThanTheTerminal) {
  BackfillView view{.state = "waiting", .total = 10, .done = 5, .last_error = "one\nline\tonly"};
  EXPECT_THAT(progress_bar(view, 200), HasSubstr("one line only"));
  for (std::size_t width : {1U, 20U, 40U}) EXPECT_EQ(progress_bar(view, width).size(), width);
}

}  // namespace
}  // namespace settle::cli
