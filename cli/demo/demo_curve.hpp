// cli/demo/demo_curve.hpp: an arrival curve over values that are known to be final, for demos and rehearsals.
//
// Recorded final values say what a minute came to, not how it got there. The curve makes that up, with a
// fixed seed: each minute appears before it ends, grows for 0 to 5 minutes after its end, and reaches its
// final value. One minute stands still on the way for longer than two polls are apart, and once the whole
// source stands still.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/model/time.hpp"

namespace settle::cli {

/// Final counts by the start of their minute.
using FinalCounts = std::map<engine::Time, std::uint64_t>;

struct CurveStep {
  engine::Time at;
  engine::Time bucket;
  std::uint64_t count = 0;
};

struct DemoCurve {
  std::vector<CurveStep> steps;         // by (at, bucket); counts of a bucket strictly increase
  std::vector<engine::Time> frontiers;  // at T the source had data through T
  engine::TimeRange stall;              // nothing arrives; what was due comes at its end, all at once
  engine::Time plateau_bucket;          // the minute that stands still
  engine::TimeRange plateau;            // and when
  std::uint64_t plateau_count = 0;      // its value then
};

/// `finals` holds at least 20 minutes, each at least 100.
[[nodiscard]] DemoCurve make_curve(const FinalCounts& finals);

/// The trace as JSON lines: docs/trace.md. `series` is the JSON object of the series' labels.
[[nodiscard]] std::string trace_lines(const DemoCurve& curve, const std::string& series);

/// What is in it, in words, one sentence a line.
[[nodiscard]] std::string describe(const DemoCurve& curve);

}  // namespace settle::cli
