// engine/sketch/mapping.hpp: how DDSketch numbers its bins: bin i holds values from lower(i) up to lower(i +
// 1).
//
// Masson, Rim, Lee: DDSketch, VLDB 2019; the interpolated mappings are those of DataDog's Java and Go
// libraries.
#pragma once

#include <cstdint>
#include <string>

namespace settle::sketch {

struct Mapping {
  /// Values are those of the protobuf encoding; quartic has none there.
  enum class Kind : std::uint8_t { logarithmic = 0, linear = 1, quadratic = 2, cubic = 3, quartic = 4 };
  Kind kind = Kind::logarithmic;
  double gamma = 0;   // > 1
  double offset = 0;  // of the index

  [[nodiscard]] static Mapping of_accuracy(double alpha);  // logarithmic, 0 < alpha < 1
  /// Relative accuracy of a bin's value (lower(i) * (1 + alpha())).
  [[nodiscard]] double alpha() const;
  [[nodiscard]] double lower(std::int64_t index) const;
  /// lower() of the index whose (index - offset) * log2(gamma) is `exponent`: for those who keep log2(gamma).
  [[nodiscard]] double at_exponent(double exponent) const;
  [[nodiscard]] std::int64_t index(double value) const;  // of value > 0 within the normal doubles
  /// Kind equal, gamma and offset within 1e-12 relative: producers compute gamma from a rounded alpha.
  [[nodiscard]] bool fits(const Mapping& other) const;
  bool operator==(const Mapping&) const = default;
  [[nodiscard]] std::string text() const;  // for errors: "logarithmic, gamma 1.0202, offset 0"
};

}  // namespace settle::sketch
