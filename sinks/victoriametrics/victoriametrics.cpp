#include "sinks/victoriametrics/victoriametrics.hpp"

#include <utility>

#include "sinks/http_outcome.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

VictoriaMetrics::VictoriaMetrics(net::HttpClient& client, VictoriaMetricsOptions options)
    : client_(client),
      options_(std::move(options)),
      reader_(client, {options_.endpoint, options_.timeout, options_.visible_after}) {}

Capabilities VictoriaMetrics::capabilities() const {
  Capabilities can;
  can.overwrite = overwrite_of(facts_);
  can.overwrite_known = answered_;
  can.batch_rows_max = options_.batch_rows_max;
  can.can_read_back = can_read_back_;
  can.durable_when_acknowledged = false;  // a killed server forgets what it acknowledged in its last seconds
  return can;
}

asio::awaitable<net::ClientResult> VictoriaMetrics::get(std::string path) {
  net::ClientRequest request;
  request.endpoint = options_.endpoint;
  request.path = std::move(path);
  request.timeout = options_.timeout;
  co_return co_await client_.send(std::move(request));
}

asio::awaitable<SinkHealth> VictoriaMetrics::check() {
  SinkHealth health;
  const net::ClientResult alive = co_await get("/health");
  const bool server_fault = alive.error != net::TransportError::none || alive.status >= 500;
  if (server_fault) {
    health.server = failure_text(options_.endpoint.url + "/health", alive);
    health.meaning = "Rows wait in the outbox until the server answers.";
    health.capabilities = capabilities();
    co_return health;
  }
  const net::ClientResult metrics = co_await get("/metrics");
  facts_ = is_success(metrics) ? parse_server_facts(metrics.body) : ServerFacts{};
  takes_ = {};
  can_read_back_ = facts_.known;
  if (!facts_.known) {
    // A gateway may hide /metrics and still let us read.
    can_read_back_ = co_await reader_.is_open();
  }
  answered_ = true;
  health.reachable = true;
  health.server = server_text(facts_);
  health.meaning = meaning_of(facts_);
  if (!can_read_back_) {
    health.meaning =
        "What it does with a second value at one timestamp is unknown and its export is not reachable: "
        "rows whose fate is unknown are sent again and may be kept twice.";
  }
  health.capabilities = capabilities();
  health.started_at = facts_.started_at;
  co_return health;
}

std::optional<std::string> VictoriaMetrics::refuse(const Row& row, engine::Time now) const {
  std::optional<std::string> reason = refuse_point(row, now, facts_.limits);
  const bool known = !row.series.empty() && row.series.shares(takes_);
  if (reason || known) return reason;
  reason = refuse_series(row.series, facts_.limits);
  if (!reason) takes_ = row.series;
  return reason;
}

asio::awaitable<PushOutcome> VictoriaMetrics::push(std::vector<Row> rows) {
  net::ClientRequest request;
  request.method = "POST";
  request.endpoint = options_.endpoint;
  request.path = "/api/v1/import";
  request.headers.push_back({"Content-Type", "application/json"});
  request.body = encode_import(rows);
  request.timeout = options_.timeout;
  const net::ClientResult result = co_await client_.send(std::move(request));
  co_return outcome_of(result, options_.endpoint.url + "/api/v1/import", std::chrono::system_clock::now());
}

asio::awaitable<engine::Result<std::vector<bool>>> VictoriaMetrics::holds(std::vector<Row> rows) {
  return reader_.holds(std::move(rows));
}

asio::awaitable<engine::Result<std::vector<StoredSample>>> VictoriaMetrics::stored(
    std::vector<std::string> series, engine::TimeRange timestamps) {
  return reader_.stored(std::move(series), timestamps);
}

}  // namespace settle::sinks
