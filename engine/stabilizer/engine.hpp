// engine/stabilizer/engine.hpp: the pure core of one stream: observations in, settled samples out.
//
// A value type: no clock, no I/O, no threads; what it returns depends on its state and the arguments only.
// Samples come in (bucket, series text) order. Cells are open (nothing emitted), settled (emitted, still
// watched) and, past `watch`, sealed (gone from here; the ledger remembers them). docs/ARCHITECTURE.md states
// the laws.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/finality/finality.hpp"
#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "engine/stabilizer/sample.hpp"

namespace settle::engine {

enum class Absent : std::uint8_t { none = 0, zero = 1 };
enum class Output : std::uint8_t { gauge = 0, counter = 1 };
/// What a change after an emission does. ledger: as repush here; each correction leaves as its difference,
/// under a name of its own (runner/push/outbox.hpp), so that nothing is overwritten. Gauge output only.
enum class Corrections : std::uint8_t { repush = 0, hold = 1, ledger = 2 };
/// What counts as the source having moved; automatic: frontier if ever given, else movement.
enum class Liveness : std::uint8_t { automatic = 0, frontier = 1, movement = 2, answers = 3 };

struct EngineOptions {
  Duration granularity{std::chrono::minutes{1}};
  Finality finality = Consecutive{3};
  Duration watch{std::chrono::minutes{30}};  // age of a bucket's end after which it is sealed
  Duration ttl{std::chrono::minutes{30}};    // <= watch: age after which an open cell goes out as it is
  Absent absent = Absent::none;
  Duration absent_for{std::chrono::hours{1}};
  Output output = Output::gauge;
  Corrections corrections = Corrections::repush;
  /// Under repush, gauge output: a smaller value than was emitted is held back, as under hold, because the
  /// sink keeps the larger of two.
  bool rising_only = false;
  /// Gauge output: the first values of a series are decided in the order of its buckets, for a sink that
  /// takes nothing that is older than what it has. ttl, expire and flush wait for nothing.
  bool in_order = false;
  Liveness liveness = Liveness::automatic;
  std::size_t series_max = 100'000;
  std::size_t open_cells_max = 10'000'000;
  Duration series_idle{std::chrono::hours{48}};  // a series without a cell for so long is forgotten
  /// Cells hold sketches: a row's value is the fingerprint of its blob (ScopeAnswer::sketches), and equal
  /// ones are the same observation. With gauge output, without zeros from absence, rising_only and a
  /// tolerance, which are about numbers; as is `unpropagated`, which stays as it is.
  bool sketches = false;
  bool operator==(const EngineOptions&) const = default;
};

/// Counted since the engine was made; saved and loaded with it.
struct EngineStats {
  std::uint64_t observations = 0;       // rows taken in
  std::uint64_t changes = 0;            // rows that changed a cell (a new cell included)
  std::uint64_t conflicts = 0;          // cells with different rows in one answer
  std::uint64_t rows_refused = 0;       // misaligned, outside the covered range, in the future, NaN
  std::uint64_t rows_uncountable = 0;   // counter output: not a count, or a total above 2^53
  std::uint64_t rows_late = 0;          // for buckets that are sealed or given up
  std::uint64_t rows_over_limit = 0;    // refused by series_max or open_cells_max
  std::uint64_t vanished = 0;           // rows gone from a complete answer
  std::uint64_t scope_moves = 0;        // cells reported by another scope than before
  std::uint64_t answers_truncated = 0;  // scope answers that were not complete
  std::uint64_t answers_unmoved = 0;    // complete scope answers of a source that had not moved
  std::uint64_t settled = 0;            // samples by reason
  std::uint64_t ttl = 0;
  std::uint64_t corrections = 0;
  std::uint64_t flushed = 0;
  std::uint64_t zeros = 0;                // of `settled`: from absence
  std::uint64_t changed_after_final = 0;  // cells whose value moved after they were emitted
  std::uint64_t held_back = 0;            // corrections that `hold` did not emit
  std::uint64_t sealed = 0;               // cells
  std::uint64_t given_up = 0;             // cells passed to gap entries
  /// Sum of (last observed - last emitted), as numbers: over cells that were sealed or flushed; of the totals
  /// of a counter, when its series is flushed or retired.
  double unpropagated = 0;
  double withheld = 0;  // counter output under hold: carry not yet in any total
  bool operator==(const EngineStats&) const = default;
};

struct NewSeries {
  SeriesNumber number = 0;
  std::string text;
};

/// The newest blob of a live cell.
struct CellBlob {
  SeriesNumber number = 0;
  Time bucket;
  Blob sketch;
  bool operator==(const CellBlob&) const = default;
};
/// What was stored of them; empty where nothing is.
using BlobOf = std::function<Blob(SeriesNumber, Time)>;

/// What changed since the last drain; store it in one transaction with what was emitted.
struct Changes {
  std::uint64_t record_number = 0;  // 1, 2, … per stream
  std::string record;               // docs/formats/log.md; applied in order of record_number
  std::vector<NewSeries> series_added;
  std::vector<SeriesNumber> series_retired;  // no cell and no total refers to them any more
  std::size_t cells = 0;                     // in the record
  std::size_t head_bytes = 0;                // of the record: what every record holds anew, whatever changed
  /// Of a stream of sketches: of cells that are still live, by (bucket, number), those whose newest blob is
  /// another than at the last drain. Records hold fingerprints only.
  std::vector<CellBlob> blobs = {};
};

/// What the policy is at; for `learned`, what it has learned.
struct FinalityView {
  std::optional<Duration> settling_age;  // moving age at which most cells become final; none: cold start
  std::size_t windows = 0;               // fully aged buckets it knows
  double error_level = 0;                // what it now allows for, so that `error_target` is met
  std::uint64_t judged = 0;           // sealed cells that were final by the policy, since the engine was made
  std::uint64_t wrong = 0;            // of them: the first final value was not the last one
  std::uint64_t rechecked = 0;        // cells read again long after they were sealed
  std::uint64_t rechecked_wrong = 0;  // of them: they had changed since
  double late_share = 0;              // of late: share of cells that still change in the last fifth of watch
  std::optional<Duration> advised_watch;  // where late_share is above 1 %
};

/// An amount that a filled gap adds to a series' totals (counter output).
struct Carry {
  std::string_view series;  // canonical text
  std::int64_t amount = 0;
};

struct CellView {
  std::string_view series;  // canonical text, alive until the engine is next changed
  SeriesNumber number = 0;
  Time bucket;
  std::string_view scope;
  Value value;                   // newest observed
  std::optional<Value> emitted;  // newest emitted: bucket value (gauge) or total (counter)
  std::uint32_t revision = 0;
  bool quiet = false;  // the newest observed value is final
  Blob sketch = {};    // newest observed
};

/// A part of the source that answers by itself.
struct ScopeView {
  std::string name;
  std::optional<Time> frontier;    // highest reported
  std::optional<Time> last_moved;  // last complete answer with which it moved, or its first
};

class Engine {
 public:
  /// Live buckets start at `live_from` (aligned); rows below it are late.
  Engine(EngineOptions options, Time live_from);
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  ~Engine();
  [[nodiscard]] Engine clone() const;

