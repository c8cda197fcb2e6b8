// The real program and jobs of its file whose sink answers, answers late, or takes the connection and says
// nothing.
#include <memory>
#include <string>
#include <thread>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "net/http_server.hpp"
#include "tests/e2e/serve_fixture.hpp"
#include "tests/support/loopback.hpp"

namespace settle::cli {
namespace {

namespace asio = boost::asio;

constexpr const char* kMetrics =
    "vm_app_version{version=\"victoria-metrics-20240101-000000-tags-v1.102.0-0-gabc\", "
    "short_version=\"v1.102.0\"} 1\n"
    "vm_app_start_timestamp 1700000000\n"
    "flag{name=\"dedup.minScrapeInterval\", value=\"1ms\", is_set=\"true\"} 1\n";

asio::awaitable<net::ServerResponse> answer_as_victoriametrics(net::ServerRequest request) {
  net::ServerResponse response;
  response.content_type = "text/plain";
  response.status = request.method == "POST" ? 204 : 200;
  if (request.path == "/metrics") response.body = kMetrics;
  co_return response;
}

net::ServerResponse refuse(int status, std::string detail) {
  return {.status = status, .content_type = "text/plain", .body = std::move(detail)};
}

/// What a VictoriaMetrics with deduplication says of itself; takes every row and keeps none.
class VictoriaMetricsStub {
 public:
  /// Port 0: a free one.
  explicit VictoriaMetricsStub(unsigned short port = 0)
      : server_(loop_.get_executor(), {}, answer_as_victoriametrics, refuse),
        problem_(server_.listen("127.0.0.1:" + std::to_string(port))),
        thread_([this] { loop_.run(); }) {
    EXPECT_EQ(problem_, "");
  }
  ~VictoriaMetricsStub() {
    loop_.stop();
    thread_.join();
  }
  VictoriaMetricsStub(const VictoriaMetricsStub&) = delete;
  VictoriaMetricsStub& operator=(const VictoriaMetricsStub&) = delete;
  [[nodiscard]] unsigned short port() const { return server_.port(); }

 private:
  asio::io_context loop_{1};
  net::HttpServer server_;
  std::string problem_;
  std::thread thread_;
};

class ServeSinks : public Serve {
 protected:
  void configure_with_sink(unsigned short port) {
    write_file(
        folder_ / "settle.yaml",
        "data_dir: data\nlisten: \"127.0.0.1:0\"\nsources:\n  edge: {kind: trace, file: trace.jsonl}\n"
        "sinks:\n  vm: {kind: victoriametrics, url: \"http://127.0.0.1:" +
            std::to_string(port) +
            "\"}\n"
            "jobs:\n  - {query: m, granularity: 1m, source: edge, sketch_type: scalar, store_path: one, "
            "finality: \"consecutive:3\", values: growing, corrections: repush}\n");
  }
  std::string job_id() {
    const std::string jobs = get("/api/v1/precompute/jobs");
    const std::size_t at = jobs.find("\"job_id\":");
    return at == jobs.npos ? "" : jobs.substr(at, 43);
  }
};

TEST_F(ServeSinks, StartsAgainWithAJobThatNeedsWhatItsSinkCanDo) {
  const VictoriaMetricsStub server;
  configure_with_sink(server.port());
  start();
  const std::string id = job_id();
  ASSERT_NE(id, "") << read_file(folder_ / "log");
  EXPECT_EQ(stop(), 0);
  start();
  EXPECT_EQ(job_id(), id);
  EXPECT_EQ(stop(), 0);
}

TEST_F(ServeSinks, StartsWithoutItsSinkAndTakesTheJobUpWhenItAnswers) {
  asio::io_context context;
  const unsigned short port = test::unused_port(context);
  configure_with_sink(port);
  start();
  EXPECT_EQ(job_id(), "");
  EXPECT_NE(read_file(folder_ / "log").find("event=config_job_waits store_path=\"one\""), std::string::npos);
  std::string id;
  {
    const VictoriaMetricsStub server{port};
    ASSERT_TRUE(wait_for("/api/v1/precompute/jobs", "\"one\""));
    id = job_id();
    EXPECT_EQ(stop(), 0);
  }
  start();
  EXPECT_EQ(job_id(), id) << "as it is while its sink is away";
  EXPECT_EQ(stop(), 0);
}

TEST_F(ServeSinks, StopsWhileItWaitsForASinkThatSaysNothing) {
  asio::io_context context;
  asio::ip::tcp::acceptor silent{context, {asio::ip::address_v4::loopback(), 0}};
  configure_with_sink(silent.local_endpoint().port());
  pid_ = spawn("log");
  asio::ip::tcp::socket asked = silent.accept();  // it has come to the question
  EXPECT_EQ(stop(), 0);
  EXPECT_EQ(read_file(folder_ / "log").find("event=listening"), std::string::npos);
}

}  // namespace
}  // namespace settle::cli
