// engine/plan/closed_history.hpp: the values of a closed range, and what of them has still to be said.
//
// Closed history is final at once. The values come out of a stabilizer made for the one answer, so that rows
// that are refused, conflicts, limits and zeros from absence are what they are in the live lane; an answer
// with none of these, which is nearly every one, is taken as it stands.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/plan/ranges.hpp"
#include "engine/stabilizer/engine.hpp"

namespace settle::engine {

/// What must be asked so that `range` can be judged: zeros look back.
[[nodiscard]] TimeRange range_to_ask(const EngineOptions& options, TimeRange range);

struct ClosedHistory {
  struct Point {
    std::uint32_t series = 0;  // index into `series`
    std::uint32_t scope = 0;   // index into `scopes`
    Time bucket;
    Value value;
  };
  struct Scope {
    std::string name;
    /// Buckets of the range that are answered for good: completely, ended, not past the frontier.
    Ranges answered;
    Time reached;  // min(now, frontier, end of what is covered): no bucket that ends later is taken
    bool truncated = false;
  };
  TimeRange range;
  std::vector<std::string> series;     // sorted
  std::vector<Point> points;           // by (series, bucket); of answered buckets only
  std::vector<Blob> sketches = {};     // of a stream of sketches: of each point; otherwise none
  std::vector<Scope> scopes;           // as answered, by name
  std::uint64_t rows_uncountable = 0;  // counter output: refused, as in the live lane
  bool limited = false;                // series_max or open_cells_max refused rows
};
/// `answer` is to range_to_ask(); taken at source time `now`. The values of buckets, of counter output too:
/// what is no count is refused there as in the live lane.
[[nodiscard]] ClosedHistory close_history(const EngineOptions& options, const Answer& answer, TimeRange range,
                                          Time now);
/// The same, always by way of a stabilizer: what the short way is measured by.
[[nodiscard]] ClosedHistory stabilize_history(const EngineOptions& options, const Answer& answer,
                                              TimeRange range, Time now);

/// What is known of one (series, bucket) from before.
struct KnownPoint {
  std::optional<Value> emitted;  // the newest; none: nothing went out
  std::uint32_t revision = 0;    // of it
  std::optional<Value>
      last_observed;      // goes out when the source has the bucket no more and nothing was emitted
  bool given_up = false;  // a cell of the gap that is filled: counts whatever scope reports it now
};
/// By (series text, bucket).
using KnownPoints = std::map<std::pair<std::string, Time>, KnownPoint, std::less<>>;

struct FillOrder {
  TimeRange range;  // of the history
  std::optional<std::string> scope =
      std::nullopt;  // only what this scope reported, and what was given up; none: all
  std::optional<Time> valid_until = std::nullopt;  // nothing that ends later
  Corrections corrections = Corrections::repush;
  bool rising_only = false;  // a smaller value is held back: EngineOptions
  Duration granularity{};
  Time now;
  Output output = Output::gauge;  // counter: what was observed after the emission is due, too
};
struct Fill {
  /// By (series text, bucket): Sample::series is an index into `series`.
  std::vector<Sample> samples;
  std::vector<std::string> series;  // sorted
  std::uint64_t held_back = 0;      // differences that are held back
  double unpropagated = 0;          // their sum
  /// Buckets of which something was known and the source, answering, has nothing any more.
  Ranges lost;
};
/// Compares what is final with what is known: new points go out with reason backfill, others as corrections,
/// and what the source lost with reason ttl. Of a stream of sketches samples have theirs, but for the lost:
/// the value of those is what whoever keeps the blobs has to know.
[[nodiscard]] Fill plan_fill(const ClosedHistory& history, const KnownPoints& known, const FillOrder& order);

/// By series text.
using Amounts = std::map<std::string, std::int64_t>;
/// Counter output: what the totals lack, where `known` of plan_fill() was what is in them. Without zeros.
[[nodiscard]] Amounts amounts_of(const Fill& fill);

}  // namespace settle::engine
