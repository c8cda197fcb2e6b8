// runner/streams/finality_status.hpp: how well a job's stream settles, and what its user should know of it.
#pragma once

#include "runner/jobs/job.hpp"
#include "runner/service.hpp"
#include "runner/streams/stream_views.hpp"

namespace settle::runner {

/// Fills `finality` and `warnings`. `cells`: of the feed whose windows the stream polls; otherwise `status`.
void read_finality_status(const Job& job, const StreamStatus& status, const StreamStatus& cells,
                          JobStatus& out);

/// Fills `scopes`, `scopes_stalled` and `unmoved`, at source time `now`.
void read_scopes(const Job& job, const StreamStatus& status, engine::Time now, JobStatus& out);

}  // namespace settle::runner
