#include "engine/model/label_text.hpp"

#include <algorithm>
#include <cstdint>

namespace settle::engine {

namespace {

bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The character that a backslash and `c` stand for; 0: none.
char unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case '\\':
    case '"':
    case '\'':
      return c;
    default:
      return 0;
  }
}

/// Length of the well-formed UTF-8 sequence that `text` (not empty) starts with; 0: none. Unicode 15, table
/// 3-7.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0 || text.size() < length) return 0;
  const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 0;
  for (std::size_t i = 2; i < length; ++i) {
    if (byte(i) < 0x80 || byte(i) > 0xBF) return 0;
  }
  return length;
}

}  // namespace

bool is_label_name(std::string_view text) {
  return is_metric_name(text) && text.find(':') == text.npos;
}

bool is_metric_name(std::string_view text) {
  return !text.empty() && !is_digit(text.front()) && std::all_of(text.begin(), text.end(), is_name_char);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

void append_quoted(std::string& out, std::string_view value) {
  out += '"';
  for (const char c : value) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') out += '\\';
    out += c;
  }
  out += '"';
}

void LabelScanner::skip_space() {
  at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
}

bool LabelScanner::take(std::string_view token) {
  if (!text_.substr(at_).starts_with(token)) return false;
  at_ += token.size();
  return true;
}

std::string_view LabelScanner::name() {
  const std::size_t from = at_;
  while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
  return text_.substr(from, at_ - from);
}

Result<std::string> LabelScanner::quoted() {
  const char quote = at_end() ? '\0' : text_[at_];
  if (quote != '"' && quote != '\'' && quote != '`') return error("expected a quoted value");
  const std::size_t opened = at_++;
  std::string value;
  for (; !at_end(); ++at_) {
    char c = text_[at_];
    if (c == quote) {
      ++at_;
      return value;
    }
    if (c == '\\' && quote != '`') {
      c = at_ + 1 < text_.size() ? unescaped(text_[at_ + 1]) : '\0';
      if (c == '\0') return error("unknown escape; write \\\\, \\\", \\', \\n, \\t or \\r");
      ++at_;
    }
    value += c;
  }
  at_ = opened;
  return error("the quoted value does not end; it begins");
}

Error LabelScanner::error(std::string_view what) const {
  return refused(std::string{what} + " at column " + std::to_string(at_ + 1));
}

}  // namespace settle::engine
