// runner/backfill/backfill_gauges.hpp: gaps and backfills as metrics, at the scrape.
#pragma once

#include <cstddef>
#include <vector>

#include <prometheus/metric_family.h>

#include "engine/model/time.hpp"
#include "runner/backfill/backfill_lane.hpp"

namespace settle::runner {

struct LaneGauges {
  const Job* job = nullptr;
  GapCounts gaps;
  std::vector<BackfillStatus> backfills;
};

/// Families in a fixed order; at most `jobs_max` jobs have a label of their own.
[[nodiscard]] std::vector<prometheus::MetricFamily> backfill_families(const std::vector<LaneGauges>& jobs,
                                                                      std::size_t jobs_max,
                                                                      engine::Time source_now);

}  // namespace settle::runner
