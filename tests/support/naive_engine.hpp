// tests/support/naive_engine.hpp: docs/stabilizer.md over std::map, written to be read beside it: obviously
// right, slow.
//
// Random histories compare it with engine::Engine, and the benchmark measures against it. It is saved by
// copying it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/finality/learner.hpp"
#include "engine/finality/panel.hpp"
#include "engine/model/series.hpp"
#include "engine/stabilizer/engine.hpp"

namespace settle::test {

using engine::Duration;
using engine::Time;
using engine::Value;

struct NaiveSample {
  std::string series;
  Time bucket;
  Value value;
  std::uint32_t revision = 0;
  engine::Reason reason = engine::Reason::settled;
  Duration age{};
  std::uint32_t evidence_polls = 0;
  std::optional<Value> replaced = std::nullopt;
  engine::Blob sketch = {};
  bool operator==(const NaiveSample&) const = default;
};

struct NaiveGapCell {
  std::string series;
  Time bucket;
  Value last_observed;
  std::optional<Value> emitted;
  std::uint32_t revision = 0;
  bool operator==(const NaiveGapCell&) const = default;
};

struct NaiveGap {
  std::string scope;
  engine::TimeRange range;
  std::vector<NaiveGapCell> cells;
  bool operator==(const NaiveGap&) const = default;
};

struct NaiveCellView {
  std::string series;
  Time bucket;
  std::string scope;
  Value value;
  std::optional<Value> emitted;
  std::uint32_t revision = 0;
  bool quiet = false;
  engine::Blob sketch = {};
  bool operator==(const NaiveCellView&) const = default;
};

class NaiveEngine {
 public:
  NaiveEngine(engine::EngineOptions options, Time live_from);

  [[nodiscard]] std::vector<NaiveSample> ingest(const engine::Answer& answer, Time now);
  [[nodiscard]] std::vector<NaiveSample> expire(Time now);
  [[nodiscard]] std::vector<NaiveSample> flush(Time now);
  [[nodiscard]] std::vector<NaiveGap> release(Time before);
  void carry(const std::string& series, std::int64_t amount);

  [[nodiscard]] engine::EngineStats stats() const;
  [[nodiscard]] Time live_from() const { return live_from_; }
  [[nodiscard]] std::size_t series_count() const { return series_.size(); }
  [[nodiscard]] std::optional<Time> frontier() const;
  [[nodiscard]] bool limited() const;
  [[nodiscard]] std::vector<NaiveCellView> cells() const;
  [[nodiscard]] std::optional<Time> newest_final_bucket() const;
  [[nodiscard]] std::vector<Time> said_buckets() const;
  [[nodiscard]] engine::FinalityView finality_view();
  [[nodiscard]] std::optional<Time> recheck_due(Time now) const;
  void recheck(const engine::Answer& answer, Time now);

 private:
  /// Parsed, as a fetcher would hold it; ordered by its canonical text, as every output is.
  struct SeriesKey {
    engine::Labels labels;
    std::string text;
    friend bool operator<(const SeriesKey& a, const SeriesKey& b) { return a.text < b.text; }
  };
  struct Scope {
    std::optional<Time> frontier;
    std::optional<Time> answered;  // last complete answer
    std::optional<Time> moved;     // the last one with which it moved, or the first
    std::optional<Time> pending;
  };
  struct Entry {
    std::uint32_t polls = 0;
    Duration alive{};
    Duration moving{};
    std::optional<Time> covered;
    std::uint32_t appeared_at = 0;
    bool final = false;
    bool by_expiry = false;
    bool limited = false;
    bool unwatched = false;
  };
  struct Cell {
    std::string scope;
    Value value;
    engine::Blob sketch;  // of it
    std::uint32_t at_change = 0;
    bool quiet = false;
    std::optional<Value> settled;
    std::optional<Value> emitted;
    std::uint32_t revision = 0;
    bool absent = false;
    bool gone = false;
    bool late = false;
    bool passed_over = false;  // counter output under hold: no total will ever go out for it
    engine::Reason own_reason = engine::Reason::settled;
    // Only for `learned`.
    bool reported = false;  // not just a zero made from absence
    int band = 0;
    Duration settled_at{};
    std::vector<engine::PanelStep> way;
    std::optional<Value> first_final;
  };
  struct Sealed {
    std::map<std::string, Value> cells;
    int times = 0;  // read again
  };
  /// The age asked for, and the lesser one that the buckets with the first `draws` draws are asked for.
  struct Asked {
    engine::Demand most;
    Duration sooner{};
    std::uint64_t draws = 0;
  };
  struct Series {
    Time last_bucket = Time::min();
    std::optional<Time> last_valued;
    std::string last_scope;
    std::uint64_t base = 0;
    std::uint64_t last_total = 0;
    std::optional<Time> emitted_through;
    bool overflowed = false;
    engine::Pace pace;
  };
  struct Row {
    Value value;
    engine::Blob sketch;
    std::string scope;
    bool conflict = false;
  };
  using CellKey = std::pair<Time, SeriesKey>;
  using EntryKey = std::pair<Time, std::string>;
  using Rows = std::map<CellKey, Row>;

