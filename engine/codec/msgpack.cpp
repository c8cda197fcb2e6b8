#include "engine/codec/msgpack.hpp"

#include <bit>
#include <limits>

namespace settle::codec {

MsgpackReader::Type MsgpackReader::peek() const {
  if (failed_ || rest_.empty()) return Type::none;
  const auto first = static_cast<std::uint8_t>(rest_.front());
  if (first <= 0x7f || first >= 0xe0) return Type::integer;
  if (first <= 0x8f) return Type::map;
  if (first <= 0x9f) return Type::array;
  if (first <= 0xbf) return Type::text;
  switch (first) {
    case 0xc0:
      return Type::nil;
    case 0xc2:
    case 0xc3:
      return Type::boolean;
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return Type::binary;
    case 0xca:
      return Type::f32;
    case 0xcb:
      return Type::f64;
    case 0xd9:
    case 0xda:
    case 0xdb:
      return Type::text;
    case 0xdc:
    case 0xdd:
      return Type::array;
    case 0xde:
    case 0xdf:
      return Type::map;
    default:
      return first >= 0xcc && first <= 0xd3 ? Type::integer : Type::other;
  }
}

std::uint8_t MsgpackReader::byte() {
  if (failed_ || rest_.empty()) {
    failed_ = true;
    return 0;
  }
  const auto first = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return first;
}

std::uint64_t MsgpackReader::big_endian(std::size_t bytes) {
  std::uint64_t value = 0;
  for (const char c : raw(bytes)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

std::string_view MsgpackReader::raw(std::uint64_t size) {
  if (failed_ || size > rest_.size()) {
    failed_ = true;
    return {};
  }
  const std::string_view bytes = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return bytes;
}

std::size_t MsgpackReader::elements(std::uint64_t count, std::size_t bytes_each) {
  if (failed_ || count > rest_.size() / bytes_each) {
    failed_ = true;
    return 0;
  }
  return count;
}

void MsgpackReader::nil() {
  if (byte() != 0xc0) failed_ = true;
}

bool MsgpackReader::boolean() {
  const std::uint8_t first = byte();
  if (first != 0xc2 && first != 0xc3) failed_ = true;
  return !failed_ && first == 0xc3;
}

std::uint64_t MsgpackReader::u64() {
  if (failed_ || rest_.empty()) {
    failed_ = true;
    return 0;
  }
  const auto first = static_cast<std::uint8_t>(rest_.front());
  if (first <= 0x7f) {
    rest_.remove_prefix(1);
    return first;
  }
  if (first >= 0xcc && first <= 0xcf) {
    rest_.remove_prefix(1);
    return big_endian(std::size_t{1} << (first - 0xcc));
  }
  const std::int64_t value = i64();
  if (value < 0) failed_ = true;
  return failed_ ? 0 : static_cast<std::uint64_t>(value);
}

std::int64_t MsgpackReader::i64() {
  const std::uint8_t first = byte();
  if (failed_) return 0;
  if (first <= 0x7f || first >= 0xe0) return static_cast<std::int8_t>(first);
  switch (first) {
    case 0xd0:
      return static_cast<std::int8_t>(big_endian(1));
    case 0xd1:
      return static_cast<std::int16_t>(big_endian(2));
    case 0xd2:
      return static_cast<std::int32_t>(big_endian(4));
    case 0xd3:
      return static_cast<std::int64_t>(big_endian(8));
    default:
      break;
  }
  if (first >= 0xcc && first <= 0xcf) {
    const std::uint64_t value = big_endian(std::size_t{1} << (first - 0xcc));
    if (value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return static_cast<std::int64_t>(value);
    }
  }
  failed_ = true;
  return 0;
}

double MsgpackReader::f64() {
  if (byte() != 0xcb) failed_ = true;
  return std::bit_cast<double>(big_endian(8));
}

float MsgpackReader::f32() {
  if (byte() != 0xca) failed_ = true;
  return std::bit_cast<float>(static_cast<std::uint32_t>(big_endian(4)));
}

double MsgpackReader::number() {
  switch (peek()) {
    case Type::f64:
      return f64();
    case Type::f32:
      return static_cast<double>(f32());
    case Type::integer:
      return static_cast<std::uint8_t>(rest_.front()) == 0xcf ? static_cast<double>(u64())
                                                              : static_cast<double>(i64());
    default:
      failed_ = true;
      return 0;
  }
}

std::string_view MsgpackReader::text() {
  const std::uint8_t first = byte();
  if (!failed_ && first >= 0xa0 && first <= 0xbf) return raw(first & 0x1fU);
  if (!failed_ && first >= 0xd9 && first <= 0xdb) return raw(big_endian(std::size_t{1} << (first - 0xd9)));
  failed_ = true;
  return {};
}

std::string_view MsgpackReader::binary() {
  const std::uint8_t first = byte();
  if (!failed_ && first >= 0xc4 && first <= 0xc6) return raw(big_endian(std::size_t{1} << (first - 0xc4)));
  failed_ = true;
  return {};
}

std::size_t MsgpackReader::array() {
  const std::uint8_t first = byte();
  if (!failed_ && first >= 0x90 && first <= 0x9f) return elements(first & 0x0fU, 1);
  if (!failed_ && (first == 0xdc || first == 0xdd)) return elements(big_endian(first == 0xdc ? 2 : 4), 1);
  failed_ = true;
  return 0;
}

std::size_t MsgpackReader::map() {
  const std::uint8_t first = byte();
  if (!failed_ && first >= 0x80 && first <= 0x8f) return elements(first & 0x0fU, 2);
  if (!failed_ && (first == 0xde || first == 0xdf)) return elements(big_endian(first == 0xde ? 2 : 4), 2);
  failed_ = true;
  return 0;
}

void MsgpackReader::expect(std::string_view wanted) {
  if (text() != wanted) failed_ = true;
}

void MsgpackWriter::head(std::uint8_t first, std::uint64_t value, std::size_t bytes) {
  out_.push_back(static_cast<char>(first));
  for (std::size_t i = bytes; i-- > 0;) out_.push_back(static_cast<char>(value >> (8 * i)));
}

void MsgpackWriter::u64(std::uint64_t value) {
  if (value <= 0x7f) return head(static_cast<std::uint8_t>(value), 0, 0);
  if (value <= 0xff) return head(0xcc, value, 1);
  if (value <= 0xffff) return head(0xcd, value, 2);
  if (value <= 0xffffffff) return head(0xce, value, 4);
  head(0xcf, value, 8);
}

void MsgpackWriter::i64(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  if (value >= 0) return u64(bits);
  if (value >= -32) return head(static_cast<std::uint8_t>(value), 0, 0);
  if (value >= INT8_MIN) return head(0xd0, bits, 1);
  if (value >= INT16_MIN) return head(0xd1, bits, 2);
  if (value >= INT32_MIN) return head(0xd2, bits, 4);
  head(0xd3, bits, 8);
}

void MsgpackWriter::f64(double value) {
  head(0xcb, std::bit_cast<std::uint64_t>(value), 8);
}

void MsgpackWriter::text(std::string_view value) {
  if (value.size() <= 31) {
    head(static_cast<std::uint8_t>(0xa0 | value.size()), 0, 0);
  } else if (value.size() <= 0xff) {
    head(0xd9, value.size(), 1);
  } else if (value.size() <= 0xffff) {
    head(0xda, value.size(), 2);
  } else {
    head(0xdb, value.size(), 4);
  }
  out_.append(value);
}

void MsgpackWriter::binary(std::string_view value) {
  if (value.size() <= 0xff) {
    head(0xc4, value.size(), 1);
  } else if (value.size() <= 0xffff) {
    head(0xc5, value.size(), 2);
  } else {
    head(0xc6, value.size(), 4);
  }
  out_.append(value);
}

void MsgpackWriter::array(std::size_t elements) {
  if (elements <= 15) return head(static_cast<std::uint8_t>(0x90 | elements), 0, 0);
  elements <= 0xffff ? head(0xdc, elements, 2) : head(0xdd, elements, 4);
}

void MsgpackWriter::map(std::size_t pairs) {
  if (pairs <= 15) return head(static_cast<std::uint8_t>(0x80 | pairs), 0, 0);
  pairs <= 0xffff ? head(0xde, pairs, 2) : head(0xdf, pairs, 4);
}

}  // namespace settle::codec
