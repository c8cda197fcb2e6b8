// fetchers/trace.hpp: a recorded or scripted history of a source: what it said about each bucket, and when.
//
// A trace file has one JSON object per line; blank lines and lines that start with `#` are skipped:
//   {"at": T, "series": {"__name__": "m", "zone": "a"}, "bucket": T, "value": n, "scope"?: "s"}
//     at T the source's answer for that bucket became n; null: the row disappeared
//   {"at": T, "series": {…}, "bucket": T, "sketch": base64, "format"?: "cell", "bin_rule"?: "floor",
//   "scope"?: "s"}
//     the same of a sketch, in one of the encodings of docs/sketches.md
//   {"at": T, "frontier": T, "scope"?: "s"}
//     at T the source began to report this "data through"
// Times are RFC 3339 or integer epoch milliseconds. Lines may come in any order; of two for the same `at` the
// later one wins. A recorded fetch (a .json file, `{"observations": [{name, labels, value, bucket}]}`) holds
// final values: its lines have been true since kAlways.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/answer.hpp"
#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/promql/selector.hpp"
#include "engine/result.hpp"

namespace settle::fetchers {

inline constexpr engine::Time kAlways = engine::Time::min();

struct TraceSeries {
  std::string text;  // canonical
  engine::Labels labels;
};

struct TraceLine {
  engine::Time at;
  std::uint32_t scope = 0;   // index into Trace::scopes
  std::uint32_t series = 0;  // index into Trace::series
  engine::Time bucket;
  std::optional<engine::Value> value;  // none: the row disappeared
  engine::Blob sketch = {};            // whose fingerprint the value is; none: the value is a number
};

struct TraceFrontier {
  engine::Time at;
  std::uint32_t scope = 0;
  engine::Time frontier;
};

/// Lines and frontiers by `at`, equal ones in file order; scopes and series in the order of first sight.
struct Trace {
  std::vector<std::string> scopes;  // as the files say; "" where a line names none
  std::vector<TraceSeries> series;
  std::vector<TraceLine> lines;
  std::vector<TraceFrontier> frontiers;
  /// The instants of the first and last line of any kind; none for recorded fetches and an empty trace.
  std::optional<engine::Time> first;
  std::optional<engine::Time> last;
};

/// One text; `name` (a file name) and the line number are in the errors.
[[nodiscard]] engine::Result<Trace> parse_trace(std::string_view text, const std::string& name);
[[nodiscard]] engine::Result<Trace> parse_recorded_fetch(std::string_view text, const std::string& name);
/// Reads files, and of directories the *.json and *.jsonl files, by name; all must be of one kind.
[[nodiscard]] engine::Result<Trace> load_trace(const std::vector<std::string>& paths);

/// A trace in the order in which it is asked: by scope, bucket, series and instant.
class TraceHistory {
 public:
  /// Scope "" is called `default_scope`.
  TraceHistory(Trace trace, const std::string& default_scope);

  /// What the source would have said at `now` about the buckets in `range`: one ScopeAnswer per scope,
  /// complete. After the trace's last instant the frontier is `now`.
  [[nodiscard]] engine::Answer answer_at(engine::TimeRange range, const engine::Selector& selector,
                                         engine::Time now) const;
  /// Metric names, sorted.
  [[nodiscard]] std::vector<std::string> metrics() const;
  /// Whether any value or frontier, seen or not, changed in (after, upto].
  [[nodiscard]] bool changed_between(engine::Time after, engine::Time upto) const;
  /// The oldest and the newest bucket; none: there is no value.
  struct Buckets {
    engine::Time first;
    engine::Time last;
  };
  [[nodiscard]] std::optional<Buckets> buckets() const;
  [[nodiscard]] std::optional<engine::Time> first_line() const { return first_; }
  [[nodiscard]] std::optional<engine::Time> last_line() const { return last_; }
  /// The first bucket that does not start on the granularity's grid.
  [[nodiscard]] std::optional<engine::Time> first_off_grid(engine::Duration granularity) const;

 private:
  struct Point {
    engine::Time at;
    std::optional<engine::Value> value;
    engine::Blob sketch;
  };
  struct Cell {
    std::uint32_t scope = 0;
    engine::Time bucket;
    std::uint32_t series = 0;
    std::size_t points_from = 0;  // up to the next cell's
  };
  [[nodiscard]] const Point* newest(const Cell& cell, engine::Time now) const;
  [[nodiscard]] std::optional<engine::Time> frontier_at(std::uint32_t scope, engine::Time now) const;

  std::vector<std::string> scopes_;
  std::vector<TraceSeries> series_;  // by text
  std::vector<Cell> cells_;          // by (scope, bucket, series), then one that ends the last
  std::vector<Point> points_;        // of a cell: by instant, one per instant
  std::vector<std::vector<TraceFrontier>> frontiers_;  // by scope, then by instant
  std::vector<engine::Time> instants_;                 // at which something changed, once each
  std::optional<engine::Time> first_;
  std::optional<engine::Time> last_;
};

}  // namespace settle::fetchers
