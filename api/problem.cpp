#include "api/problem.hpp"

#include "api/json_writer.hpp"

namespace settle::api {
namespace {

const char* phrase(int status) {
  switch (status) {
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 503:
      return "Service Unavailable";
    default:
      return "Error";
  }
}

}  // namespace

net::ServerResponse problem_response(const Problem& problem) {
  JsonWriter out;
  out.begin_object().member("type", "about:blank").member("title", phrase(problem.status));
  out.member("status", static_cast<unsigned>(problem.status)).member("detail", problem.detail);
  if (!problem.code.empty()) out.member("code", problem.code);
  if (!problem.field.empty()) out.member("field", problem.field);
  if (!problem.job_id.empty()) out.member("job_id", problem.job_id);
  out.end_object();
  net::ServerResponse response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.body = out.take();
  return response;
}

net::ServerResponse unknown_job(const std::string& id) {
  return problem_response(
      {.status = 404, .detail = "there is no job \"" + id + "\"", .field = "job_id", .code = "unknown_job"});
}

int status_of(runner::Refusal::Kind kind) {
  using Kind = runner::Refusal::Kind;
  switch (kind) {
    case Kind::malformed:
      return 400;
    case Kind::invalid:
      return 422;
    case Kind::conflict:
      return 409;
    case Kind::not_found:
      return 404;
    case Kind::unavailable:
      return 503;
  }
  return 500;
}

net::ServerResponse refusal_response(const runner::Refusal& refusal) {
  return problem_response({.status = status_of(refusal.kind),
                           .detail = refusal.detail,
                           .field = refusal.field,
                           .job_id = refusal.job_id});
}

}  // namespace settle::api
