#include "sinks/file_lines.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "sinks/series_json.hpp"

namespace settle::sinks {

namespace {

constexpr std::string_view kSeries = "{\"series\": ";
constexpr std::string_view kTimestamp = ", \"timestamp\": ";
constexpr std::string_view kValue = ", \"value\": ";
constexpr std::string_view kRevision = ", \"revision\": ";
constexpr std::string_view kReason = ", \"reason\": ";

/// The text from the front of `line` to `end`, both taken off it.
std::optional<std::string_view> take_until(std::string_view& line, std::string_view end) {
  const std::size_t at = line.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view text = line.substr(0, at);
  line.remove_prefix(at + end.size());
  return text;
}

template <class Number>
std::optional<Number> read_number(std::optional<std::string_view> text) {
  Number number = 0;
  if (!text) return std::nullopt;
  const auto read = std::from_chars(text->data(), text->data() + text->size(), number);
  if (read.ec != std::errc{} || read.ptr != text->data() + text->size()) return std::nullopt;
  return number;
}

}  // namespace

std::string encode_line(const Row& row) {
  std::string line{kSeries};
  append_series_json(line, row.series);
  line += kTimestamp;
  line += std::to_string(engine::epoch_ms(row.timestamp));
  line += kValue;
  line += engine::format_value(row.value);
  line += kRevision;
  line += std::to_string(row.revision);
  line += kReason;
  line += '"';
  line += engine::reason_text(row.reason);
  line += "\"}\n";
  return line;
}

LineReader::LineReader(std::span<const std::string> series, engine::TimeRange timestamps)
    : timestamps_(timestamps) {
  for (const std::string& one : series) {
    std::string json;
    if (append_series_json(json, one)) series_by_json_.emplace(std::move(json), one);
  }
}

void LineReader::read(std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    read_line(lines.substr(0, end));
    lines.remove_prefix(std::min(end + 1, lines.size()));
  }
}

void LineReader::read_line(std::string_view line) {
  if (!line.starts_with(kSeries)) return;
  line.remove_prefix(kSeries.size());
  // Inside the series a quote follows a backslash, so that this is not found there.
  const auto json = take_until(line, kTimestamp);
  if (!json) return;
  const auto series = series_by_json_.find(std::string{*json});
  if (series == series_by_json_.end()) return;
  const auto ms = read_number<std::int64_t>(take_until(line, kValue));
  const auto value_text = take_until(line, kRevision);
  const auto revision = read_number<std::uint32_t>(take_until(line, kReason));
  if (!ms || !value_text || !revision) return;
  const auto value = engine::parse_value(*value_text);
  const engine::Time at = engine::from_epoch_ms(*ms);
  if (!value || !timestamps_.contains(at)) return;
  Newest& newest = found_[{series->second, at}];
  if (*revision < newest.revision) return;
  if (*revision > newest.revision) newest = {*revision, {}};
  newest.values.push_back(*value);
}

std::vector<StoredSample> LineReader::take() {
  std::vector<StoredSample> samples;
  for (auto& [key, newest] : found_) {
    std::sort(newest.values.begin(), newest.values.end());
    for (const engine::Value& value : newest.values) samples.push_back({key.first, key.second, value});
  }
  found_.clear();
  return samples;
}

}  // namespace settle::sinks
