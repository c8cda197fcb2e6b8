#include "runner/streams/finality_status.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace settle::runner {

namespace {

constexpr int kStalledTurns = 3;

/// `2.4 %`.
std::string percent(double share) {
  const auto tenths = std::llround(share * 1000);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " %";
}

}  // namespace

void read_scopes(const Job& job, const StreamStatus& status, engine::Time now, JobStatus& out) {
  const engine::Duration patience =
      kStalledTurns * std::max(job.spec.poll_interval, job.spec.engine.granularity);
  out.scopes = status.scopes.size();
  for (const engine::ScopeView& scope : status.scopes) {
    if (!scope.last_moved) continue;
    const engine::Duration unmoved = std::max(now - *scope.last_moved, engine::Duration{});
    out.unmoved = std::max(out.unmoved.value_or(unmoved), unmoved);
    if (unmoved > patience) ++out.scopes_stalled;
  }
}

void read_finality_status(const Job& job, const StreamStatus& status, const StreamStatus& cells,
                          JobStatus& out) {
  const engine::EngineOptions& options = cells_options(job.spec);
  FinalityStatus& finality = out.finality;
  finality.learned = cells.finality;
  if (const auto* learned = std::get_if<engine::Learned>(&options.finality)) {
    finality.error_target = learned->error_target;
  }
  finality.corrected = status.stats.corrections;
  finality.held_back = status.stats.held_back;
  finality.forced = status.stats.ttl;
  if (cells.finality.advised_watch) {
    out.warnings.push_back(percent(cells.finality.late_share) +
                           " of the cells still change in the last fifth of watch, " +
                           engine::format_duration(options.watch) + ": post the job with \"watch\": \"" +
                           engine::format_duration(*cells.finality.advised_watch) + "\"");
  }
  if (job.spec.engine.rising_only && status.stats.held_back > 0) {
    out.warnings.push_back("values fell " + std::to_string(status.stats.held_back) +
                           " times and the job says \"values\": \"growing\": its sink keeps the larger ones; "
                           "post the job with \"corrections\": \"ledger\" or \"hold\"");
  }
}

}  // namespace settle::runner
