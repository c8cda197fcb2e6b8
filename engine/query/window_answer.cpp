#include "engine/query/window_answer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
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
  // What lies in collapsed bins may be anything smaller.
  const bool collapsed = sketch::has(answer.degraded, sketch::Degraded::collapsed);
  return WindowValue{.value = answer.value,
                     .low = collapsed ? -std::numeric_limits<double>::infinity() : answer.value - off,
                     .high = answer.value + off,
                     .degraded = answer.degraded};
}

WindowValue distinct(const sketch::Hll& window) {
  const auto answer = window.answer();
  return {.value = answer.estimate, .low = answer.low, .high = answer.high, .degraded = answer.degraded};
}

double seconds(engine::Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

/// What a counter rose by in the window, as Prometheus has it (promql's extrapolatedRate): what its samples
/// say, stretched to the ends of the window, or by half the distance of its samples where an end is further
/// off than they lie apart. None: a single sample.
std::optional<double> rise(engine::Duration window, const sketch::Stats::Content& of, engine::Time end) {
  if (of.count < 2 || of.last.at <= of.first.at) return std::nullopt;
  const double sampled = seconds(of.last.at - of.first.at);
  const double apart = sampled / static_cast<double>(of.count - 1);
  const double far = apart * 1.1;
  double before = seconds(of.first.at - (end - window));
  const double after = seconds(end - of.last.at);
  if (of.increase > 0 && of.first.value >= 0) {
    before = std::min(before, sampled * (of.first.value / of.increase));  // a counter is never below zero
  }
  const double stretched = sampled + (before < far ? before : apart / 2) + (after < far ? after : apart / 2);
  return of.increase * (stretched / sampled);
}

std::optional<double> statistic(const engine::JobQuery& query, const sketch::Stats::Content& window,
                                engine::Time end) {
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
    case Function::rate: {
      const auto risen = rise(query.window, window, end);
      return risen ? std::optional{*risen / seconds(query.window)} : std::nullopt;
    }
    default:
      return rise(query.window, window, end);
  }
}

}  // namespace

Answer answer_value(const engine::JobQuery& query, const Accumulator& window, engine::Time end) {
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
  const auto value = statistic(query, *stats->content(), end);
  return value ? std::optional{exactly(*value)} : std::nullopt;
}

engine::Result<sketch::TopAnswer> answer_items(const engine::JobQuery& query, const Accumulator& window) {
  const auto k = static_cast<std::size_t>(query.parameter);
  if (const auto* count_min = std::get_if<sketch::CountMin>(&window)) return count_min->top_k(k);
  if (const auto* count_sketch = std::get_if<sketch::CountSketch>(&window)) return count_sketch->top_k(k);
  if (const auto* items = std::get_if<sketch::FrequentItems>(&window)) return items->top_k(k);
  return does_not_fit(query, window);
}

}  // namespace settle::query
