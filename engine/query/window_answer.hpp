// engine/query/window_answer.hpp: what the function of a job makes of a window that is merged.
#pragma once

#include <optional>

#include "engine/promql/job_query.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"
#include "engine/sketch/answer.hpp"

namespace settle::query {

struct WindowValue {
  double value = 0;
  double low = 0;  // the bound: both are `value` where it is exact
  double high = 0;
  sketch::Degraded degraded = sketch::Degraded::nothing;
};

/// All functions but top_k_over_time. `end`: of the window. nullopt: the window has no values, or too few.
/// Refused: it holds another kind of sketch than the function is answered from.
[[nodiscard]] engine::Result<std::optional<WindowValue>> answer_value(const engine::JobQuery& query,
                                                                      const sketch::Accumulator& window,
                                                                      engine::Time end);
/// top_k_over_time.
[[nodiscard]] engine::Result<sketch::TopAnswer> answer_items(const engine::JobQuery& query,
                                                             const sketch::Accumulator& window);

}  // namespace settle::query
