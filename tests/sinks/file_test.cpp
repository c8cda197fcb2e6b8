#include "sinks/file.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "sinks/builtin.hpp"
#include "sinks/file_lines.hpp"
#include "tests/support/loopback.hpp"

namespace settle::sinks {
namespace {

namespace asio = boost::asio;

Row row(std::string series, std::uint64_t value, std::uint32_t revision = 1) {
  Row one;
  one.series = std::move(series);
  one.timestamp = engine::from_epoch_ms(1'782'493'020'000);
  one.value = engine::Value::count(value);
  one.revision = revision;
  one.reason = revision == 1 ? engine::Reason::settled : engine::Reason::correction;
  return one;
}

struct FileSinkTest : ::testing::Test {
  FileSinkTest() {
    std::string name = (std::filesystem::temp_directory_path() / "settle_file_XXXXXX").string();
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory = name;
    path = name + "/out.jsonl";
  }
  ~FileSinkTest() override { std::filesystem::remove_all(directory); }
  std::unique_ptr<FileSink> open() {
    auto sink = FileSink::open(path);
    EXPECT_TRUE(sink) << sink.error().detail;
    return std::move(*sink);
  }
  PushVerdict push(FileSink& sink, std::vector<Row> rows) {
    return test::result_of(context, sink.push(std::move(rows))).verdict;
  }
  std::vector<bool> holds(FileSink& sink, std::vector<Row> rows) {
    const auto held = test::result_of(context, sink.holds(std::move(rows)));
    EXPECT_TRUE(held);
    return *held;
  }
  engine::Result<std::vector<StoredSample>> stored(FileSink& sink, std::vector<std::string> series,
                                                   engine::TimeRange timestamps) {
    return test::result_of(context, sink.stored(std::move(series), timestamps));
  }
  std::string text() const {
    std::ifstream in{path};
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
  }
  void append(const std::string& bytes) const { std::ofstream{path, std::ios::app} << bytes; }

