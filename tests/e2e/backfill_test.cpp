// The real program fills a past range, asked for by its own command line; every value is checked.
#include <map>
#include <string>

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include "tests/e2e/serve_fixture.hpp"

namespace settle::cli {
namespace {

constexpr std::int64_t kMinute = 60'000;

class BackfillProgram : public Serve {
 protected:
  int backfill(const std::vector<std::string>& words, const std::string& output) {
    std::vector<std::string> all{"backfill"};
    all.insert(all.end(), words.begin(), words.end());
    all.insert(all.end(), {"--server", url_});
    return run(std::move(all), output);
  }
  /// Timestamp -> values, of all lines of the file sink.
  std::map<std::int64_t, std::vector<std::int64_t>> written() {
    std::map<std::int64_t, std::vector<std::int64_t>> values;
    std::istringstream lines(read_file(folder_ / "out.jsonl"));
    for (std::string line; std::getline(lines, line);) {
      const auto row = boost::json::parse(line).as_object();
      values[row.at("timestamp").to_number<std::int64_t>()].push_back(
          row.at("value").to_number<std::int64_t>());
    }
    return values;
  }
};

TEST_F(BackfillProgram, FillsWhatIsOlderThanTheLiveLaneReachesOnceAndExactly) {
  start();
  // Of the 30 buckets the live lane takes those of the last 30 minutes: since 40 have passed, about 20.
  EXPECT_EQ(post(job("a/b", "30m")), 201);
  const std::string from = std::to_string(kStart);
  const std::string to = std::to_string(kStart + kMinutes * kMinute);
  EXPECT_EQ(backfill({"add", "a/b", "--start", from, "--end", to, "--chunk", "3m", "--watch"}, "said"), 0);
  const std::string said = read_file(folder_ / "said");
  EXPECT_NE(said.find("is still watched by the live lane"), said.npos) << said;
  EXPECT_NE(said.find("done: "), said.npos) << said;
  ASSERT_TRUE(wait_for_lines(kMinutes));
  // Again, and over a restart: nothing is left to do.
  EXPECT_EQ(stop(), 0);
  start();
  EXPECT_EQ(backfill({"add", "a/b", "--start", from, "--end", to, "--watch"}, "again"), 0)
      << read_file(folder_ / "again");
  EXPECT_EQ(backfill({"list", "a/b"}, "list"), 0);
  EXPECT_NE(read_file(folder_ / "list").find("done"), std::string::npos);
  EXPECT_EQ(stop(), 0);
  const auto values = written();
  EXPECT_EQ(values.size(), static_cast<std::size_t>(kMinutes));
  for (int minute = 0; minute < kMinutes; ++minute) {
    const auto at = values.find(kStart + minute * kMinute);
    ASSERT_NE(at, values.end()) << "minute " << minute;
    EXPECT_EQ(at->second, std::vector<std::int64_t>{100 + minute});
  }
}

TEST_F(BackfillProgram, SaysWhatIsWrongWithItsExitCode) {
  start();
  EXPECT_EQ(post(job("a/b", "30m")), 201);
  EXPECT_EQ(backfill({"add", "a/b", "--start", "now", "--end", "-1h"}, "said"), 1);
  EXPECT_NE(read_file(folder_ / "said").find("end: "), std::string::npos) << read_file(folder_ / "said");
  EXPECT_EQ(backfill({"watch", "a/b", "nothing"}, "said"), 1);
  EXPECT_EQ(backfill({"add", "a/b"}, "said"), 2) << "--start is missing";
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(backfill({"watch", "a/b", "nothing"}, "said"), 1);
  EXPECT_NE(read_file(folder_ / "said").find("no answer from"), std::string::npos);
}

}  // namespace
}  // namespace settle::cli
