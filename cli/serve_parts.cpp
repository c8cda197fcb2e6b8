#include "cli/serve_parts.hpp"

#include <memory>
#include <utility>

#include <boost/url/parse.hpp>

#include "fetchers/prometheus.hpp"
#include "fetchers/trace_fetcher.hpp"
#include "sinks/builtin.hpp"
#include "sinks/file.hpp"
#include "sinks/remote_write/remote_write.hpp"
#include "sinks/victoriametrics/victoriametrics.hpp"

namespace settle::cli {

namespace {

/// Scheme, host and port, to notice a job that writes where it reads.
std::string server_of(const net::Endpoint& endpoint) {
  const auto url = boost::urls::parse_uri(endpoint.url);
  if (!url) {
    return endpoint.url;
  }
  std::string port{url->port()};
  if (port.empty()) {
    port = url->scheme() == "https" ? "443" : "80";
  }
  return std::string{url->encoded_host()} + ":" + port;
}

engine::Result<std::unique_ptr<sinks::Sink>> make_sink(const SinkConfig& from, net::HttpClient& client) {
  switch (from.kind) {
    case SinkKind::builtin:
      return std::unique_ptr<sinks::Sink>{std::make_unique<sinks::Builtin>()};
    case SinkKind::file: {
      engine::Result<std::unique_ptr<sinks::FileSink>> file = sinks::FileSink::open(from.file);
      if (!file) {
        return file.error();
      }
      return std::unique_ptr<sinks::Sink>{*std::move(file)};
    }
    case SinkKind::remote_write: {
      sinks::RemoteWriteOptions options;
      options.name = from.name;
      options.endpoint = from.endpoint;
      options.read_url = from.read_url;
      options.server = from.server;
      options.compression = from.compression;
      options.stale_markers = from.stale_markers;
      options.out_of_order_window = from.out_of_order_window;
      options.timeout = from.timeout;
      return std::unique_ptr<sinks::Sink>{std::make_unique<sinks::RemoteWrite>(client, std::move(options))};
    }
    case SinkKind::victoriametrics:
      break;
  }
  sinks::VictoriaMetricsOptions options;
  options.name = from.name;
  options.endpoint = from.endpoint;
  options.timeout = from.timeout;
  return std::unique_ptr<sinks::Sink>{std::make_unique<sinks::VictoriaMetrics>(client, std::move(options))};
}

}  // namespace

engine::Result<std::vector<runner::SourceEntry>> make_sources(const Config& config, net::HttpClient& client,
                                                              boost::asio::any_io_executor pool) {
  std::vector<runner::SourceEntry> made;
  for (const SourceConfig& from : config.sources) {
    runner::SourceEntry entry;
    entry.name = from.name;
    if (from.kind == SourceKind::trace) {
      fetchers::TraceOptions options;
      options.name = from.name;
      options.paths = {from.file};
      options.liveness = from.liveness;
      engine::Result<std::unique_ptr<fetchers::Fetcher>> trace =
          fetchers::TraceFetcher::open(std::move(options));
      if (!trace) {
        return engine::refused("source " + from.name + ": " + trace.error().detail);
      }
      entry.fetcher = *std::move(trace);
    } else {
      fetchers::PrometheusOptions options;
      options.name = from.name;
      options.endpoint = from.endpoint;
      options.expressions = from.queries;
      options.pool = pool;
      options.lag = from.lag;
      options.timeout = from.timeout;
      options.liveness = from.liveness;
      entry.server = server_of(from.endpoint);
      engine::Result<std::unique_ptr<fetchers::Fetcher>> server =
          fetchers::PrometheusFetcher::make(std::move(options), client);
      if (!server) {
        return engine::refused("source " + from.name + ": " + server.error().detail);
      }
      entry.fetcher = *std::move(server);
    }
    made.push_back(std::move(entry));
  }
  return made;
}

engine::Result<std::vector<runner::SinkEntry>> make_sinks(const Config& config, net::HttpClient& client) {
  std::vector<runner::SinkEntry> made;
  bool has_builtin = false;
  for (const SinkConfig& from : config.sinks) {
    engine::Result<std::unique_ptr<sinks::Sink>> sink = make_sink(from, client);
    if (!sink) {
      return engine::refused("sink " + from.name + ": " + sink.error().detail);
    }
    runner::SinkEntry entry;
    entry.name = from.name;
    entry.server = from.endpoint.url.empty() ? "" : server_of(from.endpoint);
    entry.is_default = from.is_default;
    entry.sink = *std::move(sink);
    entry.pump.tenant = config.tenant;
    entry.pump.external_labels = from.external_labels;
    entry.pump.queue_rows_max = from.queue_rows_max;
    entry.pump.keep_acked = from.keep_acked;
    has_builtin = has_builtin || from.name == "builtin";
    made.push_back(std::move(entry));
  }
  if (!has_builtin) {
    runner::SinkEntry entry;
    entry.name = "builtin";
    entry.sink = std::make_unique<sinks::Builtin>();
    entry.pump.tenant = config.tenant;
    made.push_back(std::move(entry));
  }
  return made;
}

runner::RunnerOptions runner_options(const Config& config) {
  runner::RunnerOptions options;
  options.tenant = config.tenant;
  options.series_max = config.limits.series_max;
  options.open_cells_max = config.limits.open_cells_max;
  options.metrics_jobs_max = config.metrics_jobs_max;
  options.job_grace = config.job_grace;
  options.keep_ledger = config.retention.ledger;
  options.keep_dead_letters = config.retention.dead_letters;
  options.dead_letter_bytes_max = config.retention.dead_letter_bytes_max;
  options.read_back_interval = config.verify_interval;
  return options;
}

std::vector<std::string> needs_restart(const Config& before, const Config& after) {
  std::vector<std::string> lines;
  const auto check = [&lines](bool same, const char* key) {
    if (!same) {
      lines.push_back(std::string{key} + " changed: it takes effect when the daemon is started again");
    }
  };
  check(before.listen == after.listen, "listen");
  check(before.data_dir == after.data_dir, "data_dir");
  check(before.tenant == after.tenant, "tenant");
  check(before.sinks == after.sinks, "sinks");
  check(before.store_bytes_max == after.store_bytes_max, "store.max_bytes");
  check(before.job_grace == after.job_grace, "job_grace");
  check(before.limits == after.limits, "limits");
  check(before.retention == after.retention, "retention");
  check(before.verify_interval == after.verify_interval, "verify.interval");
  check(before.metrics_jobs_max == after.metrics_jobs_max, "metrics.max_jobs");
  return lines;
}

}  // namespace settle::cli
