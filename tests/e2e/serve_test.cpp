// The real program: start, stop, reload, restart, and what it says when it cannot.
#include <string>

#include <gtest/gtest.h>

#include "tests/e2e/serve_fixture.hpp"

namespace settle::cli {
namespace {

TEST_F(Serve, KeepsJobsAndStateOverAnOrderlyStop) {
  start();
  EXPECT_EQ(post(job("a/b")), 201);
  ASSERT_TRUE(wait_for_lines(kMinutes));
  EXPECT_EQ(stop(), 0);
  const std::string before = read_file(folder_ / "out.jsonl");
  EXPECT_NE(before.find("\"value\": "), before.npos);
  start();
  EXPECT_EQ(post(job("a/b")), 200) << "the same job is known";
  ASSERT_TRUE(wait_for("/api/v1/precompute/results/a/b", "\"final\":true"));
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(read_file(folder_ / "out.jsonl"), before) << "nothing went out twice";
}

TEST_F(Serve, RemovesAJobByTheStorePathOfIt) {
  start();
  EXPECT_EQ(post(job("a/b")), 201);
  EXPECT_EQ(run({"jobs", "rm", "--server", url_, "a/b"}, "said"), 0) << read_file(folder_ / "said");
  EXPECT_EQ(get("/api/v1/precompute/jobs").find("\"a/b\""), std::string::npos);
  EXPECT_EQ(run({"jobs", "rm", "--server", url_, "a/b"}, "said"), 1);
}

TEST_F(Serve, RefusesASecondDaemonOnTheSameData) {
  start();
  const pid_t second = spawn("second");
  EXPECT_EQ(exit_code(second), 1);
  const std::string said = read_file(folder_ / "second");
  EXPECT_NE(said.find(std::to_string(pid_)), said.npos) << said;
}

TEST_F(Serve, ReadsItsConfigurationAgainAndTouchesOnlyWhatChanged) {
  configure(
      "jobs:\n  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: one, finality: "
      "\"consecutive:3\"}\n");
  start();
  ASSERT_TRUE(wait_for("/api/v1/precompute/jobs", "\"one\""));
  const std::string before = get("/api/v1/precompute/jobs");
  configure(
      "jobs:\n  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: one, finality: "
      "\"consecutive:3\"}\n"
      "  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: two, record: other, "
      "finality: \"consecutive:3\"}\n");
  kill(pid_, SIGHUP);
  ASSERT_TRUE(wait_for("/api/v1/precompute/jobs", "\"two\""));
  const std::size_t id = before.find("\"job_id\":");
  ASSERT_NE(id, before.npos);
  EXPECT_NE(get("/api/v1/precompute/jobs").find(before.substr(id, 40)), std::string::npos)
      << "job one is the same";
  write_file(folder_ / "settle.yaml", "sources: [nonsense\n");
  kill(pid_, SIGHUP);
  ASSERT_TRUE(wait_for_log("event=reload_refused"));
  EXPECT_NE(get("/api/v1/precompute/jobs").find("\"two\""), std::string::npos)
      << "a bad file changes nothing";
  EXPECT_EQ(stop(), 0);
}

TEST_F(Serve, SaysWhatIsWrongWithItsConfigurationAndDoesNotStart) {
  configure(
      "jobs:\n  - {query: m, granularity: 7m, source: edge, sketch_type: scalar, store_path: one, finality: "
      "\"consecutive:3\"}\n");
  EXPECT_EQ(exit_code(spawn("log")), 1);
  const std::string said = read_file(folder_ / "log");
  EXPECT_NE(said.find("granularity"), said.npos) << said;
}

TEST_F(Serve, LosesNothingToAKill) {
  start();
  EXPECT_EQ(post(job("a/b")), 201);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{70 * i});
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    start();
  }
  ASSERT_TRUE(wait_for_lines(kMinutes));
  EXPECT_EQ(stop(), 0);
  const std::string lines = read_file(folder_ / "out.jsonl");
  for (int minute = 0; minute < kMinutes; ++minute) {
    const std::string stamp = "\"timestamp\": " + std::to_string(kStart + minute * 60'000);
    const std::size_t first = lines.find(stamp);
    ASSERT_NE(first, lines.npos) << minute << "\n" << lines;
    EXPECT_EQ(lines.find(stamp, first + 1), lines.npos) << minute << "\n" << lines;
    EXPECT_EQ(lines.find("\"value\": " + std::to_string(100 + minute), first) - first < 60, true) << minute;
  }
}

}  // namespace
}  // namespace settle::cli