  asio::io_context context;
  std::string directory;
  std::string path;
};

constexpr const char* kLine =
    "{\"series\": {\"__name__\":\"m\",\"a\":\"x\"}, \"timestamp\": 1782493020000, \"value\": 7, "
    "\"revision\": 1, "
    "\"reason\": \"settled\"}\n";

TEST_F(FileSinkTest, AppendsOneLinePerRevision) {
  auto sink = open();
  EXPECT_EQ(push(*sink, {row("m{a=\"x\"}", 7), row("m{a=\"x\"}", 8, 2)}), PushVerdict::accepted);
  EXPECT_EQ(text(),
            std::string{kLine} +
                "{\"series\": {\"__name__\":\"m\",\"a\":\"x\"}, \"timestamp\": 1782493020000, \"value\": 8, "
                "\"revision\": 2, \"reason\": \"correction\"}\n");
  EXPECT_EQ(sink->capabilities().overwrite, Overwrite::append_log);
}

TEST_F(FileSinkTest, CutsALastLineThatACrashLeftWithoutItsEnd) {
  push(*open(), {row("m{a=\"x\"}", 7)});
  append("{\"series\": {\"__na");
  auto sink = open();
  EXPECT_EQ(text(), kLine);
  push(*sink, {row("m{a=\"x\"}", 7)});
  EXPECT_EQ(text(), std::string{kLine} + kLine);
}

TEST_F(FileSinkTest, CutsAFileThatHoldsNothingButATornLine) {
  append(std::string(3u << 20, 'x'));
  auto sink = open();
  EXPECT_EQ(text(), "");
}

TEST_F(FileSinkTest, HoldsExactlyTheRevisionsWhoseLinesAreThere) {
  auto sink = open();
  push(*sink, {row("m{a=\"x\"}", 7)});
  EXPECT_EQ(holds(*sink, {row("m{a=\"x\"}", 7), row("m{a=\"x\"}", 7, 2), row("m{a=\"x\"}", 8), row("n", 7)}),
            (std::vector<bool>{true, false, false, false}));
}

TEST_F(FileSinkTest, LooksAtTheEndOfALongFileOnly) {
  auto sink = open();
  std::vector<Row> rows;
  for (std::uint64_t i = 0; i < 15'000; ++i) rows.push_back(row("m{a=\"x\"}", i));
  push(*sink, rows);
  const auto held = holds(*sink, {rows.front(), rows[6'000], rows.back()});
  EXPECT_TRUE(held[1]);
  EXPECT_TRUE(held[2]);
}

TEST_F(FileSinkTest, GoesOnInANewFileWhenItsFileWasRotatedOrRemoved) {
  const auto sink = open();
  ASSERT_EQ(push(*sink, {row("a", 1)}), PushVerdict::accepted);
  std::filesystem::rename(path, path + ".1");
  ASSERT_EQ(push(*sink, {row("b", 2)}), PushVerdict::accepted);
  EXPECT_EQ(text(), encode_line(row("b", 2)));
  std::filesystem::remove(path);
  ASSERT_EQ(push(*sink, {row("c", 3)}), PushVerdict::accepted);
  EXPECT_EQ(text(), encode_line(row("c", 3)));
  std::filesystem::remove_all(directory);
  EXPECT_EQ(push(*sink, {row("d", 4)}), PushVerdict::retry);
}

TEST_F(FileSinkTest, RefusesWhatItCouldNotReadBack) {
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  EXPECT_FALSE(FileSink::open(path));
  EXPECT_FALSE(FileSink::open("/dev/null"));
}

TEST_F(FileSinkTest, HasOneWriter) {
  auto sink = open();
  const auto second = FileSink::open(path);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().detail.find(path), std::string::npos);
}

TEST_F(FileSinkTest, RefusesADirectoryAndValuesThatJsonCannotSay) {
  EXPECT_FALSE(FileSink::open(directory));
  auto sink = open();
  Row nan = row("m", 1);
  nan.value = engine::Value::number(std::numeric_limits<double>::quiet_NaN());
  EXPECT_TRUE(sink->refuse(nan, {}));
  EXPECT_FALSE(sink->refuse(row("m", 1), {}));
}

TEST(Builtin, AcceptsEverythingAndReplaces) {
  asio::io_context context;
  Builtin sink;
  std::vector<Row> rows{row("m", 1)};
  EXPECT_EQ(test::result_of(context, sink.push(std::move(rows))).verdict, PushVerdict::accepted);
  EXPECT_EQ(sink.capabilities().overwrite, Overwrite::last_wins);
  EXPECT_TRUE(sink.capabilities().durable_when_acknowledged);
}

std::vector<std::string> texts(const std::vector<StoredSample>& samples) {
  std::vector<std::string> found;
  for (const StoredSample& one : samples) {
    found.push_back(one.series + " " + std::to_string(engine::epoch_ms(one.timestamp)) + " " +
                    engine::format_value(one.value));
  }
  return found;
}

TEST_F(FileSinkTest, GivesTheNewestRevisionOfWhatItHoldsAndRealDuplicatesTwice) {
  auto sink = open();
  const std::string tricky = "m{a=\", \\\"timestamp\\\": 5, \"}";
  push(*sink, {row("m", 7), row("m", 8, 2), row("n", 1), row(tricky, 3), row("n", 1), row("other", 1)});
  append("not ours\n{\"series\": {\"__name__\":\"m\"}, \"timestamp\": x\n");
  const engine::Time at = row("m", 7).timestamp;
  const auto found = stored(*sink, {"m", "n", tricky, "none"}, {at, at + engine::Duration{1}});
  ASSERT_TRUE(found) << found.error().detail;
  const std::string ms = " " + std::to_string(engine::epoch_ms(at)) + " ";
  EXPECT_EQ(texts(*found),
            (std::vector<std::string>{"m" + ms + "8", tricky + ms + "3", "n" + ms + "1", "n" + ms + "1"}));
  const auto before = stored(*sink, {"m"}, {at - engine::Duration{1}, at});
  ASSERT_TRUE(before);
  EXPECT_TRUE(before->empty());
}

TEST_F(FileSinkTest, ReadsFilesThatAreLongerThanOnePiece) {
  auto sink = open();
  std::vector<Row> rows;
  for (int i = 0; i < 9'000; ++i) {
    rows.push_back(row("m{i=\"" + std::string(150, 'x') + "\"}", static_cast<std::uint64_t>(i)));
    rows.back().timestamp += engine::Duration{i};
  }
  ASSERT_EQ(push(*sink, rows), PushVerdict::accepted);
  ASSERT_GT(text().size(), 2u << 20);
  const auto found =
      stored(*sink, {std::string{rows[0].series.view()}}, {engine::Time{}, engine::Time::max()});
  ASSERT_TRUE(found);
  ASSERT_EQ(found->size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ((*found)[i].timestamp, rows[i].timestamp);
    ASSERT_EQ((*found)[i].value, rows[i].value);
  }
}

}  // namespace
}  // namespace settle::sinks
