#include "fetchers/prometheus_matrix.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include <boost/json/value.hpp>

#include "fetchers/exact_json.hpp"
#include "fetchers/matrix_scan.hpp"

namespace settle::fetchers {
namespace json = boost::json;

using engine::Duration;
using engine::Time;
using engine::TimeRange;

namespace {

constexpr std::size_t kWordsMax = 300;

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

std::string shorten(std::string_view text) {
  std::string words(text.substr(0, kWordsMax));
  for (char& c : words) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return text.size() > kWordsMax ? words + "…" : words;
}

const json::value* member(const json::value& object, std::string_view name) {
  const json::object* fields = object.if_object();
  return fields == nullptr ? nullptr : fields->if_contains({name.data(), name.size()});
}

bool has_text(const json::value& object, std::string_view name, std::string_view text) {
  const json::value* found = member(object, name);
  return found != nullptr && found->is_string() && view(found->get_string()) == text;
}

/// Notes about the expression, such as a rate() of what is named like a gauge, which say nothing against the
/// answer. Prometheus 2.49 to 2.51 lists them among the warnings; later ones apart, as "infos".
bool is_note(const json::value& warning) {
  return warning.is_string() && view(warning.get_string()).starts_with("PromQL info:");
}

class MatrixReader {
 public:
  explicit MatrixReader(const MatrixQuestion& question) : question_(question) {}

  Matrix read(const json::value& answer) {
    if (read_envelope(answer)) {
      for (const json::value& series : *list_) {
        if (!read_series(series)) break;
      }
    }
    return std::move(matrix_);
  }

 private:
  bool fail(FetchFailure failure, std::string detail) {
    matrix_ = Matrix{};
    matrix_.failed = true;
    matrix_.failure = failure;
    matrix_.detail = std::move(detail);
    return false;
  }
  bool malformed(std::string detail) { return fail(FetchFailure::malformed, std::move(detail)); }

  bool read_envelope(const json::value& answer);
  bool read_series(const json::value& series);
  bool read_labels(const json::value& series, engine::Labels& labels);
  bool read_point(const json::value& point, std::optional<std::size_t> number);
  std::optional<Time> time_of(const json::value& seconds) const;

