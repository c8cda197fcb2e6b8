// When a simulated world has come to rest: what the live lane said, said again by the backfill lane.
#include <algorithm>

#include "tests/simulation/world_impl.hpp"

namespace settle::simulation {

using engine::Duration;
using engine::Time;

namespace {

/// The same under another path and record.
JobPlan beside(const JobPlan& plan) {
  JobPlan other = plan;
  const auto change = [&other](const std::string& from, const std::string& to) {
    other.json.replace(other.json.find('"' + from + '"'), from.size() + 2, '"' + to + '"');
  };
  other.path = plan.path + "/beside";
  other.record = plan.record + "_beside";
  change(plan.path, other.path);
  change(plan.record, other.record);
  return other;
}

}  // namespace

/// Rows come all the time: a moment is looked for at which all has come right and none is on its way.
void World::settle_down(Time since) {
  // The daemon waits for the time that a wrong clock had shown it.
  const Time shown = process_ ? process_->clocks().source_now() : witness_->newest_source_time();
  const Duration ahead = std::max(shown - time_.now, Duration::zero());
  const Duration end = std::chrono::ceil<Duration>(time_.steady.time_since_epoch()) + scenario_.calm + ahead;
  while (!over() && std::chrono::ceil<Duration>(time_.steady.time_since_epoch()) < end) {
    live_until(std::chrono::ceil<Duration>(time_.steady.time_since_epoch()) + std::chrono::milliseconds{500});
    if (process_ && later_.empty() && witness_->settled(process_->runner(), since)) return;
  }
}

void World::compare_lanes() {
  std::vector<std::size_t> compared;
  for (std::size_t i = 0; i < scenario_.jobs.size(); ++i) {
    const runner::Job* job = find_job(i);
    const auto range = job == nullptr ? std::nullopt : witness_->live_range(*job);
    // A job that was replaced has its successor's path.
    if (!range || job->spec.record != scenario_.jobs[i].record) continue;
    if (std::any_of(compared.begin(), compared.end(), [&](std::size_t other) {
          return scenario_.jobs[other].path == scenario_.jobs[i].path;
        })) {
      continue;
    }
    ask_backfill(*job, *range, true);
    witness_->expect_no_difference(*job, *range);
    compared.push_back(i);
  }
  if (compared.empty()) return;
  settle_down(Time::min());
  if (over()) return;
  witness_->check_reread(process_->runner());
  // Another job, to which nothing of it ever went.
  const std::size_t old = compared[random_.below(compared.size())];
  const runner::Job* like = find_job(old);
  if (over() || like == nullptr) return;
  const engine::TimeRange range = witness_->live_range(*like).value_or(engine::TimeRange{});
  scenario_.jobs.push_back(beside(scenario_.jobs[old]));
  const std::size_t fresh = scenario_.jobs.size() - 1;
  post(fresh, false);
  settle_down(Time::min());
  const runner::Job* job = over() ? nullptr : find_job(fresh);
  if (job == nullptr) return over() ? void() : violate("a job beside another is taken", "");
  ask_backfill(*job, range, false);
  settle_down(range.to);
  job = find_job(fresh);
  like = find_job(old);
  if (!over() && job != nullptr && like != nullptr) witness_->check_beside(*like, *job, range);
}

}  // namespace settle::simulation
