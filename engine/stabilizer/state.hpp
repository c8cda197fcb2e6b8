// engine/stabilizer/state.hpp: what an Engine holds, and the steps of its operations. Private to this folder.
//
// One step of docs/stabilizer.md is one function; engine_ingest.cpp takes in, evidence.cpp judges,
// emission.cpp makes samples, engine_expire.cpp closes, engine_release.cpp gives up, engine_record.cpp writes
// and engine_load.cpp reads.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/finality/learner.hpp"
#include "engine/finality/rechecks.hpp"
#include "engine/stabilizer/cell.hpp"
#include "engine/stabilizer/engine.hpp"
#include "engine/stabilizer/record.hpp"
#include "engine/stabilizer/series_table.hpp"

namespace settle::engine {

/// The largest count up to which doubles, and so every sink, are exact.
inline constexpr std::uint64_t kCountMax = std::uint64_t{1} << 53;

struct Scope {
  std::string name;
  bool known = false;
  Time frontier = kNever;       // highest reported
  Time last_complete = kNever;  // instant of the last complete answer
  Time pending = kNever;        // newest bucket that changed since
  Time last_moved = kNever;     // instant of the last complete answer that was evidence, or of the first
};

/// One scope answer that is being taken in, and the live buckets it covers.
struct Lane {
  const ScopeAnswer* answer = nullptr;
  ScopeId scope = 0;
  Time from;                     // of the first bucket
  Time to;                       // of the covered range, now or later
  std::vector<Bucket*> buckets;  // one granularity apart; null: not made (truncated answers only)
  std::vector<std::uint32_t> seen;
  // Of the row before.
  bool has_last = false;
  std::string_view last_text;
  SeriesId last_id = 0;
  std::size_t last_slot = 0;
  /// The row's blob; null: it has none.
  [[nodiscard]] const Blob* sketch_of(const Observation& row) const {
    const auto at = static_cast<std::size_t>(&row - answer->rows.data());
    return at < answer->sketches.size() && !answer->sketches[at].empty() ? &answer->sketches[at] : nullptr;
  }
  [[nodiscard]] bool complete() const { return answer->completeness == Completeness::complete; }
};

/// What one answer says of one cell, where that is not just what the cell holds already.
struct Claim {
  Bucket* bucket = nullptr;
  SeriesId series = 0;
  std::uint32_t cell = kNone;  // kNone: a new one
  ScopeId scope = 0;
  std::uint32_t sketch = kNone;  // index into `sketches_claimed`; says nothing where the cell has `value`
  Value::Bits value = {};
  bool conflict = false;
  bool counted = false;  // in the `seen` of its scope
};

struct CellRef {
  Bucket* bucket = nullptr;
  std::uint32_t cell = 0;
};

/// What a stream under `learned` knows of its past.
struct Learning {
  Learning(const Learned& policy, const EngineOptions& options);
  /// None: another policy.
  [[nodiscard]] static std::optional<Learning> of(const EngineOptions& options);

  double tolerance = 0;
  Learner learner;
  Rechecks rechecks;
  std::uint64_t judged = 0;  // as FinalityView has them
  std::uint64_t wrong = 0;
  std::uint64_t rechecked = 0;
  std::uint64_t rechecked_wrong = 0;
};

struct Engine::State {
  State(EngineOptions given, Time live_from);

  EngineOptions options;
  Time from;          // L
  Time now = kNever;  // of the last call
  EngineStats stats;
  std::vector<Scope> scopes;
  std::map<std::string, ScopeId, std::less<>> scope_ids;
  std::vector<ScopeId> free_scopes;
  std::vector<std::unique_ptr<Bucket>> buckets;  // by start; only those with an entry
  SeriesTable series;
  SeriesNumber next_number = 1;
  std::size_t cells = 0;
  std::uint64_t withheld = 0;
  Time no_retirement_before = kNever;  // no series can be idle earlier
  std::optional<Learning> learning;

  // For the next drain.
  std::uint32_t record_number = 0;
  std::vector<NewSeries> added;
  std::vector<SeriesNumber> retired;
  std::vector<SeriesId> dirty_series;

