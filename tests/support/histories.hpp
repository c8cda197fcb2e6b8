// tests/support/histories.hpp: random lives of a stream, and the loop that checks a property on many of them.
//
// RapidCheck is included by histories.cpp only, since it is the largest compile cost of the tests.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/stabilizer/engine.hpp"

namespace settle::test {

struct HistoryRow {
  std::string series;
  engine::Time bucket;
  engine::Value value;
  engine::Blob sketch = {};
};

struct HistoryPart {
  std::string scope;
  engine::TimeRange covered;
  engine::Completeness completeness = engine::Completeness::complete;
  std::optional<engine::Time> frontier;
  std::vector<HistoryRow> rows;
};

/// Every step stands for itself, so that any subset of a history is a history.
struct HistoryStep {
  enum class Kind : std::uint8_t { ingest, expire, flush, release, carry, recheck, save, renew, reload };
  Kind kind = Kind::ingest;
  engine::Time at;  // now; for release: `before`
  // For recheck: one part over all that is sealed.
  // For carry: the amounts of each series, less of them in a part whose scope is kLess.
  std::vector<HistoryPart> parts;
};

inline constexpr std::string_view kLess = "less";

struct History {
  engine::EngineOptions options;
  engine::Time live_from;
  std::vector<HistoryStep> steps;
};

/// What a history may contain beyond polls and expiry.
struct Mix {
  bool restarts = true;  // save, renew and reload
  bool releases = true;  // an outage, after which the live lane starts later
  bool flushes = true;
  bool outages = true;  // times without any poll
  bool turns = false;   // buckets grow from 75 minutes after the start on, and before that do not
  bool carries = true;  // amounts of filled gaps
  bool small_limits = true;
  bool scope_moves = true;  // a series reported by another scope than before, or by two
  bool odd_rows = true;     // refused, conflicting, fractional or enormous ones; clocks that go back
  std::function<void(engine::EngineOptions&)> adjust = [](engine::EngineOptions&) {};
};

/// Streams of sketches: every row has one of its value, but for some odd rows, which lack it.
[[nodiscard]] Mix sketch_mix();

/// The same history for the same seed, mix and number of polls.
[[nodiscard]] History make_history(std::uint64_t seed, const Mix& mix, std::size_t polls);

/// `fault` says what is wrong with a history, "" if nothing. True if it says nothing for all of them (100, or
/// as RC_PARAMS says); else the smallest history found that is wrong is printed.
[[nodiscard]] bool holds_for_histories(const std::string& claim, const Mix& mix,
                                       const std::function<std::string(const History&)>& fault);
/// The same over plain seeds, for properties that make their own input.
[[nodiscard]] bool holds_for_seeds(const std::string& claim,
                                   const std::function<std::string(std::uint64_t)>& fault);

[[nodiscard]] engine::Answer make_answer(const std::vector<HistoryPart>& parts);
[[nodiscard]] std::string describe(const History& history);

/// SplitMix64: small, fast, and the same everywhere, which the standard's distributions are not.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next();
  /// In [0, n); n > 0.
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[below(choices.size())];
  }
  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace settle::test
