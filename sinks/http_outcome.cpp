#include "sinks/http_outcome.hpp"

#include <algorithm>
#include <string_view>

namespace settle::sinks {

namespace {

std::string short_body(std::string_view body) {
  constexpr std::size_t kMost = 300;
  std::string text{body.substr(0, kMost)};
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

PushVerdict verdict_of_status(int status, std::string_view body) {
  if (status >= 200 && status < 300) return PushVerdict::accepted;
  if (status == 429 || status == 503) return PushVerdict::retry;
  // A gateway's 502 or 504, or a fault half-way through the body: some rows may be there.
  if (status >= 500 || status == 408) return PushVerdict::uncertain;
  // The single-node server and vmauth answer 400 where others answer 404.
  const bool no_such_path = body.find("unsupported path requested") != std::string_view::npos ||
                            body.find("missing route for") != std::string_view::npos;
  if (status < 400 || status == 401 || status == 403 || status == 404 || status == 405 || status == 407 ||
      no_such_path) {
    return PushVerdict::misconfigured;
  }
  return PushVerdict::refused;
}

}  // namespace

bool is_success(const net::ClientResult& result) {
  return result.error == net::TransportError::none && result.status >= 200 && result.status < 300;
}

std::string failure_text(const std::string& url, const net::ClientResult& result) {
  if (result.error != net::TransportError::none) return url + ": " + result.detail;
  return url + " answered " + std::to_string(result.status) + ": " + short_body(result.body);
}

PushOutcome outcome_of(const net::ClientResult& result, const std::string& url,
                       std::chrono::system_clock::time_point now) {
  PushOutcome outcome;
  if (result.error == net::TransportError::none) {
    outcome.verdict = verdict_of_status(result.status, result.body);
    if (outcome.verdict == PushVerdict::accepted) return outcome;
    outcome.detail = url + " answered " + std::to_string(result.status) + ": " + short_body(result.body);
    if (outcome.verdict == PushVerdict::misconfigured) {
      outcome.detail += " (check the sink's url, headers and credentials)";
    } else if (outcome.verdict != PushVerdict::refused) {
      outcome.retry_after = net::retry_after(result.headers, now);
    }
    return outcome;
  }
  const bool nothing_sent = result.error == net::TransportError::unreachable;
  outcome.verdict = nothing_sent ? PushVerdict::retry : PushVerdict::uncertain;
  outcome.detail = url + ": " + result.detail;
  return outcome;
}

}  // namespace settle::sinks
