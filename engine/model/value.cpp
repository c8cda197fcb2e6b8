#include "engine/model/value.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <system_error>

namespace settle::engine {

namespace {

constexpr double kTwoTo64 = 18446744073709551616.0;

std::strong_ordering compare_numbers(double a, double b) {
  if (a < b) return std::strong_ordering::less;
  if (a > b) return std::strong_ordering::greater;
  if (a == b) return std::strong_ordering::equal;
  // At least one is NaN.
  if (std::isnan(a) && std::isnan(b)) return std::strong_ordering::equal;
  return std::isnan(a) ? std::strong_ordering::greater : std::strong_ordering::less;
}

/// `x` is canonical, so it is negative, has a fraction, is at least 2^64, or is not finite: never equal to a
/// count.
std::strong_ordering compare_count_with(std::uint64_t n, double x) {
  if (x < 0) return std::strong_ordering::greater;
  if (std::isnan(x) || x >= kTwoTo64) return std::strong_ordering::less;
  return n <= static_cast<std::uint64_t>(x) ? std::strong_ordering::less : std::strong_ordering::greater;
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Where the digits that start at `at` end; `at` itself when there are none.
std::size_t digits_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_digit(text[at])) ++at;
  return at;
}

/// JSON's number grammar, which from_chars alone does not enforce.
bool is_json_number(std::string_view text) {
  std::size_t at = text.starts_with('-') ? 1 : 0;
  const std::size_t whole = digits_end(text, at);
  if (whole == at || (text[at] == '0' && whole > at + 1)) return false;
  at = whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits_end(text, at + 1);
    if (fraction == at + 1) return false;
    at = fraction;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = digits_end(text, at);
    if (exponent == at) return false;
    at = exponent;
  }
  return at == text.size();
}

}  // namespace

Value Value::number(double x) {
  if (std::isnan(x)) return Value{std::numeric_limits<double>::quiet_NaN()};
  // Also takes minus zero to the count 0.
  if (x >= 0 && x < kTwoTo64 && x == std::floor(x)) return Value{static_cast<std::uint64_t>(x)};
  return Value{x};
}

bool Value::is_nan() const {
  return !is_count() && std::isnan(*std::get_if<double>(&held_));
}

bool Value::is_finite() const {
  return is_count() || std::isfinite(*std::get_if<double>(&held_));
}

double Value::as_double() const {
  return is_count() ? static_cast<double>(as_count()) : *std::get_if<double>(&held_);
}

std::strong_ordering operator<=>(const Value& a, const Value& b) {
  if (a.is_count() && b.is_count()) return a.as_count() <=> b.as_count();
  if (a.is_count()) return compare_count_with(a.as_count(), b.as_double());
  if (b.is_count()) return 0 <=> compare_count_with(b.as_count(), a.as_double());
  return compare_numbers(a.as_double(), b.as_double());
}

Value Value::from_bits(Bits bits) {
  return bits.is_count ? count(bits.bits) : number(std::bit_cast<double>(bits.bits));
}

char* format_value(const Value& value, char* to) {
  if (value.is_count()) return std::to_chars(to, to + kValueTextMax, value.as_count()).ptr;
  const double x = value.as_double();
  if (std::isfinite(x)) return std::to_chars(to, to + kValueTextMax, x).ptr;
  const std::string_view text = std::isnan(x) ? "NaN" : x > 0 ? "+Inf" : "-Inf";
  return std::copy(text.begin(), text.end(), to);
}

std::string format_value(const Value& value) {
  char text[kValueTextMax];
  return {text, format_value(value, text)};
}

Result<Value> parse_value(std::string_view text) {
  if (text == "NaN") return Value::number(std::numeric_limits<double>::quiet_NaN());
  if (text == "+Inf") return Value::number(std::numeric_limits<double>::infinity());
  if (text == "-Inf") return Value::number(-std::numeric_limits<double>::infinity());
  if (!is_json_number(text)) {
    return refused("\"" + std::string{text} +
                   "\" is not a number; expected for example 12, -0.5, 1e9 or NaN");
  }
  const char* const end = text.data() + text.size();
  std::uint64_t n = 0;
  if (const auto read = std::from_chars(text.data(), end, n); read.ec == std::errc{} && read.ptr == end) {
    return Value::count(n);
  }
  double x = 0;
  if (const auto read = std::from_chars(text.data(), end, x); read.ec != std::errc{} || read.ptr != end) {
    return refused("the number " + std::string{text} + " does not fit a 64-bit floating-point value");
  }
  return Value::number(x);
}

}  // namespace settle::engine
