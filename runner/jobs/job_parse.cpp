#include <algorithm>
#include <array>
#include <utility>

#include <boost/json.hpp>

#include "engine/model/label_text.hpp"
#include "runner/jobs/job.hpp"
#include "runner/jobs/job_policy.hpp"
#include "runner/jobs/job_view.hpp"
#include "runner/jobs/json_request.hpp"

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::Duration;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kGranularityMin = seconds{1};
constexpr Duration kGranularityMax = hours{24};
constexpr Duration kWatchMax = hours{24 * 30};
constexpr std::int64_t kWatchBucketsMax = 100'000;  // every poll may read the whole watch
constexpr Duration kAbsentForMax = hours{48};       // the engine remembers idle series no longer
constexpr std::size_t kStorePathBytesMax = 255;

// Fields of the API that later versions read. Refused and not ignored: a job that asked for them would
// otherwise look as if it had them, and would be another job (another identity) once they work.
constexpr std::array kLaterFields{"serve", "max_staleness"};

void check_fields(JsonRequest& in) {
  for (const auto& member : in.body()) {
    const std::string_view name{member.key().data(), member.key().size()};
    if (std::find(kJobFields.begin(), kJobFields.end(), name) != kJobFields.end()) continue;
    if (std::find(kLaterFields.begin(), kLaterFields.end(), name) != kLaterFields.end()) {
      return in.refuse(std::string(name), "is not supported yet; leave it out");
    }
    std::string known;
    for (const std::string_view field : kJobFields) known += (known.empty() ? "" : ", ") + std::string(field);
    return in.refuse(std::string(name), "is not a field of a job; the fields are " + known);
  }
}

void read_granularity(JsonRequest& in, JobSpec& spec) {
  if (!in.given("granularity")) {
    return in.refuse("granularity", "is missing; expected a duration such as \"1m\"");
  }
  const Duration granularity =
      in.duration("granularity", {.least = kGranularityMin, .most = kGranularityMax});
  const Duration hour = hours{1};
  if (in.failed()) return;
  if (hour % granularity != Duration{} && granularity % hour != Duration{}) {
    return in.refuse("granularity",
                     quoted(engine::format_duration(granularity)) +
                         " neither divides an hour nor is a whole number of hours; expected for "
                         "example 1m, 5m, 15m, 1h or 6h");
  }
  spec.engine.granularity = granularity;
}

bool is_path_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
         c == '~' || c == '-';
}

void read_store_path(JsonRequest& in, JobSpec& spec) {
  constexpr const char* kExpected =
      "segments of [A-Za-z0-9._~-]+ between slashes, such as \"precomputed/requests/1m\"";
  spec.store_path = in.required("store_path", kExpected);
  if (in.failed()) return;
  const std::string expected = std::string("; expected ") + kExpected;
  const std::string& path = spec.store_path;
  if (path.size() > kStorePathBytesMax) {
    return in.refuse("store_path", "has " + std::to_string(path.size()) + " bytes; expected at most " +
                                       std::to_string(kStorePathBytesMax));
  }
  for (std::size_t at = 0; at <= path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = std::string_view(path).substr(at, end - at);
    if (segment.empty()) return in.refuse("store_path", "has an empty segment" + expected);
    if (segment == "." || segment == "..") {
      return in.refuse("store_path", "has the segment " + quoted(segment) + expected);
    }
    if (!std::all_of(segment.begin(), segment.end(), is_path_character)) {
      return in.refuse("store_path", "has the segment " + quoted(segment) + expected);
    }
    at = end + 1;
  }
}

void read_source(JsonRequest& in, JobSpec& spec, const JobContext& context) {
  spec.source = in.required("source", "the name of a source of the configuration");
  if (in.failed()) return;
  const std::vector<std::string> known = context.source_names();
  if (std::find(known.begin(), known.end(), spec.source) == known.end()) {
    return in.refuse("source", quoted(spec.source) +
                                   " is not a source of the configuration; known: " + join_quoted(known));
  }
  const auto liveness = context.source(spec.source, spec.selector, spec.engine.granularity);
  if (!liveness) return in.refuse("source", liveness.error().detail);
  spec.engine.liveness = *liveness;
}

