// runner/streams/inheritance.hpp: what other jobs already sent under the output series of a job that is new
// on its stream.
//
// A replaced or re-planned job often goes on under the same output series with another stream, which sees the
// last `watch` again. What the sinks have must not go out a second time; the ledger says what that is.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/stabilizer/engine.hpp"
#include "runner/jobs/job.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

using CellSet = std::set<std::pair<engine::Time, engine::SeriesNumber>>;

class Inheritance {
 public:
  /// Reads the ledgers of both lanes from `first_sequence` for samples with the job's output series and one
  /// of its sinks, stamped at or after `from`: which timestamps other jobs sent, and the newest value by
  /// whatever job.
  void read(const ReadTransaction& view, const Job& job, engine::Time from, std::uint64_t first_sequence);

  using Point = std::pair<engine::Time, std::string>;  // stamp, job id 0 output series
  struct Share {
    std::vector<std::string> sinks;
    std::vector<engine::Sample> samples;
  };
  struct Shares {
    std::vector<Share> parts;
    std::vector<std::pair<Point, engine::Value>> newest;  // for take(), once the parts are committed
  };
  /// What goes to which sinks. A value that a sink has is left out there; another one follows it as its next
  /// revision under repush and ledger, and is held back under hold, or where it is smaller and only larger
  /// ones may follow. `changing`: cells for whose value, too
  /// old to follow another one, a newer one is about to settle.
  [[nodiscard]] Shares shares(const Job& job, std::vector<engine::Sample> samples,
                              const engine::Engine& names, const CellSet& changing) const;
  /// What shares() left for the sinks is committed.
  void take(const std::vector<std::pair<Point, engine::Value>>& newest);
  void forget_before(engine::Time stamp);
  [[nodiscard]] bool empty() const { return sent_.empty(); }

 private:
  void read(const ReadTransaction& view, const Job& job, engine::Time from, std::uint64_t first_sequence,
            Lane lane);
  struct Sent {
    engine::Value value;
    std::uint64_t sequence = 0;           // of the commit that emitted it
    std::uint32_t revision = 0;           // the highest of other jobs
    std::vector<std::string> sinks = {};  // of other jobs
  };
  std::map<Point, Sent> sent_;
};

}  // namespace settle::runner
