// engine/codec/asap_envelope.hpp: ASAP's SketchEnvelope (ProjectASAP/asap_sketchlib, sketchlib-go), which
// names the family and holds its state.
//
// 1 format version (1), 2 producer, 3 hash specification {1 algorithm, 2 canonical index, 3 seeds, 4
// derivation}, 4 f64 sample_p (0 or absent: 1), and one of 10 Count-Min, 11 CountSketch, 12 HyperLogLog, 14
// DDSketch (13 KLL, 15 UnivMon, 16 Hydra, 18 Elastic: refused).
//
// Settle's own, which other readers find no state in: 110 Count-Min of another hashing than ASAP's packed
// one, 111 such a CountSketch, 112 frequent items of texts and 113 of integers as DataSketches writes them,
// 114 a DataSketches HLL, 115 a DDSketch in its binary form where a DDSketchState cannot say it.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::codec {

/// The family is the blob's.
[[nodiscard]] engine::Result<void> merge_asap_envelope(sketch::Accumulator& into, std::string_view blob,
                                                       const Settings& settings);
/// A delta: a bare message, of the family that Settings::kind says.
[[nodiscard]] engine::Result<void> merge_asap_delta(sketch::Accumulator& into, std::string_view blob,
                                                    const Settings& settings);
/// Nothing is no bytes. Refused: HyperLogLogs of families other than ASAP's and DataSketches', and
/// statistics.
[[nodiscard]] engine::Result<std::string> encode_asap_envelope(const sketch::Accumulator& from);

}  // namespace settle::codec
