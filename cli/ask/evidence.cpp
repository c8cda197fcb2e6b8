#include "cli/ask/evidence.hpp"

#include <initializer_list>
#include <ostream>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "cli/ask/daemon_call.hpp"
#include "cli/text_table.hpp"
#include "net/http_client.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

// A comparison reads all of the range from the sinks.
constexpr std::chrono::minutes kVerifyTimeout{10};

int fail(std::ostream& err, const char* command, const std::string& detail) {
  err << "settle " << command << ": " << detail << '\n';
  return 1;
}

/// The objects of `member`, one row each, one column per name.
engine::Result<std::string> format_list(const json::object& answer, std::string_view member,
                                        std::vector<std::string> columns) {
  const json::value* list = answer.if_contains({member.data(), member.size()});
  if (list == nullptr || !list->is_array()) {
    return engine::refused("the answer holds no list of " + std::string(member));
  }
  TextTable table(std::move(columns));
  for (const json::value& value : list->get_array()) {
    if (!value.is_object())
      return engine::refused("the list of " + std::string(member) + " holds something else");
    std::vector<std::string> row;
    for (const std::string& column : table.columns()) row.push_back(member_text(value.get_object(), column));
    table.add(std::move(row));
  }
  return table.text();
}

/// `name: what is wrong`, or the time as text; "" for "".
engine::Result<std::string> time_text(const char* name, const std::string& given) {
  if (given.empty()) return std::string();
  const auto time = parse_when(given, wall_now());
  if (!time) return engine::refused(std::string(name) + ": " + time.error().detail);
  return engine::format_time(*time);
}

/// `"a", "b"` as `a, b`; several values of one cell.
std::string joined(const json::value* list) {
  std::string text;
  if (list == nullptr || !list->is_array()) return text;
  for (const json::value& one : list->get_array()) {
    text += (text.empty() ? "" : ", ") + member_text(json::object{{"x", one}}, "x");
  }
  return text;
}

engine::Result<std::string> format_mismatches(const json::object& report) {
  const json::value* list = report.if_contains("mismatches");
  if (list == nullptr || !list->is_array()) return engine::refused("the answer holds no list of mismatches");
  if (list->get_array().empty()) return std::string();
  TextTable table({"kind", "sink", "timestamp", "acknowledged", "stored", "series"});
  for (const json::value& value : list->get_array()) {
    if (!value.is_object()) return engine::refused("the list of mismatches holds something else");
    const json::object& one = value.get_object();
    table.add({member_text(one, "kind"), member_text(one, "sink"), member_text(one, "timestamp"),
               member_text(one, "acknowledged"), joined(one.if_contains("stored")),
               member_text(one, "series")});
  }
  return "\n" + table.text();
}

}  // namespace

engine::Result<std::string> format_gaps(const std::string& text) {
  const auto page = parse_object(text);
  if (!page) return page.error();
  return format_list(*page, "gaps",
                     {"state", "start", "end", "scope", "cells", "attempts", "reason", "last_error"});
}

engine::Result<std::string> format_revisions(const std::string& text) {
  const auto page = parse_object(text);
  if (!page) return page.error();
  return format_list(
      *page, "revisions",
      {"timestamp", "revision", "value", "reason", "age", "evidence_polls", "policy", "series"});
}

