#include "sinks/remote_write/query_reader.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>
#include <utility>

#include "sinks/http_outcome.hpp"
#include "sinks/remote_write/prometheus_answers.hpp"

namespace settle::sinks {

namespace asio = boost::asio;

namespace {

// Prometheus: "too many samples"; Mimir, Thanos: "limit", "exceeded"; VictoriaMetrics: "more than".
constexpr std::array<std::string_view, 5> kLimitWords{"too many", "limit", "exceed", "more than",
                                                      "exhausted"};

/// A 422 is every query that could not be carried out; of those, the ones that went past a limit of the
/// server, on samples, series, chunks or memory, say so in words.
bool went_past_a_limit(const net::ClientResult& result) {
  if (result.error != net::TransportError::none || result.status != 422) return false;
  std::string text = result.body;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return std::any_of(kLimitWords.begin(), kLimitWords.end(),
                     [&text](std::string_view word) { return text.find(word) != text.npos; });
}

}  // namespace

QueryReader::QueryReader(net::HttpClient& client, QueryReaderOptions options)
    : client_(client), options_(std::move(options)) {}

asio::awaitable<net::ClientResult> QueryReader::query(std::string form) {
  net::ClientRequest request;
  request.method = "POST";
  request.endpoint = options_.endpoint;
  request.path = "/api/v1/query";
  request.headers.push_back({"Content-Type", "application/x-www-form-urlencoded"});
  request.body = std::move(form);
  request.timeout = options_.timeout;
  request.response_bytes_max = options_.response_bytes_max;
  co_return co_await client_.send(std::move(request));
}

asio::awaitable<bool> QueryReader::is_open() {
  const net::ClientResult probe = co_await query("query=settle_probe");
  co_return is_success(probe);
}

asio::awaitable<void> QueryReader::make_visible() {
  co_return;  // an answer sees what was acknowledged before it
}

asio::awaitable<engine::Result<ReadBack::Answer>> QueryReader::ask(ReadPiece piece) {
  Answer answer;
  const std::vector<std::string> selectors = plan_selectors(piece.series);
  for (const std::string& selector : selectors) {
    std::string form = raw_query_form(selector, piece.timestamps);
    const net::ClientResult result = co_await query(std::move(form));
    if (!is_success(result)) {
      answer.detail = failure_text(options_.endpoint.url + "/api/v1/query", result);
      answer.too_large = result.error == net::TransportError::too_large || went_past_a_limit(result);
      if (answer.too_large) co_return answer;
      co_return engine::retry_later(answer.detail);
    }
    engine::Result<Exported> exported = parse_raw_samples(result.body, piece.timestamps);
    if (!exported) co_return exported.error();
    for (auto& [series, samples] : *exported) {
      auto& into = answer.exported[series];
      into.insert(into.end(), samples.begin(), samples.end());
    }
  }
  co_return answer;
}

std::vector<bool> QueryReader::compare(std::span<const Row> rows, const Exported& exported) const {
  std::vector<bool> held;
  held.reserve(rows.size());
  for (const Row& row : rows) {
    const auto found = exported.find(row.series.view());
    const std::pair wanted{engine::epoch_ms(row.timestamp), row.value.as_double()};
    held.push_back(row.reason != engine::Reason::stale && found != exported.end() &&
                   std::find(found->second.begin(), found->second.end(), wanted) != found->second.end());
  }
  return held;
}

}  // namespace settle::sinks
