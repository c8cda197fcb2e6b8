// runner/jobs/job_policy.hpp: the fields of a request that say when a value is final and what follows a
// change. Part of parse_job.
#pragma once

#include "runner/jobs/job.hpp"
#include "runner/jobs/json_request.hpp"

namespace settle::runner {

/// `finality`, and its short forms `error_target` and `tolerance`.
void read_finality(JsonRequest& in, JobSpec& spec);
void read_values(JsonRequest& in, JobSpec& spec);
/// `corrections`, and whether the sinks need series in order; sinks, values, output and watch have been read.
void read_corrections(JsonRequest& in, JobSpec& spec, const JobContext& context);

}  // namespace settle::runner
