// runner/store/emitted_reader.hpp: reads the rows of both ledgers that were meant for one sink, in short
// transactions.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/result.hpp"
#include "runner/verify/verify.hpp"

namespace settle::runner {

struct EmittedOrder {
  std::string tenant;
  std::string job_id;      // "" : of all jobs
  std::string except_job;  // but not of this one
  std::string sink;
  engine::Labels external_labels;
  engine::TimeRange timestamps;
  std::array<LedgerPosition, 2> acknowledged_before;  // by lane
};

class EmittedReader {
 public:
  /// The store outlives the reader.
  EmittedReader(const Store& store, EmittedOrder order);

  /// Goes on where the call before ended; a row passes when `wanted` says so (empty: all). False at the end
  /// of both ledgers, for now: a later call reads what was appended since. Up to 32 blocks of the job.
  [[nodiscard]] engine::Result<bool> read_some(std::vector<EmittedRow>& out,
                                               const std::function<bool(const EmittedRow&)>& wanted = {});
  /// Of every row read, also of those outside of the range.
  [[nodiscard]] const std::set<std::string, std::less<>>& series() const { return series_; }

 private:
  [[nodiscard]] bool read_block(const ReadTransaction& read, Lane lane, std::string_view key,
                                std::string_view value, std::vector<EmittedRow>& out,
                                const std::function<bool(const EmittedRow&)>& wanted);
  const sinks::SeriesText& series_of(const ReadTransaction& read, const LedgerBlock& block,
                                     engine::SeriesNumber number);

  const Store& store_;
  EmittedOrder order_;
  std::string job_key_;
  std::array<std::string, 2> seen_;  // by lane: the newest key that was looked at
  std::unordered_map<std::string, std::unordered_map<engine::SeriesNumber, sinks::SeriesText>> names_;
  std::set<std::string, std::less<>> series_;
  std::optional<engine::Error> error_;
};

}  // namespace settle::runner
