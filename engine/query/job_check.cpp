#include "engine/query/job_check.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/model/label_text.hpp"
#include "engine/model/series.hpp"
#include "engine/model/value.hpp"

namespace settle::query {

namespace {

using engine::Function;

constexpr std::array kSketchTypes{SketchType::scalar,      SketchType::ddsketch,       SketchType::hll,
                                  SketchType::countsketch, SketchType::countminsketch, SketchType::stats};

/// What a function is answered from.
std::vector<SketchType> types_for(Function function) {
  switch (function) {
    case Function::select:
      return {SketchType::scalar};
    case Function::quantile_over_time:
      return {SketchType::ddsketch};
    case Function::count_distinct_over_time:
      return {SketchType::hll};
    case Function::top_k_over_time:
      return {SketchType::countsketch, SketchType::countminsketch};
    default:
      return {SketchType::stats};
  }
}

std::string quoted(std::string_view text) {
  return '"' + std::string{text} + '"';
}

std::string any_of(const std::vector<SketchType>& types) {
  std::string out;
  for (const SketchType type : types) out += (out.empty() ? "" : " or ") + quoted(sketch_type_text(type));
  return out;
}

std::string subject(Function function) {
  if (function == Function::select) return "a plain selector";
  return std::string{engine::function_text(function)};
}

std::string number_text(double number) {
  return engine::format_value(engine::Value::number(number));
}

}  // namespace

std::string_view sketch_type_text(SketchType type) {
  switch (type) {
    case SketchType::scalar:
      return "scalar";
    case SketchType::ddsketch:
      return "ddsketch";
    case SketchType::hll:
      return "hll";
    case SketchType::countsketch:
      return "countsketch";
    case SketchType::countminsketch:
      return "countminsketch";
    case SketchType::stats:
      return "stats";
  }
  return "";
}

std::optional<SketchType> parse_sketch_type(std::string_view text) {
  for (const SketchType type : kSketchTypes) {
    if (sketch_type_text(type) == text) return type;
  }
  return std::nullopt;
}

std::optional<Fault> parameter_fault(const engine::JobQuery& query) {
  const double x = query.parameter;
  switch (engine::parameter_of(query.function)) {
    case engine::Parameter::none:
      return std::nullopt;
    case engine::Parameter::quantile:
      if (x >= 0 && x <= 1) return std::nullopt;
      return Fault{"query", "asks for the quantile " + number_text(x) + "; expected a number from 0 to 1"};
    case engine::Parameter::items:
      if (x >= 1 && x <= kItemsMax && std::trunc(x) == x) return std::nullopt;
      return Fault{"query", "asks for " + number_text(x) + " items; expected a whole number from 1 to " +
                                number_text(kItemsMax)};
  }
  return std::nullopt;
}

std::optional<Fault> window_fault(const engine::JobQuery& query, engine::Duration granularity) {
  if (query.function == Function::select) return std::nullopt;
  const std::string window = "has the window " + engine::format_duration(query.window);
  const std::string step = engine::format_duration(granularity);
  if (query.window < granularity || query.window % granularity != engine::Duration{}) {
    return Fault{"query", window + ", which is no multiple of the granularity; expected " + step + ", " +
                              engine::format_duration(granularity * 2) + " and so on"};
  }
  if (query.window / granularity > kWindowBucketsMax) {
    return Fault{"query", window + ", which is more than " + std::to_string(kWindowBucketsMax) +
                              " buckets of " + step + "; expected a shorter one or a longer granularity"};
  }
  return std::nullopt;
}

std::optional<Fault> sketch_type_fault(const engine::JobQuery& query,
                                       std::optional<std::string_view> sketch_type) {
  const auto fitting = types_for(query.function);
  const std::string expected = "; expected " + any_of(fitting);
  if (!sketch_type) return Fault{"sketch_type", "is missing" + expected};
  const auto type = parse_sketch_type(*sketch_type);
  if (!type) return Fault{"sketch_type", quoted(*sketch_type) + " is not known" + expected};
  if (std::find(fitting.begin(), fitting.end(), *type) != fitting.end()) return std::nullopt;
  return Fault{"sketch_type", quoted(*sketch_type) + " does not fit " + subject(query.function) + expected};
}

std::optional<Fault> job_fault(const engine::JobQuery& query, engine::Duration granularity,
                               std::optional<std::string_view> sketch_type) {
  if (auto fault = parameter_fault(query)) return fault;
  if (auto fault = window_fault(query, granularity)) return fault;
  return sketch_type_fault(query, sketch_type);
}

std::optional<Fault> by_fault(const std::vector<std::string>& by) {
  if (by.size() > kByLabelsMax) {
    return Fault{"by", "names " + std::to_string(by.size()) + " labels; expected at most " +
                           std::to_string(kByLabelsMax)};
  }
  for (auto name = by.begin(); name != by.end(); ++name) {
    if (*name == engine::kMetricNameLabel) {
      return Fault{"by", "names __name__; expected labels only: the output is named by \"record\""};
    }
    if (!engine::is_label_name(*name)) {
      const std::string shown = engine::is_utf8(*name) ? quoted(*name) : "bytes that are not UTF-8";
      return Fault{"by", "has " + shown + ", which is not a label name; expected [a-zA-Z_][a-zA-Z0-9_]*"};
    }
    if (std::find(by.begin(), name, *name) != name) {
      return Fault{"by", "names " + quoted(*name) + " twice"};
    }
  }
  return std::nullopt;
}

}  // namespace settle::query
