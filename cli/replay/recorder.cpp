#include "cli/replay/recorder.hpp"

#include <algorithm>
#include <vector>

#include "engine/model/series.hpp"
#include "fetchers/trace_writer.hpp"

namespace settle::cli {

using engine::Time;

engine::TimeRange Recorder::range_at(Time now) const {
  const engine::Duration g = options_.granularity;
  engine::TimeRange range;
  range.from = std::max(oldest_, engine::floor_to(now - 10 * options_.watch, g));
  range.to = engine::floor_to(std::min(now, options_.until.value_or(now)), g);
  range.to = std::max(range.to, range.from);
  return range;
}

void Recorder::seen_whole(Time now) {
  // Past watch: now - (bucket + g) > watch.
  const engine::Duration g = options_.granularity;
  oldest_ = std::max(oldest_, engine::ceil_to(now - options_.watch, g) - g);
  for (auto& [name, scope] : scopes_) {
    scope.buckets.erase(scope.buckets.begin(), scope.buckets.lower_bound(oldest_));
  }
}

std::uint64_t Recorder::young_buckets(Time now) const {
  const engine::TimeRange asked = range_at(now);
  return static_cast<std::uint64_t>((asked.to - asked.from) / options_.granularity);
}

const std::string& Recorder::labels_of(std::string_view series) {
  if (const auto found = labels_.find(series); found != labels_.end()) return found->second;
  const auto labels = engine::parse_series(series);  // canonical: always readable
  return labels_.emplace(std::string(series), labels ? fetchers::labels_json(*labels) : "{}").first->second;
}

std::string Recorder::take(const engine::Answer& answer, Time now) {
  std::string lines;
  for (const engine::ScopeAnswer& scope : answer.scopes) lines += take_scope(scope, now);
  return lines;
}

std::string Recorder::take_scope(const engine::ScopeAnswer& answer, Time now) {
  Scope& scope = scopes_[answer.scope];
  std::string lines;
  std::map<Time, Rows> seen;
  for (const engine::Observation& row : answer.rows) {
    if (!answer.covered.contains(row.bucket)) continue;
    if (!row.value.is_finite()) {
      ++counts_.left_out;
      continue;
    }
    const auto [it, is_new] = seen[row.bucket].try_emplace(std::string(row.series), row.value);
    if (!is_new) it->second = std::max(it->second, row.value);  // as the engine takes two rows of one cell
  }
  for (const auto& [bucket, rows] : seen) {
    Rows& known = scope.buckets[bucket];
    for (const auto& [series, value] : rows) {
      const auto [it, is_new] = known.try_emplace(series, value);
      if (!is_new && it->second == value) continue;
      it->second = value;
      lines += fetchers::value_line(now, answer.scope, labels_of(series), bucket, value);
      ++counts_.values;
    }
  }
  const bool complete = answer.completeness == engine::Completeness::complete;
  for (auto it = scope.buckets.lower_bound(answer.covered.from);
       complete && it != scope.buckets.end() && it->first < answer.covered.to; ++it) {
    const auto rows = seen.find(it->first);
    std::erase_if(it->second, [&](const auto& one) {
      if (rows != seen.end() && rows->second.contains(one.first)) return false;
      lines += fetchers::value_line(now, answer.scope, labels_of(one.first), it->first, std::nullopt);
      ++counts_.vanished;
      return true;
    });
  }
  // A truncated answer's frontier says nothing.
  if (complete && answer.frontier && answer.frontier != scope.frontier) {
    scope.frontier = answer.frontier;
    lines += fetchers::frontier_line(now, answer.scope, *answer.frontier);
    ++counts_.frontiers;
  }
  return lines;
}

}  // namespace settle::cli
