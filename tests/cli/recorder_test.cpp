#include "cli/replay/recorder.hpp"

#include <deque>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>
#include <unistd.h>

#include "cli/replay/replay.hpp"
#include "cli/replay/shapes.hpp"
#include "cli/replay/trace_record.hpp"
#include "fetchers/trace_fetcher.hpp"
#include "tests/support/manual_clocks.hpp"

namespace settle::cli {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;
using engine::Time;
using engine::Value;

Time second(int s) {
  return engine::from_epoch_ms(1000LL * s);
}

/// One row of the answer of scope "s": m{zone="z"} at `bucket_s`.
struct Row {
  std::string zone;
  int bucket_s;
  Value value;
};

engine::Answer answer(const std::vector<Row>& rows, engine::TimeRange covered,
                      engine::Completeness completeness = engine::Completeness::complete,
                      std::optional<Time> frontier = {}) {
  engine::Answer made;
  engine::ScopeAnswer scope{
      .scope = "s", .covered = covered, .completeness = completeness, .frontier = frontier, .rows = {}};
  for (const Row& row : rows) {
    scope.rows.push_back({made.texts.keep("m{zone=\"" + row.zone + "\"}"), second(row.bucket_s), row.value});
  }
  made.scopes.push_back(std::move(scope));
  return made;
}

class RecorderTest : public ::testing::Test {
 protected:
  std::string take(const std::vector<Row>& rows, int at_s,
                   engine::Completeness completeness = engine::Completeness::complete,
                   std::optional<Time> frontier = {}) {
    return recorder_.take(answer(rows, recorder_.range_at(second(at_s)), completeness, frontier),
                          second(at_s));
  }
  static std::string value_line(int at_s, const std::string& zone, int bucket_s, const std::string& value) {
    return R"({"at": ")" + engine::format_time(second(at_s)) +
           R"(", "scope": "s", "series": {"__name__": "m", "zone": ")" + zone + R"("}, "bucket": ")" +
           engine::format_time(second(bucket_s)) + R"(", "value": )" + value + "}\n";
  }

  Recorder recorder_{{.granularity = 1min, .watch = 10min, .start = second(90), .until = {}}};
};

TEST_F(RecorderTest, WritesALineForEachChange) {
  EXPECT_TRUE(recorder_.range_at(second(100)).empty());  // the minute of the start has not ended
  EXPECT_EQ(recorder_.range_at(second(120)), (engine::TimeRange{second(60), second(120)}));
  EXPECT_EQ(take({{"a", 60, Value::count(1)}, {"b", 60, Value::number(0.5)}}, 120),
            value_line(120, "a", 60, "1") + value_line(120, "b", 60, "0.5"));
  EXPECT_EQ(take({{"a", 60, Value::count(1)}, {"b", 60, Value::number(0.5)}}, 135), "");
  EXPECT_EQ(take({{"a", 60, Value::count(3)}, {"b", 60, Value::number(0.5)}}, 150),
            value_line(150, "a", 60, "3"));
}

TEST_F(RecorderTest, WritesNullForARowThatVanishedFromACompleteAnswerOnly) {
  (void)take({{"a", 60, Value::count(1)}, {"b", 60, Value::count(2)}}, 120);
  EXPECT_EQ(take({{"a", 60, Value::count(1)}}, 135, engine::Completeness::truncated), "");
  EXPECT_EQ(take({{"a", 60, Value::count(1)}}, 150), value_line(150, "b", 60, "null"));
  EXPECT_EQ(take({{"a", 60, Value::count(1)}}, 165), "");
  EXPECT_EQ(take({{"a", 60, Value::count(1)}, {"b", 60, Value::count(2)}}, 180),
            value_line(180, "b", 60, "2"));
  EXPECT_EQ(recorder_.take({}, second(195)), "");  // the scope failed: nothing is known
  EXPECT_EQ(recorder_.counts().vanished, 1u);
}

TEST_F(RecorderTest, WritesAFrontierWhenItMoves) {
  const auto complete = engine::Completeness::complete;
  const std::string line = R"({"at": ")" + engine::format_time(second(120)) +
                           R"(", "scope": "s", "frontier": ")" + engine::format_time(second(100)) + "\"}\n";
  EXPECT_EQ(take({}, 120, complete, second(100)), line);
  EXPECT_EQ(take({}, 135, complete, second(100)), "");
  EXPECT_EQ(take({}, 150, engine::Completeness::truncated, second(110)), "");
}

