#include "runner/jobs/job_record.hpp"

#include <cstdint>
#include <utility>

#include <boost/json.hpp>

#include "runner/jobs/record_reader.hpp"
#include "runner/jobs/stream_json.hpp"

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::corrupt;
using engine::Duration;
using engine::Result;

// Raised when a reader of an older program would misread a record; members may be added without. What a
// program of version 1 can read stays in version 1.
constexpr std::int64_t kVersion = 2;
constexpr std::int64_t kOfSelector = 1;
constexpr std::int64_t kOfFunction = 2;

std::int64_t version_of(bool has_function) {
  return has_function ? kOfFunction : kOfSelector;
}

Result<json::object> parse_record(const char* what, std::string_view text) {
  boost::system::error_code failure;
  json::value value = json::parse({text.data(), text.size()}, failure);
  if (failure || !value.is_object()) return corrupt(std::string(what) + " is not a JSON object");
  json::object& object = value.get_object();
  const json::value* version = object.if_contains("v");
  if (version == nullptr || !version->is_int64()) return corrupt_member(what, "v");
  if (version->get_int64() > kVersion) {
    return corrupt(std::string(what) + " has version " + std::to_string(version->get_int64()) +
                   ", this program reads up to " + std::to_string(kVersion) + ": run a newer one");
  }
  return std::move(object);
}

json::object spec_json(const JobSpec& spec) {
  json::object labels;
  for (const engine::Label& label : spec.labels) labels[label.name] = label.value;
  json::object object{{"v", version_of(spec.view.has_value())},
                      {"stream", stream_json(spec)},
                      {"sketch_type", spec.sketch_type},
                      {"store_path", spec.store_path},
                      {"poll_interval_ms", spec.poll_interval.count()},
                      {"timestamp", static_cast<std::uint64_t>(spec.timestamp)},
                      {"sinks", json::value_from(spec.sinks)},
                      {"record", spec.record},
                      {"labels", std::move(labels)},
                      {"identity", spec.identity}};
  if (spec.values == Values::growing) object["growing"] = true;
  if (spec.valid_until) object["valid_until_ms"] = engine::epoch_ms(*spec.valid_until);
  return object;
}

Result<JobSpec> read_spec(const json::object& object) {
  constexpr const char* kWhat = "the record of a job";
  RecordReader in(object);
  auto stream = read_stream_json(in.object("stream"));
  if (!stream) return stream.error();
  JobSpec spec;
  spec.query = stream->view ? stream->view->query.text() : stream->selector.text();
  spec.view = std::move(stream->view);
  spec.selector = std::move(stream->selector);
  spec.source = std::move(stream->source);
  spec.engine = stream->engine;
  spec.sketch_type = in.text("sketch_type");
  spec.store_path = in.text("store_path");
  spec.valid_until = in.optional_time("valid_until_ms");
  spec.poll_interval = in.duration("poll_interval_ms");
  spec.timestamp = in.enumeration("timestamp", Stamp::end);
  spec.values = in.flag("growing") ? Values::growing : Values::any;
  spec.sinks = in.texts("sinks");
  spec.record = in.text("record");
  for (const auto& member : in.object("labels")) {
    if (!member.value().is_string()) return corrupt_member(kWhat, "labels");
    const json::string& value = member.value().get_string();
    spec.labels.push_back(
        {.name = {member.key().data(), member.key().size()}, .value = {value.data(), value.size()}});
  }
  spec.identity = in.text("identity");
  if (spec.poll_interval <= Duration{}) in.wrong("poll_interval_ms");
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  return spec;
}

}  // namespace

std::string stream_identity(const JobSpec& spec) {
  return json::serialize(stream_json(spec));
}

std::string feed_identity(const JobSpec& spec) {
  return json::serialize(feed_json(spec));
}

Result<StreamSpec> parse_stream_identity(std::string_view identity) {
  boost::system::error_code failure;
  const json::value value = json::parse({identity.data(), identity.size()}, failure);
  if (failure || !value.is_object()) return corrupt("the identity of a stream is not a JSON object");
  return read_stream_json(value.get_object());
}

std::string job_record_json(const JobSpec& spec) {
  return json::serialize(spec_json(spec));
}

Result<JobSpec> parse_job_record(std::string_view text) {
  const auto object = parse_record("the record of a job", text);
  if (!object) return object.error();
  return read_spec(*object);
}

std::string encode_job(const Job& job) {
  return json::serialize(json::object{{"v", version_of(job.spec.view.has_value())},
                                      {"stream_id", job.stream_id},
                                      {"origin", static_cast<std::uint64_t>(job.origin)},
                                      {"created_at_ms", engine::epoch_ms(job.created_at)},
                                      {"epoch", job.epoch},
                                      {"spec", spec_json(job.spec)}});
}

Result<Job> decode_job(std::string tenant, std::string id, std::string_view bytes) {
  constexpr const char* kWhat = "the record of a job";
  const auto object = parse_record(kWhat, bytes);
  if (!object) return object.error();
  RecordReader in(*object);
  auto spec = read_spec(in.object("spec"));
  if (!spec) return spec.error();
  Job job{.tenant = std::move(tenant),
          .id = std::move(id),
          .stream_id = in.text("stream_id"),
          .spec = *std::move(spec),
          .origin = in.enumeration("origin", Origin::config),
          .created_at = in.time("created_at_ms"),
          .epoch = in.number<std::uint64_t>("epoch")};
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  return job;
}

std::string encode_stream(const StreamRecord& record) {
  json::array views;
  for (const StreamRecord::View& view : record.views) views.push_back({view.job_id, view.epoch});
  json::object object{
      {"v", version_of(record.has_function)}, {"identity", record.identity}, {"jobs", std::move(views)}};
  if (record.rests_until) object["rests_until_ms"] = engine::epoch_ms(*record.rests_until);
  return json::serialize(object);
}

Result<StreamRecord> decode_stream(std::string_view bytes) {
  constexpr const char* kWhat = "the record of a stream";
  const auto object = parse_record(kWhat, bytes);
  if (!object) return object.error();
  RecordReader in(*object);
  StreamRecord record{.identity = in.text("identity"),
                      .views = {},
                      .rests_until = in.optional_time("rests_until_ms"),
                      .has_function = in.number<std::int64_t>("v") >= kOfFunction};
  for (const json::value& view : in.array("jobs")) {
    const bool good = view.is_array() && view.get_array().size() == 2 && view.at(0).is_string() &&
                      (view.at(1).is_uint64() || view.at(1).is_int64());
    if (!good) return corrupt_member(kWhat, "jobs");
    record.views.push_back(
        {.job_id = std::string(view.at(0).get_string()), .epoch = view.at(1).to_number<std::uint64_t>()});
  }
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  return record;
}

}  // namespace settle::runner
