// tests/support/engine_driver.hpp: engine::Engine with the face of the naive model, and a log it can be
// loaded from.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/differences.hpp"
#include "tests/support/histories.hpp"
#include "tests/support/naive_engine.hpp"

namespace settle::test {

class EngineDriver {
 public:
  EngineDriver(engine::EngineOptions options, Time live_from) : engine_(options, live_from) {}

  [[nodiscard]] std::vector<NaiveSample> ingest(const engine::Answer& answer, Time now);
  [[nodiscard]] std::vector<NaiveSample> expire(Time now);
  [[nodiscard]] std::vector<NaiveSample> flush(Time now);
  [[nodiscard]] std::vector<NaiveGap> release(Time before);
  void carry(const std::string& series, std::int64_t amount);

  /// Appends what changed to the log.
  void save();
  /// Rewrites what only the oldest record of the log holds, and deletes that record.
  void renew();
  /// Saves, then goes on with an engine made from the log alone.
  void reload();

  [[nodiscard]] const engine::EngineStats& stats() const { return engine_.stats(); }
  [[nodiscard]] Time live_from() const { return engine_.live_from(); }
  [[nodiscard]] std::size_t series_count() const { return engine_.series_count(); }
  [[nodiscard]] std::optional<Time> frontier() const { return engine_.frontier(); }
  [[nodiscard]] bool limited() const { return engine_.limited(); }
  [[nodiscard]] std::vector<NaiveCellView> cells() const;
  [[nodiscard]] std::optional<Time> newest_final_bucket() const { return engine_.newest_final_bucket(); }
  [[nodiscard]] std::vector<Time> said_buckets() const { return engine_.said_buckets(); }
  [[nodiscard]] engine::FinalityView finality_view() const { return engine_.finality_view(); }
  [[nodiscard]] std::optional<Time> recheck_due(Time now) const { return engine_.recheck_due(now); }
  void recheck(const engine::Answer& answer, Time now) { engine_.recheck(answer, now); }
  [[nodiscard]] const engine::Engine& engine() const { return engine_; }
  /// All records of the log, oldest first.
  [[nodiscard]] const std::deque<std::string>& records() const { return records_; }
  /// What the newest save wrote beside its record.
  [[nodiscard]] const std::vector<engine::CellBlob>& blobs_saved() const { return blobs_saved_; }

 private:
  void learn_names();
  [[nodiscard]] std::vector<NaiveSample> named(const std::vector<engine::Sample>& samples);
  [[nodiscard]] std::string name(engine::SeriesNumber number) const;

  engine::Engine engine_;
  std::map<engine::SeriesNumber, std::string> names_;  // also of series that are retired by now
  std::map<engine::SeriesNumber, std::string> table_;  // as the store keeps it
  std::deque<std::string> records_;
  std::uint64_t records_saved_ = 0;
  std::map<std::pair<engine::SeriesNumber, Time>, engine::Blob> blobs_;  // as the store keeps them
  std::vector<engine::CellBlob> blobs_saved_;
};

/// What a step gave: samples, or the gaps of a release.
struct StepOutput {
  std::vector<NaiveSample> samples;
  std::vector<NaiveGap> gaps;
};

/// The model is saved by being what it is.
inline void save(NaiveEngine&) {}
inline void renew(NaiveEngine&) {}
inline void reload(NaiveEngine& model) {
  const NaiveEngine copy = model;
  model = copy;
}
inline void save(EngineDriver& engine) {
  engine.save();
}
inline void renew(EngineDriver& engine) {
  engine.renew();
}
inline void reload(EngineDriver& engine) {
  engine.reload();
}

template <class E>
StepOutput apply(E& engine, const HistoryStep& step) {
  StepOutput out;
  switch (step.kind) {
    case HistoryStep::Kind::ingest:
      out.samples = engine.ingest(make_answer(step.parts), step.at);
      break;
    case HistoryStep::Kind::expire:
      out.samples = engine.expire(step.at);
      break;
    case HistoryStep::Kind::flush:
      out.samples = engine.flush(step.at);
      break;
    case HistoryStep::Kind::release:
      out.gaps = engine.release(step.at);
      break;
    case HistoryStep::Kind::carry:
      for (const HistoryPart& part : step.parts) {
        for (const HistoryRow& row : part.rows) {
          const auto amount = static_cast<std::int64_t>(row.value.as_count());
          engine.carry(row.series, part.scope == kLess ? -amount : amount);
        }
      }
      break;
    case HistoryStep::Kind::recheck:
      engine.recheck(make_answer(step.parts), step.at);
      break;
    case HistoryStep::Kind::save:
      save(engine);
      break;
    case HistoryStep::Kind::renew:
      renew(engine);
      break;
    case HistoryStep::Kind::reload:
      reload(engine);
      break;
  }
  return out;
}

}  // namespace settle::test
