// tests/support/manual_clocks.hpp: clocks that move only when the test says so.
#pragma once

#include <algorithm>
#include <list>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "runner/clocks.hpp"

namespace settle::test {

/// Both clocks advance together; sleepers that are due wake in the order of their instants.
class ManualClocks final : public runner::Clocks {
 public:
  engine::Duration behind_by{};

  ManualClocks(boost::asio::any_io_executor executor, engine::Time start)
      : executor_(std::move(executor)), source_(start), wall_(start) {}

  engine::Time source_now() override { return source_; }
  engine::Duration behind() override { return behind_by; }
  runner::SteadyTime steady_now() override { return steady_; }
  engine::Time wall_now() override { return wall_; }

  boost::asio::awaitable<void> sleep_until_source(engine::Time at) override {
    const std::chrono::milliseconds left = at - source_;
    co_await sleep_for(left);
  }

  boost::asio::awaitable<void> sleep_for(std::chrono::milliseconds real) override {
    if (stopped_ || real <= std::chrono::milliseconds::zero()) {
      co_return;
    }
    boost::asio::steady_timer timer{executor_, boost::asio::steady_timer::time_point::max()};
    const auto place = sleepers_.insert(sleepers_.end(), {steady_ + real, &timer});
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    sleepers_.erase(place);
  }

  void stop() override {
    stopped_ = true;
    for (auto& [at, timer] : sleepers_) {
      timer->cancel();
    }
  }

  void advance(std::chrono::milliseconds by) {
    source_ += by;
    wall_ += by;
    steady_ += by;
    sleepers_.sort([](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto& [at, timer] : sleepers_) {
      if (at <= steady_) {
        timer->cancel();
      }
    }
  }

  /// When the next sleeper wakes; max: nobody sleeps.
  [[nodiscard]] runner::SteadyTime next_wake() const {
    runner::SteadyTime next = runner::SteadyTime::max();
    for (const auto& [at, timer] : sleepers_) {
      next = std::min(next, at);
    }
    return next;
  }

 private:
  boost::asio::any_io_executor executor_;
  engine::Time source_;
  engine::Time wall_;
  runner::SteadyTime steady_{};
  bool stopped_ = false;
  std::list<std::pair<runner::SteadyTime, boost::asio::steady_timer*>> sleepers_;
};

}  // namespace settle::test