engine::Result<Verdict> format_report(const std::string& text) {
  const auto report = parse_object(text);
  if (!report) return report.error();
  if (!report->contains("compared")) {
    return engine::refused("the answer is not a comparison; is this a Settle daemon?");
  }
  const auto rows = format_mismatches(*report);
  if (!rows) return rows.error();
  const auto count = [&report](const char* name) { return member_text(*report, name); };
  const auto none = [&count](const char* name) { return count(name) == "0"; };
  const bool same = none("missing") && none("different") && none("extra");
  Verdict verdict;
  verdict.good = same && !none("compared");
  verdict.text =
      "compared " + count("compared") + " samples from " + count("from") + " to " + count("to") + "\n";
  if (!none("waiting"))
    verdict.text += count("waiting") + " are not acknowledged yet and were not compared\n";
  const std::string unread = joined(report->if_contains("sinks_without_read_back"));
  if (!unread.empty()) verdict.text += "not compared, since what they have cannot be read: " + unread + "\n";
  if (none("compared") && same) {
    verdict.text += "nothing was compared\n";
  } else if (same) {
    verdict.text += "the sinks have what they acknowledged, and nothing else\n";
  } else {
    verdict.text += count("missing") + " missing, " + count("different") + " different, " + count("extra") +
                    " that were never sent\n";
  }
  verdict.text += *rows;
  return verdict;
}

int list_gaps(const EvidenceOptions& options, std::ostream& out, std::ostream& err) {
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, "gaps", job_id.error().detail);
  const std::string path = std::string(kJobsPath) + "/" + net::url_encode(*job_id) + "/gaps";
  const auto listed = for_each_page(options.server, path, [&](const std::string& body) -> std::string {
    const auto rows = format_gaps(body);
    if (!rows) return rows.error().detail;
    out << (options.as_json ? body + "\n" : *rows);
    return "";
  });
  return listed ? 0 : fail(err, "gaps", listed.error().detail);
}

int list_revisions(const EvidenceOptions& options, std::ostream& out, std::ostream& err) {
  const auto from = time_text("--from", options.from);
  if (!from) return fail(err, "revisions", from.error().detail);
  const auto to = time_text("--to", options.to);
  if (!to) return fail(err, "revisions", to.error().detail);
  const auto known = find_job_id(options.server, options.job);
  if (!known && known.error().kind == engine::ErrorKind::retry_later) {
    return fail(err, "revisions", known.error().detail);
  }
  // Also of a job that was deleted: its id is all that is left.
  const std::string job_id = known ? *known : options.job;
  Call call;
  call.url = options.server;
  call.path = "/api/v1/revisions?job=" + net::url_encode(job_id) + "&limit=" + std::to_string(options.limit);
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const std::string&>>{
           {"series", options.series}, {"start", *from}, {"end", *to}}) {
    if (!value.empty()) call.path += "&" + std::string(name) + "=" + net::url_encode(value);
  }
  const auto answer = ask_daemon(call);
  if (!answer) return fail(err, "revisions", answer.error().detail);
  const auto rows = format_revisions(answer->body);
  if (!rows) return fail(err, "revisions", rows.error().detail);
  out << (options.as_json ? answer->body + "\n" : *rows);
  const auto page = parse_object(answer->body);
  if (page && member_text(*page, "more") == "true") {
    err << "settle revisions: there are or may be more; narrow it down with --series, --from and --to, or "
           "raise "
           "--limit\n";
  }
  return 0;
}

int verify_job(const EvidenceOptions& options, std::ostream& out, std::ostream& err) {
  const auto from = time_text("--from", options.from);
  if (!from) return fail(err, "verify", from.error().detail);
  const auto to = time_text("--to", options.to);
  if (!to) return fail(err, "verify", to.error().detail);
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, "verify", job_id.error().detail);
  Call call;
  call.method = "POST";
  call.url = options.server;
  call.path = std::string(kJobsPath) + "/" + net::url_encode(*job_id) + "/verify";
  call.body = json::serialize(json::object{{"from", *from}, {"to", *to}, {"limit", options.limit}});
  call.timeout = kVerifyTimeout;
  const auto answer = ask_daemon(call);
  if (!answer) return fail(err, "verify", answer.error().detail);
  const auto verdict = format_report(answer->body);
  if (!verdict) return fail(err, "verify", verdict.error().detail);
  out << (options.as_json ? answer->body + "\n" : verdict->text);
  return verdict->good ? 0 : 1;
}

}  // namespace settle::cli
