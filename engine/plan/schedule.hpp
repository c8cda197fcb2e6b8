// engine/plan/schedule.hpp: when a stream is polled next, and what for.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/model/time.hpp"

namespace settle::engine {

/// The offset in [0, interval) at which this stream ticks, the same in every run: streams spread over the
/// interval.
[[nodiscard]] Duration spread_phase(std::string_view stream_id, Duration interval);

/// The first instant after `now` of the grid phase + k * interval. Asked after a long sleep it gives one
/// tick, not one for each that was missed.
[[nodiscard]] Time next_tick(Time now, Duration interval, Duration phase);

struct LiveState {
  Time live_from;  // L
  Time now;
  Duration granularity{};
  Duration watch{};
  std::optional<Time> valid_until;  // no bucket that ends later is started
};
struct LivePlan {
  std::optional<Time> release_before;  // give up what starts earlier and is not sealed
  TimeRange range;                     // whole buckets that have ended; empty: nothing to ask
};
/// The live lane asks from the oldest bucket it still owns. It owns a bucket until it is sealed or its start
/// is older than 2 x watch, so an outage shorter than `watch` leaves no gap.
[[nodiscard]] LivePlan plan_live(const LiveState& state);

/// Where the live lane of a new stream starts: buckets of the last `watch`.
[[nodiscard]] Time first_live_bucket(Time now, Duration granularity, Duration watch);

}  // namespace settle::engine
