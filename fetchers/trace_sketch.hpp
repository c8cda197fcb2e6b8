// fetchers/trace_sketch.hpp: the sketch of a trace's line.
#pragma once

#include <string_view>

#include "engine/model/blob.hpp"
#include "engine/result.hpp"

namespace settle::fetchers {

/// `base64`: padded, of a sketch in the named format; as a cell frame. "": the default (cell, floor).
[[nodiscard]] engine::Result<engine::Blob> parse_trace_sketch(std::string_view base64,
                                                              std::string_view format,
                                                              std::string_view bin_rule);

}  // namespace settle::fetchers
