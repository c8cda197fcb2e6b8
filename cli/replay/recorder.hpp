// cli/replay/recorder.hpp: writes down what a source answers, as a trace (docs/trace.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::cli {

struct RecorderOptions {
  engine::Duration granularity{};
  engine::Duration watch{};           // age up to which a bucket is asked for
  engine::Time start;                 // of the recording
  std::optional<engine::Time> until;  // buckets that end later are not taken up any more
};

/// Compares each answer with the one before. Only buckets that end after the start are recorded: of older
/// ones it was not seen how they came to be.
class Recorder {
 public:
  explicit Recorder(const RecorderOptions& options)
      : options_(options), oldest_(engine::floor_to(options.start, options.granularity)) {}

  /// What to ask for at `now`: the whole buckets that have ended, from the oldest that was not yet answered
  /// at an age past watch; after a long outage, none older than 10 x watch. Empty: nothing.
  [[nodiscard]] engine::TimeRange range_at(engine::Time now) const;

  /// The lines that tell what is new in the answer; "" when nothing is. Scopes that are not in the answer
  /// stay as they were. A row vanishes (null) only where the scope's answer was complete.
  [[nodiscard]] std::string take(const engine::Answer& answer, engine::Time now);

  /// All scopes have answered completely at `now`: what is past watch is not asked for again.
  void seen_whole(engine::Time now);

  struct Counts {
    std::uint64_t values = 0;  // lines
    std::uint64_t vanished = 0;
    std::uint64_t frontiers = 0;
    std::uint64_t left_out = 0;  // rows whose value is no finite number: a trace cannot hold them
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// Buckets that ended, but have not been seen past watch: their values may not be the last ones.
  [[nodiscard]] std::uint64_t young_buckets(engine::Time now) const;

 private:
  /// (series text) of one bucket and scope -> value.
  using Rows = std::map<std::string, engine::Value, std::less<>>;
  struct Scope {
    std::map<engine::Time, Rows> buckets;
    std::optional<engine::Time> frontier;
  };
  [[nodiscard]] std::string take_scope(const engine::ScopeAnswer& answer, engine::Time now);
  [[nodiscard]] const std::string& labels_of(std::string_view series);

  RecorderOptions options_;
  engine::Time oldest_;  // bucket that is still asked for
  std::map<std::string, Scope> scopes_;
  std::map<std::string, std::string, std::less<>> labels_;  // JSON, by series text
  Counts counts_;
};

}  // namespace settle::cli