  // Of the call that runs.
  std::uint32_t stamp = 0;
  std::vector<Claim> claims;
  std::vector<const Blob*> sketches_claimed;  // of the answer
  std::vector<SeriesId> provisional;
  std::vector<CellRef> conflicts;
  std::vector<CellRef> forced;
  std::vector<Bucket*> moved_panels;
  std::vector<std::uint32_t> order_space;
  std::size_t clear_buckets = 0;  // in_order: so many of the oldest are contiguous, and all in them is final

  // Series whose zeros and totals have to be looked at.
  std::vector<SeriesId> marked;
  bool all_marked = false;

  [[nodiscard]] std::unique_ptr<State> clone() const;

  // engine.cpp
  [[nodiscard]] Time end_of(Time bucket) const { return bucket + options.granularity; }
  [[nodiscard]] bool has_ended(const Scope& scope, Time bucket) const {
    const Time end = end_of(bucket);
    return end <= now && (scope.frontier == kNever || end <= scope.frontier);
  }
  [[nodiscard]] bool is_older(const Entry& entry, Time bucket, Duration age) const {
    return entry.covered != kNever && entry.covered - end_of(bucket) > age;
  }
  /// The bucket may be sealed, as far as the entry's scope goes: what it has not reached yet may still come.
  [[nodiscard]] bool is_past_watch(const Entry& entry, Time bucket) const {
    return is_older(entry, bucket, options.watch) && has_ended(scopes[entry.scope], bucket);
  }
  [[nodiscard]] bool counts() const { return options.output == Output::counter; }
  [[nodiscard]] bool zeroes() const { return options.absent == Absent::zero; }
  [[nodiscard]] bool holds() const { return options.corrections == Corrections::hold; }
  [[nodiscard]] bool sketches() const { return options.sketches; }
  [[nodiscard]] bool orders() const { return options.in_order && !counts(); }
  /// Whether anything depends on `last_valued` and `last_scope`.
  [[nodiscard]] bool keeps_last() const { return counts() || zeroes(); }
  [[nodiscard]] Bucket* find_bucket(Time start) const;
  [[nodiscard]] Bucket& bucket_of(Time start);
  [[nodiscard]] ScopeId know_scope(std::string_view name);
  void advance(Time to) { now = std::max(now, to); }
  void touch(Bucket& bucket, std::uint32_t cell);
  void touch(SeriesId id);
  void mark(SeriesId id);
  void reopen(Entry& entry);
  void unquiet(Entry& entry, Cell& cell, std::uint32_t at_change);
  [[nodiscard]] std::uint32_t add_cell(Bucket& bucket, Entry& entry, SeriesId id, Value::Bits value);
  void sort_by_text(const Bucket& bucket, std::vector<std::uint32_t>& list);
  void sort_by_text(std::vector<const Claim*>& list);
  [[nodiscard]] CellView view(const Bucket& bucket, const Cell& cell) const;
  void append_views(const Bucket& bucket, std::vector<CellView>& out);

  // engine_ingest.cpp
  [[nodiscard]] std::vector<Sample> ingest(const Answer& answer, Time at);
  [[nodiscard]] Lane open_lane(const ScopeAnswer& answer);
  void take_rows(Lane& lane);
  void take_block(Lane& lane, std::span<const Observation> rows);
  [[nodiscard]] bool admits(Lane& lane, const Observation& row, Value::Bits value);
  [[nodiscard]] bool is_unchanged(Lane& lane, std::size_t slot, std::uint32_t at, Value::Bits value);
  void observe(Lane& lane, std::size_t slot, SeriesId id, const Observation& row);
  void claim(Lane& lane, std::size_t slot, SeriesId id, const Observation& row, std::uint32_t at);
  void claim_sketch(Claim& claim, const Lane& lane, const Observation& row);
  void put_sketch(const Claim& claim, std::uint32_t cell);
  void apply_known(const Claim& claim);
  void admit_new();
  void admit_cell(const Claim& claim);
  void find_vanished(const Lane& lane);
  void vanish(Bucket& bucket, Entry& entry, std::uint32_t cell);
  void change(Scope& scope, Bucket& bucket, Entry& entry, Cell& cell, Value::Bits value);