  // naive_ingest.cpp, by the steps of the rules
  Rows admit(const engine::Answer& answer, Time now);
  [[nodiscard]] bool is_countable(const Value& value) const;
  void update_known(const Rows& rows, std::set<EntryKey>& appeared);
  void make_new(const Rows& rows, std::set<EntryKey>& appeared);
  void vanish(const engine::ScopeAnswer& part, const Rows& rows);
  void change(Time bucket, const SeriesKey& key, Cell& cell, const Value& value);
  void take_evidence(const engine::ScopeAnswer& part, Time now, std::set<EntryKey>& covered);
  [[nodiscard]] bool in_turn(Time bucket, const SeriesKey& key, const std::string& scope) const;
  void decide(const std::set<EntryKey>& covered, const std::map<EntryKey, Entry>& before);

  // naive_learner.cpp
  [[nodiscard]] const engine::Learned* learned() const;
  [[nodiscard]] std::size_t enough() const;
  void follow(const SeriesKey& key, Cell& cell);
  void age_changes(const std::map<EntryKey, Entry>& before);
  [[nodiscard]] bool close(const Value& value, const Value& last) const;
  [[nodiscard]] int score_of(const Cell& cell, Duration life) const;
  void learn_from(Time bucket);
  [[nodiscard]] int group_of(int band);
  [[nodiscard]] double& level_of(int group);
  void steer(const std::vector<std::pair<int, bool>>& judged);
  void move_level(int group, double error);
  void forget_other_kind();
  [[nodiscard]] bool is_due(Time bucket, const Sealed& sample, Time now) const;

  // naive_demand.cpp
  [[nodiscard]] std::uint64_t weight_above(int group, int than) const;
  [[nodiscard]] bool tells_apart(int band) const;
  [[nodiscard]] const Asked& asked_of(int group);
  [[nodiscard]] Asked work_out(int group);
  [[nodiscard]] engine::Demand demand_of(int group, Time bucket);
  [[nodiscard]] engine::Demand demand(Time bucket, const SeriesKey& key);
  [[nodiscard]] engine::Demand demand_of_bucket(Time bucket);

  // naive_output.cpp
  void begin_call(Time now);
  std::vector<NaiveSample> end_call();
  void emit(Time bucket, const SeriesKey& key, Cell& cell, const Value& value, engine::Reason reason);
  void become_quiet(Time bucket, const SeriesKey& key, Cell& cell);
  void force(Time bucket, const SeriesKey& key, Cell& cell, engine::Reason reason);
  void make_zeros(std::optional<engine::Time> sealed_to = std::nullopt);
  [[nodiscard]] std::optional<std::pair<Time, std::string>> latest_value(const SeriesKey& key, Time below,
                                                                         bool is_sealed) const;
  void emit_totals(Time sealed_below, bool pass_empty);
  void emit_total(Time bucket, const SeriesKey& key, Series& series, Cell& cell, std::uint64_t total);
  [[nodiscard]] double withheld() const;
  [[nodiscard]] bool held_back(const Cell& cell) const;
  void write_off(const Series& series);

  // naive_closing.cpp
  void close_old();
  [[nodiscard]] Time sealable_to() const;
  void forget(Time bucket, const SeriesKey& key, const Cell& cell);
  void retire();
  [[nodiscard]] bool counts_as_sealed(Time bucket, const Cell& cell) const;
  [[nodiscard]] std::vector<NaiveGap> gaps_of(const std::string& scope, Time before) const;
  void drop_before(Time before);

  [[nodiscard]] bool counter() const { return options_.output == engine::Output::counter; }
  [[nodiscard]] bool hold() const { return options_.corrections == engine::Corrections::hold; }
  [[nodiscard]] Time end_of(Time bucket) const { return bucket + options_.granularity; }
  [[nodiscard]] bool ended(Time bucket, const std::string& scope) const;
  [[nodiscard]] const Entry* entry(Time bucket, const std::string& scope) const;
  [[nodiscard]] const Cell* cell(Time bucket, const SeriesKey& key) const;
  [[nodiscard]] bool covered_at(Time bucket, const std::string& scope, Duration age) const;
  [[nodiscard]] bool past_watch(Time bucket, const std::string& scope) const;

  engine::EngineOptions options_;
  engine::EngineStats stats_;
  Time live_from_;
  Time now_ = Time::min();
  std::map<std::string, Scope> scopes_;
  std::map<EntryKey, Entry> entries_;
  std::map<CellKey, Cell> cells_;
  std::map<SeriesKey, Series> series_;
  // Only for `learned`; windows are lists of band and score.
  std::vector<std::vector<std::pair<int, int>>> windows_;
  std::map<int, double> levels_;
  // Since something was last learned.
  std::map<int, Asked> asked_;
  std::map<int, bool> apart_;
  Duration life_{};
  std::map<Time, Sealed> samples_;
  std::uint64_t judged_ = 0;
  std::uint64_t wrong_ = 0;
  std::uint64_t rechecked_ = 0;
  std::uint64_t rechecked_wrong_ = 0;
  // of the call that runs
  std::set<CellKey> moved_;
  std::vector<NaiveSample> out_;
  std::set<CellKey> forced_;
};

}  // namespace settle::test
