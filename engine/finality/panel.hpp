// engine/finality/panel.hpp: the few cells of a bucket whose ways are followed until it is sealed, so that
// `learned` knows how old cells get before they stop changing.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"

namespace settle::engine {

/// Cells of one bucket are correlated, so a few of them say nearly as much as all.
inline constexpr std::size_t kPanelMax = 8;
/// Of one cell's way, with a tolerance: the rest is told apart no more.
inline constexpr std::size_t kStepsMax = 12;

/// What a cell was from `age` on, until the next step.
struct PanelStep {
  Duration age{};
  double least = 0;
  double most = 0;
  bool operator==(const PanelStep&) const = default;
};

struct PanelCell {
  std::uint32_t cell = 0;          // in its bucket
  std::uint64_t rank = 0;          // the smallest ones of a bucket are its panel
  std::uint8_t band = 0;           // of its series when it joined
  bool changed = false;            // in the ingest that runs
  bool judged = false;             // it was final by the policy; then:
  Value::Bits first{};             // its first final value
  Duration age{};                  // moving age at the poll that showed its last change
  std::vector<PanelStep> steps{};  // only with a tolerance
};

[[nodiscard]] std::uint64_t panel_rank(std::uint64_t text_hash, Time bucket);

/// Of a bucket: evenly spread over all numbers of 16 bits.
[[nodiscard]] std::uint16_t bucket_draw(Time bucket);

/// Whether `value` is off the last value by more than the tolerance.
[[nodiscard]] bool differs(double value, double last, double tolerance);
[[nodiscard]] bool differs(Value::Bits value, Value::Bits last, double tolerance);

/// Appends to the way; where it gets too long two neighbours become one step: those that are most alike, seen
/// from the newest value. What is far from that needs no detail.
void add_step(std::vector<PanelStep>& steps, Duration age, double value, double tolerance);
/// The moving age from which on the cell stayed within the tolerance of its last value.
[[nodiscard]] Duration settled_age(const PanelCell& cell, Value::Bits last, double tolerance);

}  // namespace settle::engine
