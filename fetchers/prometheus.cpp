#include "fetchers/prometheus.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace settle::fetchers {
namespace asio = boost::asio;

using std::chrono::milliseconds;

namespace {

// Above it the question goes into a POST body: servers and proxies commonly refuse longer request lines. GET
// is preferred because it may be repeated when a kept connection turns out to be closed.
constexpr std::size_t kUrlBytesMax = 4'000;

/// An answer that never leaves the machine is not worth compressing.
bool is_loopback(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  const auto is_host = [url](std::string_view host) {
    return url.starts_with(host) &&
           (url.size() == host.size() || url[host.size()] == ':' || url[host.size()] == '/');
  };
  return is_host("localhost") || is_host("127.0.0.1") || is_host("[::1]");
}

std::string seconds_text(std::int64_t ms) {
  std::string text = std::to_string(ms / 1'000);
  if (ms % 1'000 == 0) return text;
  const std::string fraction = std::to_string(1'000 + ms % 1'000);
  return text + "." + fraction.substr(1);
}

Matrix failed_matrix(FetchFailure failure, std::string detail) {
  Matrix matrix;
  matrix.failed = true;
  matrix.failure = failure;
  matrix.detail = std::move(detail);
  return matrix;
}

/// Prometheus and VictoriaMetrics answer 422 or 503 where a query loads too much or takes too long.
Matrix refused_matrix(int status, const std::string& body) {
  Matrix matrix =
      failed_matrix(FetchFailure::status, "it answered " + std::to_string(status) + ": " + error_words(body));
  matrix.perhaps_too_large = status == 422 || status == 503 || status == 504;
  return matrix;
}

FetchFailure failure_of(net::TransportError error) {
  switch (error) {
    case net::TransportError::timed_out:
      return FetchFailure::timed_out;
    case net::TransportError::too_large:
      return FetchFailure::too_large;
    case net::TransportError::stopped:
      return FetchFailure::stopped;
    case net::TransportError::none:
    case net::TransportError::unreachable:
    case net::TransportError::cut:
      break;
  }
  return FetchFailure::unreachable;
}

/// As the rows of an answer; `series` and `rows` of the matrix are used up.
PrometheusFetcher::Part part_of(Matrix matrix) {
  PrometheusFetcher::Part part;
  std::vector<std::string_view> texts;
  texts.reserve(matrix.series.size());
  for (const std::string& text : matrix.series) texts.push_back(part.texts.keep(text));
  part.rows.reserve(matrix.rows.size());
  for (const Matrix::Row& row : matrix.rows) part.rows.push_back({texts[row.series], row.bucket, row.value});
  matrix.series.clear();
  matrix.rows = {};
  part.matrix = std::move(matrix);
  return part;
}

asio::awaitable<PrometheusFetcher::Part> decode_in_pool(std::string body, MatrixQuestion question) {
  co_return part_of(decode_matrix(body, question));
}

engine::Error not_usable(const std::string& source, const std::string& metric, const char* why) {
  return engine::refused("source '" + source + "': '" + metric + "' " + why);
}

void append_part(FetchResult& result, engine::ScopeAnswer& scope, PrometheusFetcher::Part part) {
  result.rows_without_value += part.matrix.rows_without_value;
  if (scope.rows.empty()) {
    result.answer.texts = std::move(part.texts);
    scope.rows = std::move(part.rows);
    return;
  }
  std::string_view text;  // as the part has it, and as the answer has it
  std::string_view kept;
  for (const engine::Observation& row : part.rows) {
    if (row.series.data() != text.data()) {
      text = row.series;
      kept = result.answer.texts.keep(text);
    }
    scope.rows.push_back({kept, row.bucket, row.value});
  }
}

}  // namespace

engine::Result<std::unique_ptr<Fetcher>> PrometheusFetcher::make(PrometheusOptions options,
                                                                 net::HttpClient& client) {
  const std::string who = "source '" + options.name + "': ";
  const std::string& url = options.endpoint.url;
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return engine::refused(who + "the url '" + url + "' does not begin with http:// or https://");
  }
  if (url.substr(0, url.find('/', url.find("://") + 3)).find('@') != std::string::npos) {
    return engine::refused(who +
                           "the url holds a user name or password; use the settings for authentication");
  }
  if (options.expressions.empty()) return engine::refused(who + "no metric is configured");
  for (const auto& [metric, expression] : options.expressions) {
    if (!engine::normalize_labels({{std::string(engine::kMetricNameLabel), metric}})) {
      return not_usable(options.name, metric, "is not a metric name");
    }
    if (expression.find_first_not_of(" \t\r\n") == std::string::npos) {
      return not_usable(options.name, metric, "has an empty expression");
    }
  }
  if (options.lag < engine::Duration{0}) return engine::refused(who + "the lag is negative");
  std::unique_ptr<Fetcher> fetcher = std::make_unique<PrometheusFetcher>(std::move(options), client);
  return fetcher;
}

PrometheusFetcher::PrometheusFetcher(PrometheusOptions options, net::HttpClient& client)
    : options_(std::move(options)), client_(client) {}

net::ClientRequest PrometheusFetcher::http_request(const MatrixQuestion& question,
                                                   milliseconds timeout) const {
  const engine::Duration step = question.granularity;
  // Both for VictoriaMetrics, unknown to Prometheus: without nocache late data may be missed; without
  // latency_offset its newest seconds repeat an older value (1.79 always does that: see `lag`).
  const std::string form = "query=" + net::url_encode(options_.expressions.at(question.selector.metric())) +
                           "&start=" + seconds_text(engine::epoch_ms(question.range.from + step)) +
                           "&end=" + seconds_text(engine::epoch_ms(question.range.to)) +
                           "&step=" + seconds_text(step.count()) +
                           "&timeout=" + seconds_text(timeout.count()) + "&nocache=1&latency_offset=1ms";
  net::ClientRequest request;
  request.endpoint = options_.endpoint;
  request.path = "/api/v1/query_range";
  request.timeout = timeout;
  request.response_bytes_max = options_.response_bytes_max;
  request.compressed = !is_loopback(options_.endpoint.url);
  if (form.size() <= kUrlBytesMax) {
    request.path += "?" + form;
  } else {
    request.method = "POST";
    request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
    request.body = form;
  }
  return request;
}

asio::awaitable<PrometheusFetcher::Part> PrometheusFetcher::ask(MatrixQuestion question,
                                                                milliseconds timeout) {
  net::ClientRequest request = http_request(question, timeout);
  net::ClientResult answer = co_await client_.send(std::move(request));
  if (answer.error != net::TransportError::none) {
    co_return part_of(failed_matrix(failure_of(answer.error), answer.detail));
  }
  if (answer.status / 100 != 2) {
    co_return part_of(refused_matrix(answer.status, answer.body));
  }
  if (!options_.pool) co_return part_of(decode_matrix(answer.body, question));
  auto work = decode_in_pool(std::move(answer.body), std::move(question));
  Part part = co_await asio::co_spawn(options_.pool, std::move(work), asio::use_awaitable);
  co_return part;
}

asio::awaitable<FetchResult> PrometheusFetcher::fetch(FetchRequest request) {
  FetchResult result;
  engine::ScopeAnswer scope;
  scope.scope = options_.name;
  scope.covered = request.range;
  scope.frontier = request.now - options_.lag;
  const auto deadline = std::chrono::steady_clock::now() + std::min(options_.timeout, request.timeout);
  const auto parts = split_range(request.range, request.granularity, kPointsPerQuery);
  for (const engine::TimeRange part : parts) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    MatrixQuestion question;
    question.range = part;
    question.granularity = request.granularity;
    question.selector = request.selector;
    const milliseconds timeout = std::max(left, milliseconds{1});
    Part answered = co_await ask(std::move(question), timeout);
    if (const Matrix& matrix = answered.matrix; matrix.failed) {
      result = FetchResult{};
      result.failures.push_back(
          {options_.name, matrix.failure,
           "asked " + options_.endpoint.url + " for '" + request.selector.metric() + "': " + matrix.detail,
           matrix.perhaps_too_large});
      co_return result;
    }
    append_part(result, scope, std::move(answered));
  }
  result.answer.scopes.push_back(std::move(scope));
  co_return result;
}

engine::Result<void> PrometheusFetcher::accepts(const engine::Selector& selector, engine::Duration) const {
  if (options_.expressions.count(selector.metric()) > 0) return {};
  std::string known;
  for (const auto& [metric, expression] : options_.expressions) known += (known.empty() ? "" : ", ") + metric;
  return engine::refused("the source '" + options_.name + "' has no expression for the metric '" +
                         selector.metric() + "'; it has: " + known);
}

}  // namespace settle::fetchers
