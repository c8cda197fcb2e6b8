// runner/jobs/json_request.hpp: reads the fields of a JSON object one by one and keeps the first thing found
// wrong.
#pragma once

#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/json/fwd.hpp>

#include "engine/model/time.hpp"
#include "runner/jobs/job.hpp"

namespace settle::runner {

[[nodiscard]] std::string quoted(std::string_view text);
/// `"a", "b"`, or `none`.
[[nodiscard]] std::string join_quoted(const std::vector<std::string>& names);
/// `a string`, `an object`, …
[[nodiscard]] std::string type_name(const boost::json::value& value);

/// A body as it came: one JSON object that gives each field once. `malformed` when it is not JSON.
[[nodiscard]] std::optional<Refusal> read_object(std::string_view text, boost::json::object& into);

/// What is read after the first refusal does not matter. Every field that was given is noted in canonical
/// form.
class JsonRequest {
 public:
  explicit JsonRequest(const boost::json::object& body) : body_(body) {}  // `body` outlives this

  void refuse(std::string field, std::string detail);
  [[nodiscard]] bool failed() const { return refusal_.has_value(); }
  [[nodiscard]] const Refusal& refusal() const { return *refusal_; }
  [[nodiscard]] bool given(const char* field) const;
  [[nodiscard]] const boost::json::object& body() const { return body_; }

  /// None: not given, or refused. `expected` completes "expected …".
  [[nodiscard]] std::optional<std::string> text(const char* field, std::string_view expected);
  /// "" when refused.
  [[nodiscard]] std::string required(const char* field, std::string_view expected);
  /// Reads with `parse`, which gives an engine::Result, and notes what `format` makes of the value.
  template <class Parse, class Format>
  [[nodiscard]] auto parsed(const char* field, std::string_view expected, Parse parse, Format format)
      -> std::optional<std::decay_t<decltype(*parse(std::string_view{}))>> {
    const auto given_text = text(field, expected);
    if (!given_text) return std::nullopt;
    auto value = parse(*given_text);
    if (!value) {
      refuse(field, value.error().detail);
      return std::nullopt;
    }
    note_text(field, format(*value));
    return *std::move(value);
  }
  struct Range {
    engine::Duration absent{};  // the value when the field is not given
    engine::Duration least{};
    engine::Duration most{};
  };
  [[nodiscard]] engine::Duration duration(const char* field, Range range);
  template <class T>
  [[nodiscard]] T choice(const char* field, std::initializer_list<std::pair<const char*, T>> choices,
                         T absent) {
    std::string expected;
    for (const auto& entry : choices) expected += (expected.empty() ? "" : " or ") + quoted(entry.first);
    const auto given_text = text(field, expected);
    if (!given_text) return absent;
    for (const auto& entry : choices) {
      if (*given_text == entry.first) return entry.second;
    }
    refuse(field, quoted(*given_text) + " is not known; expected " + expected);
    return absent;
  }

  void note_text(const char* field, std::string_view canonical);
  void note_json(const char* field, std::string canonical);
  void leave_out(const char* field) { canonical_.erase(field); }
  /// What was noted, as one JSON object with sorted keys.
  [[nodiscard]] std::string canonical() const;

 private:
  const boost::json::object& body_;
  std::map<std::string, std::string> canonical_;  // field -> JSON text
  std::optional<Refusal> refusal_;
};

}  // namespace settle::runner
