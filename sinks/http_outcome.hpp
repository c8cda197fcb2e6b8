// sinks/http_outcome.hpp: what the answer to a pushed body means for its rows. Pure.
#pragma once

#include <chrono>
#include <string>

#include "net/http_client.hpp"
#include "sinks/sink.hpp"

namespace settle::sinks {

/// `url` is for the operator.
[[nodiscard]] PushOutcome outcome_of(const net::ClientResult& result, const std::string& url,
                                     std::chrono::system_clock::time_point now);

/// A whole answer with a status of 200 to 299.
[[nodiscard]] bool is_success(const net::ClientResult& result);
/// One sentence about an answer that is no success.
[[nodiscard]] std::string failure_text(const std::string& url, const net::ClientResult& result);

}  // namespace settle::sinks
