// runner/turns.hpp: lets coroutines of one event loop do something one after the other, in the order they
// came.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

namespace settle::runner {

class Turns {
 public:
  /// Passes the turn on when it ends.
  class Turn;
  /// Returns when everybody who came before is done.
  boost::asio::awaitable<Turn> take();

 private:
  struct Queue {
    bool taken = false;
    std::deque<std::shared_ptr<boost::asio::steady_timer>>
        waiting;  // shared with the waiter, which may be gone
    void pass_on();
  };
  // A coroutine that is dropped in its turn, as in a crash, may outlive the Turns.
  std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
};

class Turns::Turn {
 public:
  explicit Turn(std::weak_ptr<Queue> queue) : queue_(std::move(queue)) {}
  Turn(Turn&& other) noexcept = default;
  Turn& operator=(Turn&&) = delete;
  ~Turn() {
    if (const auto queue = queue_.lock()) queue->pass_on();
  }

 private:
  std::weak_ptr<Queue> queue_;  // none: moved from, or everybody who waits is gone
};

}  // namespace settle::runner
