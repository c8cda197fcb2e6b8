// HTTPS with an authority of one's own: made by the openssl program at test time, so that nothing expires.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <gmock/gmock.h>

#include "net/http_client.hpp"
#include "tests/support/loopback.hpp"

namespace settle::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// Says `200 secret` to every request, encrypted.
struct TlsServer {
  TlsServer(asio::io_context& context, const std::string& folder)
      : tls(asio::ssl::context::tls_server),
        acceptor(context, tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
    tls.use_certificate_chain_file(folder + "/server.pem");
    tls.use_private_key_file(folder + "/server.key", asio::ssl::context::pem);
  }
  asio::ssl::context tls;
  tcp::acceptor acceptor;
};

asio::awaitable<void> serve(std::shared_ptr<TlsServer> server) {
  for (;;) {
    auto [error, socket] = co_await server->acceptor.async_accept(asio::as_tuple(asio::use_awaitable));
    if (error) co_return;
    asio::ssl::stream<tcp::socket> stream(std::move(socket), server->tls);
    auto [refused] =
        co_await stream.async_handshake(asio::ssl::stream_base::server, asio::as_tuple(asio::use_awaitable));
    if (refused) continue;
    std::string head;
    auto buffer = asio::dynamic_buffer(head);
    (void)co_await asio::async_read_until(stream, buffer, "\r\n\r\n", asio::as_tuple(asio::use_awaitable));
    const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nsecret";
    const auto bytes = asio::buffer(answer);
    (void)co_await asio::async_write(stream, bytes, asio::as_tuple(asio::use_awaitable));
    (void)co_await stream.async_shutdown(asio::as_tuple(asio::use_awaitable));
  }
}

class TlsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "settle_tls_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    const std::string key = " -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes ";
    std::ofstream(folder_ + "/names") << "subjectAltName=IP:127.0.0.1\n";
    openssl("req -x509" + key + "-days 2 -subj /CN=ours -keyout ca.key -out ca.pem");
    openssl("req -x509" + key + "-days 2 -subj /CN=theirs -keyout other.key -out other.pem");
    openssl("req" + key + "-subj /CN=server -keyout server.key -out server.csr");
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names "
        "-out server.pem");
    server_ = std::make_shared<TlsServer>(context_, folder_);
    asio::co_spawn(context_, serve(server_), asio::detached);
  }
  void TearDown() override {
    if (server_) server_->acceptor.close();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  void openssl(const std::string& arguments) const {
    const std::string command = "cd '" + folder_ + "' && openssl " + arguments + " >>log 2>&1";
    // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): no thread yet
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  ClientResult get(const std::string& host, const std::string& ca_file) {
    ClientRequest request;
    request.endpoint.url =
        "https://" + host + ":" + std::to_string(server_->acceptor.local_endpoint().port());
    request.endpoint.ca_file = ca_file.empty() ? "" : folder_ + "/" + ca_file;
    return test::result_of(context_, client_.send(std::move(request)));
  }

  asio::io_context context_{1};
  HttpClient client_{context_.get_executor()};
  std::string folder_;
  std::shared_ptr<TlsServer> server_;
};

TEST_F(TlsTest, TrustsTheAuthorityOfTheEndpointAndNoOther) {
  const ClientResult good = get("127.0.0.1", "ca.pem");
  EXPECT_EQ(good.error, TransportError::none) << good.detail;
  EXPECT_EQ(good.status, 200);
  EXPECT_EQ(good.body, "secret");
  for (const char* ca_file : {"other.pem", "", "none.pem"}) {
    const ClientResult bad = get("127.0.0.1", ca_file);
    EXPECT_EQ(bad.error, TransportError::unreachable) << ca_file;
    EXPECT_EQ(bad.body, "");
    EXPECT_FALSE(bad.detail.empty());
  }
}

TEST_F(TlsTest, RefusesACertificateOfAnotherName) {
  EXPECT_EQ(get("localhost", "ca.pem").error, TransportError::unreachable);
}

}  // namespace
}  // namespace settle::net
