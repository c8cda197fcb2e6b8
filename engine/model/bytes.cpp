#include "engine/model/bytes.hpp"

#include <array>

namespace settle::engine {

void ByteWriter::long_varint(std::uint64_t value) {
  std::array<char, 10> digits{};
  std::size_t size = 0;
  while (value >= 0x80) {
    digits[size++] = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  digits[size++] = static_cast<char>(value);
  bytes_.append(digits.data(), size);
}

void ByteWriter::signed_varint(std::int64_t value) {
  const auto bits = static_cast<std::uint64_t>(value);
  varint((bits << 1) ^ (value < 0 ? ~std::uint64_t{0} : std::uint64_t{0}));
}

void ByteWriter::fixed64(std::uint64_t value) {
  std::array<char, 8> digits{};
  for (char& digit : digits) {
    digit = static_cast<char>(value);
    value >>= 8;
  }
  bytes_.append(digits.data(), digits.size());
}

void ByteWriter::text(std::string_view value) {
  varint(value.size());
  raw(value);
}

std::uint64_t ByteReader::long_varint() {
  if (failed_) return 0;
  const char* at = rest_.data();
  const char* const end = at + rest_.size();
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
    const std::uint64_t next = static_cast<std::uint8_t>(*at++);
    if (shift == 63 && next > 1) break;  // more than 64 bits
    value |= (next & 0x7f) << shift;
    if (next < 0x80) {
      rest_.remove_prefix(static_cast<std::size_t>(at - rest_.data()));
      return value;
    }
  }
  failed_ = true;
  return 0;
}

std::uint64_t ByteReader::varint_up_to(std::uint64_t most) {
  const std::uint64_t value = varint();
  if (value <= most) return value;
  failed_ = true;
  return 0;
}

std::int64_t ByteReader::signed_varint() {
  const std::uint64_t bits = varint();
  return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
}

std::string_view ByteReader::text() {
  const std::uint64_t size = varint();
  return raw(size);
}

std::size_t ByteReader::count(std::size_t bytes_each) {
  const std::uint64_t n = varint();
  if (failed_ || n > rest_.size() / bytes_each) {
    failed_ = true;
    return 0;
  }
  return n;
}

}  // namespace settle::engine
