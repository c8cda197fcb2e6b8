// POST, GET and DELETE of jobs.
#include <algorithm>
#include <string>
#include <utility>

#include "api/endpoints.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"
#include "api/request.hpp"
#include "runner/jobs/registry.hpp"

namespace settle::api {
namespace {

namespace asio = boost::asio;
using runner::Added;
using runner::Job;

template <class Enum>
std::string_view pick(Enum value, std::string_view zero, std::string_view one) {
  return value == Enum{} ? zero : one;
}

void write_number(JsonWriter& out, const char* name, double number) {
  out.member(name, engine::Value::number(number));
}

/// How its cells are built, as the request may say it.
void write_cells(JsonWriter& out, const query::CellSpec& cells) {
  using query::SketchType;
  const query::Building& building = cells.building;
  if (!cells.item.empty()) out.member("item", cells.item);
  if (cells.type == SketchType::ddsketch) {
    write_number(out, "accuracy", building.accuracy);
    out.member("max_bins", static_cast<std::uint64_t>(building.bin_limit));
  } else if (cells.type == SketchType::hll) {
    out.member("precision", std::uint64_t{building.precision});
  } else if (cells.type != SketchType::stats) {
    out.member("width", std::uint64_t{building.width}).member("depth", std::uint64_t{building.depth});
  }
}

void write_view(JsonWriter& out, const query::ViewSpec& view) {
  out.member("window", engine::format_duration(view.query.window));
  if (view.by) {
    out.key("by").begin_array();
    for (const std::string& name : *view.by) out.text(name);
    out.end_array();
  }
  write_cells(out, view.cells);
}

void write_spec(JsonWriter& out, const runner::JobSpec& spec) {
  const engine::EngineOptions& options = spec.engine;
  const engine::EngineOptions& cells = runner::cells_options(spec);
  out.member("query", spec.query).member("granularity", engine::format_duration(options.granularity));
  out.member("source", spec.source).member("sketch_type", spec.sketch_type);
  if (spec.view) write_view(out, *spec.view);
  out.member("store_path", spec.store_path).member("valid_until", spec.valid_until);
  out.member("finality", format_finality(cells.finality));
  out.member("watch", engine::format_duration(cells.watch)).member("ttl", engine::format_duration(cells.ttl));
  out.member("poll_interval", engine::format_duration(spec.poll_interval));
  out.member("output", pick(options.output, "gauge", "counter"));
  out.member("absent", pick(options.absent, "none", "zero"));
  if (options.absent == engine::Absent::zero)
    out.member("absent_for", engine::format_duration(options.absent_for));
  out.member("timestamp", pick(spec.timestamp, "start", "end"));
  out.member("values", pick(spec.values, "any", "growing"));
  constexpr std::string_view kCorrections[] = {"repush", "hold", "ledger"};
  out.member("corrections", kCorrections[static_cast<std::size_t>(options.corrections)]);
  out.key("sinks").begin_array();
  for (const std::string& sink : spec.sinks) out.text(sink);
  out.end_array().member("record", spec.record).member("labels", spec.labels);
}

void write_finality(JsonWriter& out, const runner::FinalityStatus& finality) {
  const engine::FinalityView& learned = finality.learned;
  out.key("finality_status").begin_object();
  out.member("corrected", finality.corrected).member("held_back", finality.held_back);
  out.member("forced", finality.forced);
  if (finality.error_target) {
    write_number(out, "error_target", *finality.error_target);
    write_number(out, "error_level", learned.error_level);
    out.text_or_null("settling_age",
                     learned.settling_age ? engine::format_duration(*learned.settling_age) : "");
    out.member("windows", std::uint64_t{learned.windows});
    out.member("judged", learned.judged).member("wrong", learned.wrong);
    out.member("rechecked", learned.rechecked).member("rechecked_wrong", learned.rechecked_wrong);
    write_number(out, "late_share", learned.late_share);
  }
  out.end_object();
}

void write_status(JsonWriter& out, const runner::JobStatus& status) {
  out.member("state", job_state_text(status.state));
  out.text_or_null("last_error", status.last_error).member("last_error_at", status.last_error_at);
  // A bucket can be final a moment before the source's clock is read: never less than nothing.
  const engine::Duration lag = std::max(status.lag.value_or(engine::Duration{}), engine::Duration{});
  out.text_or_null("lag", status.lag ? engine::format_duration(lag) : "");
  out.member("open_cells", status.open_cells).member("series", status.series);
  out.member("next_tick", status.next_tick).member("frontier", status.frontier);
  out.member("live_from", status.live_from).member("samples", status.samples);
  out.member("unpropagated", engine::Value::number(status.unpropagated));
  out.member("gaps_open", status.gaps_open);
  out.key("warnings").begin_array();
  for (const std::string& warning : status.warnings) out.text(warning);
  out.end_array();
  write_finality(out, status.finality);
}

void write_job(JsonWriter& out, const Job& job, const runner::JobStatus& status) {
  out.begin_object().member("job_id", job.id).member("created_at", job.created_at);
  out.member("origin", pick(job.origin, "api", "config")).member("stream_id", job.stream_id);
  write_status(out, status);
  write_spec(out, job.spec);
  out.end_object();
}

net::ServerResponse added_response(const Added& added) {
  const bool existed = added.how == Added::How::existing;
  JsonWriter out;
  out.begin_object().member("job_id", added.job.id).member("status", existed ? "exists" : "created");
  out.member("created_at", added.job.created_at);
  if (!added.replaces.empty()) out.member("replaces", added.replaces);
  out.end_object();
  net::ServerResponse response;
  response.status = existed ? 200 : 201;
  if (!existed) {
    response.headers.push_back({.name = "Location", .value = "/api/v1/precompute/jobs/" + added.job.id});
  }
  response.body = out.take();
  return response;
}

}  // namespace

asio::awaitable<net::ServerResponse> add_job(runner::Service* service, net::ServerRequest request) {
  const auto replace = query_flag(request, "replace");
  if (!replace) co_return refusal_response(replace.refusal());
  const auto added = co_await service->add_job(service->tenant(), std::move(request.body), *replace);
  if (!added) co_return refusal_response(added.refusal());
  co_return added_response(*added);
}

asio::awaitable<net::ServerResponse> delete_job(runner::Service* service, std::string id,
                                                net::ServerRequest request) {
  const auto flush = query_flag(request, "flush");
  if (!flush) co_return refusal_response(flush.refusal());
  const auto removed = co_await service->remove_job(service->tenant(), std::move(id), *flush);
  if (!removed) co_return refusal_response(removed.refusal());
  net::ServerResponse response;
  response.status = 204;
  co_return response;
}

net::ServerResponse list_jobs(const runner::Service& service, const net::ServerRequest& request) {
  const auto limit = page_limit(request);
  if (!limit) return refusal_response(limit.refusal());
  const std::string after = query_parameter(request, "after").value_or("");
  if (!after.empty() && !runner::is_list_cursor(after)) {
    return refusal_response(bad_parameter("after", "is not the \"next\" of a list"));
  }
  const auto jobs = service.list_jobs(service.tenant(), after, *limit + 1);
  const bool more = jobs.size() > *limit;
  JsonWriter out;
  out.begin_object().key("jobs").begin_array();
  for (std::size_t i = 0; i < std::min(jobs.size(), *limit); ++i) {
    write_job(out, *jobs[i], service.job_status(*jobs[i]));
  }
  out.end_array().text_or_null("next", more ? runner::list_cursor(*jobs[*limit - 1]) : "").end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

net::ServerResponse get_job(const runner::Service& service, const std::string& id) {
  const Job* job = service.find_job(service.tenant(), id);
  if (job == nullptr) return unknown_job(id);
  JsonWriter out;
  write_job(out, *job, service.job_status(*job));
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

}  // namespace settle::api
