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
  class Turn {
   public:
    explicit Turn(Turns& turns) : turns_(&turns) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)) {}
    Turn& operator=(Turn&&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->pass_on();
    }

   private:
    Turns* turns_;
  };
  /// Returns when everybody who came before is done. The Turns outlives every turn.
  boost::asio::awaitable<Turn> take();

 private:
  void pass_on();
  bool taken_ = false;
  std::deque<std::shared_ptr<boost::asio::steady_timer>>
      waiting_;  // shared with the waiter, which may be gone
};

}  // namespace settle::runner
