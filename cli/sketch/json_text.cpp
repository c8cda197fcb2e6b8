#include "cli/sketch/json_text.hpp"

#include <cmath>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include "engine/model/value.hpp"

namespace settle::cli {
namespace {

namespace json = boost::json;

void write(const json::value& value, std::size_t indent, bool one_line, std::string& out);

void write_members(const json::object& object, std::size_t indent, bool one_line, std::string& out) {
  if (object.empty()) {
    out += "{}";
    return;
  }
  out += '{';
  bool first = true;
  for (const auto& [key, member] : object) {
    if (!first) out += one_line ? ", " : ",";
    first = false;
    if (!one_line) out.append("\n").append(indent + 2, ' ');
    out += json::serialize(json::value(key));
    out += ": ";
    write(member, indent + 2, one_line, out);
  }
  if (!one_line) out.append("\n").append(indent, ' ');
  out += '}';
}

void write_elements(const json::array& array, std::size_t indent, bool one_line, std::string& out) {
  const bool inner_lines = !one_line && !array.empty() && array.front().is_structured();
  out += '[';
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i > 0) out += inner_lines ? "," : ", ";
    if (inner_lines) out.append("\n").append(indent + 2, ' ');
    write(array[i], indent + 2, true, out);
  }
  if (inner_lines) out.append("\n").append(indent, ' ');
  out += ']';
}

void write(const json::value& value, std::size_t indent, bool one_line, std::string& out) {
  if (const json::object* object = value.if_object()) return write_members(*object, indent, one_line, out);
  if (const json::array* array = value.if_array()) return write_elements(*array, indent, one_line, out);
  const double* number = value.if_double();
  if (number == nullptr) {
    out += json::serialize(value);
  } else if (std::isfinite(*number)) {
    out += engine::format_value(engine::Value::number(*number));
  } else {
    out += "null";
  }
}

}  // namespace

std::string json_text(const json::value& value) {
  std::string out;
  write(value, 0, false, out);
  out += '\n';
  return out;
}

}  // namespace settle::cli
