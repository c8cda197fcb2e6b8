// The cached result of a job.
#include "api/endpoints.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"

namespace settle::api {

namespace {

void write_bound(JsonWriter& out, const runner::ResultBound& bound) {
  out.member("low", engine::Value::number(bound.low)).member("high", engine::Value::number(bound.high));
  out.key("degraded").begin_array();
  if (has(bound.degraded, sketch::Degraded::collapsed)) out.text("collapsed");
  if (has(bound.degraded, sketch::Degraded::mixed_gamma)) out.text("mixed_gamma");
  if (has(bound.degraded, sketch::Degraded::sampled)) out.text("sampled");
  out.end_array();
}

}  // namespace

net::ServerResponse result(const runner::Service& service, const std::string& store_path) {
  const auto found = service.result(service.tenant(), store_path);
  if (!found) {
    const runner::Refusal& refusal = found.refusal();
    if (refusal.kind != runner::Refusal::Kind::not_found) return refusal_response(refusal);
    return problem_response(
        {.status = 404, .detail = refusal.detail, .job_id = refusal.job_id, .code = refusal.field});
  }
  const runner::ResultView& view = *found;
  JsonWriter out;
  out.begin_object().member("job_id", view.job_id).member("store_path", store_path);
  out.member("bucket", view.bucket).member("timestamp", view.timestamp).flag("final", view.is_final);
  out.key("coverage").begin_object();
  out.member("from", view.covered.from).member("to", view.covered.to).end_object();
  out.key("error_bound");
  if (view.error_bound) {
    out.value(engine::Value::number(*view.error_bound));
  } else {
    out.null();
  }
  out.key("points").begin_array();
  for (const runner::ResultPoint& point : view.points) {
    out.begin_object().member("series", point.series).member("value", point.value);
    out.member("revision", point.revision);
    if (point.bound) write_bound(out, *point.bound);
    out.end_object();
  }
  out.end_array().end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

}  // namespace settle::api