void read_valid_until(JsonRequest& in, JobSpec& spec, engine::Time now) {
  spec.valid_until = in.parsed("valid_until", "a time such as \"2026-06-26T13:57:00Z\"", engine::parse_time,
                               engine::format_time);
  in.leave_out("valid_until");  // a renewed job is the same job
  if (spec.valid_until && *spec.valid_until <= now) {
    in.refuse("valid_until", quoted(engine::format_time(*spec.valid_until)) +
                                 " is past; expected a time after " + engine::format_time(now));
  }
}

void read_times(JsonRequest& in, JobSpec& spec) {
  if (in.failed()) return;
  engine::EngineOptions& options = spec.engine;
  const Duration granularity = options.granularity;
  const Duration watch_most = std::min(kWatchMax, granularity * kWatchBucketsMax);
  const Duration watch_default = std::max<Duration>(minutes{30}, 3 * granularity);
  options.watch = in.duration("watch", {.absent = watch_default, .least = granularity, .most = watch_most});
  options.ttl = in.duration("ttl", {.absent = options.watch, .least = Duration{1}, .most = options.watch});
  spec.poll_interval =
      in.duration("poll_interval", {.absent = granularity, .least = seconds{1}, .most = options.watch});
}

/// What can be said of the values of buckets, and not of those of windows.
void refuse_of_buckets(JsonRequest& in, const JobSpec& spec) {
  const std::string function{engine::function_text(spec.view->query.function)};
  if (spec.engine.output == engine::Output::counter) {
    in.refuse("output", "\"counter\" adds up the values of buckets, and " + function +
                            " has one for each window; expected \"gauge\"");
  }
  if (spec.engine.absent == engine::Absent::zero) {
    in.refuse("absent", "\"zero\" is for plain selectors: for " + function +
                            " a bucket without a value is nothing to merge; expected \"none\"");
  }
  if (spec.timestamp == Stamp::start) {
    in.refuse("timestamp", "\"start\" is for plain selectors: what " + function +
                               " has of a window is stamped with its end; expected \"end\"");
  }
}

void read_output(JsonRequest& in, JobSpec& spec) {
  using engine::Absent;
  using engine::Output;
  engine::EngineOptions& options = spec.engine;
  options.output =
      in.choice<Output>("output", {{"gauge", Output::gauge}, {"counter", Output::counter}}, Output::gauge);
  options.absent =
      in.choice<Absent>("absent", {{"none", Absent::none}, {"zero", Absent::zero}}, Absent::none);
  spec.timestamp = in.choice<Stamp>("timestamp", {{"start", Stamp::start}, {"end", Stamp::end}},
                                    spec.view ? Stamp::end : Stamp::start);
  if (spec.view) refuse_of_buckets(in, spec);
  if (in.failed()) return;
  if (in.given("absent_for") && options.absent == Absent::none) {
    return in.refuse("absent_for", "means nothing without \"absent\": \"zero\"; leave it out or add that");
  }
  const Duration absent_default = std::max<Duration>(hours{1}, options.granularity);
  options.absent_for = in.duration(
      "absent_for", {.absent = absent_default, .least = options.granularity, .most = kAbsentForMax});
}

void read_sinks(JsonRequest& in, JobSpec& spec, const JobContext& context) {
  if (in.given("sink") && in.given("sinks")) {
    return in.refuse("sinks", "cannot stand beside \"sink\"; expected one of the two");
  }
  const char* field = in.given("sinks") ? "sinks" : "sink";
  if (const json::value* list = in.body().if_contains("sinks")) {
    const bool good = list->is_array() && !list->get_array().empty();
    if (!good) return in.refuse(field, "expected a list of names of sinks, with at least one");
    for (const json::value& name : list->get_array()) {
      if (!name.is_string()) {
        return in.refuse(field, "expected names of sinks, as strings; found " + type_name(name));
      }
      spec.sinks.emplace_back(name.get_string().data(), name.get_string().size());
    }
  } else if (auto name = in.text("sink", "the name of a sink of the configuration")) {
    spec.sinks.push_back(*std::move(name));
  } else {
    spec.sinks.push_back(context.default_sink());
  }
  std::sort(spec.sinks.begin(), spec.sinks.end());
  spec.sinks.erase(std::unique(spec.sinks.begin(), spec.sinks.end()), spec.sinks.end());
  for (const std::string& name : spec.sinks) {
    if (context.sink(name).exists) continue;
    return in.refuse(field, quoted(name) + " is not a sink of the configuration; known: " +
                                join_quoted(context.sink_names()));
  }
  // One name in "sinks" and the same in "sink" are one request: both are noted as a list.
  if (in.given(field)) in.note_json("sinks", json::serialize(json::value_from(spec.sinks)));
}

