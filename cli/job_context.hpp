// cli/job_context.hpp: what the configuration alone says about sources and sinks; asks no server.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/config/config.hpp"
#include "runner/jobs/job.hpp"

namespace settle::cli {

/// Whether a VictoriaMetrics takes a second value is known only from the running server; here it counts as
/// able, and the daemon asks it at start. The configuration outlives the context.
class ConfiguredContext final : public runner::JobContext {
 public:
  explicit ConfiguredContext(const Config& config) : config_(config) {}

  [[nodiscard]] engine::Result<engine::Liveness> source(const std::string& name,
                                                        const engine::Selector& selector,
                                                        engine::Duration granularity) const override;
  [[nodiscard]] SinkFacts sink(const std::string& name) const override;
  [[nodiscard]] std::string default_sink() const override;
  [[nodiscard]] std::vector<std::string> source_names() const override;
  [[nodiscard]] std::vector<std::string> sink_names() const override;
  [[nodiscard]] bool same_server(const std::string& source, const std::string& sink) const override;
  [[nodiscard]] std::size_t series_max() const override { return config_.limits.series_max; }
  [[nodiscard]] std::size_t open_cells_max() const override { return config_.limits.open_cells_max; }

 private:
  const Config& config_;
};

struct CheckedJob {
  std::optional<runner::JobSpec> spec;  // none: see error
  std::string error;                    // FILE:LINE:COLUMN: field: what is wrong
};
/// In the order of the configuration.
[[nodiscard]] std::vector<CheckedJob> check_jobs(const Config& config, const runner::JobContext& context,
                                                 engine::Time source_now);

}  // namespace settle::cli
