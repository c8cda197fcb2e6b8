#include "sinks/series_json.hpp"

#include <algorithm>

namespace settle::sinks {

SeriesParts::SeriesParts(std::string_view series) {
  const std::size_t brace = series.find('{');
  name_ = series.substr(0, brace);
  if (brace == std::string_view::npos) return;
  rest_ = series.substr(brace + 1);
  // "m{}" is not canonical: a series without labels has no braces.
  failed_ = rest_.size() < 2 || rest_.front() == '}';
}

std::optional<SeriesParts::Part> SeriesParts::fail() {
  failed_ = true;
  return std::nullopt;
}

std::optional<SeriesParts::Part> SeriesParts::next() {
  if (failed_ || rest_.empty()) return std::nullopt;
  const std::size_t equals = rest_.find("=\"");
  if (equals == std::string_view::npos || equals == 0) return fail();
  Part part;
  part.label = rest_.substr(0, equals);
  const std::size_t begin = equals + 2;
  std::size_t at = begin;
  while (at < rest_.size() && rest_[at] != '"') {
    at += rest_[at] == '\\' ? 2 : 1;
    ++part.value_bytes;
  }
  if (at + 1 >= rest_.size()) return fail();
  part.escaped = rest_.substr(begin, at - begin);
  const char after = rest_[at + 1];
  const bool last = after == '}' && at + 2 == rest_.size();
  if (!last && after != ',') return fail();
  rest_ = rest_.substr(at + 2);
  return part;
}

namespace {

/// Canonical text escapes what JSON escapes, but for the other control characters.
void append_json_text(std::string& out, std::string_view escaped) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  for (auto rest = escaped.begin(); rest != escaped.end();) {
    const auto control = std::find_if(rest, escaped.end(), is_control);
    out.append(rest, control);
    if (control == escaped.end()) return;
    const auto byte = static_cast<unsigned char>(*control);
    out += "\\u00";
    out += kHex[byte >> 4];
    out += kHex[byte & 15];
    rest = control + 1;
  }
}

}  // namespace

bool append_series_json(std::string& out, std::string_view series) {
  const std::size_t before = out.size();
  SeriesParts parts{series};
  out += "{\"__name__\":\"";
  append_json_text(out, parts.name());
  out += '"';
  while (const auto part = parts.next()) {
    out += ",\"";
    out += part->label;
    out += "\":\"";
    append_json_text(out, part->escaped);
    out += '"';
  }
  out += '}';
  if (parts.failed()) out.resize(before);
  return !parts.failed();
}

}  // namespace settle::sinks
