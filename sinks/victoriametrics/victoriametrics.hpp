// sinks/victoriametrics/victoriametrics.hpp: pushes to a VictoriaMetrics server by JSON lines and reads back
// from its export.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "net/http_client.hpp"
#include "sinks/sink.hpp"
#include "sinks/victoriametrics/export_reader.hpp"
#include "sinks/victoriametrics/victoriametrics_wire.hpp"

namespace settle::sinks {

struct VictoriaMetricsOptions {
  std::string name;
  net::Endpoint endpoint;
  std::chrono::milliseconds timeout{30'000};
  std::chrono::milliseconds visible_after{12'000};  // as of ExportReaderOptions
  std::size_t batch_rows_max = 10'000;
};

class VictoriaMetrics final : public Sink {
 public:
  /// The client outlives the sink.
  VictoriaMetrics(net::HttpClient& client, VictoriaMetricsOptions options);

  [[nodiscard]] Capabilities capabilities() const override;
  boost::asio::awaitable<SinkHealth> check() override;
  [[nodiscard]] std::optional<std::string> refuse(const Row& row, engine::Time now) const override;
  boost::asio::awaitable<PushOutcome> push(std::vector<Row> rows) override;
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows) override;
  boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> stored(
      std::vector<std::string> series, engine::TimeRange timestamps) override;

 private:
  boost::asio::awaitable<net::ClientResult> get(std::string path);

  net::HttpClient& client_;
  VictoriaMetricsOptions options_;
  ExportReader reader_;
  ServerFacts facts_;
  mutable SeriesText takes_;  // the newest series that facts_ let pass: the next row is often of it, too
  bool can_read_back_ = true;
  bool answered_ = false;  // a check, ever
};

}  // namespace settle::sinks
