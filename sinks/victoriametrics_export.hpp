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

/// The form of a POST to /api/v1/export that asks for the series of `rows` over the time they span. Series
/// with further labels match too; matches() sorts them out.
[[nodiscard]] std::string export_form(std::span<const Row> rows);

/// Canonical series text -> (epoch ms, value); a timestamp may occur more than once.
using Exported = std::map<std::string, std::vector<std::pair<std::int64_t, double>>, std::less<>>;
/// Reads JSON lines, several per series as the server likes, with bare Inf and null among the values.
[[nodiscard]] engine::Result<Exported> parse_export(std::string_view lines);

/// For each row: is its value at its (series, timestamp)? Compared as exactly as the server stores: to one
/// part in 10^12 of the value, or in 10^18 of the largest value of the series; whole numbers up to 2^53
/// exactly.
[[nodiscard]] std::vector<bool> matches(std::span<const Row> rows, const Exported& exported);

}  // namespace settle::sinks
