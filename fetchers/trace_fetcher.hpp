// fetchers/trace_fetcher.hpp: the source kind `trace`: plays a trace as if it were live.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fetchers/fetcher.hpp"
#include "fetchers/trace.hpp"

namespace settle::fetchers {

struct TraceOptions {
  std::string name{};  // of the source; also the scope of lines that name none
  std::vector<std::string> paths{};
  engine::Liveness liveness = engine::Liveness::automatic;
};

class TraceFetcher final : public Fetcher {
 public:
  TraceFetcher(TraceOptions options, Trace trace);
  /// Reads the files whole.
  [[nodiscard]] static engine::Result<std::unique_ptr<Fetcher>> open(TraceOptions options);

  boost::asio::awaitable<FetchResult> fetch(FetchRequest request) override;
  [[nodiscard]] engine::Result<void> accepts(const engine::Selector& selector,
                                             engine::Duration granularity) const override;
  [[nodiscard]] engine::Liveness liveness() const override { return options_.liveness; }

 private:
  TraceOptions options_;
  TraceHistory history_;
};

}  // namespace settle::fetchers
