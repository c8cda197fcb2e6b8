// engine/codec/wire.hpp: protobuf's wire format, read in place and written.
//
// Source: protobuf.dev, "Encoding". The reader allocates nothing and never reads past its end: after the
// first fault next() is false and failed() true. It takes fields in any order and leaves order, repetition
// and unknown fields to its user, who skips what he does not know by calling next(). Messages nest as far as
// the user descends.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/sketch/load.hpp"

namespace settle::codec {

enum class WireType : std::uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// At most 10 bytes, 64 bits; `at` moves behind it. Nothing if there is none.
[[nodiscard]] inline std::optional<std::uint64_t> read_varint(std::string_view bytes, std::size_t& at) {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at < bytes.size(); shift += 7) {
    const std::uint64_t next = static_cast<std::uint8_t>(bytes[at++]);
    if (shift == 63 && next > 1) return std::nullopt;
    value |= (next & 0x7f) << shift;
    if (next < 0x80) return value;
  }
  return std::nullopt;
}
[[nodiscard]] constexpr std::int64_t from_zigzag(std::uint64_t bits) {
  return static_cast<std::int64_t>((bits >> 1) ^ (~(bits & 1) + 1));
}
[[nodiscard]] constexpr std::uint64_t to_zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ (value < 0 ? ~std::uint64_t{0} : std::uint64_t{0});
}
/// 8 bytes at `from`, which need not be aligned.
[[nodiscard]] inline double f64_at(const char* from) {
  return sketch::load<double>(from);
}

class WireReader {
 public:
  explicit WireReader(std::string_view message)
      : begin_(message.data()), at_(message.data()), end_(message.data() + message.size()) {}

  /// Reads the next field; false at the end and at a fault. Groups, which proto3 has not, are skipped.
  [[nodiscard]] bool next() {
    if (at_ == end_) return false;
    const auto tag = static_cast<std::uint8_t>(*at_);
    // Most tags are one byte, and there are no groups: what needs no loop is inline.
    if (tag >= 0x80 || tag < 8 || (tag & 7U) == kGroup) return next_of_any_tag();
    ++at_;
    field_ = tag >> 3U;
    return take_value(tag & 7U) || stop();
  }
  [[nodiscard]] bool failed() const { return failed_; }
  /// What is wrong is up to the user to say; next() is false from now on.
  void fail() { (void)stop(); }
  /// How many bytes were read: up to the end of the field that next() found.
  [[nodiscard]] std::size_t position() const { return static_cast<std::size_t>(at_ - begin_); }

  // The field that next() found. Its number, and whether it is of the type that the user expects of that
  // number.
  [[nodiscard]] std::uint32_t field() const { return field_; }
  [[nodiscard]] WireType type() const { return type_; }
  [[nodiscard]] bool is(WireType type) const { return type_ == type; }

  // Its value; zero or empty when it is of another type: check is() where that matters.
  [[nodiscard]] std::uint64_t varint() const { return is(WireType::varint) ? value_ : 0; }
  [[nodiscard]] std::int64_t zigzag() const { return from_zigzag(varint()); }
  [[nodiscard]] std::uint64_t fixed64() const { return is(WireType::fixed64) ? value_ : 0; }
  [[nodiscard]] double f64() const { return std::bit_cast<double>(fixed64()); }
  /// Of a length-delimited field: a text, a message, or packed numbers.
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  static constexpr std::uint32_t kGroup = 3;
  static constexpr std::uint32_t kGroupEnd = 4;

  [[nodiscard]] bool stop() {
    at_ = end_;
    failed_ = true;
    return false;
  }
  [[nodiscard]] std::size_t rest() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool take_varint(std::uint64_t& value) {
    if (at_ != end_ && static_cast<std::uint8_t>(*at_) < 0x80) {
      value = static_cast<std::uint8_t>(*at_++);
      return true;
    }
    std::size_t size = 0;
    const auto read = read_varint({at_, rest()}, size);
    at_ += size;
    value = read.value_or(0);
    return read.has_value();
  }
  /// Of every type but groups.
  [[nodiscard]] bool take_value(std::uint32_t wire_type) {
    type_ = static_cast<WireType>(wire_type);
    bytes_ = {};
    if (type_ == WireType::varint) return take_varint(value_);
    if (type_ == WireType::fixed64) {
      if (rest() < 8) return false;
      value_ = sketch::load<std::uint64_t>(at_);
      at_ += 8;
      return true;
    }
    if (type_ == WireType::fixed32) {
      if (rest() < 4) return false;
      at_ += 4;
      return true;
    }
    std::uint64_t size = 0;
    if (type_ != WireType::bytes || !take_varint(size) || size > rest()) return false;
    bytes_ = {at_, static_cast<std::size_t>(size)};
    at_ += size;
    return true;
  }
  [[nodiscard]] bool next_of_any_tag();
  [[nodiscard]] bool skip_group(std::uint32_t field);

  const char* begin_;
  const char* at_;
  const char* end_;
  std::uint64_t value_ = 0;
  std::string_view bytes_;
  std::uint32_t field_ = 0;
  WireType type_ = WireType::varint;
  bool failed_ = false;
};

/// The varints of a packed field, one after the other.
class PackedVarints {
 public:
  explicit PackedVarints(std::string_view packed) : packed_(packed) {}
  /// False at the end and at a fault.
  [[nodiscard]] bool next(std::uint64_t& value) {
    if (failed_ || at_ == packed_.size()) return false;
    const auto read = read_varint(packed_, at_);
    failed_ = !read.has_value();
    value = read.value_or(0);
    return !failed_;
  }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  std::string_view packed_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

/// Writes fields in the order of the calls; zeros are written too: leaving defaults out is up to the user.
class WireWriter {
 public:
  void varint(std::uint32_t field, std::uint64_t value);
  void zigzag(std::uint32_t field, std::int64_t value) { varint(field, to_zigzag(value)); }
  void f64(std::uint32_t field, double value);
  void bytes(std::uint32_t field, std::string_view value);
  /// Packed doubles.
  void doubles(std::uint32_t field, const double* values, std::size_t count);
  /// A varint without a tag: the inside of packed fields and of lengths.
  void raw_varint(std::uint64_t value);
  /// Tag and length of a field whose `size` bytes the next calls write.
  void open(std::uint32_t field, std::size_t size);

  [[nodiscard]] std::string_view view() const { return out_; }
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void tag(std::uint32_t field, WireType type);
  std::string out_;
};

[[nodiscard]] constexpr std::size_t varint_size(std::uint64_t value) {
  return value == 0 ? 1 : (static_cast<std::size_t>(std::bit_width(value)) + 6) / 7;
}

}  // namespace settle::codec
