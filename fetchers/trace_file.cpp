#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include <boost/json/value.hpp>

#include "fetchers/exact_json.hpp"
#include "fetchers/trace.hpp"
#include "fetchers/trace_sketch.hpp"

namespace settle::fetchers {
namespace json = boost::json;

using engine::Result;
using engine::Time;

namespace {

constexpr std::size_t kScopeBytesMax = 128;  // it is part of keys of the store

enum class FileKind : std::uint8_t { trace, recorded_fetch };

std::string_view view(const json::string& text) {
  return {text.data(), text.size()};
}

Result<Time> time_of(const json::value& value) {
  if (value.is_string()) return engine::parse_time(view(value.get_string()));
  if (value.is_int64()) return engine::parse_time(std::to_string(value.get_int64()));
  return engine::refused("expected RFC 3339 text or integer epoch milliseconds");
}

/// Gathers the lines of one or more files.
class TraceBuilder {
 public:
  /// "" or what is wrong with the line.
  [[nodiscard]] std::string add_line(std::string_view line);
  [[nodiscard]] std::string add_recorded(const json::value& observation);
  [[nodiscard]] Trace finish() &&;

 private:
  [[nodiscard]] std::string add_value(Time at, std::string_view scope, const json::object& fields);
  [[nodiscard]] std::string add_frontier(Time at, std::string_view scope, const json::value& frontier);
  [[nodiscard]] Result<std::uint32_t> series_number(engine::Labels labels);
  [[nodiscard]] std::uint32_t scope_number(std::string_view scope);

