// runner/jobs/job_view.hpp: the fields of a request that say what is asked of the source's values: a function
// over a window, of which sketches. Part of parse_job.
#pragma once

#include "engine/promql/job_query.hpp"
#include "runner/jobs/job.hpp"
#include "runner/jobs/json_request.hpp"

namespace settle::runner {

/// The label that tells the items of a heavy-hitters answer apart.
inline constexpr const char* kItemLabel = "item";

/// `query`: its text only; whether it can be answered read_sketch_type() says.
[[nodiscard]] engine::JobQuery read_query(JsonRequest& in, JobSpec& spec);
/// `sketch_type`, and what is wrong with the query beside its text; the granularity has been read. Makes the
/// view, if the query has a function.
void read_sketch_type(JsonRequest& in, JobSpec& spec, const engine::JobQuery& query);
/// `by`, `item` and how sketches are built.
void read_view(JsonRequest& in, JobSpec& spec);
/// Makes the options read so far those of the cells and sets those of the results.
void split_options(JobSpec& spec);

}  // namespace settle::runner
