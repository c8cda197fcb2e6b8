// runner/streams/finality_metrics.hpp: counters and histograms of what settles and what is corrected
// afterwards.
#pragma once

#include <prometheus/histogram.h>

#include "engine/stabilizer/sample.hpp"
#include "runner/metrics.hpp"

namespace settle::runner {

/// Registered with `metrics`, which outlives it: docs/metrics.md.
class FinalityMetrics {
 public:
  explicit FinalityMetrics(Metrics& metrics);
  /// By reason, and in the histograms that it belongs to.
  void count(const engine::Sample& sample);

 private:
  Metrics& metrics_;
  prometheus::Histogram& final_age_seconds_;            // settle_final_age_seconds
  prometheus::Histogram& final_polls_;                  // settle_final_polls
  prometheus::Histogram& correction_size_ratio_;        // settle_correction_size_ratio
  prometheus::Histogram& correction_lateness_seconds_;  // settle_correction_lateness_seconds
};

}  // namespace settle::runner
