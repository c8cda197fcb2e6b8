// sinks/file_lines.hpp: the lines of a file sink, written and read. Pure.
//
// {"series": {…}, "timestamp": epoch ms, "value": n, "revision": n, "reason": "settled|…"}
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/model/time.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

/// With its newline. The row has passed FileSink::refuse().
[[nodiscard]] std::string encode_line(const Row& row);

/// Gathers what lines say of some series in a range of time. Lines that encode_line did not write are passed
/// over: the file is anyone's to append to.
class LineReader {
 public:
  /// `series` are canonical texts.
  LineReader(std::span<const std::string> series, engine::TimeRange timestamps);
  /// Whole lines.
  void read(std::string_view lines);
  /// Of each (series, timestamp) the samples with the greatest revision, by (series, timestamp, value).
  [[nodiscard]] std::vector<StoredSample> take();

 private:
  struct Newest {
    std::uint32_t revision = 0;
    std::vector<engine::Value> values;
  };
  void read_line(std::string_view line);
  engine::TimeRange timestamps_;
  std::unordered_map<std::string, std::string> series_by_json_;
  std::map<std::pair<std::string, engine::Time>, Newest> found_;
};

}  // namespace settle::sinks
