// sinks/victoriametrics.hpp: pushes to a VictoriaMetrics server by JSON lines and reads back from its export.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "net/http_client.hpp"
#include "sinks/sink.hpp"
#include "sinks/victoriametrics_wire.hpp"

namespace settle::sinks {

struct VictoriaMetricsOptions {
  std::string name;
  net::Endpoint endpoint;
  std::chrono::milliseconds timeout{30'000};
  /// How long an acknowledged row can stay invisible to the export of a server that does not let us flush: a
  /// series that was asked for before it existed is remembered as missing for 10 s.
  std::chrono::milliseconds visible_after{12'000};
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

 private:
  boost::asio::awaitable<net::ClientResult> get(std::string path);
  boost::asio::awaitable<net::ClientResult> export_rows(std::string form);
  boost::asio::awaitable<void> make_visible();

  net::HttpClient& client_;
  VictoriaMetricsOptions options_;
  ServerFacts facts_;
  bool can_read_back_ = true;
};

}  // namespace settle::sinks
