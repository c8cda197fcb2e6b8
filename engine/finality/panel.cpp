#include "engine/finality/panel.hpp"

#include <algorithm>
#include <cmath>

namespace settle::engine {

namespace {

/// SplitMix64's finaliser: neighbouring buckets get unrelated ranks.
std::uint64_t mix(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}

/// The span of two neighbours, in parts of how far they are from `value`.
double contrast(const PanelStep& a, const PanelStep& b, double value, double near) {
  const double least = std::min(a.least, b.least);
  const double most = std::max(a.most, b.most);
  const double far = std::max({std::abs(least - value), std::abs(most - value), near});
  return far > 0 ? (most - least) / far : 0;
}

}  // namespace

std::uint64_t panel_rank(std::uint64_t text_hash, Time bucket) {
  return mix(text_hash ^ mix(static_cast<std::uint64_t>(epoch_ms(bucket))));
}

std::uint16_t bucket_draw(Time bucket) {
  constexpr std::uint64_t kOwn = 0x6472617773;  // other numbers than those of panels and samples
  return static_cast<std::uint16_t>(panel_rank(kOwn, bucket) >> 48U);
}

bool differs(double value, double last, double tolerance) {
  return std::abs(value - last) > tolerance * std::abs(last);
}

bool differs(Value::Bits value, Value::Bits last, double tolerance) {
  if (value == last) return false;
  if (tolerance == 0) return true;
  return differs(Value::from_bits(value).as_double(), Value::from_bits(last).as_double(), tolerance);
}

void add_step(std::vector<PanelStep>& steps, Duration age, double value, double tolerance) {
  steps.push_back({.age = age, .least = value, .most = value});
  if (steps.size() <= kStepsMax) return;
  const auto of = [&](std::size_t at) {
    return contrast(steps[at], steps[at + 1], value, tolerance * std::abs(value));
  };
  std::size_t best = 0;
  for (std::size_t at = 1; at + 1 < steps.size(); ++at) {
    if (of(at) < of(best)) best = at;
  }
  steps[best].least = std::min(steps[best].least, steps[best + 1].least);
  steps[best].most = std::max(steps[best].most, steps[best + 1].most);
  steps.erase(steps.begin() + static_cast<std::ptrdiff_t>(best) + 1);
}

Duration settled_age(const PanelCell& cell, Value::Bits last, double tolerance) {
  if (tolerance == 0) return cell.age;
  const double final_value = Value::from_bits(last).as_double();
  Duration age = cell.age;
  for (auto step = cell.steps.rbegin(); step != cell.steps.rend(); ++step) {
    if (differs(step->least, final_value, tolerance) || differs(step->most, final_value, tolerance)) break;
    age = step->age;
  }
  return age;
}

}  // namespace settle::engine
