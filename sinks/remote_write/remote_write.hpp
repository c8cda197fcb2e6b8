// sinks/remote_write/remote_write.hpp: pushes by Prometheus remote write 1.0, to Prometheus, Mimir, Thanos,
// VictoriaMetrics and whatever else takes it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "net/http_client.hpp"
#include "sinks/remote_write/query_reader.hpp"
#include "sinks/remote_write/row_order.hpp"
#include "sinks/sink.hpp"
#include "sinks/victoriametrics/export_reader.hpp"
#include "sinks/victoriametrics/victoriametrics_wire.hpp"

namespace settle::sinks {

enum class Compression : std::uint8_t {
  automatic,  // zstd to a VictoriaMetrics, else snappy
  snappy,
  zstd,
};
enum class RemoteServer : std::uint8_t {
  automatic,  // check() finds out
  prometheus,
  victoriametrics,
  other,
};

struct RemoteWriteOptions {
  std::string name;
  net::Endpoint endpoint;  // its url is the whole address that takes the POST
  /// Where the query API is (for a VictoriaMetrics: the export); "": what stands before /api/v1/write, if the
  /// server is a Prometheus or a VictoriaMetrics.
  std::string read_url;
  RemoteServer server = RemoteServer::automatic;
  Compression compression = Compression::automatic;
  bool stale_markers = false;
  engine::Duration out_of_order_window{0};  // not asked of a VictoriaMetrics, which takes any order
  std::chrono::milliseconds timeout{30'000};
  std::chrono::milliseconds visible_after{12'000};  // as of ExportReaderOptions
  std::size_t batch_rows_max = 10'000;
};

/// What stands before /api/v1/write; "" : the url does not end so.
[[nodiscard]] std::string base_of_write_url(std::string_view url);

class RemoteWrite final : public Sink {
 public:
  /// The client outlives the sink.
  RemoteWrite(net::HttpClient& client, RemoteWriteOptions options);

  [[nodiscard]] Capabilities capabilities() const override;
  boost::asio::awaitable<SinkHealth> check() override;
  [[nodiscard]] std::optional<std::string> refuse(const Row& row, engine::Time now) const override;
  /// A zstd body that is answered 400 or 415 is sent again as snappy before anything is said of it; if that
  /// goes well, zstd is not tried again until the server has restarted or changed its version.
  boost::asio::awaitable<PushOutcome> push(std::vector<Row> rows) override;
  [[nodiscard]] Lateness lateness(const Row& row) const override { return order_.lateness(row); }
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows) override;
  boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> stored(
      std::vector<std::string> series, engine::TimeRange timestamps) override;

 private:
  /// What the newest check() found out.
  struct Found {
    RemoteServer server = RemoteServer::other;
    std::string text;     // the server in words
    std::string version;  // "": not known
    std::optional<engine::Time> started_at;
    bool can_read_back = false;
    bool answered = false;
  };
  boost::asio::awaitable<net::ClientResult> get(std::string path);
  boost::asio::awaitable<net::ClientResult> post(std::string body, bool zstd);
  boost::asio::awaitable<SinkHealth> check_unknown(Found found);
  boost::asio::awaitable<Found> identify(std::string metrics);
  boost::asio::awaitable<bool> can_read(RemoteServer server);
  void take(Found found);
  [[nodiscard]] SinkHealth health() const;
  [[nodiscard]] SinkHealth unreachable(std::string why) const;
  [[nodiscard]] bool tries_zstd() const;
  [[nodiscard]] ReadBack& reader();

  net::HttpClient& client_;
  RemoteWriteOptions options_;
  net::Endpoint base_;  // url "": not known
  ExportReader export_;
  QueryReader query_;
  Found found_;
  ServerFacts facts_;  // of a VictoriaMetrics
  RowOrder order_;
  bool zstd_refused_ = false;
};

}  // namespace settle::sinks
