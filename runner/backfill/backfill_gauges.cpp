#include "runner/backfill/backfill_gauges.hpp"

#include <array>
#include <map>
#include <string>
#include <utility>

#include "runner/family.hpp"

namespace settle::runner {

using prometheus::MetricFamily;

namespace {

constexpr std::array kGapStates{GapState::open, GapState::scheduled, GapState::filled, GapState::impossible};
constexpr std::array kBackfillStates{BackfillState::queued, BackfillState::running, BackfillState::waiting,
                                     BackfillState::paused, BackfillState::done,    BackfillState::cancelled,
                                     BackfillState::failed};

}  // namespace

std::vector<MetricFamily> backfill_families(const std::vector<LaneGauges>& jobs, std::size_t jobs_max,
                                            engine::Time source_now) {
  Family gaps{"settle_job_gaps", "Ranges that the live lane or a backfill left, by state."};
  Family oldest{"settle_job_gap_oldest_seconds",
                "Source time since the start of the oldest gap that is not closed; 0: none."};
  Family backfills{"settle_backfills", "Backfills of registered jobs, by state."};
  std::map<BackfillState, std::size_t> states;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    for (const BackfillStatus& one : jobs[i].backfills) {
      states[one.state] += 1;
    }
    if (i >= jobs_max) {
      continue;
    }
    const GapCounts& counts = jobs[i].gaps;
    const LabelPairs labels{{"job", jobs[i].job->id}, {"store_path", jobs[i].job->spec.store_path}};
    for (const GapState state : kGapStates) {
      LabelPairs with_state = labels;
      with_state.emplace_back("state", gap_state_text(state));
      const auto found = counts.by_state.find(state);
      gaps.add(found == counts.by_state.end() ? 0 : static_cast<double>(found->second), with_state);
    }
    const engine::Duration age = counts.oldest ? source_now - *counts.oldest : engine::Duration::zero();
    oldest.add(static_cast<double>(age.count()) / 1000.0, labels);
  }
  for (const BackfillState state : kBackfillStates) {
    backfills.add(static_cast<double>(states[state]), {{"state", std::string{backfill_state_text(state)}}});
  }
  std::vector<MetricFamily> out;
  for (Family* family : {&gaps, &oldest, &backfills}) {
    out.push_back(std::move(*family).take());
  }
  return out;
}

}  // namespace settle::runner
