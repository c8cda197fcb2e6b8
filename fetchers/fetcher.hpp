// fetchers/fetcher.hpp: the port to a source: a range in; observations, coverage and frontier out; errors as
// values.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/model/answer.hpp"
#include "engine/promql/selector.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"

namespace settle::fetchers {

struct FetchRequest {
  engine::TimeRange range;  // aligned to the granularity; whole buckets [b, b + granularity)
  engine::Duration granularity{};
  engine::Selector selector;
  engine::Time now;                           // source time
  std::chrono::milliseconds timeout{30'000};  // real time, for the whole fetch
};

/// Why a scope is missing from the answer. The texts are metric labels.
enum class FetchFailure : std::uint8_t {
  unreachable,
  timed_out,
  status,
  malformed,
  partial,
  too_large,
  stopped
};
[[nodiscard]] std::string_view failure_text(FetchFailure failure);

struct ScopeFailure {
  std::string scope;
  FetchFailure failure = FetchFailure::unreachable;
  std::string detail;              // for the operator: what was asked of whom, what came, what to do
  bool perhaps_too_large = false;  // a shorter range may be answered: it took too long, or was too much
};

struct FetchResult {
  engine::Answer answer;                 // the scopes that answered; may be empty
  std::vector<ScopeFailure> failures;    // the scopes that did not: nothing of theirs is in the answer
  std::uint64_t rows_without_value = 0;  // NaN and stale markers: no row
  bool told_before = false;              // the failures: to another stream, that reads of the same answer
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  /// Series that match the selector, at most one row per (scope, series, bucket), all inside the range. Runs
  /// on the event loop; heavy decoding goes to the pool it was given. Never throws for what the source did.
  virtual boost::asio::awaitable<FetchResult> fetch(FetchRequest request) = 0;
  /// Refuses a selector or granularity that this source can never answer, so that a job fails at
  /// registration.
  [[nodiscard]] virtual engine::Result<void> accepts(const engine::Selector& selector,
                                                     engine::Duration granularity) const = 0;
  [[nodiscard]] virtual engine::Liveness liveness() const = 0;
};

}  // namespace settle::fetchers
