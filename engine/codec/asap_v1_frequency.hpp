// engine/codec/asap_v1_frequency.hpp: the heavy hitters among ASAPv1's kinds; asap_v1.hpp opens the envelope.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/codec/msgpack.hpp"
#include "engine/result.hpp"
#include "engine/sketch/count_min.hpp"
#include "engine/sketch/count_sketch.hpp"
#include "engine/sketch/frequent_items.hpp"

namespace settle::codec {

struct AsapV1 {
  std::string_view metadata;
  std::string_view payload;
};

/// The keys of the metadata that say how keys are hashed, of ProjectASAP's own profile; others are a fault.
/// The index key is left out if empty.
void read_hash_profile(MsgpackReader& metadata, std::string_view index_key, std::uint64_t index);

// After an error `into` is as it was.
[[nodiscard]] engine::Result<void> merge_asap_v1_count_min(sketch::CountMin& into, const AsapV1& blob,
                                                           bool heap);
[[nodiscard]] engine::Result<void> merge_asap_v1_count_sketch(sketch::CountSketch& into, const AsapV1& blob,
                                                              bool heap);
[[nodiscard]] engine::Result<void> merge_asap_v1_space_saving(sketch::FrequentItems& into,
                                                              const AsapV1& blob);

}  // namespace settle::codec
