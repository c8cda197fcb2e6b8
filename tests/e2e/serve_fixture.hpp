// tests/e2e/serve_fixture.hpp: the real program with a trace of half an hour and a file to write to.
#pragma once

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "cli/http_call.hpp"

namespace settle::cli {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kPatience{60};

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void write_file(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

class Serve : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "settle-serve-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    tell_history(kStart);
    configure("");
  }
  /// The trace begins at `start`, and the source's clock at its end.
  void tell_history(std::int64_t start) {
    start_ = start;
    std::string trace;
    for (int minute = 0; minute < kMinutes; ++minute) {
      const std::int64_t bucket = start_ + minute * 60'000;
      trace += R"({"at": )" + std::to_string(bucket + 90'000) +
               R"(, "series": {"__name__": "m"}, "bucket": )" + std::to_string(bucket) + R"(, "value": )" +
               std::to_string(100 + minute) + "}\n";
    }
    write_file(folder_ / "trace.jsonl", trace);
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
    const std::string clock = std::to_string(start_ + 40 * 60'000);
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
      std::this_thread::sleep_for(std::chrono::milliseconds{10});
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

  /// Runs the program with `words` to its end; what it says goes to the file `output` of the folder.
  int run(std::vector<std::string> words, const std::string& output) {
    words.insert(words.begin(), SETTLE_BINARY);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string path = folder_ / output;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    pid_t pid = -1;
    EXPECT_EQ(posix_spawn(&pid, SETTLE_BINARY, &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return exit_code(pid);
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
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
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
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    ADD_FAILURE() << "the file never held " << lines << " lines:\n" << read_file(folder_ / "log");
    return false;
  }

  static constexpr int kMinutes = 30;
  static constexpr std::int64_t kStart = 1'782'480'000'000;  // a full hour
  std::int64_t start_ = kStart;
  fs::path folder_;
  pid_t pid_ = -1;
  std::string url_;
};

inline std::string job(const std::string& path, const std::string& watch = "50m") {
  return R"({"query":"m","granularity":"1m","source":"edge","sketch_type":"scalar","store_path":")" + path +
         R"(","finality":"consecutive:3","watch":")" + watch + "\"}";
}

}  // namespace settle::cli
