// net/http_server.hpp: a small HTTP/1.1 server on Beast: bounded in every direction, deaf to slow clients.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "net/http_client.hpp"

namespace settle::net {

struct ServerLimits {
  std::size_t header_bytes_max = 16u << 10;
  std::size_t body_bytes_max = 1u << 20;
  std::size_t connections_max = 512;
  std::chrono::milliseconds request_timeout{30'000};  // to read one whole request; also to write the answer
  std::chrono::milliseconds idle_timeout{60'000};     // between requests of one connection
  bool operator==(const ServerLimits&) const = default;
};

struct ServerRequest {
  std::string method;                                      // "GET"
  std::string path;                                        // decoded, without the query string
  std::vector<std::pair<std::string, std::string>> query;  // decoded, in order
  std::vector<Header> headers;                             // names in lower case
  std::string body;
  std::string peer;  // address, for the log
};

struct ServerResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<Header> headers{};
  std::string body{};
};

/// Runs on the server's executor; may suspend. What it throws becomes a 500 and a log line by the server's
/// owner.
using Handler = std::function<boost::asio::awaitable<ServerResponse>(ServerRequest)>;
/// Makes the answer for what the server refuses by itself (400, 408, 413, 431, 500, 503).
using Refuse = std::function<ServerResponse(int status, std::string detail)>;

class HttpServer {
 public:
  HttpServer(boost::asio::any_io_executor executor, ServerLimits limits, Handler handler, Refuse refuse);
  ~HttpServer();
  /// `127.0.0.1:0`, `[::1]:8428`. Returns "" or what is wrong; afterwards port() is what was bound.
  [[nodiscard]] std::string listen(const std::string& address);
  [[nodiscard]] std::uint16_t port() const;
  /// Stops accepting, lets requests in progress end, cuts the rest after `grace` (real time); then returns.
  boost::asio::awaitable<void> stop(std::chrono::milliseconds grace);
  [[nodiscard]] std::size_t connections() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the sessions, which may outlive stop() by one handler
};

}  // namespace settle::net
