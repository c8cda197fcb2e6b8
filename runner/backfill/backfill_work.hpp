// runner/backfill/backfill_work.hpp: from one answer of a source to the batch of one chunk. Runs in the pool.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/plan/closed_history.hpp"
#include "runner/jobs/job.hpp"
#include "runner/store/sent.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// One job whose output gets what the chunk brings.
struct FillTarget {
  std::string job_id;
  JobSpec spec;
  engine::TimeRange range;          // of the chunk, the part that is this job's
  std::shared_ptr<SentIndex> sent;  // of its output
};

struct ChunkWork {
  std::string tenant;
  std::string stream_id;
  engine::EngineOptions options;
  engine::TimeRange range;
  engine::Time now;                    // source time
  engine::Time wall;                   // wall time
  std::optional<std::string> scope;    // only what this scope reports; none: all
  std::vector<engine::GapCell> cells;  // what the live lane gave up; numbers are the stream's
  engine::Time ledgers_from;           // they hold all that was sent of buckets from here on
  std::vector<FillTarget> targets;
  // The gap that is filled, as it stands in the store: amounts are handed over once for it.
  std::string gap_key;
  std::string gap_record;
  // "" or the stream's, with the jobs it is filled for: one that comes back looks for what was closed while
  // it was away, and is in the record by then.
  std::string stream_record;
};

struct ChunkDone {
  WriteBatch batch;  // ledger blocks and names
  std::vector<engine::ClosedHistory::Scope> scopes;
  bool limited = false;
  std::uint64_t rows_uncountable = 0;  // counter output
  std::uint64_t samples = 0;
  std::uint64_t points = 0;  // final values that the source gave
  std::uint64_t held_back = 0;
  double unpropagated = 0;
  std::map<std::string, std::uint64_t> rows_by_sink;
  std::map<engine::Reason, std::uint64_t> reasons;
  engine::Ranges lost;
  engine::Amounts amounts;  // counter output: for the totals of the live engine, in the commit of `batch`
};

/// `corrupt`: a block of the ledgers does not decode.
[[nodiscard]] engine::Result<ChunkDone> work_chunk(const Store& store, const engine::Answer& answer,
                                                   const ChunkWork& work);

}  // namespace settle::runner