  const MatrixQuestion& question_;
  Matrix matrix_;
  const json::array* list_ = nullptr;
  std::set<std::string> seen_;
  std::string text_;  // of the series in hand
  Time last_;         // bucket of its point before
};

bool MatrixReader::read_envelope(const json::value& answer) {
  if (!has_text(answer, "status", "success")) return malformed("the field 'status' is not \"success\"");
  if (const json::value* warnings = member(answer, "warnings"); warnings != nullptr && !warnings->is_null()) {
    if (!warnings->is_array()) return malformed("the field 'warnings' is not a list");
    const json::array& all = warnings->get_array();
    const auto real = std::find_if_not(all.begin(), all.end(), is_note);
    if (real != all.end()) {
      const bool worded = real->is_string();
      return fail(FetchFailure::partial,
                  "the server warns: " + (worded ? shorten(view(real->get_string())) : "(no text)"));
    }
  }
  if (const json::value* partial = member(answer, "isPartial"); partial != nullptr) {
    if (!partial->is_bool()) return malformed("the field 'isPartial' is neither true nor false");
    if (partial->get_bool()) return fail(FetchFailure::partial, "the server says that its answer is partial");
  }
  const json::value* data = member(answer, "data");
  if (data == nullptr || !has_text(*data, "resultType", "matrix")) {
    return malformed("'data.resultType' is not \"matrix\"");
  }
  const json::value* result = member(*data, "result");
  if (result == nullptr || !result->is_array()) return malformed("'data.result' is not a list");
  list_ = &result->get_array();
  return true;
}

bool MatrixReader::read_labels(const json::value& series, engine::Labels& labels) {
  const json::value* metric = member(series, "metric");
  if (metric == nullptr || !metric->is_object()) return malformed("a series has no object 'metric'");
  for (const auto& [name, value] : metric->get_object()) {
    if (!value.is_string()) return malformed("the label '" + std::string(name) + "' is not a text");
    const std::string_view key(name.data(), name.size());
    if (key != engine::kMetricNameLabel)
      labels.push_back({std::string(key), std::string(view(value.get_string()))});
  }
  labels.push_back({std::string(engine::kMetricNameLabel), question_.selector.metric()});
  auto normal = engine::normalize_labels(std::move(labels));
  if (!normal) return malformed("a series cannot be used: " + normal.error().detail);
  labels = *std::move(normal);
  return true;
}

bool MatrixReader::read_series(const json::value& series) {
  engine::Labels labels;
  if (!read_labels(series, labels)) return false;
  text_ = engine::series_text(labels);
  if (!seen_.insert(text_).second) {
    return malformed("two series have the labels " + text_ + "; aggregate them in the expression");
  }
  if (const json::value* histograms = member(series, "histograms"); histograms != nullptr) {
    return malformed("the series " + text_ +
                     " holds histograms, not numbers; take a number of them in the expression");
  }
  const json::value* values = member(series, "values");
  if (values == nullptr || !values->is_array())
    return malformed("the series " + text_ + " has no list 'values'");
  std::optional<std::size_t> number;  // none: read, and checked, but not wanted
  if (question_.selector.matches(labels)) {
    number = matrix_.series.size();
    matrix_.series.push_back(text_);
  }
  last_ = Time::min();
  const json::array& points = values->get_array();
  return std::all_of(points.begin(), points.end(),
                     [&](const json::value& point) { return read_point(point, number); });
}

std::optional<Time> MatrixReader::time_of(const json::value& seconds) const {
  if (!seconds.is_number()) return std::nullopt;
  const double ms = seconds.to_number<double>() * 1'000;
  if (!(std::abs(ms) < 1e15)) return std::nullopt;
  return engine::from_epoch_ms(std::llround(ms));
}

bool MatrixReader::read_point(const json::value& point, std::optional<std::size_t> number) {
  const json::array* pair = point.if_array();
  if (pair == nullptr || pair->size() != 2 || !pair->back().is_string()) {
    return malformed("a value of the series " + text_ + " is not [seconds, \"number\"]");
  }
  const std::optional<Time> at = time_of(pair->front());
  if (!at) return malformed("a value of the series " + text_ + " has no time");
  const Time bucket = *at - question_.granularity;
  if (!question_.range.contains(bucket) || engine::floor_to(bucket, question_.granularity) != bucket) {
    return malformed("the series " + text_ + " has a value at " + engine::format_time(*at) +
                     ", which was not asked for");
  }
  if (bucket <= last_) {
    return malformed("the series " + text_ + " has values that do not follow each other in time, at " +
                     engine::format_time(*at));
  }
  last_ = bucket;
  const auto value = engine::parse_value(view(pair->back().get_string()));
  if (!value) return malformed("a value of the series " + text_ + ": " + value.error().detail);
  if (!number) return true;
  if (value->is_nan()) {
    ++matrix_.rows_without_value;
  } else {
    matrix_.rows.push_back({*number, bucket, *value});
  }
  return true;
}

}  // namespace

std::vector<TimeRange> split_range(TimeRange range, Duration granularity, std::int64_t buckets_max) {
  std::vector<TimeRange> parts;
  const Duration length = granularity * buckets_max;
  for (Time from = range.from; from < range.to; from += length) {
    parts.push_back({from, std::min(from + length, range.to)});
  }
  return parts;
}

Matrix decode_matrix(std::string_view body, const MatrixQuestion& question) {
  if (std::optional<Matrix> scanned = scan_matrix(body, question)) return *std::move(scanned);
  return read_matrix_tree(body, question);
}

Matrix read_matrix_tree(std::string_view body, const MatrixQuestion& question) {
  const auto parsed = parse_exact_json(body);
  if (!parsed) {
    Matrix failed;
    failed.failed = true;
    failed.detail = "not JSON: " + parsed.error().detail;
    return failed;
  }
  return MatrixReader(question).read(*parsed);
}

std::string error_words(std::string_view body) {
  if (const auto parsed = parse_exact_json(body)) {
    const json::value* error = member(*parsed, "error");
    if (error != nullptr && error->is_string()) return shorten(view(error->get_string()));
  }
  return shorten(body);
}

bool is_bare_selector(std::string_view expression) {
  const auto trim = [&] {
    const std::size_t first = expression.find_first_not_of(" \t\r\n");
    const std::size_t last = expression.find_last_not_of(" \t\r\n");
    expression = first == expression.npos ? "" : expression.substr(first, last - first + 1);
  };
  trim();
  while (expression.size() >= 2 && expression.front() == '(' && expression.back() == ')') {
    expression = expression.substr(1, expression.size() - 2);
    trim();
  }
  const auto name_char = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
  };
  if (expression.empty() || (expression[0] >= '0' && expression[0] <= '9')) return false;
  const auto name_end = std::find_if_not(expression.begin(), expression.end(), name_char);
  const auto name_size = static_cast<std::size_t>(name_end - expression.begin());
  bool selects = name_size > 0;
  expression.remove_prefix(name_size);
  trim();
  if (!expression.empty() && expression.front() == '{') {
    char quote = '\0';
    std::size_t at = 1;
    for (; at < expression.size() && (quote != '\0' || expression[at] != '}'); ++at) {
      const char c = expression[at];
      if (quote == '\0' && (c == '"' || c == '\'' || c == '`')) {
        quote = c;
      } else if (c == quote) {
        quote = '\0';
      } else if (quote != '\0' && quote != '`' && c == '\\') {
        ++at;
      }
    }
    if (at >= expression.size()) return false;
    selects = true;
    expression.remove_prefix(at + 1);
    trim();
  }
  return selects && (expression.empty() || expression.starts_with("offset ") || expression.starts_with("@"));
}

}  // namespace settle::fetchers
