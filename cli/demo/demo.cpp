#include "cli/demo/demo.hpp"

#include <chrono>
#include <fstream>
#include <optional>
#include <ostream>
#include <thread>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "cli/ask/daemon_call.hpp"
#include "cli/http_call.hpp"
#include "fetchers/trace.hpp"
#include "net/http_client.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr const char* kMetric = "cloudflare_zone_requests_total";
constexpr auto kLookAgainAfter = 250ms;
/// VictoriaMetrics shows rows some seconds after it took them.
constexpr auto kVisibleWithin = 15s;

int fail(std::ostream& err, const std::string& detail) {
  err << "settle demo: " << detail << '\n';
  return 1;
}

/// The first (or last) count of every bucket.
engine::Result<FinalCounts> counts_of(const std::string& path, bool take_last) {
  const auto trace = fetchers::load_trace({path});
  if (!trace) return trace.error();
  FinalCounts counts;
  for (const fetchers::TraceLine& line : trace->lines) {
    if (!line.value || !line.value->is_count())
      return engine::refused(path + ": a value that is not a count");
    if (take_last) {
      counts[line.bucket] = line.value->as_count();
    } else {
      counts.emplace(line.bucket, line.value->as_count());
    }
  }
  return counts;
}

engine::Result<std::string> get(const std::string& url, const std::string& path) {
  Call call;
  call.url = url;
  call.path = path;
  const auto answer = http_call(call);
  if (!answer) return answer.error();
  if (answer->status != 200) return engine::refused(path + ": " + problem_text(answer->status, answer->body));
  return answer->body;
}

engine::Result<json::array> get_list(const std::string& url, const std::string& path, const char* name) {
  const auto body = get(url, path);
  if (!body) return body.error();
  json::error_code error;
  const json::value parsed = json::parse(*body, error);
  const auto* object = error ? nullptr : parsed.if_object();
  const auto* list = object == nullptr ? nullptr : object->if_contains(name);
  if (list == nullptr || !list->is_array())
    return engine::refused(path + ": no list \"" + name + "\" in the answer");
  return list->get_array();
}

engine::Result<std::string> find_job(const DemoArguments& arguments) {
  const auto jobs = get_list(arguments.server, "/api/v1/precompute/jobs", "jobs");
  if (!jobs) return jobs.error();
  for (const json::value& job : *jobs) {
    const auto* object = job.if_object();
    if (object == nullptr || !object->contains("store_path") || !object->contains("job_id")) continue;
    if (object->at("store_path") == json::string(arguments.store_path)) {
      return std::string(object->at("job_id").as_string());
    }
  }
  return engine::refused("the daemon has no job on \"" + arguments.store_path + "\"");
}

engine::Result<std::uint64_t> rows_waiting(const DemoArguments& arguments) {
  const auto sinks = get_list(arguments.server, "/api/v1/outbox", "sinks");
  if (!sinks) return sinks.error();
  std::uint64_t rows = 0;
  for (const json::value& sink : *sinks) {
    const auto* object = sink.if_object();
    const auto* waiting = object == nullptr ? nullptr : object->if_contains("rows_waiting");
    if (waiting == nullptr || !waiting->is_number())
      return engine::refused("/api/v1/outbox: no rows_waiting");
    rows += waiting->to_number<std::uint64_t>();
  }
  return rows;
}

/// Until every minute has a sample and no row waits, or the time is over: then what there is.
engine::Result<std::vector<EmittedSample>> wait_for_samples(const DemoArguments& arguments,
                                                            std::size_t minutes, std::ostream& out) {
  const auto give_up = Steady::now() + std::chrono::seconds(arguments.wait_seconds);
  const auto job = find_job(arguments);
  if (!job) return job.error();
  const std::string path = "/api/v1/revisions?job=" + net::url_encode(*job) + "&limit=1000";
  std::size_t told = 0;
  while (true) {
    const auto body = get(arguments.server, path);
    if (!body) return body.error();
    auto samples = parse_revisions(*body);
    if (!samples) return samples.error();
    const auto waiting = rows_waiting(arguments);
    if (!waiting) return waiting.error();
    if (samples->size() >= told + 10) {
      told = samples->size();
      out << "    " << told << " of " << minutes << " minutes settled" << std::endl;
    }
    if ((samples->size() >= minutes && *waiting == 0) || Steady::now() >= give_up) return samples;
    std::this_thread::sleep_for(kLookAgainAfter);
  }
}

/// A raw export of the series; asked again until it holds `rows`, because the server shows them late.
engine::Result<Exported> export_series(const DemoArguments& arguments, std::size_t rows) {
  const auto give_up = Steady::now() + kVisibleWithin;
  while (true) {
    (void)get(arguments.tsdb, "/internal/force_flush");
    const auto body = get(arguments.tsdb, "/api/v1/export?match%5B%5D=" + net::url_encode(kMetric));
    if (!body) return body.error();
    auto exported = parse_export(*body);
    if (!exported || exported->size() >= rows || Steady::now() >= give_up) return exported;
    std::this_thread::sleep_for(kLookAgainAfter);
  }
}

}  // namespace

int make_demo_trace(const DemoArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto finals = counts_of(arguments.recorded, true);
  if (!finals) return fail(err, finals.error().detail);
  constexpr std::size_t kMinutesMin = 20;
  if (finals->size() < kMinutesMin) return fail(err, arguments.recorded + " holds fewer than 20 minutes");
  const DemoCurve curve = make_curve(*finals);
  std::ofstream file(arguments.trace_file, std::ios::binary);
  const std::string series = json::serialize(json::object{{"__name__", kMetric}, {"zone", "captured"}});
  if (!(file << trace_lines(curve, series)) || !file.flush()) {
    return fail(err, "cannot write \"" + arguments.trace_file + "\"");
  }
  out << describe(curve);
  return 0;
}

int report_demo(const DemoArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto truth = counts_of(arguments.recorded, true);
  const auto first = counts_of(arguments.trace_file, false);
  if (!truth) return fail(err, truth.error().detail);
  if (!first) return fail(err, first.error().detail);
  DemoOutcome outcome{.truth = *truth, .first_seen = *first, .emitted = {}, .with_tsdb = {}, .exported = {}};
  auto emitted = wait_for_samples(arguments, truth->size(), out);
  if (!emitted) return fail(err, emitted.error().detail);
  outcome.emitted = *std::move(emitted);
  outcome.with_tsdb = !arguments.tsdb.empty();
  if (outcome.with_tsdb) {
    auto exported = export_series(arguments, outcome.emitted.size());
    if (!exported) return fail(err, exported.error().detail);
    outcome.exported = *std::move(exported);
  }
  const DemoVerdict verdict = judge_demo(outcome);
  out << '\n' << verdict.text;
  return verdict.good ? 0 : 1;
}

}  // namespace settle::cli
