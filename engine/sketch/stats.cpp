#include "engine/sketch/stats.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include <xxhash.h>

namespace settle::sketch {
namespace {

/// What a counter rose by between two samples.
double rise(double from, double to) {
  return to >= from ? to - from : to;
}

void add_amounts(Stats::Content& into, const Stats::Content& other) {
  into.count += other.count;
  into.sum += other.sum;
  into.min = std::min(into.min, other.min);
  into.max = std::max(into.max, other.max);
  into.increase += other.increase;
}

}  // namespace

engine::Result<Stats> Stats::of(const Content& content) {
  const auto finite = [](auto... values) { return (std::isfinite(values) && ...); };
  if (content.count == 0 || content.first.at > content.last.at || !(content.min <= content.max) ||
      !finite(content.sum, content.min, content.max, content.first.value, content.last.value,
              content.increase)) {
    return engine::refused("statistics that no samples have");
  }
  Stats stats;
  stats.content_ = content;
  return stats;
}

bool Stats::add(engine::Time at, double value) {
  if (!std::isfinite(value) || (content_ && at <= content_->last.at)) return false;
  const Point point{.at = at, .value = value + 0.0};  // no minus zero
  return bool{merge_in_time([&] {
    Stats one;
    one.content_ = {.count = 1,
                    .sum = point.value,
                    .min = point.value,
                    .max = point.value,
                    .first = point,
                    .last = point,
                    .increase = 0};
    return one;
  }())};
}

engine::Result<void> Stats::merge_in_time(const Stats& other) {
  if (other.empty()) return {};
  if (empty()) {
    content_ = other.content_;
    return {};
  }
  const bool before = content_->last.at < other.content_->first.at;
  if (!before && other.content_->last.at >= content_->first.at) {
    return engine::refused("statistics of ranges that overlap: " + engine::format_time(content_->first.at) +
                           " to " + engine::format_time(content_->last.at) + " and " +
                           engine::format_time(other.content_->first.at) + " to " +
                           engine::format_time(other.content_->last.at));
  }
  Content merged = before ? *content_ : *other.content_;
  const Content& later = before ? *other.content_ : *content_;
  const double seam = rise(merged.last.value, later.first.value);
  add_amounts(merged, later);
  merged.increase += seam;
  merged.last = later.last;
  content_ = merged;
  return {};
}

void Stats::merge_across(const Stats& other) {
  if (other.empty()) return;
  if (empty()) {
    content_ = other.content_;
    return;
  }
  const Content& theirs = *other.content_;
  add_amounts(*content_, theirs);
  Point& first = content_->first;
  if (theirs.first.at == first.at) first.value += theirs.first.value;
  if (theirs.first.at < first.at) first = theirs.first;
  Point& last = content_->last;
  if (theirs.last.at == last.at) last.value += theirs.last.value;
  if (theirs.last.at > last.at) last = theirs.last;
}

std::uint64_t canonical_hash(const Stats& stats) {
  if (stats.empty()) return XXH3_64bits(nullptr, 0);
  const Stats::Content& content = *stats.content();
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value + 0.0); };
  const std::array<std::uint64_t, 9> words{content.count,
                                           bits(content.sum),
                                           bits(content.min),
                                           bits(content.max),
                                           static_cast<std::uint64_t>(engine::epoch_ms(content.first.at)),
                                           bits(content.first.value),
                                           static_cast<std::uint64_t>(engine::epoch_ms(content.last.at)),
                                           bits(content.last.value),
                                           bits(content.increase)};
  return XXH3_64bits(words.data(), sizeof words);
}

}  // namespace settle::sketch
