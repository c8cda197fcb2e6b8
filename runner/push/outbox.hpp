// runner/push/outbox.hpp: one lane's ledger as one sink sees it: which rows are its own, what they are called
// there, and which of them a newer revision, in either lane, has made pointless.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/result.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"
#include "sinks/sink.hpp"

namespace settle::runner {

/// What a source series of the block is called at a sink.
[[nodiscard]] std::string sink_series(std::string_view source_series, const LedgerBlock& block,
                                      const engine::Labels& external_labels);
/// What a sample of the block becomes at a sink; `series` is what its series is called there.
[[nodiscard]] sinks::Row to_row(const LedgerBlock& block, const engine::Sample& sample,
                                sinks::SeriesText series);

struct OutboxRow {
  sinks::Row row;
  std::size_t job = 0;         // index into OutboxBatch::jobs
  std::uint64_t sequence = 0;  // of the commit that emitted it
};

struct OutboxBatch {
  LedgerPosition start;
  LedgerPosition end;           // where the next batch starts
  std::vector<OutboxRow> rows;  // in ledger order, at most one per (series, timestamp)
  std::vector<OutboxRow> lost;  // rows whose series has no text any more; row.series says which
  std::vector<std::string> jobs;
  std::uint64_t covered = 0;   // rows of this sink from start to end
  std::uint64_t replaced = 0;  // of them, those that a newer revision replaces
};

struct OutboxLimits {
  std::size_t rows_max = 10'000;     // covered
  std::size_t bytes_max = 4u << 20;  // of series text and numbers; one row may be more
  bool series_once = false;          // a series' text counts once in a batch: bodies group rows by series
  bool replace = true;               // leave out rows that have a newer revision in sight
};

class Outbox {
 public:
  Outbox(const Store& store, std::string tenant, std::string sink, engine::Labels external_labels,
         Lane lane = Lane::live);

  struct Sight {
    std::uint64_t rows = 0;  // of this sink, not seen before
    bool to_the_end = true;  // nothing follows, for now
  };
  /// Goes on looking through the ledger, from `from` at the first call. With `aside`, then also through the
  /// other lane's, for newer revisions of rows that wait here. One short read transaction.
  [[nodiscard]] engine::Result<Sight> look_ahead(const LedgerPosition& from, bool aside = false);
  /// What comes next, from what look_ahead() has seen.
  [[nodiscard]] engine::Result<OutboxBatch> next(const LedgerPosition& start, const OutboxLimits& limits);
  /// The position after `rows` rows of this sink; less when there are less.
  [[nodiscard]] engine::Result<LedgerPosition> after(const LedgerPosition& start, std::uint64_t rows) const;
  /// Has look_ahead() seen a newer revision of the row, committed later?
  [[nodiscard]] bool is_replaced(const OutboxRow& row) const;
  /// As if nothing had been seen: after going back.
  void start_over();
  /// Everything before it is acknowledged: newer revisions that were waited for have been sent.
  void forget_before(const LedgerPosition& position);

 private:
  struct NewerRevision {
    std::uint32_t revision = 0;
    std::uint64_t sequence = 0;
  };
  /// The rows of one ledger that are revisions, in its order: sequence, and key in newer_.
  using Noted = std::deque<std::pair<std::uint64_t, std::string>>;
  struct Filling;
  struct NumberHash {
    std::size_t operator()(engine::SeriesNumber n) const { return n * 0x9e3779b97f4a7c15u; }
  };
  using JobSeries = std::unordered_map<engine::SeriesNumber, sinks::SeriesText, NumberHash>;

  [[nodiscard]] bool is_mine(const LedgerBlock& block) const;
  [[nodiscard]] JobSeries& names_of(const LedgerBlock& block);
  /// "" when the store does not know the series any more.
  const sinks::SeriesText& series_of(const ReadTransaction& read, const LedgerBlock& block, JobSeries& names,
                                     engine::SeriesNumber number);
  engine::Result<void> look_aside(const ReadTransaction& read, const LedgerPosition& from,
                                  std::size_t& blocks, Sight& sight);
  std::optional<engine::Error> note_revisions(const ReadTransaction& read, std::string_view key,
                                              std::string_view bytes, const LedgerOutline& outline,
                                              Noted& noted);
  void forget(Noted& noted, std::uint64_t sequence);
  bool take_row(const ReadTransaction& read, const LedgerBlock& block, JobSeries& names, Filling& filling);
  bool take_block(const ReadTransaction& read, std::string_view key, const LedgerBlock& block,
                  Filling& filling);

  const Store& store_;
  std::string tenant_;
  std::string sink_;
  engine::Labels external_labels_;
  Lane lane_;
  std::string seen_;   // key of the newest block that look_ahead() has seen
  std::string aside_;  // likewise in the other lane's ledger; "": nothing waits that could be replaced
  engine::TimeRange waiting_;                             // timestamps of the rows seen while rows wait
  std::unordered_map<std::string, NewerRevision> newer_;  // by series and timestamp
  Noted noted_;
  Noted noted_aside_;
  std::unordered_map<std::string, JobSeries> names_;  // by job and stream
  std::size_t names_held_ = 0;
};

}  // namespace settle::runner
