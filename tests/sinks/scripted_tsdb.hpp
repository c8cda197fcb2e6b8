// tests/sinks/scripted_tsdb.hpp: a database on loopback that says what the test tells it to, for sinks that
// speak HTTP.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

inline const engine::Time kNow = engine::from_epoch_ms(1'800'000'000'000);

/// At kNow.
inline Row row(std::string series, std::uint64_t value) {
  Row one;
  one.series = std::move(series);
  one.timestamp = kNow;
  one.value = engine::Value::count(value);
  return one;
}

inline net::ServerResponse answer(int status, std::string body = "", std::vector<net::Header> headers = {}) {
  net::ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  response.headers = std::move(headers);
  return response;
}

struct Script {
  /// By path; before that, by path and Content-Encoding: "/api/v1/write zstd".
  std::map<std::string, net::ServerResponse> answers;
  net::ServerResponse otherwise = answer(404, "404 page not found");
  bool mute = false;
  std::vector<net::ServerRequest> asked;
};

inline boost::asio::awaitable<net::ServerResponse> play(Script* script, net::ServerRequest request) {
  script->asked.push_back(request);
  if (script->mute) {
    const auto executor = co_await boost::asio::this_coro::executor;
    boost::asio::steady_timer never{executor, std::chrono::hours{1}};
    co_await never.async_wait(boost::asio::use_awaitable);
  }
  const std::string encoding{net::header_value(request.headers, "content-encoding")};
  auto found = script->answers.find(request.path + " " + encoding);
  if (found == script->answers.end()) found = script->answers.find(request.path);
  co_return found == script->answers.end() ? script->otherwise : found->second;
}

/// The database, and the client of the sink under test.
struct ScriptedTsdb : ::testing::Test {
  ScriptedTsdb() {
    EXPECT_EQ(server.listen("127.0.0.1:0"), "");
    url = "http://127.0.0.1:" + std::to_string(server.port());
  }

  boost::asio::io_context context;
  net::HttpClient client{context.get_executor()};
  Script script;
  net::HttpServer server{context.get_executor(),
                         {.body_bytes_max = 8u << 20},
                         [this](net::ServerRequest request) { return play(&script, std::move(request)); },
                         [](int status, std::string detail) { return answer(status, std::move(detail)); }};
  std::string url;
};

}  // namespace settle::sinks
