#include "cli/ask/backfill.hpp"

#include <charconv>
#include <ostream>
#include <utility>
#include <vector>

#include <boost/json.hpp>

#include "cli/ask/backfill_watch.hpp"
#include "cli/ask/daemon_call.hpp"
#include "cli/text_table.hpp"
#include "net/http_client.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

int fail(std::ostream& err, const std::string& detail) {
  err << "settle backfill: " << detail << '\n';
  return 1;
}

/// 0 where the member is absent or not a count.
std::uint64_t member_count(const json::object& object, std::string_view name) {
  const std::string text = member_text(object, name);
  std::uint64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

engine::Result<BackfillView> read_view(const json::value& value) {
  if (!value.is_object()) return engine::refused("the answer holds something that is not a backfill");
  const json::object& object = value.get_object();
  const json::value* buckets = object.if_contains("buckets");
  BackfillView view;
  view.id = member_text(object, "id");
  view.state = member_text(object, "state");
  const bool good = !view.id.empty() && !view.state.empty() && buckets != nullptr && buckets->is_object();
  if (!good) return engine::refused("the answer is not a backfill; is this a Settle daemon?");
  view.job_id = member_text(object, "job_id");
  view.start = member_text(object, "start");
  view.end = member_text(object, "end");
  view.end_effective = member_text(object, "end_effective");
  view.chunk = member_text(object, "chunk");
  view.total = member_count(buckets->get_object(), "total");
  view.done = member_count(buckets->get_object(), "done");
  view.impossible = member_count(buckets->get_object(), "impossible");
  view.samples = member_count(object, "samples");
  view.held_back = member_count(object, "held_back");
  view.errors = member_count(object, "errors");
  view.last_error = member_text(object, "last_error");
  const json::value* speed = object.if_contains("samples_per_second");
  if (speed != nullptr && speed->is_number()) view.samples_per_second = speed->to_number<double>();
  if (!member_text(object, "eta_seconds").empty()) view.eta_seconds = member_count(object, "eta_seconds");
  return view;
}

std::string path_of(const std::string& job_id, const std::string& id = "", const std::string& verb = "") {
  std::string path = std::string(kJobsPath) + "/" + net::url_encode(job_id) + "/backfills";
  if (!id.empty()) path += "/" + net::url_encode(id);
  return path + (verb.empty() ? "" : "/" + verb);
}

/// The body of POST; the error names the option.
engine::Result<std::string> request_body(const BackfillOptions& options) {
  const engine::Time now = wall_now();
  const auto start = parse_when(options.start, now);
  if (!start) return engine::refused("--start: " + start.error().detail);
  const auto end = parse_when(options.end.empty() ? "now" : options.end, now);
  if (!end) return engine::refused("--end: " + end.error().detail);
  json::object body;
  body["start"] = engine::format_time(*start);
  body["end"] = engine::format_time(*end);
  if (!options.chunk.empty()) body["chunk"] = options.chunk;
  if (options.rate) body["rate"] = *options.rate;
  if (options.force) body["force"] = true;
  return json::serialize(body);
}

void say_added(const BackfillView& added, bool is_new, std::ostream& out) {
  out << "backfill " << added.id << (is_new ? "" : " was there before") << ": " << added.start << " to "
      << added.end_effective << ", " << added.total << " buckets";
  if (!added.chunk.empty()) out << " in chunks of " << added.chunk;
  out << '\n';
  if (added.end_effective != added.end) {
    out << "what is later than " << added.end_effective << " is still watched by the live lane\n";
  }
}

}  // namespace

engine::Result<BackfillView> read_backfill(const std::string& text) {
  const auto object = parse_object(text);
  if (!object) return object.error();
  return read_view(*object);
}

engine::Result<std::string> format_backfills(const std::string& text) {
  const auto page = parse_object(text);
  if (!page) return page.error();
  const json::value* list = page->if_contains("backfills");
  if (list == nullptr || !list->is_array()) return engine::refused("the answer holds no list of backfills");
  TextTable table({"id", "state", "start", "end", "done", "buckets", "samples", "errors", "last_error"});
  for (const json::value& value : list->get_array()) {
    const auto view = read_view(value);
    if (!view) return view.error();
    table.add({view->id, view->state, view->start, view->end_effective, std::to_string(view->done),
               std::to_string(view->total), std::to_string(view->samples), std::to_string(view->errors),
               view->last_error});
  }
  return table.text();
}

int add_backfill(const BackfillOptions& options, std::ostream& out, std::ostream& err) {
  auto body = request_body(options);
  if (!body) return fail(err, body.error().detail);
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, job_id.error().detail);
  Call call;
  call.method = "POST";
  call.url = options.server;
  call.path = path_of(*job_id);
  call.body = *std::move(body);
  const auto answer = ask_daemon(call);
  if (!answer) return fail(err, answer.error().detail);
  const auto added = read_backfill(answer->body);
  if (!added) return fail(err, added.error().detail);
  if (options.as_json) {
    out << answer->body << '\n';
  } else {
    say_added(*added, answer->status == 201, out);
  }
  return options.watch ? watch_daemon(options.server, *job_id, added->id, out, err) : 0;
}

int list_backfills(const BackfillOptions& options, std::ostream& out, std::ostream& err) {
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, job_id.error().detail);
  const auto listed =
      for_each_page(options.server, path_of(*job_id), [&](const std::string& body) -> std::string {
        const auto rows = format_backfills(body);
        if (!rows) return rows.error().detail;
        out << (options.as_json ? body + "\n" : *rows);
        return "";
      });
  return listed ? 0 : fail(err, listed.error().detail);
}

int show_backfill(const BackfillOptions& options, std::ostream& out, std::ostream& err) {
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, job_id.error().detail);
  const auto answer = ask_daemon({.url = options.server, .path = path_of(*job_id, options.id), .body = {}});
  if (!answer) return fail(err, answer.error().detail);
  const auto view = read_backfill(answer->body);
  if (!view) return fail(err, view.error().detail);
  if (options.as_json) {
    out << answer->body << '\n';
    return 0;
  }
  say_added(*view, true, out);
  out << progress_line(*view) << '\n';
  return 0;
}

int watch_backfill(const BackfillOptions& options, std::ostream& out, std::ostream& err) {
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, job_id.error().detail);
  return watch_daemon(options.server, *job_id, options.id, out, err);
}

int steer_backfill(const BackfillOptions& options, const std::string& verb, std::ostream& out,
                   std::ostream& err) {
  const auto job_id = find_job_id(options.server, options.job);
  if (!job_id) return fail(err, job_id.error().detail);
  const bool cancels = verb == "cancel";
  Call call;
  call.method = cancels ? "DELETE" : "POST";
  call.url = options.server;
  call.path = path_of(*job_id, options.id, cancels ? "" : verb);
  const auto answer = ask_daemon(call);
  if (!answer) return fail(err, answer.error().detail);
  const auto view = read_backfill(answer->body);
  if (!view) return fail(err, view.error().detail);
  out << progress_line(*view) << '\n';
  return 0;
}

}  // namespace settle::cli
