#include "engine/promql/parser.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "engine/model/label_text.hpp"
#include "engine/promql/literals.hpp"

namespace settle::engine {

namespace {

constexpr std::array kFunctions{
    Function::sum_over_time,      Function::count_over_time,
    Function::avg_over_time,      Function::min_over_time,
    Function::max_over_time,      Function::last_over_time,
    Function::increase,           Function::rate,
    Function::quantile_over_time, Function::count_distinct_over_time,
    Function::top_k_over_time,
};

std::optional<Function> function_of(std::string_view name) {
  if (name == "topk_over_time") return Function::top_k_over_time;
  const auto* const found = std::find_if(kFunctions.begin(), kFunctions.end(),
                                         [&](Function function) { return function_text(function) == name; });
  if (found == kFunctions.end()) return std::nullopt;
  return *found;
}

std::string all_functions() {
  std::string names;
  for (const Function function : kFunctions) {
    names += (names.empty() ? "" : ", ") + std::string{function_text(function)};
  }
  return names;
}

/// Takes `(`, as many as there are.
Result<std::size_t> read_opening(LabelScanner& in) {
  std::size_t depth = 0;
  for (in.skip_space(); in.take("("); in.skip_space()) {
    if (++depth > kNestingMax) {
      return in.error("nested more than " + std::to_string(kNestingMax) + " deep");
    }
  }
  return depth;
}
Result<void> read_closing(LabelScanner& in, std::size_t depth, std::string_view expected) {
  for (; depth > 0; --depth) {
    in.skip_space();
    if (!in.take(")")) return found_instead(in, expected);
  }
  in.skip_space();
  return {};
}

/// Signs and parentheses mix: -(+(0.5)).
Result<double> read_signed_number(LabelScanner& in, std::string_view expected) {
  bool negative = false;
  std::size_t depth = 0;
  for (in.skip_space();; in.skip_space()) {
    if (in.take("(")) {
      if (++depth > kNestingMax) {
        return in.error("nested more than " + std::to_string(kNestingMax) + " deep");
      }
    } else if (in.take("-")) {
      negative = !negative;
    } else if (!in.take("+")) {
      break;
    }
  }
  const auto number = read_number(in, expected);
  if (!number) return number.error();
  if (auto closed = read_closing(in, depth, "expected ) after the number"); !closed) return closed.error();
  return negative ? -*number : *number;
}

bool begins_selector(const LabelScanner& in) {
  const std::string_view next = in.rest().substr(0, 1);
  return next == "{" || is_metric_name(next);
}

Result<Selector> read_expected_selector(LabelScanner& in) {
  if (!begins_selector(in)) {
    return found_instead(in, "expected a series selector such as name{label=\"value\"}");
  }
  return read_selector(in);
}

Result<void> read_range(LabelScanner& in, JobQuery& query) {
  const auto depth = read_opening(in);
  if (!depth) return depth.error();
  auto selector = read_expected_selector(in);
  if (!selector) return selector.error();
  query.selector = *std::move(selector);
  if (!in.take("[")) return found_instead(in, "expected a window such as [5m] after the selector");
  in.skip_space();
  const auto window = read_window(in);
  if (!window) return window.error();
  query.window = *window;
  in.skip_space();
  if (!in.take("]")) {
    return found_instead(in, in.rest().starts_with(':') ? "subqueries are not supported; expected ]"
                                                        : "expected ] after the duration");
  }
  return read_closing(in, *depth, "expected ) after the window");
}

/// From after the name and `(` to after `)`.
Result<void> read_call(LabelScanner& in, JobQuery& query) {
  const Parameter parameter = parameter_of(query.function);
  if (parameter != Parameter::none) {
    const std::string what = parameter == Parameter::quantile ? "the quantile (a number from 0 to 1)"
                                                              : "the number of items (a whole number)";
    const auto number = read_signed_number(in, "expected " + what);
    if (!number) return number.error();
    query.parameter = *number;
    if (!in.take(",")) return found_instead(in, "expected , after " + what);
  }
  if (auto range = read_range(in, query); !range) return range;
  if (!in.take(")")) {
    return found_instead(in, "expected ) at the end of " + std::string{function_text(query.function)} + "(");
  }
  return {};
}

/// A name with `(` behind it; otherwise nothing is taken.
std::optional<std::string_view> read_function_name(LabelScanner& in) {
  const std::size_t start = in.position();
  const std::string_view name = in.name();
  in.skip_space();
  if (!name.empty() && in.take("(")) return name;
  in.move_to(start);
  return std::nullopt;
}

Result<void> read_query(LabelScanner& in, JobQuery& query) {
  const std::size_t start = in.position();
  if (const auto name = read_function_name(in)) {
    const auto function = function_of(*name);
    if (!function) {
      in.move_to(start);
      return found_instead(in, "expected a series selector or one of the functions " + all_functions());
    }
    query.function = *function;
    return read_call(in, query);
  }
  auto selector = read_expected_selector(in);
  if (!selector) return selector.error();
  query.selector = *std::move(selector);
  if (in.rest().starts_with('[')) {
    return found_instead(in, "a window needs a function around it, such as sum_over_time(name[5m])");
  }
  return {};
}

}  // namespace

Result<JobQuery> parse_job_query(std::string_view text) {
  LabelScanner in{text};
  JobQuery query;
  const auto depth = read_opening(in);
  if (!depth) return depth.error();
  if (auto read = read_query(in, query); !read) return read.error();
  if (auto closed = read_closing(in, *depth, "expected )"); !closed) return closed.error();
  if (!in.at_end()) return found_instead(in, "expected the end of the query");
  return query;
}

}  // namespace settle::engine