  Trace trace_;
  std::map<std::string, std::uint32_t, std::less<>> series_;
  std::map<std::string, std::uint32_t, std::less<>> scopes_;
};

Result<std::uint32_t> TraceBuilder::series_number(engine::Labels labels) {
  auto normal = engine::normalize_labels(std::move(labels));
  if (!normal) return normal.error();
  std::string text = engine::series_text(*normal);
  const auto [found, added] = series_.try_emplace(text, static_cast<std::uint32_t>(trace_.series.size()));
  if (added) trace_.series.push_back({std::move(text), *std::move(normal)});
  return found->second;
}

std::uint32_t TraceBuilder::scope_number(std::string_view scope) {
  if (const auto found = scopes_.find(scope); found != scopes_.end()) return found->second;
  const auto number = static_cast<std::uint32_t>(trace_.scopes.size());
  scopes_.emplace(scope, number);
  trace_.scopes.emplace_back(scope);
  return number;
}

Result<engine::Labels> labels_of(const json::value& value) {
  if (!value.is_object()) return engine::refused("expected an object of label names and texts");
  engine::Labels labels;
  for (const auto& [name, text] : value.get_object()) {
    if (!text.is_string()) return engine::refused("the label '" + std::string(name) + "' is not a text");
    labels.push_back({std::string(name), std::string(view(text.get_string()))});
  }
  return labels;
}

/// "" or the first key that is none of `known`.
std::string unknown_key(const json::object& object, std::initializer_list<std::string_view> known) {
  for (const auto& field : object) {
    const std::string_view key(field.key().data(), field.key().size());
    if (std::find(known.begin(), known.end(), key) == known.end()) return std::string(key);
  }
  return "";
}

std::string TraceBuilder::add_line(std::string_view line) {
  const auto parsed = parse_strict_json(line);
  if (!parsed) return "cannot be read: " + parsed.error().detail;
  if (!parsed->is_object()) return "expected a JSON object";
  const json::object& fields = parsed->get_object();
  const json::value* at_field = fields.if_contains("at");
  if (at_field == nullptr) return "the field 'at' is missing";
  const Result<Time> at = time_of(*at_field);
  if (!at) return "'at': " + at.error().detail;
  std::string_view scope;
  if (const json::value* name = fields.if_contains("scope")) {
    if (!name->is_string()) return "'scope': expected a text";
    scope = view(name->get_string());
    if (scope.size() > kScopeBytesMax)
      return "'scope': longer than " + std::to_string(kScopeBytesMax) + " bytes";
  }
  const json::value* frontier = fields.if_contains("frontier");
  const std::string unknown =
      frontier != nullptr
          ? unknown_key(fields, {"at", "scope", "frontier"})
          : unknown_key(fields, {"at", "scope", "series", "bucket", "value", "sketch", "format", "bin_rule"});
  if (!unknown.empty()) return "the field '" + unknown + "' does not belong here";
  const auto widen = [&](Time t) {
    trace_.first = std::min(trace_.first.value_or(t), t);
    trace_.last = std::max(trace_.last.value_or(t), t);
  };
  widen(*at);
  return frontier != nullptr ? add_frontier(*at, scope, *frontier) : add_value(*at, scope, fields);
}

std::string TraceBuilder::add_frontier(Time at, std::string_view scope, const json::value& frontier) {
  const Result<Time> through = time_of(frontier);
  if (!through) return "'frontier': " + through.error().detail;
  trace_.frontiers.push_back({at, scope_number(scope), *through});
  return "";
}

/// "" or what is wrong.
std::string add_sketch(const json::object& fields, TraceLine& line) {
  std::array<std::string_view, 3> texts;
  auto* text = texts.begin();
  for (const auto* name : {"sketch", "format", "bin_rule"}) {
    if (const json::value* given = fields.if_contains(name)) {
      if (!given->is_string()) return "'" + std::string(name) + "': expected a text";
      *text = view(given->get_string());
    }
    ++text;
  }
  auto sketch = parse_trace_sketch(texts[0], texts[1], texts[2]);
  if (!sketch) return "'sketch': " + sketch.error().detail;
  line.value = engine::fingerprint(*sketch);
  line.sketch = *std::move(sketch);
  return "";
}

std::string TraceBuilder::add_value(Time at, std::string_view scope, const json::object& fields) {
  const bool is_sketch = fields.contains("sketch");
  for (const auto* name : {"series", "bucket", is_sketch ? "sketch" : "value"}) {
    if (fields.if_contains(name) == nullptr) return "the field '" + std::string(name) + "' is missing";
  }
  for (const auto* name : {is_sketch ? "value" : "format", is_sketch ? "value" : "bin_rule"}) {
    if (fields.contains(name)) return "the field '" + std::string(name) + "' does not belong here";
  }
  const Result<Time> bucket = time_of(fields.at("bucket"));
  if (!bucket) return "'bucket': " + bucket.error().detail;
  auto labels = labels_of(fields.at("series"));
  if (!labels) return "'series': " + labels.error().detail;
  const auto series = series_number(*std::move(labels));
  if (!series) return "'series': " + series.error().detail;
  TraceLine line{.at = at,
                 .scope = scope_number(scope),
                 .series = *series,
                 .bucket = *bucket,
                 .value = {},
                 .sketch = {}};
  if (is_sketch) {
    if (std::string wrong = add_sketch(fields, line); !wrong.empty()) return wrong;
  } else if (const json::value& value = fields.at("value"); !value.is_null()) {
    const auto number = number_of(value);
    if (!number) return "'value': " + number.error().detail;
    line.value = *number;
  }
  trace_.lines.push_back(std::move(line));
  return "";
}

std::string TraceBuilder::add_recorded(const json::value& observation) {
  if (!observation.is_object()) return "expected an object";
  const json::object& fields = observation.get_object();
  for (const auto* name : {"name", "labels", "value", "bucket"}) {
    if (fields.if_contains(name) == nullptr) return "the field '" + std::string(name) + "' is missing";
  }
  auto labels = labels_of(fields.at("labels"));
  if (!labels) return "'labels': " + labels.error().detail;
  if (!fields.at("name").is_string()) return "'name': expected a text";
  const std::string_view metric = view(fields.at("name").get_string());
  labels->push_back({std::string(engine::kMetricNameLabel), std::string(metric)});
  const auto series = series_number(*std::move(labels));
  if (!series) return "'labels': " + series.error().detail;
  const Result<Time> bucket = time_of(fields.at("bucket"));
  if (!bucket) return "'bucket': " + bucket.error().detail;
  const auto number = number_of(fields.at("value"));
  if (!number) return "'value': " + number.error().detail;
  trace_.lines.push_back({kAlways, scope_number(""), *series, *bucket, *number, {}});
  return "";
}

Trace TraceBuilder::finish() && {
  const auto earlier = [](const auto& a, const auto& b) { return a.at < b.at; };
  std::stable_sort(trace_.lines.begin(), trace_.lines.end(), earlier);
  std::stable_sort(trace_.frontiers.begin(), trace_.frontiers.end(), earlier);
  return std::move(trace_);
}

std::string at(const std::string& name, const char* what, std::size_t number) {
  return name + what + std::to_string(number) + ": ";
}

Result<void> add_trace_text(TraceBuilder& builder, std::string_view text, const std::string& name) {
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos || line[first] == '#') continue;
    if (std::string wrong = builder.add_line(line); !wrong.empty()) {
      return engine::refused(at(name, ":", number) + wrong);
    }
  }
  return {};
}

