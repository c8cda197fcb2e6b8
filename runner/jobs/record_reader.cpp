#include "runner/jobs/record_reader.hpp"

#include <boost/json.hpp>

namespace settle::runner {

namespace json = boost::json;

bool RecordReader::has(const char* name) const {
  return object_.contains(name);
}

std::string RecordReader::text(const char* name) {
  const json::value* value = object_.if_contains(name);
  if (value == nullptr || !value->is_string()) return wrong(name), std::string{};
  return {value->get_string().data(), value->get_string().size()};
}

template <class Number>
Number RecordReader::number(const char* name) {
  const json::value* value = object_.if_contains(name);
  if (value == nullptr || !value->is_number()) return wrong(name), Number{};
  boost::system::error_code failure;
  const auto read = value->to_number<Number>(failure);
  if (failure) wrong(name);
  return failure ? Number{} : read;
}
template std::int64_t RecordReader::number<std::int64_t>(const char*);
template std::uint64_t RecordReader::number<std::uint64_t>(const char*);
template std::uint32_t RecordReader::number<std::uint32_t>(const char*);

bool RecordReader::flag(const char* name) {
  const json::value* value = object_.if_contains(name);
  if (value != nullptr && !value->is_bool()) wrong(name);
  return value != nullptr && value->is_bool() && value->get_bool();
}

const json::object& RecordReader::object(const char* name) {
  static const json::object kEmpty;
  const json::value* value = object_.if_contains(name);
  if (value == nullptr || !value->is_object()) return wrong(name), kEmpty;
  return value->get_object();
}

const json::array& RecordReader::array(const char* name) {
  static const json::array kEmpty;
  const json::value* value = object_.if_contains(name);
  if (value == nullptr || !value->is_array()) return wrong(name), kEmpty;
  return value->get_array();
}

std::vector<std::string> RecordReader::texts(const char* name) {
  std::vector<std::string> read;
  for (const json::value& one : array(name)) {
    if (!one.is_string()) return wrong(name), read;
    read.emplace_back(one.get_string().data(), one.get_string().size());
  }
  return read;
}

engine::Error corrupt_member(const char* what, const std::string& member) {
  return engine::corrupt(std::string(what) + ": member \"" + member + "\" is missing or unreadable");
}

}  // namespace settle::runner
