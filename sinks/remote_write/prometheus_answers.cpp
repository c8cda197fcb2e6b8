#include "sinks/remote_write/prometheus_answers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include <boost/json.hpp>

#include "engine/model/label_text.hpp"
#include "engine/model/series.hpp"
#include "net/http_client.hpp"

namespace settle::sinks {

namespace json = boost::json;

namespace {

constexpr engine::Time kFirst{};
constexpr engine::Time kLast = engine::from_epoch_ms(7'258'118'400'000);  // 2200-01-01

std::string quote_regex(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    if (std::string_view{"\\.+*?()|[]{}^$"}.find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

/// Of the series with one metric and one set of label names.
using ValuesByLabel = std::map<std::string, std::set<std::string>>;

std::string selector_text(const ValuesByLabel& values_by_label) {
  std::string text = "{";
  for (const auto& [label, values] : values_by_label) {
    if (text.size() > 1) text += ',';
    text += label;
    if (values.size() == 1) {
      text += '=';
      engine::append_quoted(text, *values.begin());
      continue;
    }
    std::string alternatives;
    for (const std::string& value : values) {
      if (!alternatives.empty()) alternatives += '|';
      alternatives += quote_regex(value);
    }
    text += "=~";
    engine::append_quoted(text, alternatives);
  }
  return text + '}';
}

std::string seconds_text(engine::Time at) {
  const std::int64_t ms = engine::epoch_ms(at);
  return std::to_string(ms / 1000) + "." + std::to_string(1000 + ms % 1000).substr(1);
}

const json::value* member(const json::value* of, std::string_view name) {
  return of != nullptr && of->is_object() ? of->get_object().if_contains(name) : nullptr;
}

std::string text_of(const json::value* value) {
  return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
}

std::optional<std::string> read_metric(const json::value* metric) {
  if (metric == nullptr || !metric->is_object()) return std::nullopt;
  engine::Labels labels;
  for (const auto& [name, value] : metric->get_object()) {
    if (!value.is_string()) return std::nullopt;
    labels.push_back({std::string{name}, std::string{value.get_string()}});
  }
  const auto normal = engine::normalize_labels(std::move(labels), false);
  // Labels that we could not have written are of no series we ask for.
  return normal ? engine::series_text(*normal) : std::string{};
}

/// [seconds, "value"]
std::optional<std::pair<std::int64_t, double>> read_sample(const json::value& pair) {
  if (!pair.is_array() || pair.get_array().size() != 2) return std::nullopt;
  boost::system::error_code error;
  const double seconds = pair.get_array()[0].to_number<double>(error);
  if (error || !pair.get_array()[1].is_string() || !(std::abs(seconds) < 1e12)) return std::nullopt;
  const auto value = engine::parse_value(pair.get_array()[1].get_string());
  if (!value) return std::nullopt;
  return std::pair{std::llround(seconds * 1000), value->as_double()};
}

bool read_series(const json::value& entry, engine::TimeRange timestamps, Exported& exported) {
  const auto series = read_metric(member(&entry, "metric"));
  const json::value* values = member(&entry, "values");
  if (!series) return false;
  if (values == nullptr) return true;  // histograms only
  if (!values->is_array()) return false;
  for (const json::value& pair : values->get_array()) {
    const auto sample = read_sample(pair);
    if (!sample) return false;
    if (timestamps.contains(engine::from_epoch_ms(sample->first))) exported[*series].push_back(*sample);
  }
  return true;
}

}  // namespace

std::vector<std::string> plan_selectors(std::span<const std::string> series) {
  std::map<std::vector<std::string>, ValuesByLabel> groups;
  for (const std::string& one : series) {
    const auto labels = engine::parse_series(one);
    if (!labels) continue;
    std::vector<std::string> names;
    for (const engine::Label& label : *labels) {
      names.push_back(label.name == engine::kMetricNameLabel ? label.value : "," + label.name);
    }
    ValuesByLabel& group = groups[names];
    for (const engine::Label& label : *labels) group[label.name].insert(label.value);
  }
  std::vector<std::string> selectors;
  selectors.reserve(groups.size());
  for (const auto& [names, group] : groups) selectors.push_back(selector_text(group));
  return selectors;
}

std::string raw_query_form(std::string_view selector, engine::TimeRange timestamps) {
  const engine::Time from = std::clamp(timestamps.from, kFirst, kLast);
  const engine::Time to = std::clamp(timestamps.to, from + engine::Duration{1}, kLast + engine::Duration{1});
  // (T - w, T] from version 3 on, [T - w, T] before.
  const std::string window = std::to_string((to - from).count()) + "ms";
  const std::string query = std::string{selector} + "[" + window + "]";
  return "query=" + net::url_encode(query) + "&time=" + seconds_text(to - engine::Duration{1});
}

engine::Result<Exported> parse_raw_samples(std::string_view text, engine::TimeRange timestamps) {
  boost::system::error_code error;
  const json::value whole = json::parse({text.data(), text.size()}, error);
  const auto bad = [text] {
    return engine::retry_later("the answer to a query is not what was expected: " +
                               std::string{text.substr(0, 200)});
  };
  if (error || text_of(member(&whole, "status")) != "success") return bad();
  const json::value* warnings = member(&whole, "warnings");
  if (warnings != nullptr && warnings->is_array() && !warnings->get_array().empty()) {
    return engine::retry_later("the answer to a query may be partial: " + json::serialize(*warnings));
  }
  const json::value* data = member(&whole, "data");
  const json::value* result = member(data, "result");
  if (text_of(member(data, "resultType")) != "matrix" || result == nullptr || !result->is_array())
    return bad();
  Exported exported;
  for (const json::value& entry : result->get_array()) {
    if (!read_series(entry, timestamps, exported)) return bad();
  }
  return exported;
}

std::optional<BuildInfo> parse_build_info(std::string_view text) {
  boost::system::error_code error;
  const json::value whole = json::parse({text.data(), text.size()}, error);
  if (error || text_of(member(&whole, "status")) != "success") return std::nullopt;
  const json::value* data = member(&whole, "data");
  BuildInfo info{.application = text_of(member(data, "application")),
                 .version = text_of(member(data, "version")),
                 .go_version = text_of(member(data, "goVersion"))};
  if (info.version.empty()) return std::nullopt;
  return info;
}

std::optional<engine::Time> parse_process_start(std::string_view metrics) {
  constexpr std::string_view kName = "\nprocess_start_time_seconds ";
  const std::size_t at = metrics.find(kName);
  if (at == std::string_view::npos) return std::nullopt;
  metrics.remove_prefix(at + kName.size());
  double seconds = 0;
  const auto read = std::from_chars(metrics.data(), metrics.data() + metrics.size(), seconds);
  if (read.ec != std::errc{} || !(seconds > 0 && seconds < 1e11)) return std::nullopt;
  return engine::from_epoch_ms(std::llround(seconds * 1000));
}

}  // namespace settle::sinks
