// runner/store/sent.hpp: what the ledgers say was sent under an output before, by whatever job and lane.
//
// A job that was posted anew, a backfill with `force`, and a gap that was half sent must not send a second
// value where the first stands. The ledgers are looked through once, and from there on only what was added;
// what is kept is where the blocks of the output are and which timestamps they hold.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "runner/jobs/job.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// The blocks of one output: of jobs of the tenant with its record and labels, and one of its sinks.
class OutputBlocks {
 public:
  OutputBlocks(std::string tenant, const JobSpec& spec);
  /// Reads at most one block of each job that has nothing to do with the output.
  [[nodiscard]] bool holds(std::string_view key, std::string_view bytes);

 private:
  std::string tenant_;
  std::string record_;
  engine::Labels labels_;
  std::vector<std::string> sinks_;
  std::unordered_map<std::string, bool> jobs_;  // by tenant 0 job
};

struct SentPoint {
  engine::Time timestamp;
  engine::Value value;
  std::uint32_t revision = 0;
  std::uint64_t sequence = 0;
  std::vector<std::string> sinks;
};
/// By output series; each by timestamp.
using SentPoints = std::map<std::string, std::map<engine::Time, SentPoint>>;

class SentIndex {
 public:
  SentIndex(std::string tenant, const JobSpec& spec) : blocks_(std::move(tenant), spec) {}
  /// Looks at what was added to both ledgers since the last call. In slices: no read transaction is long.
  [[nodiscard]] engine::Result<void> extend(const Store& store);
  /// The newest revision of every (series, timestamp) in the range, as far as extend() has seen.
  [[nodiscard]] engine::Result<SentPoints> find(const Store& store, engine::TimeRange timestamps) const;

 private:
  struct Run {  // of blocks that follow each other
    std::string first;
    std::string last;
    std::size_t blocks = 0;
    engine::TimeRange timestamps;
  };
  struct InLane {
    std::string seen;  // key of the newest block that was looked at
    std::vector<Run> runs;
  };
  [[nodiscard]] engine::Result<bool> look_on(const Store& store, Lane lane);
  void note(InLane& in, std::string_view key, const LedgerOutline& block);

  // A replaced job's last chunk may still be in the pool while its successor's first one is, too.
  mutable std::mutex lock_;
  mutable OutputBlocks blocks_;
  std::array<InLane, 2> lanes_;
};

}  // namespace settle::runner
