#include "cli/jobs.hpp"

#include <filesystem>
#include <fstream>
#include <istream>
#include <iterator>
#include <ostream>
#include <utility>
#include <vector>

#include <boost/json/value.hpp>

#include "cli/ask/daemon_call.hpp"
#include "cli/http_call.hpp"
#include "cli/text_table.hpp"
#include "net/http_client.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

int fail(std::ostream& err, const std::string& detail) {
  err << "settle jobs: " << detail << '\n';
  return 1;
}

}  // namespace

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
    // A folder opens, but does not read.
    if (!file || std::filesystem::is_directory(options.body_file)) {
      fail(err, "cannot read \"" + options.body_file + "\"");
      return 2;
    }
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
  const auto job_id = find_job_id(options.server, options.job_id);
  if (!job_id) return fail(err, job_id.error().detail);
  Call call;
  call.method = "DELETE";
  call.url = options.server;
  call.path = std::string(kJobsPath) + "/" + net::url_encode(*job_id) + (options.flush ? "?flush=true" : "");
  const auto answer = http_call(call);
  if (!answer) return fail(err, answer.error().detail);
  if (answer->status != 204) return fail(err, problem_text(answer->status, answer->body));
  out << "removed " << *job_id << '\n';
  return 0;
}

}  // namespace settle::cli
