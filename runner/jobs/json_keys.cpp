#include "runner/jobs/json_keys.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <boost/json/basic_parser_impl.hpp>

namespace settle::runner {
namespace {

using boost::json::error_code;
using boost::json::string_view;

// What Boost's parser calls; only keys and the nesting of objects matter here.
struct KeyHandler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  struct Level {
    std::set<std::string> keys;
    std::string open;  // the key whose value is being read
  };
  std::vector<Level> levels;
  std::string partial;
  std::optional<std::string> duplicate;

  bool on_object_begin(error_code&) {
    levels.emplace_back();
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    levels.pop_back();
    return true;
  }
  bool on_key_part(string_view part, std::size_t, error_code&) {
    partial.append(part.data(), part.size());
    return true;
  }
  bool on_key(string_view part, std::size_t, error_code& failure) {
    partial.append(part.data(), part.size());
    Level& level = levels.back();
    level.open = std::exchange(partial, {});
    if (level.keys.insert(level.open).second) return true;
    std::string path;
    for (const Level& outer : levels) path += (path.empty() ? "" : ".") + outer.open;
    duplicate = std::move(path);
    failure = boost::json::error::not_found;  // any error: it only ends the parse
    return false;
  }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_array_begin(error_code&) { return true; }
  bool on_array_end(std::size_t, error_code&) { return true; }
  bool on_string_part(string_view, std::size_t, error_code&) { return true; }
  bool on_string(string_view, std::size_t, error_code&) { return true; }
  bool on_number_part(string_view, error_code&) { return true; }
  bool on_int64(std::int64_t, string_view, error_code&) { return true; }
  bool on_uint64(std::uint64_t, string_view, error_code&) { return true; }
  bool on_double(double, string_view, error_code&) { return true; }
  bool on_bool(bool, error_code&) { return true; }
  bool on_null(error_code&) { return true; }
  bool on_comment_part(string_view, error_code&) { return true; }
  bool on_comment(string_view, error_code&) { return true; }
};

}  // namespace

std::optional<std::string> duplicate_key(std::string_view json) {
  boost::json::basic_parser<KeyHandler> parser{boost::json::parse_options{}};
  error_code failure;
  parser.write_some(false, json.data(), json.size(), failure);
  return std::move(parser.handler().duplicate);
}

}  // namespace settle::runner
