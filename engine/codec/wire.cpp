#include "engine/codec/wire.hpp"

#include <array>

namespace settle::codec {
namespace {

constexpr std::uint32_t kGroup = 3;
constexpr std::uint32_t kGroupEnd = 4;
constexpr std::size_t kGroupDepth = 16;

}  // namespace

bool WireReader::next() {
  while (!failed_ && at_ < message_.size()) {
    const auto tag = take_varint();
    // Field numbers have 29 bits; there is no field 0.
    if (!tag || *tag < 8 || *tag > 0xffffffffU) return failed_ = true, false;
    field_ = static_cast<std::uint32_t>(*tag >> 3);
    const auto wire_type = static_cast<std::uint32_t>(*tag & 7);
    if (wire_type == kGroup) {
      if (!skip_group(field_)) return failed_ = true, false;
      continue;
    }
    if (!take_value(wire_type)) return failed_ = true, false;
    return true;
  }
  return false;
}

std::optional<std::uint64_t> WireReader::take_varint() {
  if (at_ < message_.size() && static_cast<std::uint8_t>(message_[at_]) < 0x80) {
    return static_cast<std::uint8_t>(message_[at_++]);
  }
  return read_varint(message_, at_);
}

bool WireReader::take_value(std::uint32_t wire_type) {
  type_ = static_cast<WireType>(wire_type);
  bytes_ = {};
  const std::size_t rest = message_.size() - at_;
  switch (wire_type) {
    case 0: {
      const auto value = take_varint();
      value_ = value.value_or(0);
      return value.has_value();
    }
    case 1:
      if (rest < 8) return false;
      std::memcpy(&value_, message_.data() + at_, 8);
      at_ += 8;
      return true;
    case 2: {
      const auto size = take_varint();
      if (!size || *size > message_.size() - at_) return false;
      bytes_ = message_.substr(at_, static_cast<std::size_t>(*size));
      at_ += bytes_.size();
      return true;
    }
    case 5:
      if (rest < 4) return false;
      value_ = 0;
      at_ += 4;
      return true;
    default:
      return false;
  }
}

bool WireReader::skip_group(std::uint32_t field) {
  std::array<std::uint32_t, kGroupDepth> open{field};
  std::size_t depth = 1;
  while (depth > 0) {
    const auto tag = take_varint();
    if (!tag || *tag < 8 || *tag > 0xffffffffU) return false;
    const auto inner = static_cast<std::uint32_t>(*tag >> 3);
    const auto wire_type = static_cast<std::uint32_t>(*tag & 7);
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
