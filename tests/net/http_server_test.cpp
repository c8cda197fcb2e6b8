#include "net/http_server.hpp"

#include <array>
#include <optional>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "tests/support/loopback.hpp"

namespace settle::net {
namespace {

namespace asio = boost::asio;
using settle::test::exchange_raw;
using std::chrono::milliseconds;
using tcp = asio::ip::tcp;

/// What the handler saw, and the gate at which `/wait` stands.
struct Seen {
  explicit Seen(asio::io_context& context) : gate(context, asio::steady_timer::time_point::max()) {}
  std::vector<ServerRequest> requests;
  asio::steady_timer gate;
  std::size_t large_bytes = 0;
};

asio::awaitable<ServerResponse> answer(Seen* seen, ServerRequest request) {
  const std::string path = request.path;
  seen->requests.push_back(std::move(request));
  if (path == "/throw") throw std::runtime_error("the handler's own words");
  if (path == "/wait") (void)co_await seen->gate.async_wait(asio::as_tuple(asio::use_awaitable));
  ServerResponse response;
  response.content_type = "text/plain";
  response.body = path == "/large" ? std::string(seen->large_bytes, 'x') : "<" + path + ">";
  response.headers.push_back({"X-Own", "yes"});
  co_return response;
}

ServerResponse refuse(int status, std::string detail) {
  ServerResponse response;
  response.status = status;
  response.body = "refused: " + std::move(detail);
  return response;
}

asio::awaitable<void> exchange_into(unsigned short port, std::string text, std::string* received) {
  *received = co_await exchange_raw(port, std::move(text));
}

asio::awaitable<void> yield_until(std::function<bool()> condition) {
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  while (!condition()) {
    timer.expires_after(milliseconds{1});
    co_await timer.async_wait(asio::use_awaitable);
  }
}

/// What comes next, in one piece or at least its beginning.
asio::awaitable<void> read_some(tcp::socket* socket, std::string* received) {
  std::array<char, 4096> space{};
  const auto into = asio::buffer(space);
  auto [error, bytes] = co_await socket->async_read_some(into, asio::as_tuple(asio::use_awaitable));
  received->assign(space.data(), bytes);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

class HttpServerTest : public testing::Test {
 protected:
  void start(ServerLimits limits = {}) {
    Handler handler = [this](ServerRequest request) { return answer(&seen_, std::move(request)); };
    server_.emplace(context_.get_executor(), limits, std::move(handler), refuse);
    ASSERT_EQ(server_->listen("127.0.0.1:0"), "");
  }
  std::string exchange(const std::string& text) {
    std::string received;
    EXPECT_TRUE(test::run_until_done(context_, exchange_into(server_->port(), text, &received)));
    return received;
  }
  void wait_for(std::function<bool()> condition) {
    ASSERT_TRUE(test::run_until_done(context_, yield_until(std::move(condition))));
  }
  /// A connection that says `text` and nothing more.
  std::unique_ptr<tcp::socket> connect(const std::string& text) {
    auto socket = std::make_unique<tcp::socket>(context_);
    socket->connect({asio::ip::address_v4::loopback(), server_->port()});
    asio::write(*socket, asio::buffer(text));
    return socket;
  }

  asio::io_context context_{1};
  Seen seen_{context_};
  std::optional<HttpServer> server_;
};

TEST_F(HttpServerTest, HandsOverTheWholeRequest) {
  start();
  const std::string received = exchange(
      "POST /a%20b?x=%31&y HTTP/1.1\r\nHost: h\r\nX-Upper: V\r\nContent-Length: 4\r\nConnection: "
      "close\r\n\r\nbody");
  ASSERT_EQ(seen_.requests.size(), 1U);
  const ServerRequest& request = seen_.requests[0];
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.path, "/a b");
  EXPECT_EQ(request.query.size(), 2U);
  EXPECT_EQ(header_value(request.headers, "x-upper"), "V");
  EXPECT_EQ(request.body, "body");
  EXPECT_EQ(request.peer, "127.0.0.1");
  EXPECT_EQ(received.substr(0, 17), "HTTP/1.1 200 OK\r\n");
  EXPECT_NE(received.find("X-Own: yes\r\n"), std::string::npos);
  EXPECT_NE(received.find("\r\n\r\n</a b>"), std::string::npos);
}

TEST_F(HttpServerTest, ServesSeveralRequestsOnOneConnection) {
  start();
  const std::string received =
      exchange("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(count(received, "HTTP/1.1 200 OK"), 3U);
  EXPECT_LT(received.find("</1>"), received.find("</2>"));
  EXPECT_NE(received.find("</3>"), std::string::npos);
}

TEST_F(HttpServerTest, ReadsChunkedBodies) {
  start();
  exchange(
      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: "
      "close\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  ASSERT_EQ(seen_.requests.size(), 1U);
  EXPECT_EQ(seen_.requests[0].body, "abcde");
}

constexpr const char* kExpecting =
    "POST /a HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-Continue\r\nConnection: close\r\n\r\n";

TEST_F(HttpServerTest, TellsAClientThatAsksToGoOnWithItsBody) {
  start();
  const auto client = connect(kExpecting);
  std::string received;
  asio::co_spawn(context_, read_some(client.get(), &received), asio::detached);
  wait_for([&] { return !received.empty(); });
  EXPECT_EQ(received, "HTTP/1.1 100 Continue\r\n\r\n");
  EXPECT_TRUE(seen_.requests.empty());
  asio::write(*client, asio::buffer(std::string("body")));
  wait_for([&] { return seen_.requests.size() == 1; });
  EXPECT_EQ(seen_.requests[0].body, "body");
  received.clear();
  asio::co_spawn(context_, read_some(client.get(), &received), asio::detached);
  wait_for([&] { return !received.empty(); });
  EXPECT_EQ(received.substr(0, 17), "HTTP/1.1 200 OK\r\n");
}

TEST_F(HttpServerTest, SaysNothingBeforeItsAnswerToWhoDoesNotWaitForIt) {
  start();
  EXPECT_EQ(exchange(std::string(kExpecting) + "body").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n").substr(0, 12),
            "HTTP/1.1 200");
}

TEST_F(HttpServerTest, RefusesABodyPastTheLimitBeforeItIsSent) {
  start({.body_bytes_max = 3});
  EXPECT_EQ(exchange(kExpecting).substr(0, 12), "HTTP/1.1 413");
}

TEST_F(HttpServerTest, SendsNoBodyToHead) {
  start();
  const std::string received = exchange("HEAD /abc HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_NE(received.find("Content-Length: 6\r\n"), std::string::npos);
  EXPECT_EQ(received.substr(received.size() - 4), "\r\n\r\n");
}

TEST_F(HttpServerTest, RefusesWhatItCannotRead) {
  start({.header_bytes_max = 1'000, .body_bytes_max = 10});
  const std::vector<std::pair<std::string, std::string>> cases{
      {"GET /%zz HTTP/1.1\r\n\r\n", "400"},
      {"GET http://other/ HTTP/1.1\r\nConnection: close\r\n\r\n", "400"},
      {"garbage\r\n\r\n", "400"},
      {"GET / HTTP/3.1\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "400"},
      {"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\nabcdefghijk", "413"},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999\r\n\r\n", "413"},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nabcdefghijk\r\n0\r\n\r\n", "413"},
      {"GET / HTTP/1.1\r\nX: " + std::string(1'000, 'x') + "\r\n\r\n", "431"},
      {"GET /" + std::string(200'000, 'x'), "431"},
  };
  for (const auto& [request, status] : cases) {
    const bool keeps_open =
        request.find("%zz") != std::string::npos;  // a whole request: only its target is bad
    const std::string sent = keeps_open ? request + "GET / HTTP/1.1\r\nConnection: close\r\n\r\n" : request;
    EXPECT_EQ(exchange(sent).substr(0, 12), "HTTP/1.1 " + status) << request.substr(0, 60);
  }
  EXPECT_EQ(seen_.requests.size(), 1U);
}

TEST_F(HttpServerTest, AnswersATimedOutRequestWith408) {
  start({.request_timeout = milliseconds{30}});
  EXPECT_EQ(exchange("GET / HT").substr(0, 12), "HTTP/1.1 408");
  EXPECT_EQ(exchange("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc").substr(0, 12), "HTTP/1.1 408");
}

TEST_F(HttpServerTest, ClosesAnIdleConnectionWithoutAWord) {
  start({.idle_timeout = milliseconds{300}});
  EXPECT_EQ(exchange(""), "");
  const std::string received = exchange("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(count(received, "HTTP/1.1"), 1U);
}

TEST_F(HttpServerTest, ASlowClientBlocksNoOther) {
  start();
  const auto slow = connect("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\n");
  const auto silent = connect("");
  EXPECT_NE(exchange("GET /quick HTTP/1.1\r\nConnection: close\r\n\r\n").find("</quick>"), std::string::npos);
}

TEST_F(HttpServerTest, CutsAClientThatDoesNotReadItsAnswer) {
  start({.request_timeout = milliseconds{500}});
  seen_.large_bytes = 64u << 20;
  const auto deaf = connect("GET /large HTTP/1.1\r\n\r\n");
  wait_for([&] { return !seen_.requests.empty(); });
  wait_for([&] { return server_->connections() == 0; });
}

TEST_F(HttpServerTest, TurnsAwayConnectionsPastTheLimit) {
  start({.connections_max = 1});
  auto first = connect("");
  wait_for([&] { return server_->connections() == 1; });
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").substr(0, 12), "HTTP/1.1 503");
  EXPECT_EQ(seen_.requests.size(), 0U);
  first.reset();
  wait_for([&] { return server_->connections() == 0; });
  EXPECT_EQ(exchange("GET / HTTP/1.1\r\nConnection: close\r\n\r\n").substr(0, 12), "HTTP/1.1 200");
}

TEST_F(HttpServerTest, MakesA500OfAnException) {
  start();
  const std::string received =
      exchange("GET /throw HTTP/1.1\r\n\r\nGET /after HTTP/1.1\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(received.substr(0, 12), "HTTP/1.1 500");
  EXPECT_NE(received.find("refused: the handler's own words"), std::string::npos);
  EXPECT_NE(received.find("</after>"), std::string::npos);
}

TEST_F(HttpServerTest, StopLetsTheRequestInProgressEnd) {
  start();
  std::string received;
  asio::co_spawn(context_, exchange_into(server_->port(), "GET /wait HTTP/1.1\r\n\r\n", &received),
                 asio::detached);
  const auto idle = connect("");
  wait_for([&] { return seen_.requests.size() == 1 && server_->connections() == 2; });
  bool stopped = false;
  asio::co_spawn(context_, server_->stop(std::chrono::minutes{1}),
                 [&](const std::exception_ptr&) { stopped = true; });
  wait_for([&] { return server_->connections() == 1; });
  EXPECT_FALSE(stopped);
  seen_.gate.cancel();
  wait_for([&] { return stopped && !received.empty(); });
  EXPECT_NE(received.find("</wait>"), std::string::npos);
  EXPECT_NE(received.find("Connection: close"), std::string::npos);
  EXPECT_EQ(server_->connections(), 0U);
}

TEST_F(HttpServerTest, StopCutsWhatIsNotDoneInTime) {
  start();
  const auto waiting = connect("GET /wait HTTP/1.1\r\n\r\n");
  const auto slow = connect("GET /");
  wait_for([&] { return seen_.requests.size() == 1 && server_->connections() == 2; });
  EXPECT_TRUE(test::run_until_done(context_, server_->stop(milliseconds{10})));
  wait_for([&] { return server_->connections() == 1; });  // the handler is still at its gate
  seen_.gate.cancel();
  wait_for([&] { return server_->connections() == 0; });
}

TEST_F(HttpServerTest, StopWithoutConnectionsReturnsAtOnceAndNobodyIsServedAfter) {
  start();
  const auto port = server_->port();
  EXPECT_TRUE(test::run_until_done(context_, server_->stop(std::chrono::minutes{1})));
  tcp::socket late(context_);
  boost::system::error_code error;
  late.connect({asio::ip::address_v4::loopback(), port}, error);
  EXPECT_EQ(error, asio::error::connection_refused);
}

TEST(HttpServerListen, SaysWhatIsWrong) {
  asio::io_context context{1};
  const Handler handler;
  HttpServer first(context.get_executor(), {}, handler, refuse);
  ASSERT_EQ(first.listen("127.0.0.1:0"), "");
  const std::string address = "127.0.0.1:" + std::to_string(first.port());
  HttpServer second(context.get_executor(), {}, handler, refuse);
  EXPECT_NE(second.listen(address).find("another program has this port"), std::string::npos);
  for (const auto* bad : {"localhost:80", "", "1.2.3.4", "::1:80", "256.0.0.1:80"}) {
    EXPECT_NE(second.listen(bad).find("not an address"), std::string::npos) << bad;
  }
  EXPECT_EQ(second.port(), 0);
  EXPECT_EQ(second.listen("[::1]:0"), "");
  EXPECT_NE(second.port(), 0);
}

}  // namespace
}  // namespace settle::net
