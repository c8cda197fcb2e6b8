// engine/promql/selector.hpp: a plain series selector, `name{label="value", other=~"re"}`.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/series.hpp"
#include "engine/result.hpp"

namespace settle::engine {

class LabelScanner;

enum class MatchKind : std::uint8_t { equal, not_equal, regex, not_regex };

struct Matcher {
  std::string label;
  MatchKind kind = MatchKind::equal;
  std::string value;
  auto operator<=>(const Matcher&) const = default;
};

/// Regular expressions are RE2 and match the whole value. Cheap to copy.
class Selector {
 public:
  Selector() = default;
  /// Matches as Prometheus does: a label that is not there has the empty value.
  [[nodiscard]] bool matches(const Labels& labels) const;
  [[nodiscard]] const std::string& metric() const { return metric_; }
  /// Without the metric name; sorted.
  [[nodiscard]] const std::vector<Matcher>& matchers() const { return matchers_; }
  /// Canonical: `name{a="x",b=~"y"}`; equal selectors have equal text.
  [[nodiscard]] std::string text() const;

 private:
  friend Result<Selector> read_selector(LabelScanner& in);
  struct Compiled;
  std::string metric_;
  std::vector<Matcher> matchers_;
  std::shared_ptr<const Compiled> compiled_;
};

/// The metric name is required (as name or `__name__="…"`). Errors carry the position (1-based column).
[[nodiscard]] Result<Selector> parse_selector(std::string_view text);
/// The same from where `in` stands, to after the selector and the space that follows it.
[[nodiscard]] Result<Selector> read_selector(LabelScanner& in);

}  // namespace settle::engine
