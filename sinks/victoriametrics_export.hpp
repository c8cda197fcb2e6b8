// sinks/victoriametrics_export.hpp: reading rows back from /api/v1/export. Pure.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/result.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

/// The form of a POST to /api/v1/export that asks for these series (canonical texts). Series with further
/// labels match too; matches() and append_stored() sort them out.
[[nodiscard]] std::string export_form(std::span<const std::string> series, engine::TimeRange timestamps);

/// Canonical series text -> (epoch ms, value); a timestamp may occur more than once.
using Exported = std::map<std::string, std::vector<std::pair<std::int64_t, double>>, std::less<>>;
/// Reads JSON lines, several per series as the server likes, with bare Inf and null among the values.
[[nodiscard]] engine::Result<Exported> parse_export(std::string_view lines);

/// For each row: is its value at its (series, timestamp)? Compared as exactly as the server stores: to one
/// part in 10^12 of the value, or in 10^18 of the largest value of the series; whole numbers up to 2^53
/// exactly. A stale marker reads back as any NaN.
[[nodiscard]] std::vector<bool> matches(std::span<const Row> rows, const Exported& exported);

/// What the export has of `series` (sorted), by (series, timestamp, value).
void append_stored(std::vector<StoredSample>& found, std::span<const std::string> series,
                   const Exported& exported);

}  // namespace settle::sinks
