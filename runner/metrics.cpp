#include "runner/metrics.hpp"

#include <string>

#include "engine/stabilizer/sample.hpp"
#include "fetchers/fetcher.hpp"

namespace settle::runner {
namespace {

using prometheus::BuildCounter;
using prometheus::BuildHistogram;
using prometheus::Histogram;

// A tick is a fetch and a commit: from a loopback poll to the fetch time-out of 30 s and what follows it.
const Histogram::BucketBoundaries kTickBounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                              1,     2.5,  5,     10,   30,  60};
// A commit is one fdatasync and what it writes: 0.5 ms on flash, seconds on a disk in trouble.
const Histogram::BucketBoundaries kCommitBounds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                0.1,    0.25,  0.5,    1,     2.5,  10};

Histogram& histogram(prometheus::Registry& registry, const char* name, const char* help,
                     const Histogram::BucketBoundaries& bounds) {
  return BuildHistogram().Name(name).Help(help).Register(registry).Add({}, bounds);
}

prometheus::Counter& counter(prometheus::Registry& registry, const char* name, const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry).Add({});
}

prometheus::Family<prometheus::Counter>& counters(prometheus::Registry& registry, const char* name,
                                                  const char* help) {
  return BuildCounter().Name(name).Help(help).Register(registry);
}

}  // namespace

Metrics::Metrics()
    : job_duration_seconds(histogram(registry, "asapquery_precompute_job_duration_seconds",
                                     "Time of one tick of a job, from the fetch to the commit.",
                                     kTickBounds)),
      cache_hits(counter(registry, "asapquery_precompute_cache_hits_total",
                         "Queries and result requests answered from the result cache.")),
      cache_misses(counter(registry, "asapquery_precompute_cache_misses_total",
                           "Queries and result requests that the result cache could not answer.")),
      pull_errors(counters(registry, "asapquery_precompute_sketch_pull_errors_total",
                           "Polls of a source of which at least one scope failed, by reason.")),
      samples(counters(registry, "settle_samples_total", "Samples emitted, by reason.")),
      rows_sent(
          counters(registry, "settle_sink_rows_total", "Rows handed to a sink, by sink, lane and outcome.")),
      sink_requests(counters(registry, "settle_sink_requests_total",
                             "Requests made to a sink, by sink, lane and outcome.")),
      commit_seconds(histogram(registry, "settle_store_commit_seconds",
                               "Time of the commit of one tick, fdatasync included.", kCommitBounds)),
      commit_bytes(counter(registry, "settle_store_commit_bytes_total",
                           "Bytes of keys and values in the commits of ticks.")) {
  // A series that appears only with its first event is invisible to rate(): all of them exist from the start.
  using engine::Reason;
  for (const Reason reason :
       {Reason::settled, Reason::ttl, Reason::correction, Reason::flush, Reason::backfill, Reason::stale}) {
    samples.Add({{"reason", std::string{engine::reason_text(reason)}}});
  }
  using fetchers::FetchFailure;
  for (const FetchFailure failure :
       {FetchFailure::unreachable, FetchFailure::timed_out, FetchFailure::status, FetchFailure::malformed,
        FetchFailure::partial, FetchFailure::too_large, FetchFailure::stopped}) {
    pull_errors.Add({{"reason", std::string{fetchers::failure_text(failure)}}});
  }
}

}  // namespace settle::runner
