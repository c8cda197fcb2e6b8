#include "cli/jobs.hpp"

#include <fstream>
#include <istream>
#include <iterator>
#include <ostream>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/http_call.hpp"
#include "cli/text_table.hpp"
#include "net/http_client.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

constexpr const char* kJobsPath = "/api/v1/precompute/jobs";

/// A scalar member as text; "" when absent or null.
std::string member_text(const json::object& object, json::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || value->is_null()) return "";
  return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
}

engine::Result<json::object> parse_object(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object())
    return engine::refused("the answer is not a JSON object; is this a Settle daemon?");
  return std::move(value.get_object());
}

int fail(std::ostream& err, const std::string& detail) {
  err << "settle jobs: " << detail << '\n';
  return 1;
}

}  // namespace

std::string problem_text(int status, const std::string& body) {
  const auto problem = parse_object(body);
  const std::string code = std::to_string(status);
  if (!problem) return body.empty() ? "status " + code : "status " + code + ": " + body;
  std::string text = member_text(*problem, "detail");
  if (text.empty()) text = member_text(*problem, "title");
  const std::string field = member_text(*problem, "field");
  const std::string holder = member_text(*problem, "job_id");
  if (!field.empty()) text = field + ": " + text;
  if (!holder.empty()) text += " (job " + holder + ")";
  return text + " (status " + code + ")";
}

engine::Result<JobsPage> format_jobs(const std::string& text) {
  const auto answer = parse_object(text);
  if (!answer) return answer.error();
  const json::value* jobs = answer->if_contains("jobs");
  if (jobs == nullptr || !jobs->is_array()) return engine::refused("the answer holds no list of jobs");
  TextTable table({"job_id", "state", "origin", "store_path", "query", "granularity", "lag", "last_error"});
  for (const json::value& value : jobs->get_array()) {
    if (!value.is_object()) return engine::refused("the list holds something that is not a job");
    const json::object& job = value.get_object();
    std::vector<std::string> row;
    for (const std::string& column : table.columns()) row.push_back(member_text(job, column));
    table.add(std::move(row));
  }
  return JobsPage{.rows = table.text(), .next = member_text(*answer, "next")};
}

int list_jobs(const JobsOptions& options, std::ostream& out, std::ostream& err) {
  std::string after;
  do {
    Call call;
    call.url = options.server;
    call.path = std::string(kJobsPath) + (after.empty() ? "" : "?after=" + net::url_encode(after));
    const auto answer = http_call(call);
    if (!answer) return fail(err, answer.error().detail);
    if (answer->status != 200) return fail(err, problem_text(answer->status, answer->body));
    const auto page = format_jobs(answer->body);
    if (!page) return fail(err, page.error().detail);
    out << (options.as_json ? answer->body + "\n" : page->rows);
    after = page->next;
  } while (!after.empty());
  return 0;
}

int add_job(const JobsOptions& options, std::istream& in, std::ostream& out, std::ostream& err) {
  Call call;
  call.method = "POST";
  call.url = options.server;
  call.path = std::string(kJobsPath) + (options.replace ? "?replace=true" : "");
  if (options.body_file == "-") {
    call.body.assign(std::istreambuf_iterator<char>(in), {});
  } else {
    std::ifstream file(options.body_file, std::ios::binary);
    if (!file) return fail(err, "cannot read \"" + options.body_file + "\"");
    call.body.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto answer = http_call(call);
  if (!answer) return fail(err, answer.error().detail);
  if (answer->status != 200 && answer->status != 201) {
    return fail(err, problem_text(answer->status, answer->body));
  }
  out << answer->body << '\n';
  return 0;
}

int remove_job(const JobsOptions& options, std::ostream& out, std::ostream& err) {
  Call call;
  call.method = "DELETE";
  call.url = options.server;
  call.path = std::string(kJobsPath) + "/" + net::url_encode(options.job_id);
  const auto answer = http_call(call);
  if (!answer) return fail(err, answer.error().detail);
  if (answer->status != 204) return fail(err, problem_text(answer->status, answer->body));
  out << "removed " << options.job_id << '\n';
  return 0;
}

}  // namespace settle::cli
