#include "engine/plan/backfill.hpp"

#include <algorithm>

namespace settle::engine {

namespace {

// What sources give in one answer: Prometheus refuses more than 11,000 points per series.
constexpr std::int64_t kBucketsMax = 10'000;

}  // namespace

BackfillPlan plan_backfill(const BackfillAsk& ask) {
  BackfillPlan plan;
  plan.end_effective = std::max(std::min(ask.asked.to, ask.live_from), ask.asked.from);
  const TimeRange owned{ask.asked.from, plan.end_effective};
  plan.todo.add(owned);
  plan.buckets_total = plan.todo.count(ask.granularity);
  if (ask.valid_until) plan.todo.keep({owned.from, floor_to(*ask.valid_until, ask.granularity)});
  if (ask.force) return plan;
  if (ask.served_from) plan.todo.keep({owned.from, *ask.served_from});
  plan.todo.remove(ask.claimed);
  return plan;
}

TimeRange whole_buckets(TimeRange range, Duration granularity) {
  TimeRange whole{ceil_to(range.from, granularity), floor_to(range.to, granularity)};
  whole.to = std::max(whole.from, whole.to);
  return whole;
}

TimeRange next_chunk(const Ranges& todo, Duration length, Duration granularity) {
  if (todo.empty()) return {};
  TimeRange chunk = todo.list().front();
  const Duration whole = std::max(granularity, length / granularity * granularity);
  if (chunk.to - chunk.from > whole) chunk.to = chunk.from + whole;
  return chunk;
}

Duration choose_chunk(const ChunkSize& size) {
  const double buckets = size.samples_wanted / std::max(size.samples_per_bucket, 1e-3);
  const double most = static_cast<double>(kBucketsMax);
  auto count = static_cast<std::int64_t>(std::clamp(buckets, 1.0, most));
  if (size.asked) count = std::min<std::int64_t>(count, *size.asked / size.granularity);
  if (size.longest) count = std::min<std::int64_t>(count, *size.longest / size.granularity);
  return std::max<std::int64_t>(count, 1) * size.granularity;
}

std::optional<Duration> halve_chunk(Duration chunk, Duration granularity) {
  if (chunk <= granularity) return std::nullopt;
  return std::max(granularity, chunk / 2 / granularity * granularity);
}

}  // namespace settle::engine
