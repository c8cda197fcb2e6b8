#include "engine/plan/schedule.hpp"

#include <algorithm>

#include <xxhash.h>

namespace settle::engine {

Duration spread_phase(std::string_view stream_id, Duration interval) {
  const auto hash = XXH3_64bits(stream_id.data(), stream_id.size());
  return Duration{static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(interval.count()))};
}

Time next_tick(Time now, Duration interval, Duration phase) {
  return floor_to(now - phase, interval) + phase + interval;
}

LivePlan plan_live(const LiveState& state) {
  LivePlan plan;
  const Time reach = floor_to(state.now - 2 * state.watch, state.granularity);
  if (reach > state.live_from) {
    plan.release_before = reach;
  }
  plan.range.from = std::max(state.live_from, reach);
  plan.range.to = floor_to(state.now, state.granularity);
  if (state.valid_until) {
    plan.range.to = std::min(plan.range.to, floor_to(*state.valid_until, state.granularity));
  }
  plan.range.to = std::max(plan.range.to, plan.range.from);
  return plan;
}

Time first_live_bucket(Time now, Duration granularity, Duration watch) {
  return floor_to(now - watch, granularity);
}

}  // namespace settle::engine
