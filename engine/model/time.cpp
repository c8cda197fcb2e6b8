#include "engine/model/time.hpp"

#include <array>
#include <charconv>
#include <cstdint>
#include <system_error>

namespace settle::engine {

namespace {

struct Unit {
  std::string_view name;
  std::int64_t ms;
};
constexpr std::array<Unit, 5> kUnits{
    {{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}}};
constexpr std::int64_t kDurationMsMax = 36'525 * kUnits[0].ms;  // 100 years

// Years 0000 to 9999, what RFC 3339 can write; sums of such instants and durations stay far from overflow.
constexpr std::int64_t kTimeMsMin = -62'167'219'200'000;
constexpr std::int64_t kTimeMsMax = 253'402'300'799'999;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return c >= 'a' && c <= 'z';
}

Error bad_duration(std::string_view text) {
  return refused(
      "\"" + std::string{text} +
      "\" is not a duration; expected for example 90s, 1m, 1h30m or 500ms: more than zero, at most "
      "100 years, units d, h, m, s, ms each once and in this order");
}

Error bad_time(std::string_view text) {
  return refused("\"" + std::string{text} +
                 "\" is not a time; expected RFC 3339 such as 2026-06-26T13:57:00Z, or epoch milliseconds");
}

/// Reads a text of fixed fields from left to right; after the first mismatch `ok` stays false.
class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}

  int number(std::size_t digits, int low, int high) {
    if (!ok_ || rest_.size() < digits) return fail();
    int n = 0;
    for (std::size_t i = 0; i < digits; ++i) {
      if (!is_digit(rest_[i])) return fail();
      n = n * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(digits);
    return n < low || n > high ? fail() : n;
  }
  /// The next character if it is one of `any`, else 0 and nothing is taken.
  char take(std::string_view any) {
    if (!ok_ || rest_.empty() || any.find(rest_.front()) == any.npos) return 0;
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }
  void expect(std::string_view any) {
    if (take(any) == 0) fail();
  }
  /// Up to 9 digits after the point, cut to milliseconds.
  int fraction_ms() {
    int ms = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && is_digit(rest_[digits]); ++digits) {
      if (digits < 3) ms = ms * 10 + (rest_[digits] - '0');
    }
    if (digits == 0 || digits > 9) return fail();
    for (std::size_t i = digits; i < 3; ++i) ms *= 10;
    rest_.remove_prefix(digits);
    return ms;
  }
  [[nodiscard]] bool done() const { return ok_ && rest_.empty(); }

 private:
  int fail() {
    ok_ = false;
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

std::optional<Time> read_rfc3339(std::string_view text) {
  using namespace std::chrono;
  FieldReader in{text};
  const int y = in.number(4, 0, 9999);
  in.expect("-");
  const int mon = in.number(2, 1, 12);
  in.expect("-");
  const int d = in.number(2, 1, 31);
  in.expect("Tt");
  const int h = in.number(2, 0, 23);
  in.expect(":");
  const int min = in.number(2, 0, 59);
  in.expect(":");
  const int s = in.number(2, 0, 59);
  const int ms = in.take(".") != 0 ? in.fraction_ms() : 0;
  minutes offset{0};
  if (const char sign = in.take("+-"); sign != 0) {
    const int off_h = in.number(2, 0, 23);
    in.expect(":");
    const int off_min = in.number(2, 0, 59);
    offset = hours{off_h} + minutes{off_min};
    if (sign == '-') offset = -offset;
  } else {
    in.expect("Zz");
  }
  const year_month_day date{year{y}, month{static_cast<unsigned>(mon)}, day{static_cast<unsigned>(d)}};
  if (!in.done() || !date.ok()) return std::nullopt;
  return Time{sys_days{date}} + hours{h} + minutes{min} + seconds{s} + milliseconds{ms} - offset;
}

std::optional<Time> read_epoch_ms(std::string_view text) {
  std::int64_t ms = 0;
  const char* const end = text.data() + text.size();
  const auto read = std::from_chars(text.data(), end, ms);
  if (read.ec != std::errc{} || read.ptr != end) return std::nullopt;
  return from_epoch_ms(ms);
}

void append_padded(std::string& out, std::int64_t n, std::size_t width) {
  const std::string digits = std::to_string(n);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::size_t digits = 0;
    while (digits < rest.size() && is_digit(rest[digits])) ++digits;
    std::size_t end = digits;
    while (end < rest.size() && is_letter(rest[end])) ++end;
    std::int64_t n = 0;
    const auto read = std::from_chars(rest.data(), rest.data() + digits, n);
    if (digits == 0 || read.ec != std::errc{}) return bad_duration(text);
    const std::string_view name = rest.substr(digits, end - digits);
    while (next_unit < kUnits.size() && kUnits[next_unit].name != name) ++next_unit;
    if (next_unit == kUnits.size()) return bad_duration(text);
    const std::int64_t unit = kUnits[next_unit++].ms;
    if (n > (kDurationMsMax - total) / unit) return bad_duration(text);
    total += n * unit;
    rest.remove_prefix(end);
  }
  if (total == 0) return bad_duration(text);
  return Duration{total};
}

std::string format_duration(Duration duration) {
  std::int64_t left = duration.count();
  if (left == 0) return "0s";
  std::string out = left < 0 ? "-" : "";
  if (left < 0) left = -left;
  for (const Unit& unit : kUnits) {
    if (left < unit.ms) continue;
    out += std::to_string(left / unit.ms);
    out += unit.name;
    left %= unit.ms;
  }
  return out;
}

Result<Time> parse_time(std::string_view text) {
  const bool integer = text.find_first_not_of("0123456789", text.starts_with('-') ? 1 : 0) == text.npos;
  const std::optional<Time> at = integer ? read_epoch_ms(text) : read_rfc3339(text);
  if (!at || epoch_ms(*at) < kTimeMsMin || epoch_ms(*at) > kTimeMsMax) return bad_time(text);
  return *at;
}

std::string format_time(Time at) {
  using namespace std::chrono;
  const sys_days date = floor<days>(at);
  const year_month_day ymd{date};
  const hh_mm_ss<Duration> clock{at - date};
  std::string out;
  append_padded(out, static_cast<int>(ymd.year()), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(ymd.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(ymd.day()), 2);
  out += 'T';
  append_padded(out, clock.hours().count(), 2);
  out += ':';
  append_padded(out, clock.minutes().count(), 2);
  out += ':';
  append_padded(out, clock.seconds().count(), 2);
  if (const auto ms = clock.subseconds().count(); ms != 0) {
    out += '.';
    append_padded(out, ms, 3);
  }
  out += 'Z';
  return out;
}

}  // namespace settle::engine
