#include "runner/turns.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace settle::runner {

namespace asio = boost::asio;

asio::awaitable<Turns::Turn> Turns::take() {
  if (!taken_) {
    taken_ = true;
    co_return Turn(*this);
  }
  auto executor = co_await asio::this_coro::executor;
  auto mine = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  waiting_.push_back(mine);
  co_await mine->async_wait(asio::as_tuple(asio::use_awaitable));  // ends when pass_on() cancels it
  co_return Turn(*this);
}

void Turns::pass_on() {
  if (waiting_.empty()) {
    taken_ = false;
    return;
  }
  const auto next = waiting_.front();
  waiting_.pop_front();
  next->cancel();
}

}  // namespace settle::runner
