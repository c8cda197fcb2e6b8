// engine/stabilizer/record.hpp: one delta record of an engine, as docs/formats/log.md lays it out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/finality/learner.hpp"
#include "engine/finality/rechecks.hpp"
#include "engine/stabilizer/cell.hpp"
#include "engine/stabilizer/engine.hpp"
#include "engine/stabilizer/series_table.hpp"

namespace settle::engine {

/// A record as values. Scopes are indexes into `scopes`, series are numbers.
struct Record {
  struct ScopeState {
    std::string_view name;
    bool known = false;
    Time frontier = kNever;
    Time last_complete = kNever;
    Time last_moved = kNever;  // none exactly where there is no last complete answer
    Time pending = kNever;
  };
  struct EntryState {
    Time bucket;
    Entry entry;  // its counts over cells are not in the record
  };
  struct CellState {
    Time bucket;
    SeriesNumber number = 0;
    Cell cell;  // `series`, `stamp` and `logged` are not in the record
    std::uint64_t total = 0;
  };
  struct SeriesState {
    SeriesNumber number = 0;
    Series series;  // `last_scope` is an index into `scopes`
  };
  struct LearnedState {
    std::uint64_t first_window = 1;
    std::size_t windows_kept = 0;
    Duration life{};
    Learner::Levels levels{};
    std::uint64_t judged = 0;
    std::uint64_t wrong = 0;
    std::uint64_t rechecked = 0;
    std::uint64_t rechecked_wrong = 0;
    std::vector<std::pair<std::uint64_t, Window>> windows;  // new ones, by number
    std::vector<std::pair<Time, Recheck>> rechecks;         // changed ones, by bucket
  };

  std::uint32_t number = 0;
  Time from;
  Time now = kNever;
  SeriesNumber next_number = 1;
  EngineStats stats;                // without `withheld`
  std::vector<ScopeState> scopes;   // by name
  std::vector<EntryState> entries;  // all, by (bucket, scope)
  std::vector<CellState> cells;     // changed ones, by (bucket, number)
  std::vector<PanelCell> panels;    // of the cells with kPanel, in their order; without `cell`, `rank`
  std::vector<SeriesState> series;  // changed ones, by number
  LearnedState learned;             // only in the shape `learned`
};

/// What must be the same when a record is written and when it is read.
struct RecordShape {
  Duration granularity{};
  bool counter = false;
  bool learned = false;
};

/// `record` as drain() fills it: in order, every scope index in range.
[[nodiscard]] std::string encode_record(const Record& record, const RecordShape& shape);
/// Views into `bytes`. Whatever the bytes are: no more memory than a fixed multiple of them.
[[nodiscard]] Result<Record> decode_record(std::string_view bytes, const RecordShape& shape);

}  // namespace settle::engine
