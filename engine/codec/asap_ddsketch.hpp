// engine/codec/asap_ddsketch.hpp: the DDSketch of ASAP's envelopes: what lies in them; the envelopes are
// elsewhere.
//
// Source: ProjectASAP/asap_sketchlib. Floor bins of gamma (1 + alpha) / (1 - alpha), padded with zeros.
// `sample_p`, of [1e-9, 1], is the share of events that the producer saw: counts are merged divided by it,
// which leaves a sketch's own quantiles where they are and weighs several sketches rightly.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/ddsketch.hpp"

namespace settle::codec {

/// DDSketchState {1 alpha f64, 2 counts, packed varints, 3 index (zigzag) of the first}.
engine::Result<void> merge_asap_ddsketch(sketch::DDSketch& into, std::string_view message,
                                         const Settings& settings, double sample_p = 1);

/// DDSketchDelta {1 repeated {1 index (zigzag), 2 count varint}}. It says no alpha: that of the settings'
/// mapping, or of what is merged into.
engine::Result<void> merge_asap_ddsketch_delta(sketch::DDSketch& into, std::string_view message,
                                               const Settings& settings, double sample_p = 1);

/// The payload of ASAPv1's kind 05 00, read from MessagePack. Borrowed for the call.
struct AsapDDSketch {
  double alpha = 0;
  std::span<const std::uint64_t> positive;
  std::int64_t positive_first = 0;
  std::span<const std::uint64_t> negative;
  std::int64_t negative_first = 0;
  std::uint64_t zeros = 0;
  double sum = 0;
  double min = 0;
  double max = 0;
};
engine::Result<void> merge_asap_ddsketch(sketch::DDSketch& into, const AsapDDSketch& payload);

/// DDSketchState. Refused if it cannot say the sketch: other mappings than the logarithmic without offset,
/// negative values, zeros, counts that are not whole.
[[nodiscard]] engine::Result<std::string> encode_asap_ddsketch(const sketch::DDSketch& from);

}  // namespace settle::codec
