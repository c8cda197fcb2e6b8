// tests/api/api_fixture.hpp: the API on a real server on loopback, over a daemon of the test's making.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/json/fwd.hpp>
#include <gtest/gtest.h>

#include "net/http_client.hpp"
#include "net/http_server.hpp"
#include "tests/support/fake_service.hpp"

namespace settle::api {

inline constexpr const char* kJobs = "/api/v1/precompute/jobs";

/// The JSON text of a request; `more` begins with a comma or is empty.
[[nodiscard]] std::string job_body(const std::string& store_path, const std::string& more = "");
[[nodiscard]] std::string header_of(const net::ClientResult& answer, const std::string& lower_name);

class ApiTest : public ::testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  net::ClientResult ask(const std::string& method, const std::string& path, const std::string& body = "",
                        std::vector<net::Header> headers = {});
  /// The answer's body; fails the test when it is not an object of that status.
  boost::json::object ask_object(int status, const std::string& method, const std::string& path,
                                 const std::string& body = "");
  /// Registers a job whose record is its path; returns its id.
  std::string add(const std::string& store_path);

  test::FakeService service;
  boost::asio::io_context context;
  std::unique_ptr<net::HttpServer> server;

 private:
  std::unique_ptr<net::HttpClient> client_;
};

}  // namespace settle::api