TEST_F(RecorderTest, LeavesOutWhatATraceCannotHold) {
  EXPECT_EQ(take({{"a", 60, Value::number(std::numeric_limits<double>::infinity())},
                  {"b", 0, Value::count(1)}},  // not asked for
                 120),
            "");
  EXPECT_EQ(recorder_.counts().left_out, 1u);
}

TEST_F(RecorderTest, AsksForEachBucketUntilItWasSeenPastWatch) {
  // Minute 60 ends at 120 s: it is past watch after 720 s.
  recorder_.seen_whole(second(720));
  EXPECT_EQ(recorder_.range_at(second(900)).from, second(60));
  EXPECT_EQ(recorder_.young_buckets(second(720)), 11u);
  recorder_.seen_whole(second(721));
  EXPECT_EQ(recorder_.range_at(second(900)).from, second(120));
  EXPECT_EQ(recorder_.range_at(second(9000)).from, second(3000)) << "at most 10 x watch";
  Recorder ended({.granularity = 1min, .watch = 10min, .start = second(60), .until = second(180)});
  EXPECT_EQ(ended.range_at(second(700)), (engine::TimeRange{second(60), second(180)}));
  ended.seen_whole(second(780));
  EXPECT_EQ(ended.young_buckets(second(780)), 1u);
  ended.seen_whole(second(781));
  EXPECT_EQ(ended.young_buckets(second(781)), 0u);
}

class RecordingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::path(::testing::TempDir()) /
            ("settle_recording_" + std::to_string(::getpid()) + ".jsonl");
    std::filesystem::remove(path_);
  }
  void TearDown() override { std::filesystem::remove(path_); }

  /// Runs on manual clocks until it ends, or until `stop_after` polls.
  engine::Result<void> record(fetchers::Fetcher& source, RecordOptions options, Time start,
                              std::uint64_t stop_after = std::numeric_limits<std::uint64_t>::max()) {
    auto file = TraceFile::create(path_.string());
    if (!file) return file.error();
    testing_clocks_.emplace(context_.get_executor(), start);
    Recording recording(
        source, *testing_clocks_, *file, options,
        {.polled = {}, .failed = [this](Time, const std::string& what) { failures_.push_back(what); }});
    bool done = false;
    engine::Result<void> result;
    asio::co_spawn(context_, recording.run(), [&](std::exception_ptr, engine::Result<void> given) {
      result = std::move(given);
      done = true;
    });
    for (;;) {
      context_.restart();
      context_.poll();
      progress_ = recording.progress();
      if (done) return result;
      if (progress_.polls >= stop_after) recording.stop();
      testing_clocks_->advance(options.poll);
    }
  }
  [[nodiscard]] fetchers::Trace recorded() const {
    auto trace = fetchers::load_trace({path_.string()});
    EXPECT_TRUE(trace) << (trace ? "" : trace.error().detail);
    return trace ? *std::move(trace) : fetchers::Trace{};
  }

  std::filesystem::path path_;
  asio::io_context context_;
  std::optional<settle::test::ManualClocks> testing_clocks_;
  std::vector<std::string> failures_;
  RecordProgress progress_;
};

engine::Selector selector_of(const std::string& text) {
  return *engine::parse_selector(text);
}

ReplayReport replayed(const fetchers::Trace& trace) {
  ReplayOptions options;
  options.poll = 15s;
  auto report = replay(fetchers::TraceHistory(trace, "source"), options);
  EXPECT_TRUE(report);
  return report ? *std::move(report) : ReplayReport{};
}

