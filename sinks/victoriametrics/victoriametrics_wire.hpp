// sinks/victoriametrics/victoriametrics_wire.hpp: what VictoriaMetrics is told and what its answers mean.
// Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/sink.hpp"

namespace settle::sinks {

/// What the server drops although it answers 204; the defaults are those of 1.79.5.
struct RowLimits {
  std::size_t labels_max = 30;  // the metric name is one of them
  std::size_t label_value_bytes_max = 16u << 10;
  std::optional<engine::Duration> retention;  // none: not known
  engine::Duration future_max{std::chrono::hours{48}};
};
/// Why the server could not store exactly this row, whatever its series; none: it can.
[[nodiscard]] std::optional<std::string> refuse_point(const Row& row, engine::Time now,
                                                      const RowLimits& limits);
/// Why the server could store no row of the series; none: it can.
[[nodiscard]] std::optional<std::string> refuse_series(std::string_view series, const RowLimits& limits);
/// The one reason or the other.
[[nodiscard]] std::optional<std::string> refuse_row(const Row& row, engine::Time now,
                                                    const RowLimits& limits);

/// JSON lines for /api/v1/import: one line per series, times ascending. Rows have passed refuse_row().
///
/// Numbers are written in the shortest form that reads back. The server keeps whole numbers up to 2^53
/// exactly and all others to about 12 digits: its storage is decimal, with one exponent for a block of
/// samples.
[[nodiscard]] std::string encode_import(const std::vector<Row>& rows);

/// From /metrics; what is missing there is none.
struct ServerFacts {
  bool known = false;   // the text is that of a VictoriaMetrics server
  std::string version;  // "1.93.0"; "": it does not say, and counts as old
  unsigned major = 0;
  unsigned minor = 0;
  bool dedup = false;
  std::optional<engine::Time> started_at;
  RowLimits limits;
};
[[nodiscard]] ServerFacts parse_server_facts(std::string_view metrics);
/// "100y", "30d", "1" (months of 31 days), "1.5w".
[[nodiscard]] std::optional<engine::Duration> parse_retention(std::string_view text);
/// From 1.86 on the larger of two values at one timestamp wins, if dedup is on; before, the outcome is
/// unstable.
[[nodiscard]] Overwrite overwrite_of(const ServerFacts& facts);
[[nodiscard]] std::string server_text(const ServerFacts& facts);
[[nodiscard]] std::string meaning_of(const ServerFacts& facts);

}  // namespace settle::sinks
