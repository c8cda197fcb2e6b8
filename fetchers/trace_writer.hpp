// fetchers/trace_writer.hpp: the lines of a trace file; fetchers/trace.hpp says what they mean.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "fetchers/trace.hpp"

namespace settle::fetchers {

/// The JSON object of a series' labels.
[[nodiscard]] std::string labels_json(const engine::Labels& labels);

/// One line, newline included; `scope` "" is left out. `series` is what labels_json made, `value` none (the
/// row disappeared) or finite.
[[nodiscard]] std::string value_line(engine::Time at, std::string_view scope, std::string_view series,
                                     engine::Time bucket, const std::optional<engine::Value>& value);
[[nodiscard]] std::string frontier_line(engine::Time at, std::string_view scope, engine::Time frontier);

/// Lines and frontiers by instant; what parse_trace reads back. Only of traces, not of recorded fetches.
void write_trace(std::ostream& out, const Trace& trace);

}  // namespace settle::fetchers
