// api/problem.hpp: errors as RFC 9457 problem JSON.
#pragma once

#include <string>

#include "net/http_server.hpp"
#include "runner/jobs/job.hpp"

namespace settle::api {

struct Problem {
  int status = 500;
  std::string detail;    // what is wrong, what was expected
  std::string field{};   // of the request; "" : none
  std::string job_id{};  // the holder, for conflicts
  std::string code{};    // for programs, where one status has several meanings
};
/// `type` is about:blank, so `title` is the status's own phrase; empty members are left out.
[[nodiscard]] net::ServerResponse problem_response(const Problem& problem);

[[nodiscard]] net::ServerResponse unknown_job(const std::string& id);

/// malformed 400, invalid 422, conflict 409, not_found 404, unavailable 503.
[[nodiscard]] int status_of(runner::Refusal::Kind kind);
[[nodiscard]] net::ServerResponse refusal_response(const runner::Refusal& refusal);

}  // namespace settle::api
