// sinks/victoriametrics/victoriametrics_export.hpp: reading rows back from /api/v1/export. Pure.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"
#include "sinks/read_back.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

/// The form of a POST to /api/v1/export that asks for these series (canonical texts). Series with further
/// labels match too; they are sorted out later.
[[nodiscard]] std::string export_form(std::span<const std::string> series, engine::TimeRange timestamps);

/// Reads JSON lines, several per series as the server likes, with bare Inf and null among the values.
[[nodiscard]] engine::Result<Exported> parse_export(std::string_view lines);

/// For each row: is its value at its (series, timestamp)? Compared as exactly as the server stores: to one
/// part in 10^12 of the value, or in 10^18 of the largest value of the series; whole numbers up to 2^53
/// exactly. A stale marker reads back as any NaN.
[[nodiscard]] std::vector<bool> matches(std::span<const Row> rows, const Exported& exported);

}  // namespace settle::sinks
