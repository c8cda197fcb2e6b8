// tests/support/loopback.hpp: an event loop that a test runs until its coroutine ends, and scripted peers.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace settle::test {

/// Runs `work` on `context` to its end; false when it was not done after `limit` (then the test has failed).
[[nodiscard]] bool run_until_done(boost::asio::io_context& context, boost::asio::awaitable<void> work,
                                  std::chrono::milliseconds limit = std::chrono::seconds{30});

/// Of result_of(): shared with the work, which may outlive the wait.
template <class T>
boost::asio::awaitable<void> keep_result(boost::asio::awaitable<T> work, std::shared_ptr<T> result) {
  *result = co_await std::move(work);
}

/// What `work` gives. Throws when it is not done in time.
template <class T>
[[nodiscard]] T result_of(boost::asio::io_context& context, boost::asio::awaitable<T> work) {
  const auto result = std::make_shared<T>();
  if (!run_until_done(context, keep_result(std::move(work), result))) {
    throw std::runtime_error("the work was not done in time");
  }
  return std::move(*result);
}

/// A server that plays one script per connection: reads one request head, says the text, then closes or
/// stays.
class ScriptedServer {
 public:
  struct Step {
    std::string answer;  // "" : nothing is said
    bool close = true;   // after the answer; else the connection is held open and the next head is read
  };
  ScriptedServer(boost::asio::io_context& context, std::vector<Step> steps);
  ~ScriptedServer();
  [[nodiscard]] unsigned short port() const;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port()); }
  /// The heads that came, in order; the body of a request that fits into the same read is behind its head.
  [[nodiscard]] const std::vector<std::string>& requests() const;
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

/// A port on which nobody listens.
[[nodiscard]] unsigned short unused_port(boost::asio::io_context& context);

/// Connects to the port, sends `text`, reads until the peer closes; gives what came.
boost::asio::awaitable<std::string> exchange_raw(unsigned short port, std::string text);

}  // namespace settle::test
