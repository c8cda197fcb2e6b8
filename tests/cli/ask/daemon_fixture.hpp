// tests/cli/ask/daemon_fixture.hpp: a daemon of the test's making behind a real server, which runs beside the
// test.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <sstream>
#include <string>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "api/handler.hpp"
#include "net/http_server.hpp"
#include "tests/support/fake_service.hpp"

namespace settle::cli {

class DaemonTest : public ::testing::Test {
 protected:
  DaemonTest() {
    server_ = std::make_unique<net::HttpServer>(context_.get_executor(), net::ServerLimits{},
                                                api::make_handler(service_), api::make_refuse());
    EXPECT_EQ(server_->listen("127.0.0.1:0"), "");
    url = "http://127.0.0.1:" + std::to_string(server_->port());
    thread_ = std::thread([this] { context_.run(); });
  }
  ~DaemonTest() override {
    on_daemon([this](test::FakeService&) { server_.reset(); });
    work_.reset();
    thread_.join();
  }
  /// Runs on the daemon's thread, to its end.
  void on_daemon(const std::function<void(test::FakeService&)>& change) {
    std::promise<void> done;
    boost::asio::post(context_, [&] {
      change(service_);
      done.set_value();
    });
    done.get_future().wait();
  }
  /// Its id.
  std::string add_job(const std::string& store_path) {
    std::string id;
    on_daemon([&](test::FakeService& service) {
      const auto added =
          service.add("default",
                      R"({"query":"m","granularity":"1m","source":"trace","sketch_type":"scalar",)"
                      R"("record":"m)" +
                          std::to_string(++jobs_) + R"(","store_path":")" + store_path + "\"}",
                      false, runner::Origin::api);
      ASSERT_TRUE(added) << added.refusal().detail;
      id = added->job.id;
    });
    return id;
  }

  std::string url;
  std::ostringstream out;  // of the command under test
  std::ostringstream err;

 private:
  test::FakeService service_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  std::unique_ptr<net::HttpServer> server_;
  std::thread thread_;
  int jobs_ = 0;
};

}  // namespace settle::cli
