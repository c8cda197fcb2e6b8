// engine/model/label_text.hpp: the lexical parts that series and selectors share: names, quoted values,
// UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/result.hpp"

namespace settle::engine {

[[nodiscard]] bool is_label_name(std::string_view text);   // [a-zA-Z_][a-zA-Z0-9_]*
[[nodiscard]] bool is_metric_name(std::string_view text);  // also ':'
[[nodiscard]] bool is_utf8(std::string_view text);

/// Appends `"value"` with \\, \" and \n escaped.
void append_quoted(std::string& out, std::string_view value);

/// Reads names, punctuation and quoted values from left to right; `text` must outlive it.
class LabelScanner {
 public:
  explicit LabelScanner(std::string_view text) : text_(text) {}

  void skip_space();
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
  /// What position() gave earlier.
  [[nodiscard]] std::size_t position() const { return at_; }
  void move_to(std::size_t position) { at_ = position; }
  /// Takes `token` if it comes next.
  bool take(std::string_view token);
  /// The longest run of name characters, possibly empty.
  std::string_view name();
  /// A value in "…" or '…' with the escapes \\ \" \' \n \t \r, or in `…` without escapes.
  Result<std::string> quoted();
  /// "<what> at column <1-based byte column>".
  [[nodiscard]] Error error(std::string_view what) const;

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace settle::engine
