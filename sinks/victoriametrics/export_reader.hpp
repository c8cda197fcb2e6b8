// sinks/victoriametrics/export_reader.hpp: reads a VictoriaMetrics back by its raw export.
#pragma once

#include <chrono>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "net/http_client.hpp"
#include "sinks/read_back.hpp"
#include "sinks/sink.hpp"

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

class ExportReader final : public ReadBack {
 public:
  /// The client outlives the reader.
  ExportReader(net::HttpClient& client, ExportReaderOptions options);
  boost::asio::awaitable<bool> is_open() override;

 private:
  boost::asio::awaitable<void> make_visible() override;
  boost::asio::awaitable<engine::Result<Answer>> ask(ReadPiece piece) override;
  [[nodiscard]] std::vector<bool> compare(std::span<const Row> rows, const Exported& exported) const override;
  boost::asio::awaitable<net::ClientResult> send(std::string method, std::string path, std::string form);

  net::HttpClient& client_;
  ExportReaderOptions options_;
};

}  // namespace settle::sinks
