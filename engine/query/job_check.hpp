// engine/query/job_check.hpp: can a job's query be answered? What the parser cannot know without the job.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/promql/job_query.hpp"

namespace settle::query {

enum class SketchType : std::uint8_t { scalar, ddsketch, hll, countsketch, countminsketch, stats };
[[nodiscard]] std::string_view sketch_type_text(SketchType type);
[[nodiscard]] std::optional<SketchType> parse_sketch_type(std::string_view text);

/// Each item of a heavy-hitters answer is a series of its own at the sinks.
inline constexpr double kItemsMax = 1000;
/// Buckets of a window; as many as a watch may have.
inline constexpr std::int64_t kWindowBucketsMax = 100'000;
/// Labels of `by`; a series has no more.
inline constexpr std::size_t kByLabelsMax = 64;

/// Why a job is refused.
struct Fault {
  std::string field;   // of the job
  std::string detail;  // what is wrong and what was expected: follows the field's name in a sentence
};

/// φ in [0, 1]; k whole, from 1 to kItemsMax. Of functions without a parameter nothing is wrong.
[[nodiscard]] std::optional<Fault> parameter_fault(const engine::JobQuery& query);
/// A whole number of buckets, kWindowBucketsMax at most. `granularity` > 0.
[[nodiscard]] std::optional<Fault> window_fault(const engine::JobQuery& query, engine::Duration granularity);
/// `sketch_type` as it was given; nullopt: it was not.
[[nodiscard]] std::optional<Fault> sketch_type_fault(const engine::JobQuery& query,
                                                     std::optional<std::string_view> sketch_type);
/// The first of them, in the order above.
[[nodiscard]] std::optional<Fault> job_fault(const engine::JobQuery& query, engine::Duration granularity,
                                             std::optional<std::string_view> sketch_type);

/// Label names, each once, and not `__name__`: series that are merged have no common name to keep.
[[nodiscard]] std::optional<Fault> by_fault(const std::vector<std::string>& by);

}  // namespace settle::query
