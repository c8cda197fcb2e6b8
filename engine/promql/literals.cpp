#include "engine/promql/literals.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <system_error>

namespace settle::engine {

namespace {

constexpr std::size_t kFoundMax = 32;  // bytes of a text that an error repeats

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 7> kUnits{{{"y", 31'536'000'000},
                                      {"w", 604'800'000},
                                      {"d", 86'400'000},
                                      {"h", 3'600'000},
                                      {"m", 60'000},
                                      {"s", 1000},
                                      {"ms", 1}}};
constexpr std::int64_t kWindowMsMax = 36'525 * kUnits[2].ms;  // 100 years

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_word(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' || c == ':';
}

bool equal_but_for_case(std::string_view text, std::string_view lower) {
  return std::equal(text.begin(), text.end(), lower.begin(), lower.end(),
                    [](char a, char b) { return a == b || (a >= 'A' && a <= 'Z' && a - 'A' + 'a' == b); });
}

/// What a number or a duration could be at most: letters, digits, points, and the sign of an exponent.
std::string_view literal_token(std::string_view text) {
  const bool hexadecimal = text.starts_with("0x") || text.starts_with("0X");
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    const char c = text[end];
    const bool exponent_sign = (c == '+' || c == '-') && !hexadecimal && end > 0 &&
                               (text[end - 1] == 'e' || text[end - 1] == 'E') &&
                               (is_digit(text[0]) || text[0] == '.');
    if ((!is_word(c) || c == ':') && !exponent_sign) break;
  }
  return text.substr(0, end);
}

/// Without the _ between two digits, or behind 0x.
std::optional<std::string> without_separators(std::string_view token) {
  const bool hexadecimal = token.starts_with("0x") || token.starts_with("0X");
  std::string digits;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '_') {
      digits += token[i];
      continue;
    }
    const auto joins = [&](std::size_t at) {
      if (at >= token.size() || token[at] == '_' || token[at] == '.') return false;
      return hexadecimal || is_digit(token[at]);
    };
    if (i == 0 || !joins(i - 1) || !joins(i + 1)) return std::nullopt;
  }
  return digits;
}

std::optional<double> hexadecimal(std::string_view digits) {
  std::uint64_t n = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), n, 16);
  if (read.ec != std::errc{} || read.ptr != digits.data() + digits.size()) return std::nullopt;
  return static_cast<double>(n);
}

bool is_octal_to_prometheus(std::string_view digits) {
  return digits.size() > 1 && digits[0] == '0' && std::all_of(digits.begin(), digits.end(), is_digit);
}

/// The whole of `token`.
std::optional<double> number_of(std::string_view token) {
  if (equal_but_for_case(token, "nan")) return std::numeric_limits<double>::quiet_NaN();
  if (equal_but_for_case(token, "inf")) return std::numeric_limits<double>::infinity();
  if (token.empty() || (!is_digit(token[0]) && token[0] != '.')) return std::nullopt;
  const auto digits = without_separators(token);
  if (!digits) return std::nullopt;
  if (digits->starts_with("0x") || digits->starts_with("0X")) return hexadecimal(digits->substr(2));
  if (is_octal_to_prometheus(*digits)) return std::nullopt;
  double number = 0;
  const char* const end = digits->data() + digits->size();
  const auto read = std::from_chars(digits->data(), end, number);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return number;
}

std::optional<std::int64_t> ms_of_units(std::string_view token) {
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!token.empty()) {
    std::int64_t n = 0;
    const auto read = std::from_chars(token.data(), token.data() + token.size(), n);
    const auto digits = static_cast<std::size_t>(read.ptr - token.data());
    if (read.ec != std::errc{} || !is_digit(token[0])) return std::nullopt;
    token.remove_prefix(digits);
    const auto name_end = std::find_if(token.begin(), token.end(), is_digit);
    const std::string_view name = token.substr(0, static_cast<std::size_t>(name_end - token.begin()));
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == kUnits.size()) return std::nullopt;
    const std::int64_t unit = kUnits[next_unit++].ms;
    if (n > (kWindowMsMax - total) / unit) return std::nullopt;
    total += n * unit;
    token.remove_prefix(name.size());
  }
  return total;
}

std::optional<std::int64_t> ms_of_seconds(double seconds) {
  constexpr double kRounding = 1e-6;  // 1.005 * 1000 is not 1005 to the last bit
  const double ms = seconds * 1000;
  if (!(ms >= 1 && ms <= static_cast<double>(kWindowMsMax))) return std::nullopt;
  const double whole = std::round(ms);
  if (std::abs(ms - whole) > kRounding) return std::nullopt;
  return static_cast<std::int64_t>(whole);
}

}  // namespace

Error found_instead(const LabelScanner& in, std::string_view expected) {
  const std::string_view rest = in.rest();
  if (rest.empty()) return in.error(std::string{expected} + ", found the end");
  const auto word =
      static_cast<std::size_t>(std::find_if_not(rest.begin(), rest.end(), is_word) - rest.begin());
  std::string found;
  // Of what is no word one byte is shown, and escaped where it alone would not be text.
  if (const auto byte = static_cast<std::uint8_t>(rest[0]); word == 0 && (byte < 0x20 || byte >= 0x7F)) {
    constexpr std::string_view kHex = "0123456789abcdef";
    found = std::string{"\\x"} + kHex[byte >> 4] + kHex[byte & 0xF];
  } else {
    found = rest.substr(0, std::clamp<std::size_t>(word, 1, kFoundMax));
    if (word > kFoundMax) found += "…";
  }
  return in.error(std::string{expected} + ", found \"" + found + '"');
}

Result<double> read_number(LabelScanner& in, std::string_view expected) {
  const std::string_view token = literal_token(in.rest());
  const auto number = number_of(token);
  if (!number) {
    if (is_octal_to_prometheus(token)) {
      return found_instead(in, std::string{expected} + " that does not begin with 0");
    }
    return found_instead(in, expected);
  }
  in.move_to(in.position() + token.size());
  return *number;
}

Result<Duration> read_window(LabelScanner& in) {
  const std::string_view token = literal_token(in.rest());
  const auto seconds = number_of(token);
  const auto ms = seconds ? ms_of_seconds(*seconds) : ms_of_units(token);
  if (!ms || *ms == 0) {
    return found_instead(in,
                         "expected a duration such as 5m, 1h30m or 1w (more than zero, at most 100 years, "
                         "units y, w, d, h, m, s, ms each once and in this order)");
  }
  in.move_to(in.position() + token.size());
  return Duration{*ms};
}

}  // namespace settle::engine
