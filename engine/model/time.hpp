// engine/model/time.hpp: instants, ranges and their texts. Always UTC, always milliseconds.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "engine/result.hpp"

namespace settle::engine {

using Duration = std::chrono::milliseconds;
using Time = std::chrono::sys_time<Duration>;

/// [from, to).
struct TimeRange {
  Time from{};
  Time to{};
  [[nodiscard]] bool empty() const { return to <= from; }
  [[nodiscard]] bool contains(Time at) const { return from <= at && at < to; }
  auto operator<=>(const TimeRange&) const = default;
};

[[nodiscard]] constexpr Time from_epoch_ms(std::int64_t ms) {
  return Time{Duration{ms}};
}
[[nodiscard]] constexpr std::int64_t epoch_ms(Time at) {
  return at.time_since_epoch().count();
}

/// The start of the bucket of length `step` (> 0) that holds `at`; buckets are aligned to the epoch.
[[nodiscard]] constexpr Time floor_to(Time at, Duration step) {
  const auto ms = epoch_ms(at);
  const auto rest = ((ms % step.count()) + step.count()) % step.count();
  return from_epoch_ms(ms - rest);
}
/// The first bucket start at or after `at`.
[[nodiscard]] constexpr Time ceil_to(Time at, Duration step) {
  const Time floor = floor_to(at, step);
  return floor == at ? at : floor + step;
}

/// `90s`, `1m`, `1h30m`, `500ms`; units d, h, m, s, ms, each at most once and in falling order; more than
/// zero and at most 100 years.
[[nodiscard]] Result<Duration> parse_duration(std::string_view text);
/// The one form with the largest units first, which parse_duration reads back: 90000 ms is `1m30s`. Zero is
/// `0s`.
[[nodiscard]] std::string format_duration(Duration duration);

/// RFC 3339 with `Z` or an offset and up to 9 digits of fraction (cut to milliseconds), or integer epoch
/// milliseconds; years 0000 to 9999.
[[nodiscard]] Result<Time> parse_time(std::string_view text);
/// `2026-06-26T13:57:00Z`; milliseconds are written when not zero.
[[nodiscard]] std::string format_time(Time at);

}  // namespace settle::engine
