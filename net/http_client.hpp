// net/http_client.hpp: HTTP requests by libcurl's multi interface, driven by Asio; one client per event loop.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace settle::net {

struct Header {
  std::string name{};
  std::string value{};
  bool operator==(const Header&) const = default;
};

/// Secrets stay in files, read anew for every request, so that they can be rotated; they never reach a log.
struct Auth {
  std::string bearer_token_file{};  // "" : none
  std::string username{};           // basic auth, with password_file
  std::string password_file{};
  bool operator==(const Auth&) const = default;
};

/// A configured server: the only kind of host that is ever contacted.
struct Endpoint {
  std::string url{};  // http:// or https://, with an optional path prefix, without a trailing slash
  std::vector<Header> headers{};
  Auth auth{};
  std::string ca_file{};  // "" : the system's
  bool operator==(const Endpoint&) const = default;
};

struct ClientRequest {
  std::string method = "GET";
  Endpoint endpoint{};
  std::string path{};  // appended to the endpoint's url, with query string, already encoded
  std::vector<Header> headers{};
  std::string body{};
  std::chrono::milliseconds timeout{30'000};   // for the whole exchange; real time
  std::size_t response_bytes_max = 64u << 20;  // after inflation
  bool compressed = true;                      // the response may be
};

enum class TransportError : std::uint8_t {
  none,         // there is a response, whatever its status
  unreachable,  // nothing was sent: no connection, name unknown, TLS refused, secret file unreadable
  cut,        // the request was sent, wholly or partly, and no whole response came: it may have been applied
  timed_out,  // as `cut`
  too_large,  // the response went past response_bytes_max
  stopped,    // the client was stopped
};

struct ClientResult {
  TransportError error = TransportError::none;
  std::string detail;  // for the operator; no secrets
  int status = 0;
  std::vector<Header> headers;  // names in lower case
  std::string body;
};

[[nodiscard]] std::string_view header_value(const std::vector<Header>& headers, std::string_view lower_name);
/// Percent-encodes everything but unreserved characters.
[[nodiscard]] std::string url_encode(std::string_view text);
/// Seconds, or an HTTP date against `now`; none when absent or unreadable; at most one hour.
[[nodiscard]] std::optional<std::chrono::milliseconds> retry_after(const std::vector<Header>& headers,
                                                                   std::chrono::system_clock::time_point now);

class HttpClient {
 public:
  /// A single-threaded executor; the client dies before its context.
  explicit HttpClient(boost::asio::any_io_executor executor);
  ~HttpClient();
  /// No redirects; only http and https; keep-alive connections are reused. Call on the executor's thread.
  boost::asio::awaitable<ClientResult> send(ClientRequest request);
  /// Ends every request in flight with `stopped`, and every later one.
  void stop();

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // shared with the requests in flight
};

}  // namespace settle::net
