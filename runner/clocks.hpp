// runner/clocks.hpp: the two injected clocks. Source time can start anywhere and run fast; steady time
// cannot.
#pragma once

#include <chrono>

#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"

namespace settle::runner {

using SteadyTime = std::chrono::steady_clock::time_point;

class Clocks {
 public:
  virtual ~Clocks() = default;
  /// For bucket ages, ticks and valid_until. Never runs backwards.
  [[nodiscard]] virtual engine::Time source_now() = 0;
  /// How far the clock that source time follows is behind what source time has reached, because it was set
  /// back: until it has caught up source time stands still, and so do all ticks. 0: it runs.
  [[nodiscard]] virtual engine::Duration behind() { return {}; }
  /// For time-outs, backoff and Retry-After.
  [[nodiscard]] virtual SteadyTime steady_now() = 0;
  /// For validating timestamps against a sink's retention and for `created_at`.
  [[nodiscard]] virtual engine::Time wall_now() = 0;
  /// Both return early, without error, when stop() was called.
  virtual boost::asio::awaitable<void> sleep_until_source(engine::Time at) = 0;
  virtual boost::asio::awaitable<void> sleep_for(std::chrono::milliseconds real) = 0;
  virtual void stop() = 0;
};

}  // namespace settle::runner
