// `settle trace record` as a program: what it leaves behind when it ends by itself and when it is told to.
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "cli/replay/replay.hpp"
#include "cli/replay/shapes.hpp"
#include "fetchers/trace_writer.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr auto kPatience = 60s;

class TraceRecord : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "settle-record-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto shaped = make_shape("revisions_down", {.seed = 4, .windows = 120});
    ASSERT_TRUE(shaped);
    trace_ = std::move(shaped->trace);
    std::ofstream out(folder_ / "source.jsonl");
    fetchers::write_trace(out, trace_);
    std::ofstream(folder_ / "settle.yaml")
        << "data_dir: data\nsources:\n  edge: {kind: trace, file: source.jsonl}\nsinks: {}\n";
  }
  void TearDown() override {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    fs::remove_all(folder_);
  }

  /// Source time runs from the start of the trace.
  void start(const std::vector<std::string>& more) {
    std::vector<std::string> words{SETTLE_BINARY,
                                   "trace",
                                   "record",
                                   "--config",
                                   folder_ / "settle.yaml",
                                   "--selector",
                                   "events",
                                   "--out",
                                   folder_ / "recorded.jsonl",
                                   "--clock-start",
                                   engine::format_time(trace_.first.value())};
    words.insert(words.end(), more.begin(), more.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const std::string log = folder_ / "log";
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    EXPECT_EQ(posix_spawn(&pid_, SETTLE_BINARY, &actions, nullptr, arguments.data(), environ), 0);
    posix_spawn_file_actions_destroy(&actions);
  }

  /// Exit code; -1: it did not end.
  int wait() {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    int status = 0;
    while (waitpid(pid_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > deadline) return -1;
      std::this_thread::sleep_for(5ms);
    }
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  [[nodiscard]] std::string text_of(const char* name) const {
    std::ifstream in(folder_ / name, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] fetchers::Trace recorded() const {
    auto trace = fetchers::load_trace({folder_ / "recorded.jsonl"});
    EXPECT_TRUE(trace) << (trace ? "" : trace.error().detail);
    return trace ? *std::move(trace) : fetchers::Trace{};
  }

  fs::path folder_;
  fetchers::Trace trace_;
  pid_t pid_ = -1;
};

using Cells = std::map<std::pair<std::string, engine::Time>, engine::Value>;

Cells ends_of(const fetchers::Trace& trace, engine::Time until) {
  Cells cells;
  for (const auto& line : trace.lines) {
    if (line.bucket < until && line.value) cells[{trace.series[line.series].text, line.bucket}] = *line.value;
  }
  return cells;
}

TEST_F(TraceRecord, EndsByItselfWithTheLastValueOfEveryBucket) {
  start({"--source", "edge", "--duration", "20m", "--clock-speed", "600"});
  ASSERT_EQ(wait(), 0) << text_of("log");
  const fetchers::Trace trace = recorded();
  const engine::Time first = engine::floor_to(trace_.first.value(), 1min);
  EXPECT_EQ(ends_of(trace, engine::Time::max()), ends_of(trace_, first + 20min));
  EXPECT_NE(text_of("log").find("recorded "), std::string::npos) << text_of("log");
  EXPECT_EQ(text_of("log").find("younger than watch"), std::string::npos) << text_of("log");
}

TEST_F(TraceRecord, StopsInGoodOrderAtASignal) {
  start({"--source", "edge", "--clock-speed", "200"});
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (text_of("recorded.jsonl").empty() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(2ms);
  }
  kill(pid_, SIGTERM);
  ASSERT_EQ(wait(), 0) << text_of("log");
  EXPECT_FALSE(recorded().lines.empty());
  EXPECT_TRUE(text_of("recorded.jsonl").ends_with("}\n"));
  EXPECT_NE(text_of("log").find("replay with --until "), std::string::npos) << text_of("log");
}

TEST_F(TraceRecord, SaysWhatIsWrong) {
  start({"--source", "moon"});
  EXPECT_EQ(wait(), 1);
  EXPECT_NE(text_of("log").find("there is no source \"moon\""), std::string::npos) << text_of("log");
  start({"--source", "edge", "--poll", "1d"});
  EXPECT_EQ(wait(), 1);
  EXPECT_NE(text_of("log").find("--poll: "), std::string::npos) << text_of("log");
  EXPECT_FALSE(fs::exists(folder_ / "recorded.jsonl"));
}

// A server that never answers: said once, nothing is written, and a script sees it.
TEST_F(TraceRecord, ReportsASourceThatDoesNotAnswer) {
  start({"--source", "http://127.0.0.1:1", "--duration", "2m", "--watch", "1m", "--clock-speed", "1200"});
  ASSERT_EQ(wait(), 1) << text_of("log");
  EXPECT_NE(text_of("log").find("settle trace record: no poll was answered"), std::string::npos)
      << text_of("log");
  EXPECT_NE(text_of("log").find("no answer from source: unreachable"), std::string::npos) << text_of("log");
  EXPECT_EQ(text_of("recorded.jsonl"), "");
}

}  // namespace
}  // namespace settle::cli
