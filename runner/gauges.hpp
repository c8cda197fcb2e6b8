// runner/gauges.hpp: what /metrics shows of the present state; made anew for every scrape.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "runner/push/pump.hpp"
#include "runner/service.hpp"

namespace settle::runner {

struct JobGauges {
  const Job* job = nullptr;
  JobStatus status;
};

/// Families in a fixed order. At most `jobs_max` jobs have a label of their own (the oldest); settle_jobs
/// counts all.
[[nodiscard]] std::vector<prometheus::MetricFamily> gauge_families(const std::vector<JobGauges>& jobs,
                                                                   std::size_t jobs_max,
                                                                   const std::vector<PumpStatus>& sinks,
                                                                   const StoreStat& store,
                                                                   std::size_t jobs_waiting = 0);

}  // namespace settle::runner
