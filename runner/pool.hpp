// runner/pool.hpp: work that would hold up the event loop runs on a thread pool; the coroutine resumes on its
// loop.
#pragma once

#include <chrono>
#include <type_traits>
#include <utility>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace settle::runner {

/// The result type must be default-constructible. What `work` throws is thrown here.
template <class Work>
boost::asio::awaitable<std::invoke_result_t<Work&>> run_on(boost::asio::thread_pool& pool, Work work) {
  // No captures: the argument is copied into the coroutine's frame, a capture would not be.
  auto body = [](Work inner) -> boost::asio::awaitable<std::invoke_result_t<Work&>> { co_return inner(); };
  auto task = body(std::move(work));
  co_return co_await boost::asio::co_spawn(pool, std::move(task), boost::asio::use_awaitable);
}

/// Real time, not to be stopped: for waiting until work in progress has ended.
inline boost::asio::awaitable<void> wait_a_moment() {
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor, std::chrono::milliseconds{2}};
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace settle::runner
