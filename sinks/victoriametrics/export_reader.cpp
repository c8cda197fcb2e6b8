#include "sinks/victoriametrics/export_reader.hpp"

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sinks/http_outcome.hpp"
#include "sinks/victoriametrics/victoriametrics_export.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

ExportReader::ExportReader(net::HttpClient& client, ExportReaderOptions options)
    : client_(client), options_(std::move(options)) {}

asio::awaitable<net::ClientResult> ExportReader::send(std::string method, std::string path,
                                                      std::string form) {
  net::ClientRequest request;
  request.method = std::move(method);
  request.endpoint = options_.endpoint;
  request.path = std::move(path);
  if (!form.empty()) request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
  request.body = std::move(form);
  request.timeout = options_.timeout;
  request.response_bytes_max = options_.response_bytes_max;
  co_return co_await client_.send(std::move(request));
}

asio::awaitable<bool> ExportReader::is_open() {
  // A series that nobody has.
  std::string form = "match%5B%5D=settle_probe&reduce_mem_usage=1";
  const net::ClientResult probe = co_await send("POST", "/api/v1/export", std::move(form));
  co_return is_success(probe);
}

asio::awaitable<void> ExportReader::make_visible() {
  const net::ClientResult flushed = co_await send("GET", "/internal/force_flush", "");
  if (is_success(flushed)) co_return;
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer{executor, options_.visible_after};
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<engine::Result<ReadBack::Answer>> ExportReader::ask(ReadPiece piece) {
  std::string form = export_form(piece.series, piece.timestamps);
  const net::ClientResult result = co_await send("POST", "/api/v1/export", std::move(form));
  Answer answer;
  answer.too_large = result.error == net::TransportError::too_large;
  if (!is_success(result)) answer.detail = failure_text(options_.endpoint.url + "/api/v1/export", result);
  if (answer.too_large) co_return answer;
  if (!answer.detail.empty()) co_return engine::retry_later(answer.detail);
  engine::Result<Exported> exported = parse_export(result.body);
  if (!exported) co_return exported.error();
  answer.exported = std::move(*exported);
  co_return answer;
}

std::vector<bool> ExportReader::compare(std::span<const Row> rows, const Exported& exported) const {
  return matches(rows, exported);
}

}  // namespace settle::sinks
