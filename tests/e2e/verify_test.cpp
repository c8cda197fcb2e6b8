// `settle verify`, the real program, against a real VictoriaMetrics.
#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/e2e/serve_fixture.hpp"
#include "tests/support/server_process.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;

constexpr std::int64_t kMinute = 60'000;

/// A full minute so long ago.
std::int64_t ago(std::chrono::milliseconds age) {
  const auto now = std::chrono::system_clock::now() - age;
  return std::chrono::floor<std::chrono::minutes>(now).time_since_epoch() / 1ms;
}

class VerifyProgram : public Serve {
 protected:
  /// A daemon whose only job sends the 30 samples of a history that begins at `start` to a VictoriaMetrics.
  void begin(std::int64_t start, const std::string& sink, std::vector<std::string> server_arguments) {
    server_ = test::start_victoria_metrics(context_, std::move(server_arguments));
    ASSERT_NE(server_, nullptr);
    tell_history(start);
    write_file(folder_ / "settle.yaml",
               "data_dir: data\nlisten: \"127.0.0.1:0\"\nsources:\n  edge: {kind: trace, file: trace.jsonl}\n"
               "sinks:\n  vm:\n    url: " +
                   server_->url() + sink + (sink.ends_with(": ") ? server_->url() + "\n" : ""));
    Serve::start();
    ASSERT_EQ(post(job("a/b")), 201);
  }
  int verify() {
    return run({"verify", "--job", "a/b", "--from", std::to_string(start_), "--to",
                std::to_string(start_ + kMinutes * kMinute), "--limit", "40", "--server", url_},
               "said");
  }
  [[nodiscard]] std::string said() const { return read_file(folder_ / "said"); }
  /// Until `settle verify` says `text`; its exit code then.
  int verify_until(const std::string& text) {
    const auto give_up = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < give_up) {
      const int code = verify();
      if (said().find(text) != std::string::npos) return code;
      std::this_thread::sleep_for(100ms);
    }
    ADD_FAILURE() << "verify never said \"" << text << "\":\n" << said() << read_file(folder_ / "log");
    return -1;
  }
  void write_by_hand(const std::string& line) {
    const auto answer = http_call(
        {.method = "POST", .url = server_->url(), .path = "/api/v1/import/prometheus", .body = line + "\n"});
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->status, 204);
  }

  boost::asio::io_context context_;
  std::unique_ptr<test::ServerProcess> server_;
};

TEST_F(VerifyProgram, FindsWhatSomebodyElseWroteUnderTheSeriesOfAJob) {
  begin(ago(2h), "\n    kind: victoriametrics\n", {});
  EXPECT_GE(verify_until("compared 30 samples"), 0);  // a new series shows some seconds late
  EXPECT_EQ(verify_until("and nothing else"), 0);
  // Beside the 105 of minute 5, and where nothing was ever sent.
  write_by_hand("m 999 " + std::to_string(start_ + 5 * kMinute));
  EXPECT_EQ(verify_until("0 missing, 0 different, 1 that were never sent"), 1);
  EXPECT_NE(said().find("999"), std::string::npos) << said();
  write_by_hand("m 998 " + std::to_string(start_ + 6 * kMinute + 30'000));
  EXPECT_EQ(verify_until("0 missing, 0 different, 2 that were never sent"), 1);
  EXPECT_NE(said().find("998"), std::string::npos) << said();
  EXPECT_EQ(stop(), 0);
}

TEST_F(VerifyProgram, NamesWhatTheServerTookAndDropped) {
  // Kind victoriametrics asks for the retention and sends nothing that is older; `other` has nobody to ask.
  begin(ago(120h),
        "/api/v1/write\n    kind: remote_write\n    server: other\n    read_url: ", {"-retentionPeriod=1d"});
  EXPECT_EQ(verify_until("compared 30 samples"), 1);
  EXPECT_NE(said().find("30 missing, 0 different, 0 that were never sent"), std::string::npos) << said();
  EXPECT_NE(said().find("129"), std::string::npos) << "the last value:\n" << said();
  EXPECT_EQ(stop(), 0);
}

TEST_F(VerifyProgram, SaysThatNothingWasComparedWhereAllRowsAreDeadLetters) {
  begin(ago(120h), "\n    kind: victoriametrics\n", {"-retentionPeriod=1d"});
  ASSERT_TRUE(wait_for("/api/v1/dead-letters", "older than the server's retention"));
  EXPECT_EQ(verify(), 1);
  EXPECT_NE(said().find("nothing was compared"), std::string::npos) << said();
  EXPECT_EQ(stop(), 0);
}

}  // namespace
}  // namespace settle::cli
