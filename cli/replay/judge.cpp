#include "cli/replay/judge.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace settle::cli {

using engine::Duration;
using engine::Time;

namespace {
/// Buckets in one trace stay far below: replay() refuses more polls than 10 million.
constexpr unsigned kBucketBits = 40;
}  // namespace

Truth::Truth(const engine::Answer& last_answer, Time first_bucket, Duration granularity)
    : first_bucket_(first_bucket), granularity_(granularity) {
  for (const engine::ScopeAnswer& scope : last_answer.scopes) {
    for (const engine::Observation& row : scope.rows) {
      const std::uint64_t cell = key(series_key(row.series), row.bucket);
      const auto [it, is_new] = values_.emplace(cell, row.value);
      if (is_new) keys_.push_back(cell);
      if (!is_new) it->second = std::max(it->second, row.value);
    }
  }
}

std::uint64_t Truth::series_key(std::string_view text) {
  const auto [it, is_new] = series_.try_emplace(std::string(text), series_.size() << kBucketBits);
  return it->second;
}

std::uint64_t Truth::key(std::uint64_t series_key, Time bucket) const {
  return series_key + static_cast<std::uint64_t>((bucket - first_bucket_) / granularity_);
}

const engine::Value* Truth::find(std::uint64_t key) const {
  const auto it = values_.find(key);
  return it == values_.end() ? nullptr : &it->second;
}

Time Truth::bucket_of(std::uint64_t key) const {
  const std::uint64_t number = key & ((std::uint64_t{1} << kBucketBits) - 1);
  return first_bucket_ + static_cast<std::int64_t>(number) * granularity_;
}

double relative_error(const engine::Value& said, const engine::Value* last) {
  if (last != nullptr && said == *last) return 0;
  const double truth = last == nullptr ? 0 : last->as_double();
  if (truth == 0) return 1;
  return std::abs(said.as_double() - truth) / std::abs(truth);
}

void Judge::take(std::uint64_t key, const engine::Sample& sample, Time at, bool frozen) {
  if (!judges(sample.bucket)) return;
  const auto [it, is_first] = place_.try_emplace(key, seen_.size());
  if (is_first) {
    const Duration age = at - (sample.bucket + options_.engine.granularity);
    seen_.push_back({.key = key, .first = sample.value, .last = sample.value, .age = age});
    if (frozen && sample.reason != engine::Reason::ttl) ++figures_.frozen;
  }
  seen_[it->second].last = sample.value;
  if (sample.reason == engine::Reason::correction) ++figures_.corrections;
  if (sample.reason == engine::Reason::ttl) ++figures_.forced;
}

void Judge::close(const Truth& truth) {
  for (const Seen& cell : seen_) {
    const engine::Value* last = truth.find(cell.key);
    const double error = relative_error(cell.first, last);
    if (error > 0) ++figures_.wrong_at_first;
    if (error > options_.off_by) ++figures_.off_at_first;
    if (relative_error(cell.last, last) > 0) ++figures_.wrong_at_last;
    error_sum_ += error;
    ages_.push_back(cell.age);
  }
  for (const std::uint64_t key : truth.keys()) {
    if (judges(truth.bucket_of(key)) && !place_.contains(key)) ++figures_.never_emitted;
  }
  seen_.clear();
  place_.clear();
}

ReplayFigures Judge::figures(std::uint64_t polls) && {
  figures_.polls = polls;
  figures_.windows = ages_.size();
  if (ages_.empty()) return figures_;
  std::sort(ages_.begin(), ages_.end());
  Duration sum{};
  for (const Duration age : ages_) sum += age;
  figures_.mean_age = sum / static_cast<std::int64_t>(ages_.size());
  figures_.p99_age = ages_[(ages_.size() * 99 + 99) / 100 - 1];  // nearest rank
  figures_.mean_error = error_sum_ / static_cast<double>(ages_.size());
  return figures_;
}

}  // namespace settle::cli
