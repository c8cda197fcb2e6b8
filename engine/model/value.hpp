// engine/model/value.hpp: what a cell holds. Sketches join the variant with the merge core.
#pragma once

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "engine/result.hpp"

namespace settle::engine {

/// A number in its one canonical form: whole numbers in [0, 2^64) are counts, all others doubles; NaN has one
/// bit pattern and minus zero is zero. So two values are the same number exactly when they compare equal.
class Value {
 public:
  Value() = default;  // the count 0
  [[nodiscard]] static Value count(std::uint64_t n) { return Value{n}; }
  [[nodiscard]] static Value number(double x);

  [[nodiscard]] bool is_count() const { return held_.index() == 0; }
  [[nodiscard]] bool is_nan() const;
  [[nodiscard]] bool is_finite() const;
  /// Exact; only when is_count().
  [[nodiscard]] std::uint64_t as_count() const { return *std::get_if<std::uint64_t>(&held_); }
  /// Rounded to nearest for counts above 2^53.
  [[nodiscard]] double as_double() const;

  /// Total order by number; NaN is greater than everything.
  friend std::strong_ordering operator<=>(const Value& a, const Value& b);
  friend bool operator==(const Value& a, const Value& b) { return a.held_bits() == b.held_bits(); }

  /// (is_count, 64 bits): the form in which cells and records store a value.
  struct Bits {
    bool is_count = true;
    std::uint64_t bits = 0;
    bool operator==(const Bits&) const = default;
  };
  [[nodiscard]] Bits held_bits() const {
    if (is_count()) return {.is_count = true, .bits = as_count()};
    return {.is_count = false, .bits = std::bit_cast<std::uint64_t>(*std::get_if<double>(&held_))};
  }
  [[nodiscard]] static Value from_bits(Bits bits);

 private:
  explicit Value(std::uint64_t n) : held_(n) {}
  explicit Value(double x) : held_(x) {}
  std::variant<std::uint64_t, double> held_{std::uint64_t{0}};
};

/// Shortest text that reads back to the same value: `123`, `0.5`, `1e+300`, `NaN`, `+Inf`, `-Inf`.
[[nodiscard]] std::string format_value(const Value& value);
/// The same, written at `to`, where there is room for kValueTextMax bytes; gives its end.
inline constexpr std::size_t kValueTextMax = 32;
[[nodiscard]] char* format_value(const Value& value, char* to);
/// A JSON-like number or NaN, +Inf, -Inf. Whole numbers up to 2^64 - 1 are read exactly.
[[nodiscard]] Result<Value> parse_value(std::string_view text);

}  // namespace settle::engine
