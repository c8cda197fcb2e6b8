// POST, GET and DELETE of a job's backfills.
#include <algorithm>
#include <string>
#include <utility>

#include "api/endpoints.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"
#include "api/request.hpp"

namespace settle::api {
namespace {

namespace asio = boost::asio;
using runner::BackfillStatus;

void write_number_or_null(JsonWriter& out, std::string_view name, const std::optional<double>& number) {
  out.key(name);
  number ? out.value(engine::Value::number(*number)) : out.null();
}

void write_eta(JsonWriter& out, const std::optional<engine::Duration>& eta) {
  out.key("eta_seconds");
  if (!eta) {
    out.null();
    return;
  }
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(std::max(*eta, engine::Duration{}));
  out.number(static_cast<std::uint64_t>(seconds.count()));
}

void write_backfill(JsonWriter& out, const BackfillStatus& status) {
  out.begin_object().member("id", status.id).member("job_id", status.job_id);
  out.member("state", backfill_state_text(status.state));
  out.member("start", status.request.range.from).member("end", status.request.range.to);
  out.member("end_effective", status.end_effective);
  const bool chosen = status.chunk > engine::Duration{};  // by the daemon with its first question
  out.text_or_null("chunk", chosen ? engine::format_duration(status.chunk) : "");
  write_number_or_null(out, "rate", status.request.rate);
  out.flag("force", status.request.force);
  out.key("buckets").begin_object().member("total", status.buckets_total);
  out.member("done", status.buckets_done).member("impossible", status.buckets_impossible).end_object();
  out.member("samples", status.samples).member("held_back", status.held_back);
  out.member("errors", status.errors);
  out.text_or_null("last_error", status.last_error).member("last_error_at", status.last_error_at);
  out.member("created_at", status.created_at).member("finished_at", status.finished_at);
  write_number_or_null(out, "samples_per_second", status.samples_per_second);
  write_eta(out, status.eta);
  out.end_object();
}

net::ServerResponse backfill_response(const BackfillStatus& status) {
  JsonWriter out;
  write_backfill(out, status);
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

net::ServerResponse unknown_backfill(const std::string& job_id, const std::string& id) {
  return problem_response({.status = 404,
                           .detail = "job \"" + job_id + "\" has no backfill \"" + id + "\"",
                           .field = "backfill_id",
                           .code = "unknown_backfill"});
}

}  // namespace

asio::awaitable<net::ServerResponse> add_backfill(runner::Service* service, std::string job_id,
                                                  net::ServerRequest request) {
  if (service->find_job(service->tenant(), job_id) == nullptr) co_return unknown_job(job_id);
  const auto added = co_await service->add_backfill(service->tenant(), job_id, std::move(request.body));
  if (!added) co_return refusal_response(added.refusal());
  net::ServerResponse response = backfill_response(added->status);
  if (added->created) {
    response.status = 201;
    response.headers.push_back(
        {.name = "Location",
         .value = "/api/v1/precompute/jobs/" + job_id + "/backfills/" + added->status.id});
  }
  co_return response;
}

asio::awaitable<net::ServerResponse> steer_backfill(runner::Service* service, std::string job_id,
                                                    std::string id, runner::Steer steer) {
  if (service->find_job(service->tenant(), job_id) == nullptr) co_return unknown_job(job_id);
  if (!service->find_backfill(service->tenant(), job_id, id)) co_return unknown_backfill(job_id, id);
  const auto status = co_await service->steer_backfill(service->tenant(), job_id, id, steer);
  if (!status) co_return refusal_response(status.refusal());
  co_return backfill_response(*status);
}

net::ServerResponse list_backfills(const runner::Service& service, const std::string& job_id,
                                   const net::ServerRequest& request) {
  const auto limit = page_limit(request);
  if (!limit) return refusal_response(limit.refusal());
  if (service.find_job(service.tenant(), job_id) == nullptr) return unknown_job(job_id);
  const std::string after = query_parameter(request, "after").value_or("");
  if (!after.empty() && !service.find_backfill(service.tenant(), job_id, after)) {
    return refusal_response(bad_parameter("after", "is not the \"next\" of a list"));
  }
  const auto found = service.list_backfills(service.tenant(), job_id, after, *limit + 1);
  const bool more = found.size() > *limit;
  JsonWriter out;
  out.begin_object().key("backfills").begin_array();
  for (std::size_t i = 0; i < std::min(found.size(), *limit); ++i) write_backfill(out, found[i]);
  out.end_array().text_or_null("next", more ? found[*limit - 1].id : "").end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

net::ServerResponse get_backfill(const runner::Service& service, const std::string& job_id,
                                 const std::string& id) {
  if (service.find_job(service.tenant(), job_id) == nullptr) return unknown_job(job_id);
  const auto status = service.find_backfill(service.tenant(), job_id, id);
  return status ? backfill_response(*status) : unknown_backfill(job_id, id);
}

}  // namespace settle::api