  /// Takes in one whole answer, taken at source time `now` (never earlier than at the call before).
  [[nodiscard]] std::vector<Sample> ingest(const Answer& answer, Time now);
  /// Closes what is older than ttl and watch and was completely answered at that age. A bucket that a scope's
  /// frontier has not reached is not sealed.
  [[nodiscard]] std::vector<Sample> expire(Time now);
  /// Emits every open or moved cell as it is and forgets all cells: for draining a stream.
  [[nodiscard]] std::vector<Sample> flush(Time now);
  /// Gives up every bucket that starts before `before` (aligned) and is not sealed.
  [[nodiscard]] std::vector<Gap> release(Time before);

  /// A sealed bucket that is due to be read again, to see what sealing missed; none: there is none.
  [[nodiscard]] std::optional<Time> recheck_due(Time now) const;
  /// Takes in the answer for the bucket that recheck_due() named; emits nothing.
  void recheck(const Answer& answer, Time now);
  /// Adds to what the totals start from (counter output). Under repush the totals of live buckets that follow
  /// from it go out with the next ingest or expire; under hold it joins the next new total, a negative amount
  /// when it is absorbed. A series that is not known is from now on: its totals start from the amount. What
  /// no total can take (less than nothing, a series too many) is `unpropagated`.
  void carry(std::span<const Carry> amounts);

  [[nodiscard]] Changes drain_changes();
  /// `record` is about to be deleted from the log: marks for the next drain all that only it still holds.
  /// Records must be renewed oldest first.
  [[nodiscard]] Result<void> renew(std::string_view record);
  /// Rebuilds the engine from the series table and the records that were kept, oldest first; of a stream of
  /// sketches `blob_of` has to know the newest blob of every live cell.
  [[nodiscard]] static Result<Engine> load(EngineOptions options, std::span<const NewSeries> series,
                                           std::span<const std::string_view> records,
                                           const BlobOf& blob_of = {});

  [[nodiscard]] const EngineOptions& options() const;
  [[nodiscard]] const EngineStats& stats() const;
  /// L: the live lane owns every bucket that starts at or after it. The oldest unsealed bucket, if there is
  /// one.
  [[nodiscard]] Time live_from() const;
  [[nodiscard]] std::size_t open_cells() const;
  /// Of them, those whose newest observed value is final.
  [[nodiscard]] std::size_t final_cells() const;
  [[nodiscard]] std::size_t series_count() const;
  [[nodiscard]] std::size_t memory_bytes() const;         // cells, their blobs, buckets and indexes
  [[nodiscard]] std::size_t series_memory_bytes() const;  // the series table
  /// Highest frontier of the scope that is furthest behind; none: no scope reports one.
  [[nodiscard]] std::optional<Time> frontier() const;
  /// Sealing waits for the scope. A silent one is forgotten when the live lane gives up all it had of it.
  [[nodiscard]] bool knows_scope(std::string_view name) const;
  /// The known ones, by name.
  [[nodiscard]] std::vector<ScopeView> scopes() const;
  [[nodiscard]] FinalityView finality_view() const;
  /// True while a limit of EngineOptions made it refuse rows in a bucket that is still live.
  [[nodiscard]] bool limited() const;

  /// "" when unknown.
  [[nodiscard]] std::string_view series_name(SeriesNumber number) const;
  /// All cells by (bucket, series text).
  [[nodiscard]] std::vector<CellView> cells() const;
  /// The newest live bucket in which every scope and every cell is final; none: there is none.
  [[nodiscard]] std::optional<Time> newest_final_bucket() const;
  /// The live buckets, upwards, of which everything was said: every known scope's list of series is final, by
  /// the policy or because it was still answered completely at an age past ttl, no limit refused one of them,
  /// and every cell was emitted.
  /// A series that appears later takes a bucket out again, as does a scope that does.
  [[nodiscard]] std::vector<Time> said_buckets() const;
  /// The cells of one bucket by series text.
  [[nodiscard]] std::vector<CellView> cells_of(Time bucket) const;

 private:
  struct State;
  explicit Engine(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace settle::engine
