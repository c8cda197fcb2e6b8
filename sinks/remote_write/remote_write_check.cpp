// What server it is, and what that means.
#include <utility>

#include "sinks/http_outcome.hpp"
#include "sinks/remote_write/prometheus_answers.hpp"
#include "sinks/remote_write/remote_write.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

bool is_server_fault(const net::ClientResult& result) {
  return result.error != net::TransportError::none || result.status >= 500;
}

std::string meaning_of_no_overwrite(bool can_read_back) {
  std::string meaning =
      "It keeps the first value of a series at a timestamp and takes samples in order: corrections are not "
      "pushed, and ";
  return meaning + (can_read_back ? "rows whose fate is unknown are looked up before they are sent again."
                                  : "rows whose fate is unknown are sent again; give it a read_url, and they "
                                    "are looked up first.");
}

}  // namespace

SinkHealth RemoteWrite::unreachable(std::string why) const {
  SinkHealth health;
  health.server = std::move(why);
  health.meaning = "Rows wait in the outbox until the server answers.";
  health.capabilities = capabilities();
  return health;
}

SinkHealth RemoteWrite::health() const {
  SinkHealth health;
  health.reachable = true;
  health.server = found_.text;
  health.capabilities = capabilities();
  health.meaning = found_.server == RemoteServer::victoriametrics
                       ? meaning_of(facts_)
                       : meaning_of_no_overwrite(found_.can_read_back);
  health.started_at = found_.started_at;
  return health;
}

void RemoteWrite::take(Found found) {
  const bool same = found.started_at == found_.started_at && found.version == found_.version &&
                    found.server == found_.server;
  // Another process may take what the one before refused.
  if (!same) {
    zstd_refused_ = false;
    order_.forget();
  }
  found_ = std::move(found);
  found_.answered = true;
}

asio::awaitable<bool> RemoteWrite::can_read(RemoteServer server) {
  if (options_.read_url.empty() && (base_.url.empty() || server == RemoteServer::other)) co_return false;
  if (server == RemoteServer::victoriametrics) co_return co_await export_.is_open();
  co_return co_await query_.is_open();
}

/// `metrics` is what the server says of itself; "" : nothing.
asio::awaitable<RemoteWrite::Found> RemoteWrite::identify(std::string metrics) {
  facts_ = parse_server_facts(metrics);
  Found found;
  found.server = options_.server;
  found.started_at = parse_process_start(metrics);
  if (facts_.known && found.server == RemoteServer::automatic) found.server = RemoteServer::victoriametrics;
  if (found.server == RemoteServer::victoriametrics) {
    found.text = server_text(facts_);
    found.version = facts_.version;
    found.started_at = facts_.started_at;
    co_return found;
  }
  const net::ClientResult answer = co_await get("/api/v1/status/buildinfo");
  const auto build = is_success(answer) ? parse_build_info(answer.body) : std::nullopt;
  if (found.server == RemoteServer::automatic) {
    const bool is_prometheus = build && build->application.empty() && !build->go_version.empty();
    found.server = is_prometheus ? RemoteServer::prometheus : RemoteServer::other;
  }
  found.text = found.server == RemoteServer::prometheus ? "Prometheus" : "a remote write server";
  if (build && !build->application.empty()) found.text = build->application;
  found.version = build ? build->version : "";
  found.text += found.version.empty() ? ", version unknown" : ", version " + found.version;
  co_return found;
}

/// A server of which only the write path is known is asked to take nothing.
asio::awaitable<SinkHealth> RemoteWrite::check_unknown(Found found) {
  const net::ClientResult nothing = co_await post("", false);
  if (is_server_fault(nothing)) co_return unreachable(failure_text(options_.endpoint.url, nothing));
  if (found.text.empty()) found.text = "a remote write server, version unknown";
  if (!is_success(nothing)) found.text += "; " + failure_text(options_.endpoint.url, nothing);
  found.can_read_back = co_await can_read(found.server);
  take(std::move(found));
  co_return health();
}

asio::awaitable<SinkHealth> RemoteWrite::check() {
  Found found;
  if (base_.url.empty()) {
    if (options_.server != RemoteServer::automatic) found.server = options_.server;
    SinkHealth unknown = co_await check_unknown(std::move(found));
    co_return unknown;
  }
  net::ClientResult metrics = co_await get("/metrics");
  if (is_server_fault(metrics)) co_return unreachable(failure_text(base_.url + "/metrics", metrics));
  if (!is_success(metrics)) metrics.body.clear();
  found = co_await identify(std::move(metrics.body));
  if (found.server == RemoteServer::other) {
    SinkHealth unknown = co_await check_unknown(std::move(found));
    co_return unknown;
  }
  // Prometheus reads its log before it is ready.
  const bool is_vm = found.server == RemoteServer::victoriametrics;
  std::string path = is_vm ? "/health" : "/-/ready";
  const net::ClientResult ready = co_await get(std::move(path));
  if (is_server_fault(ready)) co_return unreachable(failure_text(base_.url, ready));
  found.can_read_back = co_await can_read(found.server);
  take(std::move(found));
  co_return health();
}

}  // namespace settle::sinks
