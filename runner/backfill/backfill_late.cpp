// What comes too late for a sink that takes nothing far behind its newest sample: it is not sent there, and
// said.
#include <algorithm>
#include <set>
#include <utility>

#include <spdlog/spdlog.h>

#include "runner/backfill/backfill_lane_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;
using engine::TimeRange;

namespace {

// From a chunk's commit until the sink has it: rows of the backfill lane are gathered, and live ones go
// first.
constexpr engine::Duration kOnItsWay = std::chrono::minutes{1};

}  // namespace

/// The live lane has sent, or sends before anything else, what is as new as now.
std::optional<Time> BackfillLane::Impl::oldest_taken(const std::string& sink) const {
  const auto can = parts.sink(sink);
  if (!can || !can->out_of_order_window) {
    return std::nullopt;
  }
  return parts.clocks.source_now() - *can->out_of_order_window + kOnItsWay;
}

TimeRange BackfillLane::Impl::cut_for_sinks(TimeRange range, const JobSpec& spec) const {
  for (const std::string& name : spec.sinks) {
    const auto oldest = oldest_taken(name);
    const Time cut = oldest ? engine::ceil_to(*oldest, spec.engine.granularity) : range.to;
    if (range.from < cut) {
      range.to = std::min(range.to, cut);
    }
  }
  return range;
}

Late BackfillLane::Impl::leave_out_late(std::vector<FillTarget>& targets) const {
  std::set<std::string> names;
  Late late;
  for (FillTarget& target : targets) {
    std::erase_if(target.spec.sinks, [&](const std::string& name) {
      const auto oldest = oldest_taken(name);
      // cut_for_sinks() cut it there, a moment ago.
      const bool is_late =
          oldest && target.range.to <= engine::ceil_to(*oldest, target.spec.engine.granularity);
      if (is_late) {
        names.insert(name);
      }
      return is_late;
    });
    if (target.spec.sinks.empty()) {
      late.jobs.push_back(target.job_id);
    }
  }
  std::erase_if(targets, [](const FillTarget& target) { return target.spec.sinks.empty(); });
  for (const std::string& name : names) {
    late.sinks += (late.sinks.empty() ? "" : ", ") + name;
  }
  return late;
}

std::string late_reason(const Late& late) {
  return "older than what is taken by sink " + late.sinks + ", whose out_of_order_window is too short for it";
}

/// The range leaves `todo`, and nobody gets it.
asio::awaitable<void> BackfillLane::Impl::give_up(BackfillId id, TimeRange range, std::string why) {
  const Turns::Turn turn = co_await commits.take();
  BackfillItem& item = backfills.at(id);
  if (is_over(item.record.state)) {
    co_return;  // cancelled meanwhile
  }
  const Job* job = parts.registry.find(item.record.tenant, id.first);
  if (job == nullptr) {
    co_return;
  }
  BackfillRecord record = item.record;
  record.todo.remove(range);
  record.buckets_impossible += engine::Ranges{range}.count(job->spec.engine.granularity);
  record.errors += 1;
  record.last_error = engine::format_time(range.from) + " to " + engine::format_time(range.to) + ": " + why;
  record.last_error_at = parts.clocks.source_now();
  const bool saved = co_await save(std::move(record));
  if (saved) {
    spdlog::warn("event=backfill_late backfill={} error={:?}", id.second, item.record.last_error);
    item.ahead.reset();
  }
}

}  // namespace settle::runner
