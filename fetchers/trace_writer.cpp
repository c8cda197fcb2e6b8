#include "fetchers/trace_writer.hpp"

#include <ostream>
#include <vector>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

namespace settle::fetchers {
namespace {

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::value(boost::json::string(text.data(), text.size())));
}

std::string begin_line(engine::Time at, std::string_view scope) {
  std::string line = R"({"at": ")" + engine::format_time(at) + '"';
  if (!scope.empty()) line += R"(, "scope": )" + quoted(scope);
  return line;
}

}  // namespace

std::string labels_json(const engine::Labels& labels) {
  std::string text = "{";
  for (const engine::Label& label : labels) {
    text += (text.size() == 1 ? "" : ", ") + quoted(label.name) + ": " + quoted(label.value);
  }
  return text + "}";
}

std::string value_line(engine::Time at, std::string_view scope, std::string_view series, engine::Time bucket,
                       const std::optional<engine::Value>& value) {
  return begin_line(at, scope) + R"(, "series": )" + std::string(series) + R"(, "bucket": ")" +
         engine::format_time(bucket) + R"(", "value": )" + (value ? engine::format_value(*value) : "null") +
         "}\n";
}

std::string frontier_line(engine::Time at, std::string_view scope, engine::Time frontier) {
  return begin_line(at, scope) + R"(, "frontier": ")" + engine::format_time(frontier) + "\"}\n";
}

void write_trace(std::ostream& out, const Trace& trace) {
  std::vector<std::string> labels;
  labels.reserve(trace.series.size());
  for (const TraceSeries& one : trace.series) labels.push_back(labels_json(one.labels));
  auto frontier = trace.frontiers.begin();
  const auto write_frontiers = [&](engine::Time before) {
    for (; frontier != trace.frontiers.end() && frontier->at < before; ++frontier) {
      out << frontier_line(frontier->at, trace.scopes[frontier->scope], frontier->frontier);
    }
  };
  for (const TraceLine& line : trace.lines) {
    write_frontiers(line.at);
    out << value_line(line.at, trace.scopes[line.scope], labels[line.series], line.bucket, line.value);
  }
  write_frontiers(engine::Time::max());
}

}  // namespace settle::fetchers
