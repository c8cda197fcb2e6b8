// engine/codec/msgpack.hpp: the part of MessagePack that ASAP's formats use, read in place and written: nil,
// booleans, integers, floats, texts, binaries, arrays and maps.
//
// Source: github.com/msgpack/msgpack, spec.md. The reader allocates nothing, never reads past its end and
// descends no deeper than its user: after the first fault every read gives zero. Its user asks for the type
// he expects; another type is a fault.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace settle::codec {

class MsgpackReader {
 public:
  explicit MsgpackReader(std::string_view bytes) : rest_(bytes) {}

  /// What comes next.
  enum class Type : std::uint8_t { none, nil, boolean, integer, f32, f64, text, binary, array, map, other };
  [[nodiscard]] Type peek() const;

  void nil();
  bool boolean();
  std::uint64_t u64();  // a negative number is a fault
  std::int64_t i64();   // one beyond int64 is a fault
  double f64();         // of 8 bytes; an integer is a fault
  float f32();
  /// An integer or a float, of whatever width.
  double number();
  std::string_view text();
  std::string_view binary();
  /// How many elements follow (of a map: pairs); more than bytes that are left is a fault.
  std::size_t array();
  std::size_t map();
  /// Whether a text is this; another one is a fault.
  void expect(std::string_view text);

  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  /// Everything was read and nothing was wrong.
  [[nodiscard]] bool done() const { return !failed_ && rest_.empty(); }

 private:
  std::uint8_t byte();
  std::uint64_t big_endian(std::size_t bytes);
  std::string_view raw(std::uint64_t size);
  std::size_t elements(std::uint64_t count, std::size_t bytes_each);

  std::string_view rest_;
  bool failed_ = false;
};

/// Integers at their least width: the uint family for what is not negative, the int family for what is.
class MsgpackWriter {
 public:
  void nil() { out_.push_back('\xc0'); }
  void boolean(bool value) { out_.push_back(value ? '\xc3' : '\xc2'); }
  void u64(std::uint64_t value);
  void i64(std::int64_t value);
  void f64(double value);
  void text(std::string_view value);
  void binary(std::string_view value);
  void array(std::size_t elements);
  void map(std::size_t pairs);
  [[nodiscard]] std::string take() && { return std::move(out_); }

 private:
  void head(std::uint8_t first, std::uint64_t value, std::size_t bytes);
  std::string out_;
};

}  // namespace settle::codec
