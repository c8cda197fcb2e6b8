// engine/codec/asap_v1.hpp: ASAPv1, asap_sketchlib's self-describing MessagePack envelope.
//
// "ASAPv1", u8 version 1, u8 length of the kind (2), the kind, u32 big-endian lengths of metadata and
// payload; metadata: a map of a fixed order of keys for each kind; payload: a positional array. Source: that
// library's asapv1_wire_format.md. Read: HyperLogLog 01 01 to 03, Count-Min 02 00, with heap 03 00,
// CountSketch 04 00, with heap 0A 00, DDSketch 05 00, Space-Saving 18 00. Refused: other kinds, and hash
// profiles other than ProjectASAP's own.
#pragma once

#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::codec {

/// The family is the blob's. Space-Saving goes into FrequentItems: a count less its error is what is sure.
[[nodiscard]] engine::Result<void> merge_asap_v1(sketch::Accumulator& into, std::string_view blob,
                                                 const Settings& settings);

}  // namespace settle::codec
