// What is waiting for the sinks, what they refused, and every revision that was emitted.
#include <algorithm>
#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "api/endpoints.hpp"
#include "api/json_writer.hpp"
#include "api/problem.hpp"
#include "api/request.hpp"
#include "engine/model/series.hpp"

namespace settle::api {
namespace {

void write_health(JsonWriter& out, const std::optional<sinks::SinkHealth>& health) {
  out.flag("reachable", health && health->reachable);
  out.text_or_null("server", health ? health->server : "");
  out.text_or_null("meaning", health ? health->meaning : "");
  out.text_or_null("overwrite", health ? overwrite_text(health->capabilities.overwrite) : "");
  out.member("started_at", health ? health->started_at : std::nullopt);
}

void write_sink(JsonWriter& out, const runner::PumpStatus& sink) {
  out.begin_object().member("sink", sink.sink).member("lane", lane_text(sink.lane));
  out.member("state", pump_state_text(sink.state));
  out.member("rows_waiting", sink.rows_waiting).member("oldest_timestamp", sink.oldest_timestamp);
  out.member("rows_acknowledged", sink.rows_acknowledged).member("rows_replaced", sink.rows_replaced);
  out.member("rows_dead", sink.rows_dead).member("rows_resent", sink.rows_resent);
  out.text_or_null("last_error", sink.last_error);
  write_health(out, sink.health);
  out.end_object();
}

void write_letter(JsonWriter& out, const runner::DeadLetter& letter) {
  out.begin_object().member("number", letter.number).member("sink", letter.sink);
  out.member("job_id", letter.job_id).member("series", letter.series).member("timestamp", letter.timestamp);
  out.member("value", letter.value).member("revision", letter.revision);
  out.member("reason", letter.reason).member("refused_at", letter.refused_at).end_object();
}

void write_revision(JsonWriter& out, const runner::Revision& revision) {
  const engine::Sample& sample = revision.sample;
  out.begin_object().member("job_id", revision.job_id).member("series", revision.series);
  out.member("timestamp", revision.timestamp).member("bucket", sample.bucket);
  out.member("value", sample.value).member("revision", sample.revision);
  if (sample.replaced) out.member("replaced", *sample.replaced);
  out.member("reason", reason_text(sample.reason)).member("age", engine::format_duration(sample.age));
  out.member("evidence_polls", sample.evidence_polls).member("policy", revision.policy).end_object();
}

runner::Outcome<engine::Time> time_parameter(const net::ServerRequest& request, std::string_view name,
                                             engine::Time absent) {
  const auto text = query_parameter(request, name);
  if (!text) return absent;
  const auto time = engine::parse_time(*text);
  if (!time) return bad_parameter(name, time.error().detail);
  return *time;
}

}  // namespace

net::ServerResponse outbox(const runner::Service& service) {
  JsonWriter out;
  out.begin_object().key("sinks").begin_array();
  for (const runner::PumpStatus& sink : service.outbox()) write_sink(out, sink);
  out.end_array().end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

net::ServerResponse dead_letters(const runner::Service& service, const net::ServerRequest& request) {
  const auto limit = page_limit(request);
  if (!limit) return refusal_response(limit.refusal());
  const std::string sink = query_parameter(request, "sink").value_or("");
  const std::string after_text = query_parameter(request, "after").value_or("0");
  std::uint64_t after = 0;
  const char* end = after_text.data() + after_text.size();
  const auto read = std::from_chars(after_text.data(), end, after);
  if (read.ec != std::errc{} || read.ptr != end) {
    return refusal_response(bad_parameter("after", "\"" + after_text + "\" is not the \"next\" of a list"));
  }
  if (after > 0 && sink.empty()) {
    return refusal_response(bad_parameter("sink", "is missing; numbers are counted per sink"));
  }
  const auto letters = service.dead_letters(service.tenant(), sink, after, *limit + 1);
  const bool more = letters.size() > *limit;
  JsonWriter out;
  out.begin_object().key("dead_letters").begin_array();
  for (std::size_t i = 0; i < std::min(letters.size(), *limit); ++i) write_letter(out, letters[i]);
  out.end_array().flag("more", more);
  const bool pages = more && !sink.empty();
  out.text_or_null("next", pages ? std::to_string(letters[*limit - 1].number) : "").end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

namespace {

/// Nothing is known of the job: it is not registered, and the ledger holds nothing of one that was. A ledger
/// that was not looked through to its end says nothing.
bool is_unknown(const runner::Service& service, const std::string& job_id) {
  if (service.find_job(service.tenant(), job_id) != nullptr) return false;
  const auto any = service.revisions({.tenant = service.tenant(),
                                      .job_id = job_id,
                                      .timestamps = {.from = engine::Time::min(), .to = engine::Time::max()},
                                      .limit = 1});
  return any && any->found.empty() && any->next.empty();
}

}  // namespace

net::ServerResponse revisions(const runner::Service& service, const net::ServerRequest& request) {
  const auto limit = page_limit(request);
  if (!limit) return refusal_response(limit.refusal());
  const std::string job = query_parameter(request, "job").value_or("");
  if (job.empty()) return refusal_response(bad_parameter("job", "is missing; expected a job_id"));
  std::string series = query_parameter(request, "series").value_or("");
  if (!series.empty()) {
    const auto labels = engine::parse_series(series);
    if (!labels) return refusal_response(bad_parameter("series", labels.error().detail));
    series = series_text(*labels);
  }
  const auto start = time_parameter(request, "start", engine::Time::min());
  if (!start) return refusal_response(start.refusal());
  const auto end = time_parameter(request, "end", engine::Time::max());
  if (!end) return refusal_response(end.refusal());
  if (*start > *end) return refusal_response(bad_parameter("start", "is after \"end\""));
  const auto page = service.revisions({.tenant = service.tenant(),
                                       .job_id = job,
                                       .series = std::move(series),
                                       .timestamps = {.from = *start, .to = *end},
                                       .limit = *limit,
                                       .after = query_parameter(request, "after").value_or("")});
  if (!page) return refusal_response(page.refusal());
  if (page->found.empty() && page->next.empty() && is_unknown(service, job)) return unknown_job(job);
  JsonWriter out;
  out.begin_object().key("revisions").begin_array();
  for (const runner::Revision& revision : page->found) write_revision(out, revision);
  out.end_array().flag("more", !page->next.empty()).text_or_null("next", page->next).end_object();
  net::ServerResponse response;
  response.body = out.take();
  return response;
}

}  // namespace settle::api
