// runner/inheritance.hpp: what other jobs already sent under the output series of a job that is new on its
// stream.
//
// A replaced or re-planned job often goes on under the same output series with another stream, which sees the
// last `watch` again. What the sinks have must not go out a second time; the ledger says what that is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/stabilizer/engine.hpp"
#include "runner/job.hpp"
#include "runner/ledger.hpp"
#include "runner/store.hpp"

namespace settle::runner {

class Inheritance {
 public:
  /// Reads the ledgers of both lanes from `first_sequence` for samples of other jobs with the job's output
  /// series and one of its sinks, stamped at or after `from`.
  void read(const ReadTransaction& view, const Job& job, engine::Time from, std::uint64_t first_sequence);

  struct Share {
    std::vector<std::string> sinks;
    std::vector<engine::Sample> samples;
  };
  /// What goes to which sinks. A value that a sink has is left out there; another one follows it as its next
  /// revision under repush, and is held back under hold. `all`: these are the newest values of everything,
  /// for a job that just came.
  [[nodiscard]] std::vector<Share> shares(const Job& job, std::vector<engine::Sample> samples,
                                          const engine::Engine& names, bool all) const;
  void forget_before(engine::Time stamp);
  [[nodiscard]] bool empty() const { return sent_.empty(); }

 private:
  void read(const ReadTransaction& view, const Job& job, engine::Time from, std::uint64_t first_sequence,
            Lane lane);
  struct Sent {
    engine::Value value;
    std::uint64_t sequence = 0;  // of the commit that emitted it
    std::uint32_t revision = 0;
    std::vector<std::string> sinks;
  };
  std::map<std::pair<engine::Time, std::string>, Sent> sent_;  // (stamp, job id 0 output series)
};

}  // namespace settle::runner
