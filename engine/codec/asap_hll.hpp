// engine/codec/asap_hll.hpp: HyperLogLog of ProjectASAP's collector, inside its envelopes, which others take
// apart.
//
// HyperLogLogState: 1 variant (1 classic, 2 Ertl, 3 HIP), 2 precision, 3 one byte per register, 4 to 6 f64
// kxq0, kxq1, HIP estimate; 7 sparse {1 registers, 2 bytes}: (varint distance to the index before, varint
// value), ascending. HLLDelta: 1 bytes, packed alike, of registers that rose; neither variant nor precision.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "engine/sketch/hll.hpp"

namespace settle::codec {

/// A sketch as ASAPv1's kinds 01 01 (classic), 01 02 (Ertl) and 01 03 (HIP) carry it.
struct AsapHll {
  std::uint8_t variant = 0;
  std::uint64_t precision = 0;
  std::string_view registers;  // one byte each; empty: none that is not 0
  std::optional<double> hip;
};

// `sample_p`: the envelope's share of events that were looked at. After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge_asap_hll(sketch::Hll& into, const AsapHll& from,
                                                  double sample_p = 1);
[[nodiscard]] engine::Result<void> merge_asap_hll_state(sketch::Hll& into, std::string_view message,
                                                        double sample_p = 1);
/// Needs a precision: that of what it is merged into, or one that the source is configured with, which must
/// be the same.
[[nodiscard]] engine::Result<void> merge_asap_hll_delta(sketch::Hll& into, std::string_view message,
                                                        std::optional<unsigned> precision = std::nullopt,
                                                        double sample_p = 1);

/// A HyperLogLogState; refuses other families. HIP sketches that were merged are written as Ertl's.
[[nodiscard]] engine::Result<std::string> encode_asap_hll_state(const sketch::Hll& hll);

}  // namespace settle::codec