// Every poll of the recording saw what every poll of the replay sees: the same emissions, value by value.
TEST_F(RecordingTest, ReplaysAsTheSourceItRecorded) {
  for (const auto* name : {"revisions_down", "lagging_scope", "stall"}) {
    std::filesystem::remove(path_);
    const auto shaped = make_shape(name, {.seed = 9, .windows = 90});
    ASSERT_TRUE(shaped);
    fetchers::TraceFetcher source({.name = "source"}, shaped->trace);
    RecordOptions options;
    options.selector = selector_of("events");
    options.duration = 90min;
    ASSERT_TRUE(record(source, options, *shaped->trace.first));
    EXPECT_EQ(progress_.young_buckets, 0u);
    const ReplayReport before = replayed(shaped->trace);
    const ReplayReport after = replayed(recorded());
    ASSERT_EQ(after.emissions.size(), before.emissions.size()) << name;
    ASSERT_GE(after.emissions.size(), 90u);
    for (std::size_t i = 0; i < after.emissions.size(); ++i) {
      EXPECT_EQ(after.emissions[i].at, before.emissions[i].at) << name;
      EXPECT_EQ(after.emissions[i].series, before.emissions[i].series);
      EXPECT_EQ(after.emissions[i].sample, before.emissions[i].sample);
    }
    EXPECT_EQ(after.wrong_at_first, before.wrong_at_first);
    EXPECT_EQ(after.never_emitted, before.never_emitted);
  }
}

TEST_F(RecordingTest, LeavesAValidFileWhenItIsStopped) {
  const auto shaped = make_shape("smooth", {.seed = 1, .windows = 60});
  fetchers::TraceFetcher source({.name = "source"}, shaped->trace);
  RecordOptions options;
  options.selector = selector_of("events");
  ASSERT_TRUE(record(source, options, *shaped->trace.first, 40));
  EXPECT_EQ(progress_.polls, 40u);
  EXPECT_GE(progress_.young_buckets, 9u);
  EXPECT_GE(recorded().lines.size(), 9u);
}

/// Answers as scripted, one result a poll, the last one for ever.
class ScriptedSource final : public fetchers::Fetcher {
 public:
  asio::awaitable<fetchers::FetchResult> fetch(fetchers::FetchRequest request) override {
    fetchers::FetchResult result;
    const int now = static_cast<int>(engine::epoch_ms(request.now) / 1000);
    if (now >= fails_from && now < fails_to) {
      result.failures.push_back({"s", fetchers::FetchFailure::timed_out, "no answer in 30 s"});
    } else {
      result.answer = answer({{"a", 60, Value::count(7)}}, request.range);
    }
    co_return result;
  }
  [[nodiscard]] engine::Result<void> accepts(const engine::Selector&, engine::Duration) const override {
    return {};
  }
  [[nodiscard]] engine::Liveness liveness() const override { return engine::Liveness::automatic; }
  int fails_from = 150;
  int fails_to = 200;
};

TEST_F(RecordingTest, WritesNothingAboutAScopeThatFailed) {
  ScriptedSource source;
  RecordOptions options;
  options.selector = selector_of("m");
  options.watch = 5min;
  options.duration = 2min;
  ASSERT_TRUE(record(source, options, second(60)));
  EXPECT_EQ(failures_, (std::vector<std::string>{"s: timed_out: no answer in 30 s"}));  // said once
  EXPECT_EQ(progress_.failed, 4u);  // 150, 165, 180, 195 s
  ASSERT_EQ(recorded().lines.size(), 1u);
  EXPECT_EQ(recorded().lines[0].at, second(120));
}

TEST_F(RecordingTest, EndsWithAnErrorWhenNoPollWasAnswered) {
  ScriptedSource source;
  source.fails_from = 0;
  source.fails_to = std::numeric_limits<int>::max();
  RecordOptions options;
  options.selector = selector_of("m");
  options.watch = 2min;
  options.duration = 2min;
  const auto done = record(source, options, second(60));
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().detail.find("no poll was answered"), std::string::npos);
  EXPECT_NE(done.error().detail.find("timed_out"), std::string::npos) << done.error().detail;
  EXPECT_EQ(progress_.answered, 0u);
}

TEST_F(RecordingTest, EndsWithAnErrorWhenTheDiskIsFull) {
  ScriptedSource source;
  RecordOptions options;
  options.selector = selector_of("m");
  path_ = "/dev/full";
  const auto done = record(source, options, second(60));
  path_.clear();
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().detail.find("No space left"), std::string::npos) << done.error().detail;
}

TEST_F(RecordingTest, NeverWritesOverAFile) {
  std::ofstream(path_) << "mine\n";
  EXPECT_FALSE(TraceFile::create(path_.string()));
  std::ifstream in(path_);
  std::string line;
  EXPECT_TRUE(std::getline(in, line) && line == "mine");
}

}  // namespace
}  // namespace settle::cli
