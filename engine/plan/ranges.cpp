#include "engine/plan/ranges.hpp"

#include <algorithm>

namespace settle::engine {

void Ranges::add(TimeRange range) {
  if (range.empty()) return;
  // What touches it becomes part of it.
  const auto first = std::lower_bound(ranges_.begin(), ranges_.end(), range.from,
                                      [](const TimeRange& one, Time at) { return one.to < at; });
  auto last = first;
  for (; last != ranges_.end() && last->from <= range.to; ++last) {
    range.from = std::min(range.from, last->from);
    range.to = std::max(range.to, last->to);
  }
  const auto at = ranges_.erase(first, last);
  ranges_.insert(at, range);
}

void Ranges::add(const Ranges& others) {
  for (const TimeRange& range : others.ranges_) add(range);
}

void Ranges::remove(TimeRange range) {
  if (range.empty()) return;
  std::vector<TimeRange> left;
  left.reserve(ranges_.size() + 1);
  for (const TimeRange& one : ranges_) {
    const TimeRange before{one.from, std::min(one.to, range.from)};
    const TimeRange after{std::max(one.from, range.to), one.to};
    if (!before.empty()) left.push_back(before);
    if (!after.empty()) left.push_back(after);
  }
  ranges_ = std::move(left);
}

void Ranges::remove(const Ranges& others) {
  for (const TimeRange& range : others.ranges_) remove(range);
}

void Ranges::keep(TimeRange range) {
  std::vector<TimeRange> left;
  for (const TimeRange& one : ranges_) {
    const TimeRange both{std::max(one.from, range.from), std::min(one.to, range.to)};
    if (!both.empty()) left.push_back(both);
  }
  ranges_ = std::move(left);
}

bool Ranges::contains(Time at) const {
  const auto next = std::upper_bound(ranges_.begin(), ranges_.end(), at,
                                     [](Time time, const TimeRange& one) { return time < one.to; });
  return next != ranges_.end() && next->from <= at;
}

std::uint64_t Ranges::count(Duration step) const {
  std::uint64_t sum = 0;
  for (const TimeRange& one : ranges_) sum += static_cast<std::uint64_t>((one.to - one.from) / step);
  return sum;
}

}  // namespace settle::engine
