// cli/replay/judge.hpp: how good the emissions of a replay were, against the values the trace ends with.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cli/replay/replay.hpp"
#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::cli {

/// The values of one metric with which a trace ends, by series and bucket. Where scopes disagree the greatest
/// counts, as in the engine.
class Truth {
 public:
  Truth(const engine::Answer& last_answer, engine::Time first_bucket, engine::Duration granularity);

  /// Of a series: what the keys of its cells are made of; a series that the trace does not end with gets one.
  [[nodiscard]] std::uint64_t series_key(std::string_view text);
  [[nodiscard]] std::uint64_t key(std::uint64_t series_key, engine::Time bucket) const;
  /// Null: the trace does not end with such a cell.
  [[nodiscard]] const engine::Value* find(std::uint64_t key) const;
  [[nodiscard]] engine::Time bucket_of(std::uint64_t key) const;
  [[nodiscard]] const std::vector<std::uint64_t>& keys() const { return keys_; }

 private:
  engine::Time first_bucket_;
  engine::Duration granularity_;
  std::unordered_map<std::string, std::uint64_t> series_;
  std::unordered_map<std::uint64_t, engine::Value> values_;
  std::vector<std::uint64_t> keys_;  // by (series, bucket) as the trace has them
};

/// What one policy emitted, cell by cell.
class Judge {
 public:
  Judge(const ReplayOptions& options, engine::Time first_bucket)
      : options_(options), from_(first_bucket + options.skip) {}

  /// `frozen`: the source stands still.
  void take(std::uint64_t key, const engine::Sample& sample, engine::Time at, bool frozen);
  /// Takes over what was emitted for one metric.
  void close(const Truth& truth);
  [[nodiscard]] ReplayFigures figures(std::uint64_t polls) &&;

 private:
  struct Seen {
    std::uint64_t key = 0;
    engine::Value first;
    engine::Value last;
    engine::Duration age{};
  };
  [[nodiscard]] bool judges(engine::Time bucket) const {
    const bool too_late = options_.until && bucket + options_.engine.granularity > *options_.until;
    return bucket >= from_ && !too_late;
  }

  const ReplayOptions& options_;
  engine::Time from_;  // earlier buckets are not judged
  std::unordered_map<std::uint64_t, std::size_t> place_;
  std::vector<Seen> seen_;  // of the metric that runs, in the order of emission
  std::vector<engine::Duration> ages_;
  double error_sum_ = 0;
  ReplayFigures figures_;
};

/// |said - last| / |last|; where the last value is 0 or there is none, anything else is off by 1.
[[nodiscard]] double relative_error(const engine::Value& said, const engine::Value* last);

}  // namespace settle::cli
