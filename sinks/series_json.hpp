// sinks/series_json.hpp: canonical series text taken apart without allocation, and written as a JSON object.
// Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace settle::sinks {

/// Walks `name{a="x",b="y"}` from left to right; only the canonical form is understood.
class SeriesParts {
 public:
  explicit SeriesParts(std::string_view series);
  [[nodiscard]] std::string_view name() const { return name_; }

  struct Part {
    std::string_view label;
    std::string_view escaped;     // the value with its escapes \\ \" \n, which are JSON's too
    std::size_t value_bytes = 0;  // without them
  };
  /// None at the end, or where the text is not canonical: then failed().
  [[nodiscard]] std::optional<Part> next();
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::optional<Part> fail();
  std::string_view name_;
  std::string_view rest_;  // after `{` or `,`
  bool failed_ = false;
};

/// Appends `{"__name__":"name","a":"x"}`. False, and `out` unchanged, when the text is not canonical.
bool append_series_json(std::string& out, std::string_view series);

}  // namespace settle::sinks
