// What the live lane gave up of a job's stream, and what became of it.
#include <algorithm>
#include <string>

#include "api/endpoints.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"
#include "api/request.hpp"

namespace settle::api {
namespace {

void write_gap(JsonWriter& out, const runner::GapStatus& gap) {
  out.begin_object().member("state", gap_state_text(gap.state));
  out.member("start", gap.range.from).member("end", gap.range.to).text_or_null("scope", gap.scope);
  out.member("reason", gap.reason).member("cells", gap.cells).member("attempts", gap.attempts);
  out.text_or_null("last_error", gap.last_error);
  out.member("noticed_at", gap.noticed_at).member("closed_at", gap.closed_at).end_object();
}

}  // namespace

net::ServerResponse gaps(const runner::Service& service, const std::string& job_id,
                         const net::ServerRequest& request) {
  const auto limit = page_limit(request);
  if (!limit) return refusal_response(limit.refusal());
  const auto offset = page_offset(request);
  if (!offset) return refusal_response(offset.refusal());
  if (service.find_job(service.tenant(), job_id) == nullptr) return unknown_job(job_id);
  const auto found = service.gaps(service.tenant(), job_id, *offset, *limit + 1);
  const bool more = found.size() > *limit;
  JsonWriter out;
  out.begin_object().key("gaps").begin_array();
  for (std::size_t i = 0; i < std::min(found.size(), *limit); ++i) write_gap(out, found[i]);
  out.end_array().text_or_null("next", more ? std::to_string(*offset + *limit) : "").end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

}  // namespace settle::api
