// engine/promql/parser.hpp: texts of PromQL to values.
//
// What the query of a job may be, of PromQL:
//   query    = "(" query ")" | selector | function "(" [number ","] range ")"
//   range    = "(" range ")" | selector "[" duration "]"
//   number   = ["+" | "-"] ( "(" number ")" | literal )
// with functions as in job_query.hpp, and topk_over_time for top_k_over_time.
#pragma once

#include <cstddef>
#include <string_view>

#include "engine/promql/job_query.hpp"
#include "engine/result.hpp"

namespace settle::engine {

inline constexpr std::size_t kNestingMax = 100;

/// Errors say what was expected, what was found, and the position (1-based column, in bytes). Nested more
/// than kNestingMax deep is refused; no depth of it costs stack.
[[nodiscard]] Result<JobQuery> parse_job_query(std::string_view text);

}  // namespace settle::engine
