#include "runner/jobs/job_record.hpp"

#include <cstdint>
#include <utility>

#include <boost/json.hpp>

namespace settle::runner {
namespace {

namespace json = boost::json;
using engine::corrupt;
using engine::Duration;
using engine::Result;

// Raised when a reader of an older program would misread a record; members may be added without.
constexpr std::int64_t kVersion = 1;

/// Reads members of a record that we wrote; what does not fit is a corrupt record, said once at the end.
class RecordReader {
 public:
  explicit RecordReader(const json::object& object) : object_(object) {}

  std::string text(const char* name) {
    const json::value* value = member(name);
    if (value == nullptr || !value->is_string()) return wrong(name), std::string{};
    return {value->get_string().data(), value->get_string().size()};
  }
  template <class Number>
  Number number(const char* name) {
    const json::value* value = member(name);
    if (value == nullptr || !value->is_number()) return wrong(name), Number{};
    boost::system::error_code failure;
    const auto read = value->to_number<Number>(failure);
    if (failure) wrong(name);
    return failure ? Number{} : read;
  }
  Duration duration(const char* name) { return Duration{number<std::int64_t>(name)}; }
  engine::Time time(const char* name) { return engine::from_epoch_ms(number<std::int64_t>(name)); }
  std::optional<engine::Time> optional_time(const char* name) {
    if (!object_.contains(name)) return std::nullopt;
    return time(name);
  }
  /// False when it is not there: records need not have it.
  bool flag(const char* name) {
    const json::value* value = object_.if_contains(name);
    if (value != nullptr && !value->is_bool()) wrong(name);
    return value != nullptr && value->is_bool() && value->get_bool();
  }
  /// An enumeration with the values 0 to `last`.
  template <class Enum>
  Enum enumeration(const char* name, Enum last) {
    const auto read = number<std::uint64_t>(name);
    if (read > static_cast<std::uint64_t>(last)) return wrong(name), Enum{};
    return static_cast<Enum>(read);
  }
  const json::object& object(const char* name) {
    static const json::object kEmpty;
    const json::value* value = member(name);
    if (value == nullptr || !value->is_object()) return wrong(name), kEmpty;
    return value->get_object();
  }
  const json::array& array(const char* name) {
    static const json::array kEmpty;
    const json::value* value = member(name);
    if (value == nullptr || !value->is_array()) return wrong(name), kEmpty;
    return value->get_array();
  }
  std::vector<std::string> texts(const char* name) {
    std::vector<std::string> read;
    for (const json::value& one : array(name)) {
      if (!one.is_string()) return wrong(name), read;
      read.emplace_back(one.get_string().data(), one.get_string().size());
    }
    return read;
  }
  void wrong(const std::string& name) {
    if (wrong_.empty()) wrong_ = name;
  }
  /// "" : every member was there and readable.
  [[nodiscard]] const std::string& first_wrong() const { return wrong_; }

 private:
  const json::value* member(const char* name) { return object_.if_contains(name); }
  const json::object& object_;
  std::string wrong_;
};

engine::Error corrupt_member(const char* what, const std::string& member) {
  return corrupt(std::string(what) + ": member \"" + member + "\" is missing or unreadable");
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

// The members are in the order of their names, so that equal streams have equal text.
json::object stream_json(const JobSpec& spec) {
  const engine::EngineOptions& options = spec.engine;
  json::object object{{"absent", static_cast<std::uint64_t>(options.absent)},
                      {"absent_for_ms", options.absent_for.count()},
                      {"corrections", static_cast<std::uint64_t>(options.corrections)},
                      {"finality", engine::format_finality(options.finality)},
                      {"granularity_ms", options.granularity.count()}};
  if (options.in_order) object["in_order"] = true;
  object["liveness"] = static_cast<std::uint64_t>(options.liveness);
  object["open_cells_max"] = options.open_cells_max;
  object["output"] = static_cast<std::uint64_t>(options.output);
  object["query"] = spec.selector.text();
  if (options.rising_only) object["rising_only"] = true;
  object["series_idle_ms"] = options.series_idle.count();
  object["series_max"] = options.series_max;
  object["source"] = spec.source;
  object["ttl_ms"] = options.ttl.count();
  object["watch_ms"] = options.watch.count();
  return object;
}

Result<StreamSpec> read_stream(const json::object& object) {
  constexpr const char* kWhat = "the record of a stream";
  RecordReader in(object);
  StreamSpec spec;
  engine::EngineOptions& options = spec.engine;
  options.absent = in.enumeration("absent", engine::Absent::zero);
  options.absent_for = in.duration("absent_for_ms");
  options.corrections = in.enumeration("corrections", engine::Corrections::ledger);
  const std::string finality = in.text("finality");
  options.granularity = in.duration("granularity_ms");
  options.in_order = in.flag("in_order");
  options.liveness = in.enumeration("liveness", engine::Liveness::answers);
  options.open_cells_max = in.number<std::size_t>("open_cells_max");
  options.output = in.enumeration("output", engine::Output::counter);
  const std::string query = in.text("query");
  options.rising_only = in.flag("rising_only");
  options.series_idle = in.duration("series_idle_ms");
  options.series_max = in.number<std::size_t>("series_max");
  spec.source = in.text("source");
  options.ttl = in.duration("ttl_ms");
  options.watch = in.duration("watch_ms");
  if (options.granularity <= Duration{}) in.wrong("granularity_ms");
  if (!in.first_wrong().empty()) return corrupt_member(kWhat, in.first_wrong());
  auto selector = engine::parse_selector(query);
  if (!selector) return corrupt_member(kWhat, "query");
  spec.selector = *std::move(selector);
  const auto policy = engine::parse_finality(finality);
  if (!policy) return corrupt_member(kWhat, "finality");
  options.finality = *policy;
  return spec;
}

json::object spec_json(const JobSpec& spec) {
  json::object labels;
  for (const engine::Label& label : spec.labels) labels[label.name] = label.value;
  json::object object{{"v", kVersion},
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
  auto stream = read_stream(in.object("stream"));
  if (!stream) return stream.error();
  JobSpec spec;
  spec.query = stream->selector.text();
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

Result<StreamSpec> parse_stream_identity(std::string_view identity) {
  boost::system::error_code failure;
  const json::value value = json::parse({identity.data(), identity.size()}, failure);
  if (failure || !value.is_object()) return corrupt("the identity of a stream is not a JSON object");
  return read_stream(value.get_object());
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
  return json::serialize(json::object{{"v", kVersion},
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
  json::object object{{"v", kVersion}, {"identity", record.identity}, {"jobs", std::move(views)}};
  if (record.rests_until) object["rests_until_ms"] = engine::epoch_ms(*record.rests_until);
  return json::serialize(object);
}

Result<StreamRecord> decode_stream(std::string_view bytes) {
  constexpr const char* kWhat = "the record of a stream";
  const auto object = parse_record(kWhat, bytes);
  if (!object) return object.error();
  RecordReader in(*object);
  StreamRecord record{
      .identity = in.text("identity"), .views = {}, .rests_until = in.optional_time("rests_until_ms")};
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
