// For operators: metrics, liveness, readiness and a page for who looks in with a browser.
#include <algorithm>
#include <string>

#include "api/endpoints.hpp"

namespace settle::api {
namespace {

constexpr std::size_t kJobsShown = 100;

net::ServerResponse plain(int status, std::string body) {
  net::ServerResponse response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.body = std::move(body);
  return response;
}

}  // namespace

net::ServerResponse healthz() {
  return plain(200, "ok\n");
}

net::ServerResponse readyz(const runner::Service& service) {
  const std::string missing = service.not_ready();
  return missing.empty() ? plain(200, "ready\n") : plain(503, "not ready: " + missing + "\n");
}

net::ServerResponse metrics(const runner::Service& service) {
  net::ServerResponse response = plain(200, service.metrics_text());
  response.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return response;
}

net::ServerResponse home(const runner::Service& service) {
  const std::string missing = service.not_ready();
  std::string page = "Settle\n\nsource time  " + engine::format_time(service.source_now()) +
                     "\nready        " + (missing.empty() ? "yes" : "no: " + missing) + "\n\nJobs\n";
  const auto jobs = service.list_jobs(service.tenant(), "", kJobsShown + 1);
  if (jobs.empty()) page += "  none\n";
  for (std::size_t i = 0; i < std::min(jobs.size(), kJobsShown); ++i) {
    const runner::JobStatus status = service.job_status(*jobs[i]);
    page += "  " + jobs[i]->spec.store_path + "  " + std::string(job_state_text(status.state));
    if (!status.last_error.empty()) page += ": " + status.last_error;
    page += "\n";
  }
  if (jobs.size() > kJobsShown) page += "  and more\n";
  page += "\nSinks\n";
  for (const runner::PumpStatus& sink : service.outbox()) {
    page += "  " + sink.sink + ", " + std::string(lane_text(sink.lane)) + "  " +
            std::string(pump_state_text(sink.state)) + ", " + std::to_string(sink.rows_waiting) +
            " rows waiting\n";
    if (sink.health && !sink.health->meaning.empty()) page += "    " + sink.health->meaning + "\n";
  }
  page +=
      "\n/api/v1/precompute/jobs\n/api/v1/precompute/jobs/{job_id}/backfills\n"
      "/api/v1/precompute/jobs/{job_id}/gaps\n/api/v1/precompute/results/{store_path}\n/api/v1/outbox\n"
      "/api/v1/dead-letters\n/api/v1/revisions?job={job_id}\n/metrics\n/healthz\n/readyz\n";
  return plain(200, std::move(page));
}

}  // namespace settle::api
