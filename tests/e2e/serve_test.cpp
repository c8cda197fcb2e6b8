// The real program: start, stop, reload, restart, and what it says when it cannot.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <sys/wait.h>
#include <thread>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "cli/http_call.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kPatience = 60s;

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

class Serve : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "settle-serve-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    std::string trace;
    for (int minute = 0; minute < kMinutes; ++minute) {
      const std::int64_t bucket = kStart + minute * 60'000;
      trace += R"({"at": )" + std::to_string(bucket + 90'000) +
               R"(, "series": {"__name__": "m"}, "bucket": )" + std::to_string(bucket) + R"(, "value": )" +
               std::to_string(100 + minute) + "}\n";
    }
    write_file(folder_ / "trace.jsonl", trace);
    configure("");
  }
  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }

  void configure(const std::string& jobs) {
    write_file(folder_ / "settle.yaml",
               "data_dir: data\nlisten: \"127.0.0.1:0\"\nsources:\n  edge: {kind: trace, file: "
               "trace.jsonl}\nsinks:\n  out: "
               "{kind: file, file: out.jsonl}\n" +
                   jobs);
  }

  pid_t spawn(const std::string& log) {
    const std::string config = folder_ / "settle.yaml";
    const std::string clock = std::to_string(kStart + 40 * 60'000);
    const std::string log_path = folder_ / log;
    std::vector<std::string> words{SETTLE_BINARY,   "serve", "--config",      config,
                                   "--clock-start", clock,   "--clock-speed", "60"};
    std::vector<char*> arguments;
    for (std::string& word : words) {
      arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, SETTLE_BINARY, &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
  }

  /// Until `text` stands in the log; the test fails when it does not come.
  bool wait_for_log(const std::string& text) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < give_up) {
      if (read_file(folder_ / "log").find(text) != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(10ms);
    }
    ADD_FAILURE() << "no \"" << text << "\" in the log:\n" << read_file(folder_ / "log");
    return false;
  }

  void start() {
    pid_ = spawn("log");
    ASSERT_TRUE(wait_for_log("event=listening"));
    const std::string log = read_file(folder_ / "log");
    const std::size_t at = log.find("address=127.0.0.1:");
    ASSERT_NE(at, log.npos) << log;
    url_ = "http://127.0.0.1:" + std::to_string(std::stoi(log.substr(at + 18)));
  }

  static int exit_code(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  int stop() {
    kill(pid_, SIGTERM);
    return exit_code(std::exchange(pid_, -1));
  }

  std::string get(const std::string& path) {
    const auto answer = http_call({.method = "GET", .url = url_, .path = path, .body = {}});
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().detail);
    return answer ? answer->body : "";
  }
  int post(const std::string& body) {
    const auto answer =
        http_call({.method = "POST", .url = url_, .path = "/api/v1/precompute/jobs", .body = body});
    EXPECT_TRUE(answer) << (answer ? "" : answer.error().detail);
    return answer ? answer->status : 0;
  }
  bool wait_for(const std::string& path, const std::string& text) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    std::string body;
    while (std::chrono::steady_clock::now() < give_up) {
      body = get(path);
      if (body.find(text) != std::string::npos) {
        return true;
      }
      std::this_thread::sleep_for(20ms);
    }
    ADD_FAILURE() << path << " never said \"" << text << "\": " << body;
    return false;
  }

  /// Until the file sink holds so many samples.
  bool wait_for_lines(int lines) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < give_up) {
      const std::string text = read_file(folder_ / "out.jsonl");
      if (std::count(text.begin(), text.end(), '\n') >= lines) {
        return true;
      }
      std::this_thread::sleep_for(20ms);
    }
    ADD_FAILURE() << "the file never held " << lines << " lines:\n" << read_file(folder_ / "log");
    return false;
  }

  static constexpr int kMinutes = 30;
  static constexpr std::int64_t kStart = 1'782'480'000'000;  // a full hour
  fs::path folder_;
  pid_t pid_ = -1;
  std::string url_;
};

std::string job(const std::string& path) {
  return R"({"query":"m","granularity":"1m","source":"edge","sketch_type":"scalar","store_path":")" + path +
         R"(","watch":"50m"})";
}

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

TEST_F(Serve, RefusesASecondDaemonOnTheSameData) {
  start();
  const pid_t second = spawn("second");
  EXPECT_EQ(exit_code(second), 1);
  const std::string said = read_file(folder_ / "second");
  EXPECT_NE(said.find(std::to_string(pid_)), said.npos) << said;
}

TEST_F(Serve, ReadsItsConfigurationAgainAndTouchesOnlyWhatChanged) {
  configure("jobs:\n  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: one}\n");
  start();
  ASSERT_TRUE(wait_for("/api/v1/precompute/jobs", "\"one\""));
  const std::string before = get("/api/v1/precompute/jobs");
  configure(
      "jobs:\n  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: one}\n"
      "  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: two, record: other}\n");
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
  configure("jobs:\n  - {query: m, granularity: 7m, source: edge, sketch_type: scalar, store_path: one}\n");
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