Result<void> add_recorded_text(TraceBuilder& builder, std::string_view text, const std::string& name) {
  const auto parsed = parse_exact_json(text);
  if (!parsed) return engine::refused(name + ": not JSON: " + parsed.error().detail);
  const json::object* fields = parsed->if_object();
  const json::value* list = fields == nullptr ? nullptr : fields->if_contains("observations");
  if (list == nullptr || !list->is_array()) {
    return engine::refused(name + ": not a recorded fetch: expected an object with a list 'observations'" +
                           "; traces of JSON lines are named *.jsonl");
  }
  std::size_t number = 0;
  for (const json::value& observation : list->get_array()) {
    ++number;
    if (std::string wrong = builder.add_recorded(observation); !wrong.empty()) {
      return engine::refused(at(name, ": observation ", number) + wrong);
    }
  }
  return {};
}

FileKind kind_of(const std::string& path) {
  return path.ends_with(".json") ? FileKind::recorded_fetch : FileKind::trace;
}

Result<std::vector<std::string>> list_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> inside;
    for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string file = entry->path().string();
      if (file.ends_with(".json") || file.ends_with(".jsonl")) inside.push_back(file);
    }
    if (error) return engine::refused("the directory " + path + " cannot be read: " + error.message());
    if (inside.empty()) return engine::refused("the directory " + path + " holds no *.json or *.jsonl file");
    std::sort(inside.begin(), inside.end());
    files.insert(files.end(), inside.begin(), inside.end());
  }
  if (files.empty()) return engine::refused("no trace file is named");
  return files;
}

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  const auto size = in ? static_cast<std::streamoff>(in.tellg()) : std::streamoff{-1};
  std::string text(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
  in.seekg(0);
  if (size < 0 || !in.read(text.data(), size)) {
    return engine::refused("the file " + path + " cannot be read");
  }
  return text;
}

}  // namespace

Result<Trace> parse_trace(std::string_view text, const std::string& name) {
  TraceBuilder builder;
  if (auto done = add_trace_text(builder, text, name); !done) return done.error();
  return std::move(builder).finish();
}

Result<Trace> parse_recorded_fetch(std::string_view text, const std::string& name) {
  TraceBuilder builder;
  if (auto done = add_recorded_text(builder, text, name); !done) return done.error();
  return std::move(builder).finish();
}

Result<Trace> load_trace(const std::vector<std::string>& paths) {
  const auto files = list_files(paths);
  if (!files) return files.error();
  TraceBuilder builder;
  const FileKind kind = kind_of(files->front());
  for (const std::string& file : *files) {
    if (kind_of(file) != kind) {
      return engine::refused("traces (*.jsonl) and recorded fetches (*.json) cannot be one source: " +
                             files->front() + " and " + file);
    }
    const auto text = read_file(file);
    if (!text) return text.error();
    auto done = kind == FileKind::trace ? add_trace_text(builder, *text, file)
                                        : add_recorded_text(builder, *text, file);
    if (!done) return done.error();
  }
  return std::move(builder).finish();
}

}  // namespace settle::fetchers
