// engine/codec/codec.hpp: every encoding behind one call.
#pragma once

#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::codec {

/// Merges a blob of the settings' format. Zero bytes are an empty sketch. Refused, and `into` as it was:
/// bytes that are not of the format, another family than `into` holds, parameters that do not fit; the error
/// names both sides. Statistics are merged in time.
[[nodiscard]] engine::Result<void> merge(sketch::Accumulator& into, std::string_view blob,
                                         const Settings& settings);

}  // namespace settle::codec
