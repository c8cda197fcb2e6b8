#include "runner/jobs/json_request.hpp"

#include <boost/json.hpp>

#include "runner/jobs/json_keys.hpp"

namespace settle::runner {

namespace json = boost::json;
using engine::Duration;

std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::string join_quoted(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + quoted(name);
  return text.empty() ? "none" : text;
}

std::string type_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_:
      break;
  }
  return "a number";
}

std::optional<Refusal> read_object(std::string_view text, json::object& into) {
  boost::system::error_code failure;
  json::value body = json::parse({text.data(), text.size()}, failure);
  if (failure) {
    return Refusal{.kind = Refusal::Kind::malformed,
                   .field = {},
                   .detail = "the body is not JSON: " + failure.message(),
                   .job_id = {}};
  }
  if (!body.is_object()) {
    return Refusal{.field = {}, .detail = "expected one JSON object; found " + type_name(body), .job_id = {}};
  }
  if (auto twice = duplicate_key(text)) {
    return Refusal{
        .field = *std::move(twice), .detail = "is given twice; expected each field once", .job_id = {}};
  }
  into = std::move(body.get_object());
  return std::nullopt;
}

void JsonRequest::refuse(std::string field, std::string detail) {
  if (refusal_) return;
  refusal_ = Refusal{.field = std::move(field), .detail = std::move(detail), .job_id = {}};
}

bool JsonRequest::given(const char* field) const {
  return body_.contains(field);
}

std::optional<std::string> JsonRequest::text(const char* field, std::string_view expected) {
  const json::value* value = body_.if_contains(field);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    refuse(field, "expected " + std::string(expected) + ", as a string; found " + type_name(*value));
    return std::nullopt;
  }
  std::string read(value->get_string().data(), value->get_string().size());
  // Names end with a NUL in the keys of the store.
  if (read.find('\0') != read.npos) refuse(field, "holds a NUL character; expected " + std::string(expected));
  note_text(field, read);
  return read;
}

std::string JsonRequest::required(const char* field, std::string_view expected) {
  if (!given(field)) refuse(field, "is missing; expected " + std::string(expected));
  return text(field, expected).value_or("");
}

Duration JsonRequest::duration(const char* field, Range range) {
  const auto read =
      parsed(field, "a duration such as \"5m\"", engine::parse_duration, engine::format_duration);
  const Duration value = read.value_or(range.absent);
  if (value >= range.least && value <= range.most) return value;
  refuse(field, quoted(engine::format_duration(value)) + (read ? "" : ", the default,") +
                    " is out of range; expected " + engine::format_duration(range.least) + " to " +
                    engine::format_duration(range.most));
  return range.least;
}

void JsonRequest::note_text(const char* field, std::string_view canonical) {
  note_json(field, json::serialize(json::string(canonical.data(), canonical.size())));
}

void JsonRequest::note_json(const char* field, std::string canonical) {
  canonical_[field] = std::move(canonical);
}

std::string JsonRequest::canonical() const {
  std::string text;
  for (const auto& [field, value] : canonical_) {
    text += (text.empty() ? "{" : ",") + quoted(field) + ":" + value;
  }
  return text + "}";
}

}  // namespace settle::runner
