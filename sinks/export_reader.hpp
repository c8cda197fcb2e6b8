// sinks/export_reader.hpp: reads a VictoriaMetrics back by its raw export, in pieces of bounded size.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "net/http_client.hpp"
#include "sinks/sink.hpp"
#include "sinks/victoriametrics_export.hpp"

namespace settle::sinks {

struct ExportReaderOptions {
  net::Endpoint endpoint;
  std::chrono::milliseconds timeout{30'000};
  /// How long an acknowledged row can stay invisible to the export of a server that does not let us flush: a
  /// series that was asked for before it existed is remembered as missing for 10 s.
  std::chrono::milliseconds visible_after{12'000};
  /// What is larger is asked for in two halves.
  std::size_t response_bytes_max = 32u << 20;
};

class ExportReader {
 public:
  /// The client outlives the reader.
  ExportReader(net::HttpClient& client, ExportReaderOptions options);

  /// Does the server let us read? Asks for a series that nobody has.
  boost::asio::awaitable<bool> is_open();
  /// As Sink::holds() and Sink::stored(): what was acknowledged before the call is seen.
  boost::asio::awaitable<engine::Result<std::vector<bool>>> holds(std::vector<Row> rows);
  boost::asio::awaitable<engine::Result<std::vector<StoredSample>>> stored(std::vector<std::string> series,
                                                                           engine::TimeRange timestamps);

 private:
  boost::asio::awaitable<net::ClientResult> send(std::string method, std::string path, std::string form);
  boost::asio::awaitable<void> make_visible();
  /// At most kSeriesMax series; others with further labels come as well.
  boost::asio::awaitable<engine::Result<Exported>> read(std::vector<std::string> series,
                                                        engine::TimeRange timestamps);

  net::HttpClient& client_;
  ExportReaderOptions options_;
};

}  // namespace settle::sinks
