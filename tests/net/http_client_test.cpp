#include "net/http_client.hpp"

#include <filesystem>
#include <fstream>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>
#include <zlib.h>

#include "tests/support/loopback.hpp"

namespace settle::net {
namespace {

namespace asio = boost::asio;
using settle::test::ScriptedServer;
using std::chrono::milliseconds;
using ::testing::Test;

const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

asio::awaitable<void> send_into(HttpClient* client, ClientRequest request, ClientResult* result) {
  *result = co_await client->send(std::move(request));
}

asio::awaitable<void> stop_when_asked(HttpClient* client, const ScriptedServer* server) {
  const auto executor = co_await asio::this_coro::executor;
  while (server->requests().empty()) co_await asio::post(executor, asio::use_awaitable);
  client->stop();
}

std::string gzip(const std::string& text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  std::string packed(deflateBound(&stream, text.size()) + 32, '\0');
  std::string input = text;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string gzip_answer(const std::string& text) {
  const std::string packed = gzip(text);
  return "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(packed.size()) +
         "\r\n\r\n" + packed;
}

class HttpClientTest : public Test {
 protected:
  ClientResult send(ClientRequest request) {
    return test::result_of(context_, client_.send(std::move(request)));
  }
  ClientResult get(const std::string& url, milliseconds timeout = milliseconds{20'000}) {
    return send({.endpoint = {.url = url}, .path = "/x?q=1", .timeout = timeout});
  }
  ClientResult post(const std::string& url) {
    return send({.method = "POST", .endpoint = {.url = url}, .path = "/x", .body = "hello"});
  }

  asio::io_context context_{1};
  HttpClient client_{context_.get_executor()};
};

TEST_F(HttpClientTest, GivesStatusHeadersAndBody) {
  ScriptedServer server(context_,
                        {{"HTTP/1.1 429 Slow Down\r\nRetry-After:  7 \r\nContent-Length: 3\r\n\r\nbad"}});
  const ClientResult result = get(server.url() + "/prefix");
  EXPECT_EQ(result.error, TransportError::none) << result.detail;
  EXPECT_EQ(result.status, 429);
  EXPECT_EQ(header_value(result.headers, "retry-after"), "7");
  EXPECT_EQ(result.body, "bad");
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_EQ(server.requests()[0].substr(0, 28), "GET /prefix/x?q=1 HTTP/1.1\r\n");
}

TEST_F(HttpClientTest, SendsBodyAndHeadersWithoutExpect) {
  ScriptedServer server(context_, {{kOk}});
  const std::string body(2'000'000, 'x');
  const ClientResult result = send({.method = "POST",
                                    .endpoint = {.url = server.url(), .headers = {{"X-Tenant", "t"}}},
                                    .path = "/x",
                                    .headers = {{"X-Empty", ""}},
                                    .body = body});
  ASSERT_EQ(server.requests().size(), 1U);
  const std::string& head = server.requests()[0];
  EXPECT_NE(head.find("\r\nX-Tenant: t\r\n"), std::string::npos) << result.detail;
  EXPECT_NE(head.find("\r\nX-Empty:\r\n"), std::string::npos);
  EXPECT_NE(head.find("\r\nContent-Length: 2000000\r\n"), std::string::npos);
  EXPECT_EQ(head.find("Expect"), std::string::npos);
}

TEST_F(HttpClientTest, ReusesAConnection) {
  ScriptedServer server(context_, {{kOk, false}, {kOk, false}});
  EXPECT_EQ(get(server.url()).body, "ok");
  EXPECT_EQ(get(server.url()).body, "ok");
  EXPECT_EQ(server.connections(), 1U);
}

TEST_F(HttpClientTest, ReadsChunkedAnswers) {
  ScriptedServer server(
      context_, {{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"}});
  EXPECT_EQ(get(server.url()).body, "abcde");
}

TEST_F(HttpClientTest, InflatesAnswers) {
  ScriptedServer server(context_, {{gzip_answer("some text")}});
  const ClientResult result = get(server.url());
  EXPECT_EQ(result.body, "some text") << result.detail;
  EXPECT_NE(server.requests().at(0).find("Accept-Encoding: gzip, deflate"), std::string::npos);
}

TEST_F(HttpClientTest, StopsAnAnswerThatInflatesPastTheLimit) {
  const std::string answer = gzip_answer(std::string(1'000'000, '0'));
  ASSERT_LT(answer.size(), 2'000U);
  ScriptedServer server(context_, {{answer}, {answer}});
  ClientRequest request{.endpoint = {.url = server.url()}, .response_bytes_max = 999'999};
  EXPECT_EQ(send(request).error, TransportError::too_large);
  request.response_bytes_max = 1'000'000;
  EXPECT_EQ(send(request).body.size(), 1'000'000U);
}

TEST_F(HttpClientTest, StopsAPlainAnswerAndAHeadPastTheLimit) {
  ScriptedServer server(
      context_, {{kOk},
                 {"HTTP/1.1 200 OK\r\nX: " + std::string(99'000, 'x') + "\r\nY: " + std::string(99'000, 'y') +
                  "\r\nZ: " + std::string(99'000, 'z') + "\r\nContent-Length: 0\r\n\r\n"}});
  EXPECT_EQ(send({.endpoint = {.url = server.url()}, .response_bytes_max = 1}).error,
            TransportError::too_large);
  EXPECT_EQ(get(server.url()).error, TransportError::too_large);
}

TEST_F(HttpClientTest, CallsAConnectionThatEndsEarlyCut) {
  for (const std::string part :
       {"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"}) {
    ScriptedServer server(context_, {{part}});
    const ClientResult result = post(server.url());
    EXPECT_EQ(result.error, TransportError::cut) << part;
    EXPECT_EQ(result.body, "");
    EXPECT_NE(result.detail.find("POST " + server.url() + "/x: "), std::string::npos) << result.detail;
  }
}

TEST_F(HttpClientTest, CallsAnUnreadableEncodingCut) {
  ScriptedServer server(context_,
                        {{"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nrags"}});
  EXPECT_EQ(get(server.url()).error, TransportError::cut);
}

TEST_F(HttpClientTest, NeverRepeatsAPostByItself) {
  ScriptedServer server(context_, {{kOk, false}, {"", true}, {kOk, true}});
  EXPECT_EQ(post(server.url()).body, "ok");
  EXPECT_EQ(post(server.url()).error, TransportError::cut);
  EXPECT_EQ(server.requests().size(), 2U);
}

TEST_F(HttpClientTest, CallsSilenceTimedOut) {
  ScriptedServer server(context_, {{"", false}});
  const ClientResult result = get(server.url(), milliseconds{500});
  EXPECT_EQ(result.error, TransportError::timed_out);
  EXPECT_NE(result.detail.find("500 ms"), std::string::npos) << result.detail;
}

TEST_F(HttpClientTest, CallsARefusedConnectionUnreachable) {
  const auto port = test::unused_port(context_);
  const ClientResult result = get("http://127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(result.error, TransportError::unreachable);
  EXPECT_NE(result.detail.find(std::to_string(port)), std::string::npos) << result.detail;
}

TEST_F(HttpClientTest, CallsAServerWithoutTlsUnreachableOverHttps) {
  ScriptedServer plain(context_, {});
  ClientRequest request{.endpoint = {.url = "https://127.0.0.1:" + std::to_string(plain.port())}};
  request.timeout = milliseconds{500};  // the peer waits for the end of a head that never comes
  EXPECT_EQ(send(request).error, TransportError::unreachable);
  request.endpoint.ca_file = "/nonexistent/ca.pem";
  const ClientResult result = send(request);
  EXPECT_EQ(result.error, TransportError::unreachable);
  EXPECT_NE(result.detail.find("/nonexistent/ca.pem"), std::string::npos) << result.detail;
}

TEST_F(HttpClientTest, SpeaksOnlyHttpToTheHostsItWasGiven) {
  EXPECT_EQ(get("file:///etc/hostname").error, TransportError::unreachable);
  EXPECT_EQ(get("ftp://127.0.0.1").error, TransportError::unreachable);
  ScriptedServer other(context_, {{kOk}});
  ScriptedServer server(
      context_, {{"HTTP/1.1 302 Found\r\nLocation: " + other.url() + "\r\nContent-Length: 0\r\n\r\n"}});
  EXPECT_EQ(get(server.url()).status, 302);
  EXPECT_EQ(other.requests().size(), 0U);
}

TEST_F(HttpClientTest, RefusesLineBreaksInHeadersAndAddress) {
  ScriptedServer server(context_, {});
  EXPECT_EQ(send({.endpoint = {.url = server.url()}, .headers = {{"A", "b\r\nC: d"}}}).error,
            TransportError::unreachable);
  EXPECT_EQ(send({.endpoint = {.url = server.url()}, .path = "/ HTTP/1.1\r\nX: y"}).error,
            TransportError::unreachable);
  EXPECT_EQ(server.requests().size(), 0U);
}

TEST_F(HttpClientTest, AnotherRequestGoesOnWhileOneWaits) {
  ScriptedServer silent(context_, {{"", false}});
  ScriptedServer server(context_, {{kOk}});
  ClientResult waiting;
  ClientRequest request{.endpoint = {.url = silent.url()}};
  asio::co_spawn(context_, send_into(&client_, std::move(request), &waiting), asio::detached);
  EXPECT_EQ(get(server.url()).body, "ok");
  client_.stop();
  EXPECT_TRUE(test::run_until_done(context_, send_into(&client_, {}, &waiting)));
  EXPECT_EQ(waiting.error, TransportError::stopped);
}

TEST_F(HttpClientTest, StopEndsWhatIsInFlightAndWhatComesLater) {
  ScriptedServer silent(context_, {{"", false}});
  asio::co_spawn(context_, stop_when_asked(&client_, &silent), asio::detached);
  EXPECT_EQ(get(silent.url()).error, TransportError::stopped);
  EXPECT_EQ(get(silent.url()).error, TransportError::stopped);
  EXPECT_EQ(silent.requests().size(), 1U);
}

class HttpAuthTest : public HttpClientTest {
 protected:
  void write_secret(const std::string& text) { std::ofstream(file_) << text; }
  void TearDown() override { std::filesystem::remove(file_); }
  std::string file_ = testing::TempDir() + "settle_secret_" + std::to_string(::getpid());
};

TEST_F(HttpAuthTest, ReadsTheTokenAnewForEachRequest) {
  ScriptedServer server(context_, {{kOk, false}, {kOk, false}});
  const ClientRequest request{.endpoint = {.url = server.url(), .auth = {.bearer_token_file = file_}}};
  write_secret("first\n");
  EXPECT_EQ(send(request).status, 200);
  write_secret("second");
  EXPECT_EQ(send(request).status, 200);
  EXPECT_NE(server.requests().at(0).find("Authorization: Bearer first\r\n"), std::string::npos);
  EXPECT_NE(server.requests().at(1).find("Authorization: Bearer second\r\n"), std::string::npos);
}

TEST_F(HttpAuthTest, SendsBasicAuth) {
  ScriptedServer server(context_, {{kOk}});
  write_secret("open sesame\n");
  const Endpoint endpoint{.url = server.url(), .auth = {.username = "ali", .password_file = file_}};
  EXPECT_EQ(send({.endpoint = endpoint}).status, 200);
  EXPECT_NE(server.requests().at(0).find("Authorization: Basic YWxpOm9wZW4gc2VzYW1l\r\n"), std::string::npos);
}

TEST_F(HttpAuthTest, SendsNothingWhenTheSecretIsNotThere) {
  ScriptedServer server(context_, {});
  const ClientRequest request{.endpoint = {.url = server.url(), .auth = {.bearer_token_file = file_}}};
  for (const std::string text : {"", " \n", "two\nlines-of-secret"}) {
    if (!text.empty()) write_secret(text);
    const ClientResult result = send(request);
    EXPECT_EQ(result.error, TransportError::unreachable);
    EXPECT_NE(result.detail.find(file_), std::string::npos) << result.detail;
    EXPECT_EQ(result.detail.find("lines-of-secret"), std::string::npos);
  }
  EXPECT_EQ(server.requests().size(), 0U);
}

TEST_F(HttpAuthTest, KeepsPasswordsInAddressesOutOfTheDetail) {
  const auto port = std::to_string(test::unused_port(context_));
  const ClientResult result = get("http://user:hush@127.0.0.1:" + port);
  EXPECT_EQ(result.error, TransportError::unreachable);
  EXPECT_EQ(result.detail.find("hush"), std::string::npos) << result.detail;
}

}  // namespace
}  // namespace settle::net
