// sinks/remote_write/prometheus_answers.hpp: what a server with the Prometheus API is asked when it is read
// back or checked, and what it answers. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "sinks/read_back.hpp"

namespace settle::sinks {

/// Few selectors that together match all of `series` (canonical texts): series with the same metric and label
/// names share one, with the values as alternatives. They match others, too.
[[nodiscard]] std::vector<std::string> plan_selectors(std::span<const std::string> series);
/// The form of a POST to /api/v1/query for every raw sample of `selector` with a timestamp in the range; one
/// just before it may come as well. Times outside of the years 1970 to 2200 are cut off.
[[nodiscard]] std::string raw_query_form(std::string_view selector, engine::TimeRange timestamps);
/// The answer's samples with a timestamp in the range. Stale markers are not among them: a range selector
/// leaves them out.
[[nodiscard]] engine::Result<Exported> parse_raw_samples(std::string_view json, engine::TimeRange timestamps);

/// From /api/v1/status/buildinfo.
struct BuildInfo {
  std::string application;  // "" : does not name itself; Prometheus does not
  std::string version;
  std::string go_version;  // "" : a VictoriaMetrics that says what Prometheus would say
};
[[nodiscard]] std::optional<BuildInfo> parse_build_info(std::string_view json);
/// `process_start_time_seconds` in /metrics.
[[nodiscard]] std::optional<engine::Time> parse_process_start(std::string_view metrics);

}  // namespace settle::sinks
