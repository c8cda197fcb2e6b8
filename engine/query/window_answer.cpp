#include "engine/query/window_answer.hpp"

#include <cmath>
#include <cstddef>
#include <string>
#include <variant>

namespace settle::query {

namespace {

using engine::Function;
using sketch::Accumulator;
using Answer = engine::Result<std::optional<WindowValue>>;

engine::Error does_not_fit(const engine::JobQuery& query, const Accumulator& window) {
  return engine::refused(std::string{engine::function_text(query.function)} + " cannot be answered from " +
                         std::string{sketch::family_text(window)});
}

WindowValue exactly(double value) {
  return {.value = value, .low = value, .high = value};
}

std::optional<WindowValue> quantile(const engine::JobQuery& query, const sketch::DDSketch& window) {
  const auto answer = window.quantile(query.parameter);
  if (std::isnan(answer.value)) return std::nullopt;
  const double off = answer.alpha * std::abs(answer.value);
  return WindowValue{.value = answer.value,
                     .low = answer.value - off,
                     .high = answer.value + off,
                     .degraded = answer.degraded};
}

WindowValue distinct(const sketch::Hll& window) {
  const auto answer = window.answer();
  return {.value = answer.estimate, .low = answer.low, .high = answer.high, .degraded = answer.degraded};
}

double statistic(const engine::JobQuery& query, const sketch::Stats::Content& window) {
  switch (query.function) {
    case Function::sum_over_time:
      return window.sum;
    case Function::count_over_time:
      return static_cast<double>(window.count);
    case Function::avg_over_time:
      return window.sum / static_cast<double>(window.count);
    case Function::min_over_time:
      return window.min;
    case Function::max_over_time:
      return window.max;
    case Function::last_over_time:
      return window.last.value;
    case Function::rate:
      return window.increase / std::chrono::duration<double>(query.window).count();
    default:
      return window.increase;
  }
}

}  // namespace

Answer answer_value(const engine::JobQuery& query, const Accumulator& window) {
  if (query.function == Function::quantile_over_time) {
    const auto* ddsketch = std::get_if<sketch::DDSketch>(&window);
    if (ddsketch == nullptr) return does_not_fit(query, window);
    return quantile(query, *ddsketch);
  }
  if (query.function == Function::count_distinct_over_time) {
    const auto* hll = std::get_if<sketch::Hll>(&window);
    if (hll == nullptr) return does_not_fit(query, window);
    return std::optional{distinct(*hll)};
  }
  const auto* stats = std::get_if<sketch::Stats>(&window);
  if (stats == nullptr) return does_not_fit(query, window);
  if (stats->empty()) return std::optional<WindowValue>{};
  return std::optional{exactly(statistic(query, *stats->content()))};
}

engine::Result<sketch::TopAnswer> answer_items(const engine::JobQuery& query, const Accumulator& window) {
  const auto k = static_cast<std::size_t>(query.parameter);
  if (const auto* count_min = std::get_if<sketch::CountMin>(&window)) return count_min->top_k(k);
  if (const auto* count_sketch = std::get_if<sketch::CountSketch>(&window)) return count_sketch->top_k(k);
  if (const auto* items = std::get_if<sketch::FrequentItems>(&window)) return items->top_k(k);
  return does_not_fit(query, window);
}

}  // namespace settle::query
