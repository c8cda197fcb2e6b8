#include "engine/sketch/mapping.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <numbers>

namespace settle::sketch {
namespace {

/// Interpolated kinds number the bins by log2 with a polynomial in s = mantissa - 1 in place of its fraction.
/// Coefficients of DataDog's libraries (sketches-java: QuadraticallyInterpolatedMapping and its siblings).
struct Polynomial {
  double a = 0;  // s^4
  double b = 0;  // s^3
  double c = 0;  // s^2
  double d = 0;  // s
  [[nodiscard]] double at(double s) const { return (((a * s + b) * s + c) * s + d) * s; }
  [[nodiscard]] double slope(double s) const { return ((4 * a * s + 3 * b) * s + 2 * c) * s + d; }
};

Polynomial polynomial(Mapping::Kind kind) {
  switch (kind) {
    case Mapping::Kind::quadratic:
      return {.a = 0, .b = 0, .c = -1.0 / 3, .d = 4.0 / 3};
    case Mapping::Kind::cubic:
      return {.a = 0, .b = 6.0 / 35, .c = -3.0 / 5, .d = 10.0 / 7};
    case Mapping::Kind::quartic:
      return {.a = -2.0 / 25, .b = 8.0 / 25, .c = -17.0 / 25, .d = 36.0 / 25};
    default:
      return {.a = 0, .b = 0, .c = 0, .d = 1};
  }
}

/// s in [0, 1) of which the polynomial is `part` in [0, 1). Newton: the polynomials are concave and rise, so
/// that from 0 the steps only come nearer, and double precision takes six.
double inverse(Mapping::Kind kind, double part) {
  if (kind == Mapping::Kind::linear) return part;
  if (kind == Mapping::Kind::quadratic) return 2 - std::sqrt(4 - 3 * part);
  const Polynomial p = polynomial(kind);
  double s = part;
  for (int step = 0; step < 8; ++step) s -= (p.at(s) - part) / p.slope(s);
  return std::clamp(s, 0.0, 1.0);
}

/// By how much a kind's bins must be narrower than a logarithm's: alpha belongs to gamma^stretch.
double stretch(Mapping::Kind kind) {
  constexpr double kLn2 = std::numbers::ln2;
  switch (kind) {
    case Mapping::Kind::linear:
      return 1 / kLn2;
    case Mapping::Kind::quadratic:
      return 3 / (4 * kLn2);
    case Mapping::Kind::cubic:
      return 7 / (10 * kLn2);
    case Mapping::Kind::quartic:
      return 25 / (36 * kLn2);
    default:
      return 1;
  }
}

bool near(double a, double b) {
  return std::abs(a - b) <= 1e-12 * std::max(std::abs(a), std::abs(b));
}

std::string shortest(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return {buffer, end.ptr};
}

}  // namespace

Mapping Mapping::of_accuracy(double alpha) {
  return {.kind = Kind::logarithmic, .gamma = (1 + alpha) / (1 - alpha), .offset = 0};
}

double Mapping::alpha() const {
  // (g - 1) / (g + 1) of g = gamma^stretch, written so that it neither cancels nor overflows.
  return std::tanh(stretch(kind) * std::log(gamma) / 2);
}

double Mapping::lower(std::int64_t index) const {
  return at_exponent((static_cast<double>(index) - offset) * std::log2(gamma));
}

double Mapping::at_exponent(double exponent) const {
  if (kind == Kind::logarithmic) return std::exp2(exponent);
  const double whole = std::floor(exponent);
  // Beyond the doubles on either side; keeps the cast below defined.
  if (!(std::abs(whole) < 5000)) return whole > 0 ? std::exp2(5000.0) : 0;
  return std::ldexp(1 + inverse(kind, exponent - whole), static_cast<int>(whole));
}

std::int64_t Mapping::index(double value) const {
  double exponent = 0;
  if (kind == Kind::logarithmic) {
    exponent = std::log2(value);
  } else {
    int e = 0;
    const double mantissa = std::frexp(value, &e);  // in [0.5, 1)
    exponent = polynomial(kind).at(2 * mantissa - 1) + (e - 1);
  }
  return static_cast<std::int64_t>(std::floor(exponent / std::log2(gamma) + offset));
}

bool Mapping::fits(const Mapping& other) const {
  return kind == other.kind && near(gamma, other.gamma) && near(offset, other.offset);
}

std::string Mapping::text() const {
  constexpr const char* kNames[] = {"logarithmic", "linear", "quadratic", "cubic", "quartic"};
  return std::string{kNames[static_cast<std::size_t>(kind)]} + ", gamma " + shortest(gamma) + ", offset " +
         shortest(offset);
}

}  // namespace settle::sketch
