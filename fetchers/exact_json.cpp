#include "fetchers/exact_json.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value.hpp>
#include <boost/json/value_stack.hpp>

namespace settle::fetchers {
namespace json = boost::json;
namespace {

using Code = json::error_code;
using Text = json::string_view;

/// Builds the value as json::parser does, but reads doubles again from their text.
struct Builder {
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);

  json::value_stack stack{};
  std::string number{};
  std::size_t keys = 0;  // of all objects, those given twice counted twice

  bool on_document_begin(Code&) { return stack.reset(), true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t n, Code&) {
    keys += n;
    stack.push_object(n);
    return true;
  }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t n, Code&) { return stack.push_array(n), true; }
  bool on_key_part(Text text, std::size_t, Code&) { return stack.push_chars(text), true; }
  bool on_key(Text text, std::size_t, Code&) { return stack.push_key(text), true; }
  bool on_string_part(Text text, std::size_t, Code&) { return stack.push_chars(text), true; }
  bool on_string(Text text, std::size_t, Code&) { return stack.push_string(text), true; }
  bool on_number_part(Text text, Code&) { return number.append(text.data(), text.size()), true; }
  bool on_int64(std::int64_t n, Text, Code&) { return number.clear(), stack.push_int64(n), true; }
  bool on_uint64(std::uint64_t n, Text, Code&) { return number.clear(), stack.push_uint64(n), true; }
  bool on_double(double rough, Text text, Code&) {
    number.append(text.data(), text.size());
    double exact = rough;  // stays when out of range: infinity or zero
    std::from_chars(number.data(), number.data() + number.size(), exact);
    number.clear();
    return stack.push_double(exact), true;
  }
  bool on_bool(bool b, Code&) { return stack.push_bool(b), true; }
  bool on_null(Code&) { return stack.push_null(), true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

std::size_t count_keys(const json::value& value) {
  std::size_t count = 0;
  if (const auto* object = value.if_object()) {
    count += object->size();
    for (const auto& member : *object) count += count_keys(member.value());
  } else if (const auto* array = value.if_array()) {
    for (const json::value& element : *array) count += count_keys(element);
  }
  return count;
}

struct Parsed {
  json::value value;
  std::size_t keys = 0;
};

engine::Result<Parsed> parse_json(std::string_view text) {
  json::basic_parser<Builder> parser{json::parse_options{}};
  Code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error && used < text.size()) error = json::error::extra_data;
  if (error) return engine::refused(error.message() + " at byte " + std::to_string(used + 1));
  return Parsed{parser.handler().stack.release(), parser.handler().keys};
}

}  // namespace

engine::Result<json::value> parse_exact_json(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) return parsed.error();
  return std::move(parsed->value);
}

engine::Result<json::value> parse_strict_json(std::string_view text) {
  auto parsed = parse_json(text);
  if (!parsed) return parsed.error();
  if (count_keys(parsed->value) != parsed->keys) return engine::refused("a key is given twice in one object");
  return std::move(parsed->value);
}

engine::Result<engine::Value> number_of(const json::value& value) {
  if (value.is_uint64()) return engine::Value::count(value.get_uint64());
  if (value.is_int64() && value.get_int64() >= 0) {
    return engine::Value::count(static_cast<std::uint64_t>(value.get_int64()));
  }
  if (value.is_int64()) return engine::Value::number(static_cast<double>(value.get_int64()));
  if (value.is_double()) {
    const auto number = engine::Value::number(value.get_double());
    if (number.is_finite()) return number;
  }
  return engine::refused("not a finite number");
}

}  // namespace settle::fetchers
