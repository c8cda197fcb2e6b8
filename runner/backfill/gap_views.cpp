// The gaps of a job, as the outside sees them.
#include "runner/backfill/backfill_lane_impl.hpp"

namespace settle::runner {

namespace {

/// A gap that was filled for other jobs is not shown to one that has an entry of its own for it.
bool concerns(const std::map<std::string, GapItem>& items, const GapEntry& entry, const Job& job) {
  if (!entry.job_id.empty() || entry.state != GapState::filled) {
    return entry.job_id.empty() || entry.job_id == job.id;
  }
  GapEntry own = entry;
  own.job_id = job.id;
  const auto found = items.find(gap_key_of(job.tenant, job.stream_id, own));
  return found == items.end() || found->second.entry.state != GapState::impossible ||
         found->second.entry.noticed_at != entry.noticed_at;
}

}  // namespace

std::vector<GapStatus> BackfillLane::gaps(const Job& job, std::size_t skip, std::size_t limit) const {
  std::vector<GapStatus> page;
  const auto found = impl_->gap_items.find({job.tenant, job.stream_id});
  if (found == impl_->gap_items.end()) {
    return page;
  }
  for (const auto& [key, item] : found->second) {  // by (from, scope), as the keys are
    const GapEntry& entry = item.entry;
    if (!concerns(found->second, entry, job)) {
      continue;
    }
    if (skip > 0) {
      skip -= 1;
      continue;
    }
    if (page.size() == limit) {
      break;
    }
    GapStatus gap;
    gap.scope = entry.gap.scope;
    gap.range = entry.gap.range;
    gap.state = entry.state;
    gap.reason = entry.reason.empty() ? "the live lane had no complete answer in time" : entry.reason;
    gap.cells = entry.cells_seen;
    gap.attempts = entry.attempts;
    gap.last_error = item.wait.why.empty() ? entry.last_error : item.wait.why;
    gap.noticed_at = entry.noticed_at;
    gap.closed_at = entry.closed_at;
    page.push_back(std::move(gap));
  }
  return page;
}

GapCounts BackfillLane::gap_counts(const Job& job) const {
  GapCounts counts;
  const auto found = impl_->gap_items.find({job.tenant, job.stream_id});
  if (found == impl_->gap_items.end()) {
    return counts;
  }
  for (const auto& [key, item] : found->second) {
    const GapEntry& entry = item.entry;
    if (!concerns(found->second, entry, job)) {
      continue;
    }
    counts.by_state[entry.state] += 1;
    const bool waits = entry.state == GapState::open || entry.state == GapState::scheduled;
    if (waits && (!counts.oldest || entry.gap.range.from < *counts.oldest)) {
      counts.oldest = entry.gap.range.from;
    }
  }
  return counts;
}

}  // namespace settle::runner
