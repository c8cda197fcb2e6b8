// engine/query/view_spec.hpp: what a job with a function asks, and of which cells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/promql/job_query.hpp"
#include "engine/query/job_check.hpp"
#include "engine/stabilizer/engine.hpp"

namespace settle::query {

/// In the series of cells, the scope of the source that said it: what several say of one series is merged in
/// windows.
inline constexpr std::string_view kScopeLabel = "__scope__";

/// How sketches are made of numbers, where the source sends numbers.
struct Building {
  double accuracy = 0.01;  // ddsketch: relative
  std::int64_t bin_limit =
      2048;                 // ddsketch, on each side of zero: the lowest are collapsed; 0: as many as needed
  unsigned precision = 12;  // hll
  std::uint32_t width = 2048;  // countminsketch, countsketch
  std::uint32_t depth = 4;
  std::size_t keep = 40;  // of their candidates
  bool weighted = false;  // items weigh what the rows say, as counts do; otherwise 1 for each row
  bool operator==(const Building&) const = default;
};

/// What a source's answers are made into before the engine sees them: equal ones share one feed.
struct CellSpec {
  SketchType type = SketchType::ddsketch;
  /// A label whose values are what is counted (hll) or weighed (countsketch, countminsketch); it leaves the
  /// series' labels. "": numbers are.
  std::string item;
  Building building;
  bool operator==(const CellSpec&) const = default;
};

struct ViewSpec {
  engine::JobQuery query;  // never `select`
  CellSpec cells;
  /// Labels that remain when series are merged before the function is applied; none: series stay apart.
  std::optional<std::vector<std::string>> by;  // sorted
  /// Of the cells: granularity, finality, watch, ttl, liveness, limits. The job's own options are those of
  /// the windows' results.
  engine::EngineOptions feed;
};

}  // namespace settle::query
