// engine/codec/cell/frame.hpp: our own encoding of every family, one sketch in one frame.
//
// "SCEL", u8 version (1), u8 kind, the body of that kind, and the low 32 bits of the XXH3-64 of all before
// them. Canonical: sketches of the same content have the same bytes, in whatever order and encoding it came;
// and whole: what is read from a frame answers as what was written. docs/formats/cell.md has every byte.
#pragma once

#include <string>
#include <string_view>

#include "engine/codec/format.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::codec {

inline constexpr std::string_view kCellMagic = "SCEL";

/// The family is the frame's. After an error `into` is as it was. Statistics are merged in time.
[[nodiscard]] engine::Result<void> merge_cell(sketch::Accumulator& into, std::string_view frame);
/// Nothing is no bytes.
[[nodiscard]] std::string encode_cell(const sketch::Accumulator& from);

/// The frame of a kind (the index of its family in Accumulator) around a body.
[[nodiscard]] std::string frame_of(std::uint8_t kind, std::string_view body);

}  // namespace settle::codec
