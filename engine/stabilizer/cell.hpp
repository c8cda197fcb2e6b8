// engine/stabilizer/cell.hpp: cells, entries and buckets of one engine. docs/stabilizer.md gives their
// meaning.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "engine/finality/panel.hpp"
#include "engine/model/blob.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/stabilizer/cell_index.hpp"
#include "engine/stabilizer/sample.hpp"

namespace settle::engine {

/// "None" for instants inside the engine: earlier than every instant, and half the size of an optional.
inline constexpr Time kNever = Time::min();

/// 48 bytes: the count of cells is what a stream's memory is made of.
struct Cell {
  // Values 1 to 0x200 are written to records: never renumber.
  enum Flag : std::uint32_t {
    kCount = 0x1,         // `value` is a count, else the bits of a double
    kSettledCount = 0x2,  // the same of `settled`
    kHasSettled = 0x4,    // it was quiet or forced at some time
    kQuiet = 0x8,
    kAbsent = 0x10,
    kGone = 0x20,
    kLate = 0x40,
    kHeld = 0x80,        // counter output under hold: no total of its own ever goes out
    kByTtl = 0x100,      // its own reason is ttl
    kByFlush = 0x200,    // its own reason is flush
    kDirty = 0x400,      // in its bucket's `dirty`
    kForcedNow = 0x800,  // forced in the call that runs
    kMarked = 0x1000,    // taken into a list that is being sorted
    kPanel = 0x2000,     // in its bucket's `panel`; written to records with what that holds
    kNewBlob = 0x4000,   // its blob goes out with the next drain
  };
  static constexpr std::uint32_t kSaved = 0x3ff;

  std::uint64_t value = 0;
  std::uint64_t settled = 0;  // gauge: what was emitted last; counter: the amount that totals are made of
  SeriesId series = 0;
  ScopeId scope = 0;
  std::uint32_t at_change = 0;
  std::uint32_t revision = 0;
  std::uint32_t stamp = 0;   // of the last ingest that had a row for it
  std::uint32_t logged = 0;  // number of the last record that holds it
  std::uint32_t flags = 0;

  [[nodiscard]] bool has(std::uint32_t flag) const { return (flags & flag) != 0; }
  [[nodiscard]] Value::Bits bits() const { return {has(kCount), value}; }
  [[nodiscard]] Value::Bits settled_bits() const { return {has(kSettledCount), settled}; }
  void put(Value::Bits bits) {
    value = bits.bits;
    flags = bits.is_count ? flags | kCount : flags & ~std::uint32_t{kCount};
  }
  void put_settled(Value::Bits bits) {
    settled = bits.bits;
    flags = bits.is_count ? flags | kSettledCount : flags & ~std::uint32_t{kSettledCount};
  }
};
static_assert(sizeof(Cell) == 48);

/// What is known of one scope in one bucket.
struct Entry {
  ScopeId scope = 0;
  std::uint32_t polls = 0;
  std::uint32_t appeared_at = 0;
  bool is_final = false;
  bool by_expiry = false;
  bool limited = false;
  bool unwatched = false;  // too long without a complete answer to say when its cells settled
  bool ended = false;      // when last looked at
  // In the ingest that runs.
  bool appeared = false;
  bool was_final = false;    // before it
  Duration alive{};          // since the bucket's end, of the time in which the scope moved
  Duration moving{};         // what that was when a later bucket moved
  Duration moving_before{};  // the ingest that runs
  Time covered = kNever;
  // Counts over the cells of the scope, so that whole scans are skipped.
  std::uint32_t cells = 0;
  std::uint32_t unquiet = 0;  // not quiet
  std::uint32_t missing = 0;  // absent or gone
  std::uint32_t seen = 0;     // with a row in the ingest that runs
  std::uint32_t oldest_change =
      std::numeric_limits<std::uint32_t>::max();  // <= at_change of all unquiet cells
};

struct Emission {
  std::uint32_t cell = 0;
  Reason reason = Reason::settled;
};

/// A gauge value that an emission takes the place of.
struct Replaced {
  std::uint32_t cell = 0;
  Value::Bits value;
};

struct Bucket {
  Time start;
  std::vector<Cell> cells;
  CellIndex index;
  std::vector<std::uint64_t> totals;  // counter output only: the emitted total of each cell
  std::vector<Blob> blobs;            // sketches only: the newest of each cell, its value's
  std::size_t blob_bytes = 0;         // of them
  std::vector<Entry> entries;         // by scope id
  std::vector<std::uint32_t> dirty;   // cells to write to the next record
  std::vector<Emission> emissions;    // of the call that runs
  std::vector<Replaced> replaced;     // by them
  std::vector<PanelCell> panel;       // only for `learned`; by rank
  std::size_t incoming = 0;           // new cells that the ingest that runs may make

  [[nodiscard]] Entry* find_entry(ScopeId scope);
  [[nodiscard]] const Entry* find_entry(ScopeId scope) const;
  /// Makes it if it is not there; invalidates other entries' addresses then.
  [[nodiscard]] Entry& entry_of(ScopeId scope);
  /// Room for `more` cells without the doubling of vectors.
  void reserve_cells(std::size_t more);
  void put_blob(std::uint32_t cell, const Blob& blob);
  [[nodiscard]] std::size_t memory_bytes() const;
};

}  // namespace settle::engine
