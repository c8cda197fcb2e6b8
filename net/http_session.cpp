#include "net/http_session.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "net/http_text.hpp"

namespace settle::net {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace {

using Error = boost::system::error_code;
using Parser = http::request_parser<http::string_body>;
using Response = http::response<http::string_body>;

constexpr std::size_t kReadAheadBytes = 64u << 10;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
constexpr std::chrono::milliseconds kCancelAgain{20};
constexpr std::chrono::milliseconds kLinger{1'000};

struct Refusal {
  int status = 0;
  std::string detail;
};

std::string_view as_view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

/// What to answer to a request that could not be read; none: the connection is gone, nobody listens.
std::optional<Refusal> refusal_for(const Error& error, bool deadline_passed, const ServerLimits& limits) {
  if (deadline_passed) {
    return Refusal{408, "no whole request within " + std::to_string(limits.request_timeout.count()) + " ms"};
  }
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return Refusal{431,
                   "the request's head is larger than " + std::to_string(limits.header_bytes_max) + " bytes"};
  }
  if (error == http::error::body_limit) {
    return Refusal{413,
                   "the request's body is larger than " + std::to_string(limits.body_bytes_max) + " bytes"};
  }
  if (error.category() != make_error_code(http::error::bad_method).category()) return std::nullopt;
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  return Refusal{400, "not an HTTP request: " + error.message()};
}

bool waits_for_continue(const Parser& parser) {
  if (parser.is_done() || parser.get().version() < 11) return false;
  return to_lower(as_view(parser.get()[http::field::expect])) == "100-continue";
}

std::optional<ServerRequest> take_request(Parser& parser, const std::string& peer) {
  auto message = parser.release();
  auto target = parse_target(as_view(message.target()));
  if (!target) return std::nullopt;
  ServerRequest request;
  request.method = std::string(as_view(message.method_string()));
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  for (const auto& field : message) {
    Header header;
    header.name = to_lower(as_view(field.name_string()));
    header.value = std::string(as_view(field.value()));
    request.headers.push_back(std::move(header));
  }
  request.body = std::move(message.body());
  request.peer = peer;
  return request;
}

Response to_message(ServerResponse answer, bool keep_alive, bool head) {
  Response message;
  message.version(11);
  message.result(static_cast<unsigned>(answer.status));
  for (const Header& header : answer.headers) message.insert(header.name, header.value);
  if (!answer.content_type.empty()) message.set(http::field::content_type, answer.content_type);
  message.keep_alive(keep_alive);
  const bool bodiless = answer.status == 204 || answer.status == 304 || answer.status / 100 == 1;
  if (!bodiless) message.content_length(answer.body.size());
  if (!head && !bodiless) message.body() = std::move(answer.body);
  return message;
}

std::string peer_of(const asio::ip::tcp::socket& socket) {
  Error error;
  const auto endpoint = socket.remote_endpoint(error);
  return error ? std::string{} : endpoint.address().to_string();
}

}  // namespace

Session::Session(asio::ip::tcp::socket socket, std::shared_ptr<const SessionRules> rules)
    : socket_(std::move(socket)), rules_(std::move(rules)), deadline_(socket_.get_executor()) {}

void Session::close_when_idle() {
  closing_ = true;
  if (!in_request_) cut();
}

void Session::cut() {
  closing_ = true;
  Error ignored;
  socket_.close(ignored);
}

void Session::set_deadline(std::chrono::milliseconds limit) {
  clear_deadline();
  arm(limit, deadline_generation_);
}

void Session::clear_deadline() {
  ++deadline_generation_;
  deadline_passed_ = false;
  deadline_.cancel();
}

void Session::arm(std::chrono::milliseconds after, unsigned generation) {
  deadline_.expires_after(after);
  deadline_.async_wait([weak = weak_from_this(), generation](Error error) {
    const auto session = weak.lock();
    if (!session || error || generation != session->deadline_generation_) return;
    session->deadline_passed_ = true;
    Error ignored;
    session->socket_.cancel(ignored);
    session->arm(kCancelAgain, generation);
  });
}

/// The coroutines of one session; lives in run_session's or turn_away's frame.
class SessionRun {
 public:
  explicit SessionRun(std::shared_ptr<Session> session)
      : session_(std::move(session)), buffer_(limits().header_bytes_max + kReadAheadBytes) {}

  asio::awaitable<void> serve();
  asio::awaitable<void> refuse(int status, std::string detail);

 private:
  asio::awaitable<bool> wait_for_request();
  asio::awaitable<bool> serve_one();
  asio::awaitable<Error> read(Parser* parser);
  asio::awaitable<ServerResponse> handle(ServerRequest request);
  asio::awaitable<bool> write(Response message);
  asio::awaitable<void> linger();

  [[nodiscard]] const ServerLimits& limits() const { return session_->rules_->limits; }

