#include "engine/promql/job_query.hpp"

#include "engine/model/value.hpp"

namespace settle::engine {

std::string_view function_text(Function function) {
  switch (function) {
    case Function::select:
      return "";
    case Function::sum_over_time:
      return "sum_over_time";
    case Function::count_over_time:
      return "count_over_time";
    case Function::avg_over_time:
      return "avg_over_time";
    case Function::min_over_time:
      return "min_over_time";
    case Function::max_over_time:
      return "max_over_time";
    case Function::last_over_time:
      return "last_over_time";
    case Function::increase:
      return "increase";
    case Function::rate:
      return "rate";
    case Function::quantile_over_time:
      return "quantile_over_time";
    case Function::count_distinct_over_time:
      return "count_distinct_over_time";
    case Function::top_k_over_time:
      return "top_k_over_time";
  }
  return "";
}

Parameter parameter_of(Function function) {
  if (function == Function::quantile_over_time) return Parameter::quantile;
  if (function == Function::top_k_over_time) return Parameter::items;
  return Parameter::none;
}

std::string JobQuery::text() const {
  if (function == Function::select) return selector.text();
  std::string out{function_text(function)};
  out += '(';
  if (parameter_of(function) != Parameter::none) out += format_value(Value::number(parameter)) + ", ";
  out += selector.text();
  out += '[' + format_duration(window) + "])";
  return out;
}

}  // namespace settle::engine
