// cli/sketch/encode.hpp: a sketch in one of the formats that are written.
#pragma once

#include <string>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::cli {

[[nodiscard]] bool is_written(codec::Format format);
/// The error names the formats in which a sketch of this kind is written.
[[nodiscard]] engine::Result<std::string> encode(const sketch::Accumulator& sketch, codec::Format format);
/// What the format has no place for, of what this sketch knows; "": nothing.
[[nodiscard]] std::string left_out(const sketch::Accumulator& sketch, codec::Format format);

/// Of --to; the error names the option.
[[nodiscard]] engine::Result<codec::Format> parse_written_format(const std::string& text);

}  // namespace settle::cli
