#include "sinks/remote_write/remote_write.hpp"

#include <utility>

#include "sinks/http_outcome.hpp"
#include "sinks/remote_write/prometheus_answers.hpp"
#include "sinks/remote_write/remote_write_body.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

constexpr std::string_view kWritePath = "/api/v1/write";

net::Endpoint at_url(net::Endpoint endpoint, std::string url) {
  endpoint.url = std::move(url);
  return endpoint;
}

net::Endpoint read_endpoint(const RemoteWriteOptions& options) {
  const std::string& read = options.read_url;
  return at_url(options.endpoint, read.empty() ? base_of_write_url(options.endpoint.url) : read);
}

/// What Prometheus says of a sample that it will never take; 2.42 answers 500 to some of them.
bool is_fault_of_a_row(std::string_view body) {
  return too_old(body) != TooOld::no || body.find("duplicate sample for timestamp") != std::string_view::npos;
}

}  // namespace

std::string base_of_write_url(std::string_view url) {
  if (!url.ends_with(kWritePath)) return "";
  return std::string{url.substr(0, url.size() - kWritePath.size())};
}

RemoteWrite::RemoteWrite(net::HttpClient& client, RemoteWriteOptions options)
    : client_(client),
      options_(std::move(options)),
      base_(at_url(options_.endpoint, base_of_write_url(options_.endpoint.url))),
      export_(client, {read_endpoint(options_), options_.timeout, options_.visible_after}),
      query_(client, {read_endpoint(options_), options_.timeout}) {
  if (options_.server != RemoteServer::automatic) found_.server = options_.server;
}

Capabilities RemoteWrite::capabilities() const {
  const bool is_vm = found_.server == RemoteServer::victoriametrics;
  Capabilities can;
  can.overwrite = is_vm ? overwrite_of(facts_) : Overwrite::none;
  if (!is_vm) can.out_of_order_window = options_.out_of_order_window;
  // What a VictoriaMetrics does with a second value depends on its version and flags.
  can.window_known = found_.answered || options_.server != RemoteServer::automatic;
  can.overwrite_known =
      found_.answered || (can.window_known && options_.server != RemoteServer::victoriametrics);
  can.batch_rows_max = options_.batch_rows_max;
  can.can_read_back = found_.can_read_back;
  can.takes_stale_markers = options_.stale_markers;
  // A killed VictoriaMetrics forgets what it acknowledged in its last seconds; others log before they answer.
  can.durable_when_acknowledged = !is_vm;
  return can;
}

asio::awaitable<net::ClientResult> RemoteWrite::get(std::string path) {
  net::ClientRequest request;
  request.endpoint = base_;
  request.path = std::move(path);
  request.timeout = options_.timeout;
  co_return co_await client_.send(std::move(request));
}

asio::awaitable<net::ClientResult> RemoteWrite::post(std::string body, bool zstd) {
  net::ClientRequest request;
  request.method = "POST";
  request.endpoint = options_.endpoint;
  request.headers.push_back({"Content-Type", "application/x-protobuf"});
  request.headers.push_back({"User-Agent", "settle"});
  if (zstd) {
    request.headers.push_back({"Content-Encoding", "zstd"});
    request.headers.push_back({"X-VictoriaMetrics-Remote-Write-Version", "1"});
    request.body = compress_zstd(body);
  } else {
    request.headers.push_back({"Content-Encoding", "snappy"});
    request.headers.push_back({"X-Prometheus-Remote-Write-Version", "0.1.0"});
    request.body = compress_snappy(body);
  }
  request.timeout = options_.timeout;
  co_return co_await client_.send(std::move(request));
}

bool RemoteWrite::tries_zstd() const {
  if (zstd_refused_ || options_.compression == Compression::snappy) return false;
  return options_.compression == Compression::zstd || found_.server == RemoteServer::victoriametrics;
}

asio::awaitable<PushOutcome> RemoteWrite::push(std::vector<Row> rows) {
  std::string body = encode_write_request(rows);
  const bool zstd = tries_zstd();
  net::ClientResult result = co_await post(body, zstd);
  // Also after zstd was taken before: the server may have been replaced by an older one since.
  if (zstd && (result.status == 400 || result.status == 415)) {
    result = co_await post(std::move(body), false);
    zstd_refused_ = is_success(result);
  }
  PushOutcome outcome = outcome_of(result, options_.endpoint.url, std::chrono::system_clock::now());
  if (result.status == 500 && is_fault_of_a_row(result.body)) outcome.verdict = PushVerdict::refused;
  if (found_.server == RemoteServer::victoriametrics) co_return outcome;
  if (outcome.verdict == PushVerdict::accepted) order_.note_taken(rows);
  if (outcome.verdict == PushVerdict::refused) {
    const TooOld why = too_old(result.body);
    order_.note_refused(rows, why);
    outcome.too_old = why != TooOld::no;
  }
  co_return outcome;
}

std::optional<std::string> RemoteWrite::refuse(const Row& row, engine::Time now) const {
  std::optional<std::string> reason = refuse_sample(row);
  if (reason || found_.server != RemoteServer::victoriametrics) return reason;
  if (row.reason != engine::Reason::stale) return refuse_row(row, now, facts_.limits);
  Row without_value = row;
  without_value.value = engine::Value{};
  return refuse_row(without_value, now, facts_.limits);
}

ReadBack& RemoteWrite::reader() {
  if (found_.server == RemoteServer::victoriametrics) return export_;
  return query_;
}

asio::awaitable<engine::Result<std::vector<bool>>> RemoteWrite::holds(std::vector<Row> rows) {
  return reader().holds(std::move(rows));
}

asio::awaitable<engine::Result<std::vector<StoredSample>>> RemoteWrite::stored(
    std::vector<std::string> series, engine::TimeRange timestamps) {
  return reader().stored(std::move(series), timestamps);
}

}  // namespace settle::sinks
