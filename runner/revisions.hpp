// runner/revisions.hpp: what was emitted for a job, found in the ledgers of both lanes.
#pragma once

#include <cstddef>
#include <string>

#include "engine/model/time.hpp"
#include "runner/clocks.hpp"
#include "runner/service.hpp"
#include "runner/store.hpp"

namespace settle::runner {

struct RevisionQuery {
  std::string tenant;
  std::string job_id;
  std::string series;  // of the output; "" : all
  engine::TimeRange timestamps;
  std::size_t limit = 0;
};

/// In the order of commits. Takes at most 100 ms; `cut` says that the ledgers went on.
[[nodiscard]] Revisions find_revisions(const Store& store, const RevisionQuery& query, Clocks& clocks);

}  // namespace settle::runner
