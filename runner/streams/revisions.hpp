// runner/streams/revisions.hpp: what was emitted for a job, found in the ledgers of both lanes.
#pragma once

#include "engine/model/time.hpp"
#include "runner/clocks.hpp"
#include "runner/service.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// Of a job that was deleted: the longest that a job may have.
inline constexpr engine::Duration kUnknownGranularity = std::chrono::hours{24};

/// In the order of commits; begins where timestamps of the range can stand. Takes at most 100 ms: the next
/// page goes on where it ended. `granularity` of the job: a sample is stamped at most so far ahead of the
/// moment of its emission.
[[nodiscard]] Outcome<Revisions> find_revisions(const Store& store, const RevisionQuery& query,
                                                engine::Duration granularity, Clocks& clocks);

}  // namespace settle::runner
