#include "cli/ask/evidence.hpp"

#include <algorithm>
#include <initializer_list>
#include <optional>
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
constexpr engine::Duration kVerifyShortest{std::chrono::seconds{1}};
constexpr std::uint64_t kRevisionsPerPage = 1000;

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

/// Counts add up, lists follow one another; sinks are named once.
void add_report(json::object& whole, const json::object& part, std::uint64_t limit) {
  if (whole.empty()) {
    whole = part;
    return;
  }
  for (const auto& [name, value] : part) {
    json::value& sum = whole[name];
    if (name == "to" || sum.is_null()) {
      sum = value;
    } else if (value.is_number() && sum.is_number()) {
      sum = sum.to_number<std::uint64_t>() + value.to_number<std::uint64_t>();
    } else if (value.is_array() && sum.is_array()) {
      json::array& list = sum.get_array();
      for (const json::value& one : value.get_array()) {
        const bool is_text = one.is_string();
        if (is_text ? std::find(list.begin(), list.end(), one) == list.end() : list.size() < limit) {
          list.push_back(one);
        }
      }
    }
  }
}

struct PartAnswer {
  std::optional<json::object> report;  // none: too many samples for one comparison
};

engine::Result<PartAnswer> verify_part(const EvidenceOptions& options, const std::string& path,
                                       engine::TimeRange range) {
  Call call;
  call.method = "POST";
  call.url = options.server;
  call.path = path;
  call.body = json::serialize(json::object{{"from", engine::format_time(range.from)},
                                           {"to", engine::format_time(range.to)},
                                           {"limit", options.limit}});
  call.timeout = kVerifyTimeout;
  const auto answer = http_call(call);
  if (!answer) return answer.error();
  PartAnswer part;
  if (answer->status / 100 == 2) {
    auto report = parse_object(answer->body);
    if (!report) return report.error();
    part.report = *std::move(report);
    return part;
  }
  // All else that a 422 may mean was checked before.
  if (answer->status == 422 && range.to - range.from > kVerifyShortest) return part;
  return engine::refused(problem_text(answer->status, answer->body));
}

/// The daemon compares so many samples at once: a range that holds more is asked for in shorter ones.
engine::Result<json::object> verify_in_parts(const EvidenceOptions& options, const std::string& path,
                                             engine::TimeRange range) {
  json::object whole;
  engine::Duration step = range.to - range.from;
  while (whole.empty() || range.from < range.to) {
    const engine::TimeRange asked{.from = range.from, .to = std::min(range.to, range.from + step)};
    const auto part = verify_part(options, path, asked);
    if (!part) return part.error();
    if (!part->report) {
      step = (asked.to - asked.from + engine::Duration{1}) / 2;
      continue;
    }
    add_report(whole, *part->report, options.limit);
    range.from = asked.to;
  }
  return whole;
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
  const bool refused = report->contains("refused") && !none("refused");  // not in older answers
  Verdict verdict;
  verdict.good = same && !refused && !none("compared");
  verdict.text =
      "compared " + count("compared") + " samples from " + count("from") + " to " + count("to") + "\n";
  if (!none("waiting"))
    verdict.text += count("waiting") + " are not acknowledged yet and were not compared\n";
  if (refused) {
    verdict.text +=
        count("refused") + " were refused by the sinks and are not there: /api/v1/dead-letters says why\n";
  }
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
  std::string question = "/api/v1/revisions?job=" + net::url_encode(job_id);
  for (const auto& [name, value] : std::initializer_list<std::pair<const char*, const std::string&>>{
           {"series", options.series}, {"start", *from}, {"end", *to}}) {
    if (!value.empty()) question += "&" + std::string(name) + "=" + net::url_encode(value);
  }
  json::array found;
  std::string after;
  do {
    Call call;
    call.url = options.server;
    const std::uint64_t left = options.limit - found.size();
    call.path = question + "&limit=" + std::to_string(std::min(left, kRevisionsPerPage)) +
                (after.empty() ? "" : "&after=" + net::url_encode(after));
    const auto answer = ask_daemon(call);
    if (!answer) return fail(err, "revisions", answer.error().detail);
    auto page = parse_object(answer->body);
    if (!page) return fail(err, "revisions", page.error().detail);
    json::value* list = page->if_contains("revisions");
    if (list == nullptr || !list->is_array()) {
      return fail(err, "revisions", "the answer holds no list of revisions");
    }
    if (options.as_json) out << answer->body << '\n';
    for (json::value& one : list->get_array()) found.push_back(std::move(one));
    after = member_text(*page, "next");
  } while (!after.empty() && found.size() < options.limit);
  const auto rows = format_revisions(json::serialize(json::object{{"revisions", std::move(found)}}));
  if (!rows) return fail(err, "revisions", rows.error().detail);
  if (!options.as_json) out << *rows;
  if (!after.empty()) {
    err << "settle revisions: there are or may be more; narrow it down with --series, --from and --to, or "
           "raise --limit\n";
  }
  return 0;
}

int verify_job(const EvidenceOptions& options, std::ostream& out, std::ostream& err) {
  const engine::Time now = wall_now();
  const auto from = parse_when(options.from, now);
  if (!from) return fail(err, "verify", "--from: " + from.error().detail);
  const auto to = parse_when(options.to, now);
  if (!to) return fail(err, "verify", "--to: " + to.error().detail);
  if (*from >= *to) return fail(err, "verify", "--from: is not before --to");
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, "verify", job_id.error().detail);
  const std::string path = std::string(kJobsPath) + "/" + net::url_encode(*job_id) + "/verify";
  const auto report = verify_in_parts(options, path, {.from = *from, .to = *to});
  if (!report) return fail(err, "verify", report.error().detail);
  const std::string text = json::serialize(*report);
  const auto verdict = format_report(text);
  if (!verdict) return fail(err, "verify", verdict.error().detail);
  out << (options.as_json ? text + "\n" : verdict->text);
  return verdict->good ? 0 : 1;
}

}  // namespace settle::cli
