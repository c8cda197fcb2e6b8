#include "runner/turns.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace settle::runner {

namespace asio = boost::asio;

asio::awaitable<Turns::Turn> Turns::take() {
  const std::shared_ptr<Queue>& queue = queue_;
  if (!queue->taken) {
    queue->taken = true;
    co_return Turn{queue};
  }
  auto executor = co_await asio::this_coro::executor;
  auto mine = std::make_shared<asio::steady_timer>(executor, asio::steady_timer::time_point::max());
  queue->waiting.push_back(mine);
  co_await mine->async_wait(asio::as_tuple(asio::use_awaitable));  // ends when pass_on() cancels it
  co_return Turn{queue_};
}

void Turns::Queue::pass_on() {
  if (waiting.empty()) {
    taken = false;
    return;
  }
  const auto next = waiting.front();
  waiting.pop_front();
  next->cancel();
}

}  // namespace settle::runner
