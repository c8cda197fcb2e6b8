#include "sinks/victoriametrics/victoriametrics_export.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <boost/json.hpp>

#include "engine/model/series.hpp"
#include "net/http_client.hpp"

namespace settle::sinks {

namespace {

std::string seconds_text(engine::Time at) {
  const std::int64_t ms = engine::epoch_ms(at);
  std::string fraction = std::to_string(1000 + ms % 1000).substr(1);
  return std::to_string(ms / 1000) + "." + fraction;
}

/// The text between `key` and the bracket that closes what it opens, both brackets included.
std::optional<std::string_view> member(std::string_view line, std::string_view key, char open, char close) {
  std::size_t at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  at += key.size();
  if (at >= line.size() || line[at] != open) return std::nullopt;
  bool quoted = false;
  for (std::size_t end = at + 1; end < line.size(); ++end) {
    if (quoted && line[end] == '\\') {
      ++end;
    } else if (line[end] == '"') {
      quoted = !quoted;
    } else if (!quoted && line[end] == close) {
      return line.substr(at, end + 1 - at);
    }
  }
  return std::nullopt;
}

/// Also what JSON cannot say, bare or in quotes, as the versions differ.
std::optional<double> read_value(std::string_view text) {
  if (text == "null" || text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text.starts_with('"') && text.size() >= 2) text = text.substr(1, text.size() - 2);
  const bool below = text.starts_with('-');
  if (below || text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  if (text == "Inf" || text == "Infinity") {
    value = std::numeric_limits<double>::infinity();
  } else {
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  }
  return below ? -value : value;
}

std::vector<std::string_view> elements(std::string_view array) {
  std::vector<std::string_view> found;
  array = array.substr(1, array.size() - 2);
  while (!array.empty()) {
    const std::size_t comma = std::min(array.find(','), array.size());
    found.push_back(array.substr(0, comma));
    array.remove_prefix(std::min(comma + 1, array.size()));
  }
  return found;
}

std::optional<std::string> read_series(std::string_view object) {
  boost::system::error_code error;
  const boost::json::value metric = boost::json::parse({object.data(), object.size()}, error);
  if (error || !metric.is_object()) return std::nullopt;
  engine::Labels labels;
  for (const auto& [name, value] : metric.get_object()) {
    if (!value.is_string()) return std::nullopt;
    labels.push_back({std::string{name}, std::string{value.get_string()}});
  }
  auto normal = engine::normalize_labels(std::move(labels), false);
  if (!normal) return std::nullopt;
  return engine::series_text(*normal);
}

/// False when the line is not of the export's form.
bool read_line(std::string_view line, Exported& exported) {
  const auto metric = member(line, "\"metric\":", '{', '}');
  if (!metric) return false;
  const std::string_view rest =
      line.substr(static_cast<std::size_t>(metric->data() - line.data()) + metric->size());
  const auto values = member(rest, "\"values\":", '[', ']');
  const auto timestamps = member(rest, "\"timestamps\":", '[', ']');
  if (!values || !timestamps) return false;
  const auto value_texts = elements(*values);
  const auto time_texts = elements(*timestamps);
  if (value_texts.size() != time_texts.size()) return false;
  const auto series = read_series(*metric);
  // Labels that we could not have written are of no series we ask for.
  if (!series) return true;
  auto& samples = exported[*series];
  for (std::size_t i = 0; i < value_texts.size(); ++i) {
    std::int64_t ms = 0;
    const std::string_view text = time_texts[i];
    if (std::from_chars(text.data(), text.data() + text.size(), ms).ec != std::errc{}) return false;
    const std::optional<double> value = read_value(value_texts[i]);
    if (!value) return false;
    samples.emplace_back(ms, *value);
  }
  return true;
}

bool same_value(const engine::Value& sent, double stored, double largest) {
  constexpr double kExactMax = 9007199254740992.0;  // 2^53
  constexpr double kSmallest = 1e-290;              // smaller ones are stored as 0
  const double value = sent.as_double();
  if (value == stored) return true;
  const double apart = std::abs(value - stored);
  const double by_block =
      largest * 2e-18;  // the block's exponent leaves at least 18 digits to its largest value
  const bool whole = sent.is_count() && value <= kExactMax;
  const double by_value = whole ? 0 : std::abs(value) * 2e-12;
  return apart <= std::max({by_block, by_value, whole ? 0 : kSmallest});
}

}  // namespace

std::string export_form(std::span<const std::string> series, engine::TimeRange timestamps) {
  std::string form = "reduce_mem_usage=1";  // raw samples, before deduplication
  // Both ends are asked for.
  form += "&start=" + seconds_text(timestamps.from);
  form += "&end=" + seconds_text(timestamps.to - engine::Duration{1});
  // The canonical text is a selector as it stands.
  for (const std::string& one : series) form += "&match%5B%5D=" + net::url_encode(one);
  return form;
}

engine::Result<Exported> parse_export(std::string_view lines) {
  Exported exported;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    if (!read_line(line, exported)) {
      return engine::retry_later("a line of the export is not what was expected: " +
                                 std::string{line.substr(0, 200)});
    }
  }
  return exported;
}

std::vector<bool> matches(std::span<const Row> rows, const Exported& exported) {
  std::map<std::string_view, double> largest;
  for (const auto& [series, samples] : exported) {
    double& most = largest[series];
    for (const auto& [ms, value] : samples) {
      if (std::isfinite(value)) most = std::max(most, std::abs(value));
    }
  }
  std::vector<bool> held;
  held.reserve(rows.size());
  for (const Row& row : rows) {
    const auto found = exported.find(row.series.view());
    held.push_back(found != exported.end() &&
                   std::any_of(found->second.begin(), found->second.end(), [&](const auto& sample) {
                     if (sample.first != engine::epoch_ms(row.timestamp)) return false;
                     if (row.reason == engine::Reason::stale) return std::isnan(sample.second);
                     return same_value(row.value, sample.second, largest[row.series]);
                   }));
  }
  return held;
}

}  // namespace settle::sinks
