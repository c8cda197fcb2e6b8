// tests/simulation/clocks.hpp: the time of a simulated world, and the clocks that one life of the daemon sees
// of it.
#pragma once

#include <algorithm>
#include <list>
#include <optional>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runner/clocks.hpp"

namespace settle::simulation {

/// Outlives the processes. The system's clock is the world's time and a skew; the world itself never goes
/// back.
struct WorldTime {
  engine::Time now;
  engine::Duration skew{};      // of the machine's clock
  runner::SteadyTime steady{};  // stands still while the machine sleeps
  [[nodiscard]] engine::Time system() const { return now + skew; }
};

class SimClocks final : public runner::Clocks {
 public:
  SimClocks(boost::asio::any_io_executor executor, const WorldTime& world, engine::Time floor)
      : executor_(std::move(executor)), world_(world), newest_(floor) {}

  engine::Time source_now() override { return newest_ = std::max(newest_, world_.system()); }
  runner::SteadyTime steady_now() override { return world_.steady; }
  engine::Time wall_now() override { return world_.system(); }

  boost::asio::awaitable<void> sleep_until_source(engine::Time at) override {
    // In slices, as the real clocks do: the system's clock may be stepped meanwhile.
    while (!stopped_ && source_now() < at) {
      const std::chrono::milliseconds slice =
          std::clamp(at - source_now(), engine::Duration{1}, engine::Duration{1'000});
      co_await sleep_for(slice);
    }
  }
  boost::asio::awaitable<void> sleep_for(std::chrono::milliseconds real) override {
    if (stopped_) co_return;
    co_await sleep(real, true);
  }
  /// Of the world around the daemon: stop() does not end it.
  boost::asio::awaitable<void> pass(std::chrono::milliseconds real) { co_await sleep(real, false); }

  void stop() override {
    stopped_ = true;
    for (Sleeper* one : sleepers_) {
      if (one->stoppable) one->timer.cancel();
    }
  }
  /// Wakes who is due. The world's time has been moved.
  void wake() {
    for (Sleeper* one : sleepers_) {
      if (one->until <= world_.steady) one->timer.cancel();
    }
  }
  /// None: nobody sleeps.
  [[nodiscard]] std::optional<runner::SteadyTime> next_wake() const {
    std::optional<runner::SteadyTime> next;
    for (const Sleeper* one : sleepers_) {
      if (one->until > world_.steady) next = std::min(next.value_or(one->until), one->until);
    }
    return next;
  }

 private:
  /// In the frame of the coroutine that sleeps; leaves the list however the frame ends.
  struct Sleeper {
    Sleeper(SimClocks& of, std::chrono::milliseconds real, bool may_stop)
        : clocks(of),
          timer(of.executor_, boost::asio::steady_timer::time_point::max()),
          until(of.world_.steady + real),
          stoppable(may_stop),
          place(of.sleepers_.insert(of.sleepers_.end(), this)) {}
    Sleeper(const Sleeper&) = delete;
    ~Sleeper() { clocks.sleepers_.erase(place); }
    SimClocks& clocks;
    boost::asio::steady_timer timer;
    runner::SteadyTime until;
    bool stoppable;
    std::list<Sleeper*>::iterator place;
  };

  boost::asio::awaitable<void> sleep(std::chrono::milliseconds real, bool stoppable) {
    if (real <= std::chrono::milliseconds::zero()) co_return;
    Sleeper sleeper{*this, real, stoppable};
    (void)co_await sleeper.timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

  boost::asio::any_io_executor executor_;
  const WorldTime& world_;
  engine::Time newest_;
  bool stopped_ = false;
  std::list<Sleeper*> sleepers_;
};

}  // namespace settle::simulation
