// engine/sketch/answer.hpp: what a sketch answers, always with how far off it may be.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace settle::sketch {

/// What the answer lost on its way. Bits.
enum class Degraded : std::uint8_t {
  nothing = 0,
  collapsed = 1,  // the store merged its lowest bins; the answer lies in what was merged: an upper bound only
  mixed_gamma = 2,  // sources of different accuracy: the coarsest holds
  sampled = 4,  // producers saw a share of the events: counts are scaled up, and vary by more than the bound
};
[[nodiscard]] constexpr Degraded operator|(Degraded a, Degraded b) {
  return static_cast<Degraded>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr Degraded& operator|=(Degraded& a, Degraded b) {
  return a = a | b;
}
[[nodiscard]] constexpr bool has(Degraded set, Degraded bit) {
  return (static_cast<std::uint8_t>(set) & static_cast<std::uint8_t>(bit)) != 0;
}

/// The share of events that producers looked at. Answers are divided by it: what is hardly anything would
/// make them infinite, and is a damaged number rather than a share.
[[nodiscard]] constexpr bool is_share(double sample_p) {
  return sample_p >= 1e-9 && sample_p <= 1;
}

struct QuantileAnswer {
  double value = 0;
  double alpha = 0;  // |value - true| <= alpha * |true|, unless `collapsed`
  Degraded degraded = Degraded::nothing;
};

struct DistinctAnswer {
  double estimate = 0;
  double standard_error = 0;  // relative
  double low = 0;             // of the 95 % interval
  double high = 0;
  Degraded degraded = Degraded::nothing;
};

struct TopItem {
  std::string item;
  double estimate = 0;
  double low = 0;  // the true weight lies between; for Count-Min and CountSketch with probability 1 - e^-rows
  double high = 0;
};

struct TopAnswer {
  std::vector<TopItem> items;  // by descending estimate, ties by item
  double absent_at_most = 0;   // of any item that no source named; infinity: nothing is known
  Degraded degraded = Degraded::nothing;
};

}  // namespace settle::sketch
