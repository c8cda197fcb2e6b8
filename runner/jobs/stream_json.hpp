// runner/jobs/stream_json.hpp: what a stream is, as JSON: the identities of streams and feeds, and a part of
// the record of a job. Equal streams have equal text.
#pragma once

#include <boost/json/fwd.hpp>

#include "engine/result.hpp"
#include "runner/jobs/job.hpp"
#include "runner/jobs/job_record.hpp"

namespace settle::runner {

[[nodiscard]] boost::json::object stream_json(const JobSpec& spec);
/// Of a job with a function.
[[nodiscard]] boost::json::object feed_json(const JobSpec& spec);
[[nodiscard]] engine::Result<StreamSpec> read_stream_json(const boost::json::object& object);

}  // namespace settle::runner
