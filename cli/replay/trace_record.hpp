// cli/replay/trace_record.hpp: `settle trace record`: polls a source and appends what changed to a trace
// file.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>

#include "cli/replay/recorder.hpp"
#include "engine/model/time.hpp"
#include "engine/promql/selector.hpp"
#include "engine/result.hpp"
#include "fetchers/fetcher.hpp"
#include "runner/clocks.hpp"

namespace settle::cli {

/// A file of whole lines, whatever happens: every batch is on its way to the disk when append() returns, and
/// a batch that could be written in part only is taken back.
class TraceFile {
 public:
  /// Refuses a file that holds something.
  [[nodiscard]] static engine::Result<TraceFile> create(const std::string& path);
  TraceFile(TraceFile&& other) noexcept;
  TraceFile& operator=(TraceFile&&) = delete;
  ~TraceFile();
  [[nodiscard]] engine::Result<void> append(std::string_view lines);

 private:
  TraceFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  int descriptor_;
  std::string path_;
  std::int64_t bytes_ = 0;  // whole lines
};

struct RecordOptions {
  engine::Selector selector;
  engine::Duration granularity{std::chrono::minutes{1}};
  engine::Duration poll{std::chrono::seconds{15}};
  engine::Duration watch{std::chrono::minutes{30}};
  /// After it no new bucket is taken up; those that were are polled until they are older than watch, or,
  /// where the source fails, for 10 x watch. None: until stop().
  std::optional<engine::Duration> duration;
  std::chrono::milliseconds timeout{30'000};  // of one poll, real time
};

/// What is going on, for the terminal.
struct RecordProgress {
  engine::Time now;
  std::uint64_t polls = 0;
  std::uint64_t answered = 0;  // polls in which a scope answered
  std::uint64_t failed = 0;    // polls in which a scope did not answer
  Recorder::Counts lines;
  std::uint64_t young_buckets = 0;  // not yet seen past watch
  bool ending = false;              // the duration is over
};

class Recording {
 public:
  struct Events {
    std::function<void(const RecordProgress&)> polled;
    std::function<void(engine::Time, const std::string&)> failed;  // once per failure that is not as before
  };
  /// All outlive the recording.
  Recording(fetchers::Fetcher& source, runner::Clocks& clocks, TraceFile& file, RecordOptions options,
            Events events);

  /// Until the duration and the last bucket's watch are over, stop() is called or the file cannot be written.
  /// An error also when no poll at all was answered.
  boost::asio::awaitable<engine::Result<void>> run();
  /// The poll in flight is given up; the file stays as it is.
  void stop();
  [[nodiscard]] const RecordProgress& progress() const { return progress_; }

 private:
  [[nodiscard]] engine::Result<void> ended() const;
  [[nodiscard]] engine::Result<void> take(const fetchers::FetchResult& result, engine::Time now);
  void report(const fetchers::FetchResult& result, engine::Time now);
  [[nodiscard]] fetchers::FetchRequest request_at(engine::TimeRange range, engine::Time now) const;

  fetchers::Fetcher& source_;
  runner::Clocks& clocks_;
  TraceFile& file_;
  RecordOptions options_;
  Events events_;
  engine::Time start_;
  Recorder recorder_;
  RecordProgress progress_;
  std::string last_failure_;    // "" : the last poll was fine, or had nothing to ask for
  std::string newest_failure_;  // of all polls
  bool whole_ = false;          // the last answer left nothing out
  bool stopped_ = false;
};

}  // namespace settle::cli
