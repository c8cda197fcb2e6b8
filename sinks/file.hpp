// sinks/file.hpp: appends every sample as one JSON line; file_lines.hpp has its form.
#pragma once

#include <memory>
#include <string>

#include "sinks/sink.hpp"

namespace settle::sinks {

/// Writes block the event loop for one append and one fdatasync per batch: this sink is for audits, tests and
/// pipes to other tools, not for bulk. One writer per file: the file is locked.
class FileSink final : public Sink {
 public:
  /// Makes the file if absent (mode 0600) and cuts a last line that a crash left without its end.
  [[nodiscard]] static engine::Result<std::unique_ptr<FileSink>> open(std::string path);
  ~FileSink() override;
  FileSink(const FileSink&) = delete;

  [[nodiscard]] Capabilities capabilities() const override;
  boost::asio::awaitable<SinkHealth> check() override;
  [[nodiscard]] std::optional<std::string> refuse(const Row& row, engine::Time now) const override;
  boost::asio::awaitable<PushOutcome> push(std::vector<Row> rows) override;
  /// Looks at as many lines at the end of the file as a batch can have rows.
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows) override;
  /// Reads the whole file, other work between its pieces. An older revision is history, not a duplicate: of
  /// each (series, timestamp) the lines with the greatest revision are given. What was rotated away is not
  /// there.
  boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> stored(
      std::vector<std::string> series, engine::TimeRange timestamps) override;

 private:
  FileSink(std::string path, int fd);
  [[nodiscard]] engine::Result<void> cut_torn_line();
  /// Goes on in a new file when the one in hand no longer has this path: it was rotated or removed.
  [[nodiscard]] engine::Result<void> follow_path();
  std::string path_;
  int fd_;
};

}  // namespace settle::sinks