  // evidence.cpp
  void take_evidence(const Lane& lane);
  void restart_conflicts();
  void look_at_ends();
  void decide(const Lane& lane);
  void decide_in_order(const std::vector<Lane>& lanes);
  void decide_entry(Bucket& bucket, Entry& entry);
  void note_clear();
  /// in_order: nothing of the series can still be emitted below the bucket, as far as `scope` has told.
  [[nodiscard]] bool in_turn(Time bucket, SeriesId id, ScopeId scope) const;
  void decide_cells(Bucket& bucket, Entry& entry);

  // engine_learn.cpp
  [[nodiscard]] static PanelCell* find_panel(Bucket& bucket, std::uint32_t cell);
  PanelCell* join_panel(Bucket& bucket, std::uint32_t cell);
  void join_late(Bucket& bucket, std::uint32_t cell);
  void note_change(Bucket& bucket, std::uint32_t cell);
  void note_decided(Bucket& bucket, std::uint32_t cell);
  void age_panels();
  void learn_from(Bucket& bucket);
  /// What `learned` asks for before a bucket's list of series is final.
  [[nodiscard]] Demand demand_of_bucket(Time bucket) const;
  void recheck(const Answer& answer, Time at);
  void recheck_bucket(const Answer& answer, Time bucket);

  // emission.cpp
  enum class How : std::uint8_t { decided, ttl, flush };
  void settle(Bucket& bucket, Entry& entry, std::uint32_t cell, How how);
  void settle_gauge(Bucket& bucket, std::uint32_t cell, How how);
  [[nodiscard]] bool is_close(const Cell& cell) const;
  [[nodiscard]] bool holds_back(const Cell& cell) const;
  void settle_counter(Bucket& bucket, std::uint32_t cell);
  void make_zeros();
  /// Only in buckets that start before `sealed_to`, if given: there every value counts, final or not.
  void make_zeros_of(SeriesId id, Time sealed_to = kNever);
  /// Buckets below `passable` do not stop a walk where the series has no cell.
  void walk_totals(Time passable);
  void walk_totals_of(SeriesId id, Time passable);
  void emit_total(Bucket& bucket, std::uint32_t cell, Series& one, std::uint64_t total);
  [[nodiscard]] ScopeId home_scope(SeriesId id) const;
  void count_withheld(SeriesId id);
  [[nodiscard]] SeriesId carrier(const Carry& one);
  void carry(std::span<const Carry> amounts);
  void write_off(std::vector<SeriesId> gone);
  void give_up_carry();
  void clear_marks();
  void count_sample(Reason reason);
  [[nodiscard]] std::vector<Sample> take_samples();

  // engine_expire.cpp
  [[nodiscard]] std::vector<Sample> expire(Time at);
  [[nodiscard]] std::vector<Sample> flush(Time at);
  void close_old();
  [[nodiscard]] std::size_t sealable() const;
  void force_all(Bucket& bucket, How how);
  /// What the series keeps of a cell that goes; `valued`: a value was reported for it.
  void forget_cell(const Bucket& bucket, const Cell& cell, bool valued, bool to_base);
  /// Removes the first `count` buckets, whose cells are forgotten already.
  void drop_buckets(std::size_t count);
  void remove_buckets(std::size_t count);
  void retire_idle();

  // engine_release.cpp
  [[nodiscard]] std::vector<Gap> release(Time before);
  [[nodiscard]] bool is_sealed(const Bucket& bucket, const Cell& cell) const;
  [[nodiscard]] std::map<ScopeId, std::vector<GapCell>> give_up(const Bucket& bucket);
  void forget_scopes(Time before);

  // engine_record.cpp
  [[nodiscard]] RecordShape shape() const;
  [[nodiscard]] std::vector<ScopeId> write_head(Record& record) const;
  void write_learned(Record& record);
  [[nodiscard]] std::vector<std::uint32_t> take_dirty(Bucket& bucket);
  [[nodiscard]] Changes drain();

  // engine_load.cpp
  [[nodiscard]] Result<void> load_series(std::span<const NewSeries> given);
  void load_head(const Record& record);
  void load_learned(const Record& record);
  [[nodiscard]] bool load_panel(Bucket& bucket, std::uint32_t cell, const PanelCell* given);
  void rank_panels();
  [[nodiscard]] Result<void> load_record(const Record& record);
  [[nodiscard]] Result<void> finish_load();
  [[nodiscard]] Result<void> load_blobs(const BlobOf& blob_of);
};

}  // namespace settle::engine