  std::shared_ptr<Session> session_;
  boost::beast::flat_buffer buffer_;
  std::string peer_ = peer_of(session_->socket_);
};

asio::awaitable<void> SessionRun::serve() {
  for (bool open = true; open && !session_->closing_;) {
    open = co_await wait_for_request();
    if (!open) break;
    session_->in_request_ = true;
    open = co_await serve_one();
    session_->in_request_ = false;
  }
  session_->clear_deadline();
  session_->cut();
}

/// Between requests a silent client is nobody's fault: it is closed without an answer.
asio::awaitable<bool> SessionRun::wait_for_request() {
  if (buffer_.size() > 0) co_return true;
  session_->set_deadline(limits().idle_timeout);
  const auto space = buffer_.prepare(4096);
  auto [error, bytes] =
      co_await session_->socket_.async_read_some(space, asio::as_tuple(asio::use_awaitable));
  if (error) co_return false;
  buffer_.commit(bytes);
  co_return true;
}

/// A client that said `Expect: 100-continue` sends its body only when told to; curl waits a second for that.
/// A body past the limit is refused at its head, before it is sent.
asio::awaitable<Error> SessionRun::read(Parser* parser) {
  auto& socket = session_->socket_;
  auto [head_error, head_bytes] =
      co_await http::async_read_header(socket, buffer_, *parser, asio::as_tuple(asio::use_awaitable));
  if (head_error) co_return head_error;
  if (waits_for_continue(*parser) && buffer_.size() == 0) {
    const auto words = asio::buffer(kContinue.data(), kContinue.size());
    auto [error, bytes] = co_await asio::async_write(socket, words, asio::as_tuple(asio::use_awaitable));
    if (error) co_return error;
  }
  auto [error, bytes] =
      co_await http::async_read(socket, buffer_, *parser, asio::as_tuple(asio::use_awaitable));
  co_return error;
}

asio::awaitable<bool> SessionRun::serve_one() {
  Parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits().header_bytes_max));
  parser.body_limit(limits().body_bytes_max);
  session_->set_deadline(limits().request_timeout);
  const Error error = co_await read(&parser);
  const bool late = session_->deadline_passed_;
  session_->clear_deadline();
  if (error) {
    if (auto refusal = refusal_for(error, late, limits())) {
      co_await refuse(refusal->status, refusal->detail);
    }
    co_return false;
  }
  const bool keep_alive = parser.get().keep_alive();
  const bool head = parser.get().method() == http::verb::head;
  auto request = take_request(parser, peer_);
  ServerResponse answer;
  if (request) {
    answer = co_await handle(*std::move(request));
  } else {
    answer = session_->rules_->refuse(400, "the request's target is not a path, or is badly encoded");
  }
  const bool stay = keep_alive && !session_->closing_;
  Response message = to_message(std::move(answer), stay, head);
  const bool written = co_await write(std::move(message));
  if (written && !stay) co_await linger();
  co_return written&& stay;
}

asio::awaitable<ServerResponse> SessionRun::handle(ServerRequest request) {
  std::string failure = "not a standard exception";
  try {
    ServerResponse answer = co_await session_->rules_->handler(std::move(request));
    co_return answer;
  } catch (const std::exception& error) {
    failure = error.what();
  } catch (...) {
  }
  co_return session_->rules_->refuse(500, failure);
}

asio::awaitable<bool> SessionRun::write(Response message) {
  session_->set_deadline(limits().request_timeout);
  auto [error, bytes] =
      co_await http::async_write(session_->socket_, message, asio::as_tuple(asio::use_awaitable));
  session_->clear_deadline();
  co_return !error;
}

asio::awaitable<void> SessionRun::refuse(int status, std::string detail) {
  ServerResponse answer = session_->rules_->refuse(status, std::move(detail));
  Response message = to_message(std::move(answer), false, false);
  const bool written = co_await write(std::move(message));
  if (written) co_await linger();
}

/// Closing a socket with unread input resets the connection, and the client may lose the answer: so the rest
/// of what it sends is read and thrown away, for a short time.
asio::awaitable<void> SessionRun::linger() {
  Error error;
  session_->socket_.shutdown(asio::ip::tcp::socket::shutdown_send, error);
  session_->set_deadline(std::min(kLinger, limits().request_timeout));
  std::array<char, 4096> rubbish{};
  const auto space = asio::buffer(rubbish);
  while (!error && !session_->deadline_passed_) {
    auto [failed, bytes] =
        co_await session_->socket_.async_read_some(space, asio::as_tuple(asio::use_awaitable));
    error = failed;
  }
  session_->clear_deadline();
}

asio::awaitable<void> run_session(std::shared_ptr<Session> session) {
  SessionRun run(std::move(session));
  co_await run.serve();
}

asio::awaitable<void> turn_away(std::shared_ptr<Session> session, int status, std::string detail) {
  SessionRun run(session);
  co_await run.refuse(status, std::move(detail));
  session->cut();
}

}  // namespace settle::net
