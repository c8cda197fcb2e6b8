#include "sinks/export_reader.hpp"

#include <algorithm>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <unordered_set>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sinks/http_outcome.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

// One query for many series: each matcher costs the server an index search, each request a round trip.
constexpr std::size_t kSeriesMax = 256;

struct Piece {
  std::vector<std::string> series;
  engine::TimeRange timestamps;
};

/// The second half of `piece`, taken out of it: of its series, or of the time of its one series. None: it
/// cannot be smaller.
std::optional<Piece> split_off(Piece& piece) {
  Piece second{{}, piece.timestamps};
  if (piece.series.size() > 1) {
    const auto middle = piece.series.begin() + static_cast<std::ptrdiff_t>(piece.series.size() / 2);
    second.series.assign(std::make_move_iterator(middle), std::make_move_iterator(piece.series.end()));
    piece.series.erase(middle, piece.series.end());
    return second;
  }
  const engine::Duration length = piece.timestamps.to - piece.timestamps.from;
  if (length < engine::Duration{2}) return std::nullopt;
  second.series = piece.series;
  second.timestamps.from = piece.timestamps.from + length / 2;
  piece.timestamps.to = second.timestamps.from;
  return second;
}

/// The series of `rows` and the time they span.
Piece piece_of(std::span<const Row> rows) {
  Piece piece{{}, {engine::Time::max(), engine::Time::min()}};
  for (const Row& row : rows) {
    piece.series.emplace_back(row.series.view());
    piece.timestamps.from = std::min(piece.timestamps.from, row.timestamp);
    piece.timestamps.to = std::max(piece.timestamps.to, row.timestamp + engine::Duration{1});
  }
  std::sort(piece.series.begin(), piece.series.end());
  piece.series.erase(std::unique(piece.series.begin(), piece.series.end()), piece.series.end());
  return piece;
}

void add(Exported& all, Exported&& more) {
  for (auto& [series, samples] : more) {
    auto& into = all[series];
    into.insert(into.end(), samples.begin(), samples.end());
  }
}

}  // namespace

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

asio::awaitable<engine::Result<Exported>> ExportReader::read(std::vector<std::string> series,
                                                             engine::TimeRange timestamps) {
  Exported all;
  std::vector<Piece> pieces(1);
  pieces.front().series = std::move(series);
  pieces.front().timestamps = timestamps;
  while (!pieces.empty()) {
    Piece& piece = pieces.back();
    std::string form = export_form(piece.series, piece.timestamps);
    const net::ClientResult answer = co_await send("POST", "/api/v1/export", std::move(form));
    if (answer.error == net::TransportError::too_large) {
      if (std::optional<Piece> second = split_off(piece)) {
        pieces.push_back(std::move(*second));
        continue;
      }
    }
    if (!is_success(answer)) {
      co_return engine::retry_later(failure_text(options_.endpoint.url + "/api/v1/export", answer));
    }
    engine::Result<Exported> exported = parse_export(answer.body);
    if (!exported) co_return exported.error();
    add(all, std::move(*exported));
    pieces.pop_back();
  }
  co_return all;
}

asio::awaitable<engine::Result<std::vector<bool>>> ExportReader::holds(std::vector<Row> rows) {
  co_await make_visible();
  std::vector<bool> held;
  held.reserve(rows.size());
  for (std::size_t at = 0; at < rows.size(); at += kSeriesMax) {
    const std::span<const Row> some =
        std::span<const Row>{rows}.subspan(at, std::min(kSeriesMax, rows.size() - at));
    Piece piece = piece_of(some);
    const engine::Result<Exported> exported = co_await read(std::move(piece.series), piece.timestamps);
    if (!exported) co_return exported.error();
    const std::vector<bool> part =
        matches(std::span{rows}.subspan(at, std::min(kSeriesMax, rows.size() - at)), *exported);
    held.insert(held.end(), part.begin(), part.end());
  }
  co_return held;
}

asio::awaitable<engine::Result<std::vector<StoredSample>>> ExportReader::stored(
    std::vector<std::string> series, engine::TimeRange timestamps) {
  std::vector<StoredSample> found;
  if (series.empty() || timestamps.empty()) co_return found;
  co_await make_visible();
  std::sort(series.begin(), series.end());
  series.erase(std::unique(series.begin(), series.end()), series.end());
  for (std::size_t at = 0; at < series.size(); at += kSeriesMax) {
    const auto first = series.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last = first + static_cast<std::ptrdiff_t>(std::min(kSeriesMax, series.size() - at));
    std::vector<std::string> some(first, last);
    const engine::Result<Exported> exported = co_await read(std::move(some), timestamps);
    if (!exported) co_return exported.error();
    append_stored(found, std::span<const std::string>{first, last}, *exported);
  }
  co_return found;
}

}  // namespace settle::sinks
