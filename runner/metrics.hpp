// runner/metrics.hpp: the counters of the runner; gauges are set at the scrape.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace settle::runner {

/// All names with their help text are in docs/metrics.md. The four asapquery_* are at zero from the start.
struct Metrics {
  Metrics();
  prometheus::Registry registry;
  prometheus::Histogram& job_duration_seconds;  // asapquery_precompute_job_duration_seconds
  prometheus::Counter& cache_hits;              // asapquery_precompute_cache_hits_total
  prometheus::Counter& cache_misses;            // asapquery_precompute_cache_misses_total
  prometheus::Family<prometheus::Counter>&
      pull_errors;                                   // asapquery_precompute_sketch_pull_errors_total{reason}
  prometheus::Family<prometheus::Counter>& samples;  // settle_samples_total{reason}
  prometheus::Family<prometheus::Counter>& rows_sent;      // settle_sink_rows_total{sink,lane,outcome}
  prometheus::Family<prometheus::Counter>& sink_requests;  // settle_sink_requests_total{sink,lane,outcome}
  prometheus::Histogram& commit_seconds;                   // settle_store_commit_seconds
  prometheus::Counter& commit_bytes;                       // settle_store_commit_bytes_total
};

}  // namespace settle::runner