void read_labels(JsonRequest& in, JobSpec& spec) {
  const json::value* given_labels = in.body().if_contains("labels");
  if (given_labels == nullptr) return;
  if (!given_labels->is_object()) {
    return in.refuse("labels", "expected an object of strings; found " + type_name(*given_labels));
  }
  engine::Labels labels;
  for (const auto& member : given_labels->get_object()) {
    const std::string name(member.key().data(), member.key().size());
    const std::string field = "labels." + name;
    if (name == engine::kMetricNameLabel) return in.refuse(field, "is set with \"record\"");
    if (!member.value().is_string()) {
      return in.refuse(field, "expected a string; found " + type_name(member.value()));
    }
    const json::string& value = member.value().get_string();
    if (value.empty()) return in.refuse(field, "is empty; expected a value, since labels are only added");
    labels.push_back({.name = name, .value = std::string(value.data(), value.size())});
  }
  auto normal = engine::normalize_labels(std::move(labels), false);
  if (!normal) return in.refuse("labels", normal.error().detail);
  spec.labels = *std::move(normal);
  if (spec.engine.corrections == engine::Corrections::ledger &&
      !engine::label_value(spec.labels, "revision").empty()) {
    return in.refuse("labels.revision", "is what \"corrections\": \"ledger\" adds; expected another label");
  }
  if (spec.view && spec.view->query.function == engine::Function::top_k_over_time &&
      !engine::label_value(spec.labels, kItemLabel).empty()) {
    return in.refuse("labels.item",
                     "is what tells the items of top_k_over_time apart; expected another label");
  }
  json::object canonical;
  for (const engine::Label& label : spec.labels) canonical[label.name] = label.value;
  in.note_json("labels", json::serialize(canonical));
}

/// A metric name made of a store path.
std::string name_of(const std::string& store_path) {
  std::string name = store_path;
  for (char& c : name) {
    const bool stays = is_path_character(c) && c != '.' && c != '~' && c != '-';
    if (!stays) c = '_';
  }
  const bool digit_first = name.front() >= '0' && name.front() <= '9';
  return digit_first ? "_" + name : name;
}

void read_record(JsonRequest& in, JobSpec& spec, const JobContext& context) {
  const std::string fitting = spec.view ? name_of(spec.store_path) : spec.selector.metric();
  spec.record = in.text("record", "a metric name").value_or(fitting);
  if (in.failed()) return;
  if (!engine::is_metric_name(spec.record)) {
    return in.refuse("record",
                     quoted(spec.record) + " is not a metric name; expected [a-zA-Z_:][a-zA-Z0-9_:]*");
  }
  if (spec.record != spec.selector.metric()) return;
  for (const std::string& sink : spec.sinks) {
    if (!context.same_server(spec.source, sink)) continue;
    return in.refuse("record", "source " + quoted(spec.source) + " and sink " + quoted(sink) +
                                   " are the same server, where the output would mix with its input " +
                                   quoted(spec.record) + "; expected another metric name");
  }
}

}  // namespace

Outcome<JobSpec> parse_job(std::string_view text, const JobContext& context, engine::Time now) {
  json::object body;
  if (auto refusal = read_object(text, body)) return *std::move(refusal);
  JsonRequest in(body);
  JobSpec spec;
  spec.engine.series_max = context.series_max();
  spec.engine.open_cells_max = context.open_cells_max();
  check_fields(in);
  const engine::JobQuery query = read_query(in, spec);
  read_granularity(in, spec);
  read_sketch_type(in, spec, query);
  read_store_path(in, spec);
  if (!in.failed()) read_source(in, spec, context);
  read_valid_until(in, spec, now);
  read_finality(in, spec);
  read_times(in, spec);
  read_output(in, spec);
  read_values(in, spec);
  read_view(in, spec);
  split_options(spec);
  if (!in.failed()) read_sinks(in, spec, context);
  if (!in.failed()) read_corrections(in, spec, context);
  read_labels(in, spec);
  if (!in.failed()) read_record(in, spec, context);
  if (in.failed()) return in.refusal();
  spec.identity = in.canonical();
  return spec;
}

}  // namespace settle::runner
