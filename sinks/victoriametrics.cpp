#include "sinks/victoriametrics.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "sinks/victoriametrics_export.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

// One query for many series: each matcher costs the server an index search, each request a round trip.
constexpr std::size_t kExportRowsMax = 256;

bool is_success(const net::ClientResult& result) {
  return result.error == net::TransportError::none && result.status >= 200 && result.status < 300;
}

std::string failure_text(const std::string& url, const net::ClientResult& result) {
  if (result.error != net::TransportError::none) return url + ": " + result.detail;
  return url + " answered " + std::to_string(result.status) + ": " + result.body.substr(0, 200);
}

}  // namespace

VictoriaMetrics::VictoriaMetrics(net::HttpClient& client, VictoriaMetricsOptions options)
    : client_(client), options_(std::move(options)) {}

Capabilities VictoriaMetrics::capabilities() const {
  Capabilities can;
  can.overwrite = overwrite_of(facts_);
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

asio::awaitable<net::ClientResult> VictoriaMetrics::export_rows(std::string form) {
  net::ClientRequest request;
  request.method = "POST";
  request.endpoint = options_.endpoint;
  request.path = "/api/v1/export";
  request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
  request.body = std::move(form);
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
  can_read_back_ = facts_.known;
  if (!facts_.known) {
    // A gateway may hide /metrics and still let us read.
    const net::ClientResult probe = co_await export_rows("match%5B%5D=settle_probe&reduce_mem_usage=1");
    can_read_back_ = is_success(probe);
  }
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
  return refuse_row(row, now, facts_.limits);
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

asio::awaitable<void> VictoriaMetrics::make_visible() {
  const net::ClientResult flushed = co_await get("/internal/force_flush");
  if (is_success(flushed)) co_return;
  const auto executor = co_await asio::this_coro::executor;
  asio::steady_timer timer{executor, options_.visible_after};
  (void)co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<engine::Result<std::vector<bool>>> VictoriaMetrics::holds(std::vector<Row> rows) {
  co_await make_visible();
  std::vector<bool> held;
  held.reserve(rows.size());
  for (std::size_t at = 0; at < rows.size(); at += kExportRowsMax) {
    const std::size_t count = std::min(kExportRowsMax, rows.size() - at);
    std::string form = export_form(std::span{rows}.subspan(at, count));
    const net::ClientResult answer = co_await export_rows(std::move(form));
    if (!is_success(answer)) {
      co_return engine::retry_later(failure_text(options_.endpoint.url + "/api/v1/export", answer));
    }
    const engine::Result<Exported> exported = parse_export(answer.body);
    if (!exported) co_return exported.error();
    const std::vector<bool> part = matches(std::span{rows}.subspan(at, count), *exported);
    held.insert(held.end(), part.begin(), part.end());
  }
  co_return held;
}

}  // namespace settle::sinks
