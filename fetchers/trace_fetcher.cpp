#include "fetchers/trace_fetcher.hpp"

#include <algorithm>
#include <utility>

namespace settle::fetchers {

TraceFetcher::TraceFetcher(TraceOptions options, Trace trace)
    : options_(std::move(options)), history_(std::move(trace), options_.name) {}

engine::Result<std::unique_ptr<Fetcher>> TraceFetcher::open(TraceOptions options) {
  auto trace = load_trace(options.paths);
  if (!trace) return engine::refused("source '" + options.name + "': " + trace.error().detail);
  std::unique_ptr<Fetcher> fetcher = std::make_unique<TraceFetcher>(std::move(options), *std::move(trace));
  return fetcher;
}

boost::asio::awaitable<FetchResult> TraceFetcher::fetch(FetchRequest request) {
  FetchResult result;
  result.answer = history_.answer_at(request.range, request.selector, request.now);
  co_return result;
}

engine::Result<void> TraceFetcher::accepts(const engine::Selector& selector,
                                           engine::Duration granularity) const {
  const std::vector<std::string> metrics = history_.metrics();
  if (!std::binary_search(metrics.begin(), metrics.end(), selector.metric())) {
    std::string known;
    for (const std::string& metric : metrics) known += (known.empty() ? "" : ", ") + metric;
    return engine::refused("the trace '" + options_.name + "' holds no metric '" + selector.metric() +
                           "'; it holds: " + (known.empty() ? "none" : known));
  }
  if (const auto off = history_.first_off_grid(granularity)) {
    return engine::refused("the trace '" + options_.name + "' has a bucket at " + engine::format_time(*off) +
                           ", which is not the start of a bucket of " + engine::format_duration(granularity));
  }
  return {};
}

}  // namespace settle::fetchers
