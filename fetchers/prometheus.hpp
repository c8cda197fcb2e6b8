// fetchers/prometheus.hpp: the source kind `prometheus`: a PromQL expression per metric, asked of any server
// with the Prometheus API over aligned ranges.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "fetchers/fetcher.hpp"
#include "fetchers/prometheus_matrix.hpp"
#include "net/http_client.hpp"

namespace settle::fetchers {

struct PrometheusOptions {
  std::string name{};  // of the source, and of its only scope
  net::Endpoint endpoint{};
  std::map<std::string, std::string> expressions{};  // by the metric that jobs select
  /// The server has all data older than this. Not less than VictoriaMetrics' -search.latencyOffset (30 s):
  /// old ones make up the values of their newest seconds and cannot be told not to.
  engine::Duration lag{std::chrono::seconds{30}};
  engine::Liveness liveness = engine::Liveness::automatic;
  std::chrono::milliseconds timeout{30'000};  // for a whole fetch; a shorter one of the request wins
  std::size_t response_bytes_max = 64u << 20;
  boost::asio::any_io_executor pool{};  // where answers are decoded; none: on the event loop
};

class PrometheusFetcher final : public Fetcher {
 public:
  /// What one question brought.
  struct Part {
    Matrix matrix;  // without series and rows: they are in `rows`
    engine::TextArena texts;
    std::vector<engine::Observation> rows;
  };
  /// The client outlives the fetcher.
  [[nodiscard]] static engine::Result<std::unique_ptr<Fetcher>> make(PrometheusOptions options,
                                                                     net::HttpClient& client);
  PrometheusFetcher(PrometheusOptions options, net::HttpClient& client);

  boost::asio::awaitable<FetchResult> fetch(FetchRequest request) override;
  [[nodiscard]] engine::Result<void> accepts(const engine::Selector& selector,
                                             engine::Duration granularity) const override;
  [[nodiscard]] engine::Liveness liveness() const override { return options_.liveness; }

 private:
  boost::asio::awaitable<Part> ask(MatrixQuestion question, std::chrono::milliseconds timeout);
  [[nodiscard]] net::ClientRequest http_request(const MatrixQuestion& question,
                                                std::chrono::milliseconds timeout) const;

  PrometheusOptions options_;
  net::HttpClient& client_;
};

}  // namespace settle::fetchers
