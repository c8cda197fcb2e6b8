#include "cli/ask/daemon_call.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <utility>

#include <boost/json.hpp>

#include "net/http_client.hpp"

namespace settle::cli {

namespace json = boost::json;

std::string member_text(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains({name.data(), name.size()});
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return std::string(value->get_string());
  if (!value->is_double()) return json::serialize(*value);
  std::array<char, 32> digits{};  // serialize would write 1.5E0
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value->get_double());
  return {digits.data(), end.ptr};
}

engine::Result<json::object> parse_object(const std::string& text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error || !value.is_object())
    return engine::refused("the answer is not a JSON object; is this a Settle daemon?");
  return std::move(value.get_object());
}

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

engine::Result<CallAnswer> ask_daemon(const Call& call) {
  auto answer = http_call(call);
  if (!answer || answer->status / 100 == 2) return answer;
  const std::string detail = problem_text(answer->status, answer->body);
  return answer->status == 503 ? engine::retry_later(detail) : engine::refused(detail);
}

engine::Result<void> for_each_page(const std::string& server, const std::string& path,
                                   const std::function<std::string(const std::string&)>& on_page) {
  std::string after;
  do {
    Call call;
    call.url = server;
    call.path = path + "?limit=1000" + (after.empty() ? "" : "&after=" + net::url_encode(after));
    const auto answer = ask_daemon(call);
    if (!answer) return answer.error();
    const auto page = parse_object(answer->body);
    if (!page) return page.error();
    const std::string problem = on_page(answer->body);
    if (!problem.empty()) return engine::refused(problem);
    after = member_text(*page, "next");
  } while (!after.empty());
  return {};
}

engine::Result<std::string> find_job_id(const std::string& server, const std::string& job) {
  if (job.find('/') == job.npos) {
    Call call;
    call.url = server;
    call.path = std::string(kJobsPath) + "/" + net::url_encode(job);
    const auto answer = http_call(call);
    if (!answer) return answer.error();
    if (answer->status == 200) return job;
    if (answer->status != 404) return engine::refused(problem_text(answer->status, answer->body));
  }
  std::string found;
  const auto searched = for_each_page(server, kJobsPath, [&](const std::string& body) -> std::string {
    const auto page = parse_object(body);
    const json::value* jobs = page ? page->if_contains("jobs") : nullptr;
    if (jobs == nullptr || !jobs->is_array()) return "the answer holds no list of jobs";
    for (const json::value& one : jobs->get_array()) {
      if (!one.is_object() || member_text(one.get_object(), "store_path") != job) continue;
      found = member_text(one.get_object(), "job_id");
    }
    return "";
  });
  if (!searched) return searched.error();
  if (!found.empty()) return found;
  return engine::refused("no job has the id or the store_path \"" + job +
                         "\"; `settle jobs list` prints them");
}

engine::Result<engine::Time> parse_when(std::string_view text, engine::Time now) {
  std::string_view before = text;
  if (before.starts_with("now")) before.remove_prefix(3);
  if (before.empty() && !text.empty()) return now;
  if (before.starts_with('-')) {
    const auto ago = engine::parse_duration(before.substr(1));
    if (ago) return now - *ago;
  }
  auto time = engine::parse_time(text);
  if (time) return time;
  return engine::refused(
      "\"" + std::string(text) +
      "\" is not a time; expected now, one before now such as -2h, 2026-06-26T13:57:00Z or "
      "epoch milliseconds");
}

engine::Time wall_now() {
  return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
}

}  // namespace settle::cli
