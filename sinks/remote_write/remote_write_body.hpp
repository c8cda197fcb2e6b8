// sinks/remote_write/remote_write_body.hpp: rows as a Prometheus remote write 1.0 request, before and after
// compression. Pure.
//
// WriteRequest { repeated TimeSeries timeseries = 1; }
// TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
// Label        { string name = 1; string value = 2; }   Sample { double value = 1; int64 timestamp = 2; }
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sinks/sink.hpp"

namespace settle::sinks {

/// The one NaN that ends a series.
inline constexpr std::uint64_t kStaleMarkerBits = 0x7ff0000000000002u;

/// One time series per series, in the order of first appearance; labels sorted by name, the metric name among
/// them; times ascending. A row with Reason::stale becomes the stale marker. Rows have passed
/// refuse_sample().
[[nodiscard]] std::string encode_write_request(const std::vector<Row>& rows);

/// Why no remote write server could take exactly this row; none: it can be sent.
[[nodiscard]] std::optional<std::string> refuse_sample(const Row& row);

/// Snappy's block format, not its framed one.
[[nodiscard]] std::string compress_snappy(std::string_view bytes);
/// One zstd frame.
[[nodiscard]] std::string compress_zstd(std::string_view bytes);

}  // namespace settle::sinks
