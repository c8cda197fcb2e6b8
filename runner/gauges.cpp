#include "runner/gauges.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "runner/family.hpp"

namespace settle::runner {

using prometheus::MetricFamily;
using prometheus::MetricType;

namespace {

double seconds(engine::Duration duration) {
  return static_cast<double>(duration.count()) / 1000.0;
}

void add_jobs(std::vector<MetricFamily>& out, const std::vector<JobGauges>& jobs, std::size_t jobs_max) {
  Family count{"settle_jobs", "Registered jobs by state."};
  Family lag{"settle_job_lag_seconds", "Source time now minus the end of the newest final bucket."};
  Family cells{"settle_job_open_cells", "Cells the job's stream watches."};
  Family final_cells{"settle_job_final_cells", "Of these, the cells whose newest value is final."};
  Family completeness{"settle_job_completeness", "Share of the cells it watches that are final."};
  Family scopes{"settle_job_scopes", "Parts of the source that answer by themselves."};
  Family stalled{"settle_job_scopes_stalled",
                 "Of these, the ones that stand still: no evidence for finality."};
  Family unmoved{"settle_job_unmoved_seconds",
                 "Source time since the scope moved that stands still longest."};
  Family series{"settle_job_series", "Series the job's stream knows."};
  Family samples{"settle_job_samples_total", "Samples emitted for the job since start.", MetricType::Counter};
  Family unpropagated{"settle_job_unpropagated",
                      "Sum of last observed minus last emitted of what is closed: what was held back."};
  Family gaps{"settle_job_gaps_open", "Ranges the live lane gave up and nothing has filled."};
  Family failing{"settle_job_failing", "1 while the job's last tick failed or its limits refuse series."};
  std::map<std::string, std::size_t> states;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    const JobStatus& status = jobs[i].status;
    states[std::string{job_state_text(status.state)}] += 1;
    if (i >= jobs_max) {
      continue;
    }
    const LabelPairs labels{{"job", jobs[i].job->id}, {"store_path", jobs[i].job->spec.store_path}};
    if (status.lag) {
      lag.add(seconds(*status.lag), labels);
    }
    cells.add(static_cast<double>(status.open_cells), labels);
    final_cells.add(static_cast<double>(status.final_cells), labels);
    if (status.open_cells > 0) {
      completeness.add(static_cast<double>(status.final_cells) / static_cast<double>(status.open_cells),
                       labels);
    }
    scopes.add(static_cast<double>(status.scopes), labels);
    stalled.add(static_cast<double>(status.scopes_stalled), labels);
    if (status.unmoved) {
      unmoved.add(seconds(*status.unmoved), labels);
    }
    series.add(static_cast<double>(status.series), labels);
    samples.add(static_cast<double>(status.samples), labels);
    unpropagated.add(status.unpropagated, labels);
    gaps.add(static_cast<double>(status.gaps_open), labels);
    failing.add(status.state == JobState::failing || status.state == JobState::limited ? 1 : 0, labels);
  }
  for (const auto& [state, number] : states) {
    count.add(static_cast<double>(number), {{"state", state}});
  }
  for (Family* family : {&count, &lag, &cells, &final_cells, &completeness, &scopes, &stalled, &unmoved,
                         &series, &samples, &unpropagated, &gaps, &failing}) {
    out.push_back(std::move(*family).take());
  }
}

void add_sinks(std::vector<MetricFamily>& out, const std::vector<PumpStatus>& sinks) {
  Family waiting{"settle_outbox_rows", "Rows in the ledger that the sink has not acknowledged."};
  Family reachable{"settle_sink_reachable", "1 while the sink answers its health check."};
  Family overwrites{"settle_sink_can_overwrite", "1 where a correction replaces the earlier value."};
  Family replaced{"settle_sink_rows_replaced_total", "Rows not sent because a newer revision came first.",
                  MetricType::Counter};
  Family resent{"settle_sink_rows_resent_total", "Acknowledged rows sent again after the server lost them.",
                MetricType::Counter};
  for (const PumpStatus& sink : sinks) {
    const LabelPairs of_lane{{"sink", sink.sink}, {"lane", std::string{lane_text(sink.lane)}}};
    waiting.add(static_cast<double>(sink.rows_waiting), of_lane);
    replaced.add(static_cast<double>(sink.rows_replaced), of_lane);
    resent.add(static_cast<double>(sink.rows_resent), of_lane);
    if (sink.lane == Lane::backfill) {
      continue;
    }
    const LabelPairs labels{{"sink", sink.sink}};
    reachable.add(sink.health && sink.health->reachable ? 1 : 0, labels);
    overwrites.add(sink.health && sink.health->capabilities.overwrite != sinks::Overwrite::none ? 1 : 0,
                   labels);
  }
  for (Family* family : {&waiting, &reachable, &overwrites, &replaced, &resent}) {
    out.push_back(std::move(*family).take());
  }
}

void add_finality(std::vector<MetricFamily>& out, const std::vector<JobGauges>& jobs, std::size_t jobs_max) {
  Family corrected{"settle_job_corrected_total", "Corrections emitted.", MetricType::Counter};
  Family held{"settle_job_held_back_total", "Corrections that were not sent.", MetricType::Counter};
  Family forced{"settle_job_forced_total", "Cells emitted because they were older than ttl.",
                MetricType::Counter};
  Family judged{"settle_job_judged_total", "Sealed cells that were final by the policy.",
                MetricType::Counter};
  Family wrong{"settle_job_wrong_total", "Of those, the ones whose first final value was not the last.",
               MetricType::Counter};
  Family target{"settle_job_error_target", "The share of wrong cells that a learned finality aims at."};
  Family level{"settle_job_error_level", "The share it allows for at the moment, so that the target is met."};
  Family age{"settle_job_settling_age_seconds", "Age at which it now takes most cells as final."};
  Family late{"settle_job_late_share", "Share of cells that still change in the last fifth of watch."};
  for (std::size_t i = 0; i < std::min(jobs.size(), jobs_max); ++i) {
    const JobStatus& status = jobs[i].status;
    const FinalityStatus& finality = status.finality;
    const LabelPairs labels{{"job", jobs[i].job->id}, {"store_path", jobs[i].job->spec.store_path}};
    corrected.add(static_cast<double>(finality.corrected), labels);
    held.add(static_cast<double>(finality.held_back), labels);
    forced.add(static_cast<double>(finality.forced), labels);
    judged.add(static_cast<double>(finality.learned.judged), labels);
    wrong.add(static_cast<double>(finality.learned.wrong), labels);
    if (!finality.error_target) {
      continue;
    }
    target.add(*finality.error_target, labels);
    level.add(finality.learned.error_level, labels);
    late.add(finality.learned.late_share, labels);
    if (finality.learned.settling_age) {
      age.add(seconds(*finality.learned.settling_age), labels);
    }
  }
  for (Family* family : {&corrected, &held, &forced, &judged, &wrong, &target, &level, &age, &late}) {
    out.push_back(std::move(*family).take());
  }
}

}  // namespace

std::vector<MetricFamily> gauge_families(const std::vector<JobGauges>& jobs, std::size_t jobs_max,
                                         const std::vector<PumpStatus>& sinks, const StoreStat& store,
                                         std::size_t jobs_waiting) {
  std::vector<MetricFamily> out;
  add_jobs(out, jobs, jobs_max);
  add_finality(out, jobs, jobs_max);
  add_sinks(out, sinks);
  Family used{"settle_store_bytes", "Bytes the store uses of store.max_bytes."};
  used.add(static_cast<double>(store.bytes_used));
  Family limit{"settle_store_bytes_max", "store.max_bytes."};
  limit.add(static_cast<double>(store.bytes_max));
  Family sequence{"settle_store_commits_total", "Transactions since the store was made.",
                  MetricType::Counter};
  sequence.add(static_cast<double>(store.last_sequence));
  Family waiting{"settle_config_jobs_waiting", "Jobs of the configuration that wait for a sink to answer."};
  waiting.add(static_cast<double>(jobs_waiting));
  for (Family* family : {&used, &limit, &sequence, &waiting}) {
    out.push_back(std::move(*family).take());
  }
  return out;
}

}  // namespace settle::runner
