#include "tests/api/api_fixture.hpp"

#include <utility>

#include <boost/json.hpp>

#include "api/handler.hpp"
#include "tests/support/loopback.hpp"

namespace settle::api {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> send(net::HttpClient* client, net::ClientRequest request, net::ClientResult* answer) {
  *answer = co_await client->send(std::move(request));
}

asio::awaitable<void> stop(net::HttpServer* server) {
  const std::chrono::milliseconds grace{0};
  co_await server->stop(grace);
}

}  // namespace

std::string job_body(const std::string& store_path, const std::string& more) {
  return R"({"query":"m","granularity":"1m","source":"trace","sketch_type":"scalar","store_path":")" +
         store_path + "\"" + more + "}";
}

std::string header_of(const net::ClientResult& answer, const std::string& lower_name) {
  return std::string(net::header_value(answer.headers, lower_name));
}

ApiTest::ApiTest() {
  server = std::make_unique<net::HttpServer>(context.get_executor(), net::ServerLimits{},
                                             make_handler(service), make_refuse());
  EXPECT_EQ(server->listen("127.0.0.1:0"), "");
  client_ = std::make_unique<net::HttpClient>(context.get_executor());
}

ApiTest::~ApiTest() {
  EXPECT_TRUE(test::run_until_done(context, stop(server.get())));
}

net::ClientResult ApiTest::ask(const std::string& method, const std::string& path, const std::string& body,
                               std::vector<net::Header> headers) {
  net::ClientRequest request;
  request.method = method;
  request.endpoint.url = "http://127.0.0.1:" + std::to_string(server->port());
  request.path = path;
  request.body = body;
  request.headers = std::move(headers);
  net::ClientResult answer;
  EXPECT_TRUE(test::run_until_done(context, send(client_.get(), std::move(request), &answer)));
  EXPECT_EQ(answer.error, net::TransportError::none) << answer.detail;
  return answer;
}

boost::json::object ApiTest::ask_object(int status, const std::string& method, const std::string& path,
                                        const std::string& body) {
  const net::ClientResult answer = ask(method, path, body);
  EXPECT_EQ(answer.status, status) << answer.body;
  boost::system::error_code failure;
  boost::json::value value = boost::json::parse(answer.body, failure);
  EXPECT_FALSE(failure) << answer.body;
  if (failure || !value.is_object()) {
    ADD_FAILURE() << "not an object: " << answer.body;
    return {};
  }
  return std::move(value.get_object());
}

std::string ApiTest::add(const std::string& store_path) {
  const auto added =
      ask_object(201, "POST", kJobs, job_body(store_path, ",\"record\":\"" + store_path + "\""));
  return added.contains("job_id") ? std::string(added.at("job_id").as_string()) : "";
}

}  // namespace settle::api
