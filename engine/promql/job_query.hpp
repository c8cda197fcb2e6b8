// engine/promql/job_query.hpp: what a job asks: a function over a window of a series, or a plain selector.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/model/time.hpp"
#include "engine/promql/selector.hpp"

namespace settle::engine {

enum class Function : std::uint8_t {
  select,  // a plain selector: no window
  sum_over_time,
  count_over_time,
  avg_over_time,
  min_over_time,
  max_over_time,
  last_over_time,
  increase,
  rate,
  quantile_over_time,
  count_distinct_over_time,
  top_k_over_time,
};
/// As it is written in a query; "" for `select`.
[[nodiscard]] std::string_view function_text(Function function);

/// What a function takes beside the window.
enum class Parameter : std::uint8_t { none, quantile, items };
[[nodiscard]] Parameter parameter_of(Function function);

struct JobQuery {
  Function function = Function::select;
  /// The quantile or the number of items, as it was written: any number, until it is checked
  /// (engine/query/job_check.hpp).
  double parameter = 0;
  Selector selector;
  Duration window{};  // > 0 but for `select`
  /// Canonical, and a query of PromQL's shape: `quantile_over_time(0.99, m{a="x"}[5m])`. Equal queries have
  /// equal text.
  [[nodiscard]] std::string text() const;
};

}  // namespace settle::engine
