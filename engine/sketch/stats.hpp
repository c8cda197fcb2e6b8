// engine/sketch/stats.hpp: exact statistics of the samples of a series in a range of time.
//
// Counts are exact; sums are associated as the merges are, so that whoever wants equal bits merges in an
// order that depends on time alone.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::sketch {

class Stats {
 public:
  struct Point {
    engine::Time at{};
    double value = 0;
    bool operator==(const Point&) const = default;
  };
  /// What there is once there is a sample.
  struct Content {
    std::uint64_t count = 0;  // > 0
    double sum = 0;
    double min = 0;
    double max = 0;
    Point first;  // in time
    Point last;
    /// What a counter rose by from `first` to `last`: a fall is a reset, after which it began at zero. What
    /// it rose by before `first` belongs to whoever holds the sample before.
    double increase = 0;
    bool operator==(const Content&) const = default;
  };

  Stats() = default;
  /// Refused if it is none that samples can make: count 0, first after last, min above max, not finite (the
  /// sum and the increase may have become infinite).
  [[nodiscard]] static engine::Result<Stats> of(const Content& content);

  /// After all samples so far: false, and nothing done, if it is not, or if the value is not finite.
  bool add(engine::Time at, double value);
  /// The samples of `other` lie all after or all before those here; refused, and nothing done, if they do
  /// not. The rise between the two is part of the whole's increase.
  engine::Result<void> merge_in_time(const Stats& other);
  /// Of other series at the same time: adds, also the increases. `first` is then the sum of what the series
  /// had first at the earliest instant, `last` of those at the latest: what is asked of a merge over labels
  /// where all series have samples at the same instants.
  void merge_across(const Stats& other);

  [[nodiscard]] bool empty() const { return !content_; }
  [[nodiscard]] const std::optional<Content>& content() const { return content_; }
  bool operator==(const Stats&) const = default;

 private:
  std::optional<Content> content_;
};

/// XXH3-64 of the content: equal exactly if all of it is.
[[nodiscard]] std::uint64_t canonical_hash(const Stats& stats);

}  // namespace settle::sketch
