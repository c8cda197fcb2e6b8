#include "runner/streams/finality_metrics.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

namespace settle::runner {

namespace {

using prometheus::Histogram;

// A cell is final some polls after its bucket's end, at the latest after `watch`: 30 min by default, 30 d at
// most.
const Histogram::BucketBoundaries kAgeBounds{15,    30,    60,    120,    300,    600,    900,
                                             1'800, 3'600, 7'200, 14'400, 43'200, 86'400, 604'800};
const Histogram::BucketBoundaries kPollBounds{1, 2, 3, 5, 10, 20, 50, 100};
const Histogram::BucketBoundaries kRatioBounds{0.0001, 0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1};

Histogram& histogram(Metrics& metrics, const char* name, const char* help,
                     const Histogram::BucketBoundaries& bounds) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(metrics.registry).Add({}, bounds);
}

}  // namespace

FinalityMetrics::FinalityMetrics(Metrics& metrics)
    : metrics_(metrics),
      final_age_seconds_(histogram(metrics, "settle_final_age_seconds",
                                   "Age of a bucket's end when a cell of it settled.", kAgeBounds)),
      final_polls_(histogram(metrics, "settle_final_polls",
                             "Evidence polls that had seen the value when it settled.", kPollBounds)),
      correction_size_ratio_(
          histogram(metrics, "settle_correction_size_ratio",
                    "Change of a corrected gauge value, relative to the larger of the two.", kRatioBounds)),
      correction_lateness_seconds_(histogram(metrics, "settle_correction_lateness_seconds",
                                             "Age of a bucket's end when a cell of it was corrected.",
                                             kAgeBounds)) {}

void FinalityMetrics::count(const engine::Sample& sample) {
  metrics_.samples.Add({{"reason", std::string{engine::reason_text(sample.reason)}}}).Increment();
  const double age = std::chrono::duration<double>(sample.age).count();
  if (sample.reason == engine::Reason::settled && sample.revision == 1) {
    final_age_seconds_.Observe(age);
    final_polls_.Observe(sample.evidence_polls);
  }
  if (sample.reason != engine::Reason::correction) return;
  correction_lateness_seconds_.Observe(age);
  if (!sample.replaced) return;
  const double before = sample.replaced->as_double();
  const double after = sample.value.as_double();
  const double change = std::abs(after - before) / std::max(std::abs(after), std::abs(before));
  if (std::isfinite(change)) correction_size_ratio_.Observe(change);
}

}  // namespace settle::runner
