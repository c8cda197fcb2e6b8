// cli/replay/shapes.hpp: how the data of made-up sources arrives: the traces on which the finality policies
// are compared.
//
// Every event belongs to the minute in which it happens and becomes visible some time after it; the value of
// a minute is the number of its visible events. All numbers follow from the seed and are made with whole
// numbers alone, so a trace is the same on every machine. No shape reports a frontier: the source is judged
// by its movement, which is the harder case.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "fetchers/trace.hpp"

namespace settle::cli {

struct Shape {
  std::string_view name;
  std::string_view description;  // one line
};
/// In the order of docs/finality.md.
[[nodiscard]] std::span<const Shape> shapes();

struct ShapeOptions {
  std::uint64_t seed = 1;
  std::uint32_t windows = 3000;  // minutes
};

struct ShapedTrace {
  fetchers::Trace trace;
  std::vector<engine::TimeRange> freezes;  // nothing at all changes; what was due comes at the end, at once
};

inline constexpr engine::Duration kShapeWindow = std::chrono::minutes{1};
/// What the source has said of a minute at this age is the truth: later events do not count.
inline constexpr engine::Duration kShapeTruthAge = std::chrono::minutes{30};

/// Refuses a name that is none of shapes().
[[nodiscard]] engine::Result<ShapedTrace> make_shape(std::string_view name, const ShapeOptions& options);

}  // namespace settle::cli
