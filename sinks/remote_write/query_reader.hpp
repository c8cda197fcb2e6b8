// sinks/remote_write/query_reader.hpp: reads a server with the Prometheus API back by range selectors.
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

struct QueryReaderOptions {
  net::Endpoint endpoint;
  std::chrono::milliseconds timeout{30'000};
  /// What is larger is asked for in two halves.
  std::size_t response_bytes_max = 16u << 20;
};

/// Stale markers cannot be read back: holds() says no for their rows.
class QueryReader final : public ReadBack {
 public:
  /// The client outlives the reader.
  QueryReader(net::HttpClient& client, QueryReaderOptions options);
  boost::asio::awaitable<bool> is_open() override;

 private:
  boost::asio::awaitable<void> make_visible() override;
  boost::asio::awaitable<engine::Result<Answer>> ask(ReadPiece piece) override;
  [[nodiscard]] std::vector<bool> compare(std::span<const Row> rows, const Exported& exported) const override;
  boost::asio::awaitable<net::ClientResult> query(std::string form);

  net::HttpClient& client_;
  QueryReaderOptions options_;
};

}  // namespace settle::sinks
