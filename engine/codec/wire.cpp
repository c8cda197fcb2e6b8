#include "engine/codec/wire.hpp"

#include <array>

namespace settle::codec {
namespace {

constexpr std::size_t kGroupDepth = 16;

}  // namespace

bool WireReader::next_of_any_tag() {
  while (at_ != end_) {
    std::uint64_t tag = 0;
    // Field numbers have 29 bits; there is no field 0.
    if (!take_varint(tag) || tag < 8 || tag > 0xffffffffU) return stop();
    field_ = static_cast<std::uint32_t>(tag >> 3);
    const auto wire_type = static_cast<std::uint32_t>(tag & 7);
    if (wire_type != kGroup) return take_value(wire_type) || stop();
    if (!skip_group(field_)) return stop();
  }
  return false;
}

bool WireReader::skip_group(std::uint32_t field) {
  std::array<std::uint32_t, kGroupDepth> open{field};
  std::size_t depth = 1;
  while (depth > 0) {
    std::uint64_t tag = 0;
    if (!take_varint(tag) || tag < 8 || tag > 0xffffffffU) return false;
    const auto inner = static_cast<std::uint32_t>(tag >> 3);
    const auto wire_type = static_cast<std::uint32_t>(tag & 7);
    if (wire_type == kGroup) {
      if (depth == kGroupDepth) return false;
      open[depth++] = inner;
    } else if (wire_type == kGroupEnd) {
      if (open[--depth] != inner) return false;
    } else if (!take_value(wire_type)) {
      return false;
    }
  }
  return true;
}

void WireWriter::raw_varint(std::uint64_t value) {
  while (value >= 0x80) {
    out_.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out_.push_back(static_cast<char>(value));
}

void WireWriter::tag(std::uint32_t field, WireType type) {
  raw_varint((std::uint64_t{field} << 3) | static_cast<std::uint64_t>(type));
}

void WireWriter::varint(std::uint32_t field, std::uint64_t value) {
  tag(field, WireType::varint);
  raw_varint(value);
}

void WireWriter::f64(std::uint32_t field, double value) {
  tag(field, WireType::fixed64);
  out_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void WireWriter::bytes(std::uint32_t field, std::string_view value) {
  open(field, value.size());
  out_.append(value);
}

void WireWriter::doubles(std::uint32_t field, const double* values, std::size_t count) {
  open(field, count * sizeof(double));
  out_.append(reinterpret_cast<const char*>(values), count * sizeof(double));
}

void WireWriter::open(std::uint32_t field, std::size_t size) {
  tag(field, WireType::bytes);
  raw_varint(size);
}

}  // namespace settle::codec
