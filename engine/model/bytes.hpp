// engine/model/bytes.hpp: the numbers and texts of which stored values are made.
//
// Varints are little-endian base 128, at most 10 bytes; signed numbers are zigzag-coded; a text is its length
// and its bytes. The reader never reads past its end and never allocates: after the first fault every read
// gives zero.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace settle::engine {

class ByteWriter {
 public:
  void byte(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
  void varint(std::uint64_t value) {
    if (value < 0x80) return byte(static_cast<std::uint8_t>(value));
    long_varint(value);
  }
  void signed_varint(std::int64_t value);
  void fixed64(std::uint64_t value);  // little-endian
  void text(std::string_view value);
  void raw(std::string_view value) { bytes_.append(value); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::string take() && { return std::move(bytes_); }

 private:
  void long_varint(std::uint64_t value);
  std::string bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint8_t byte() {
    if (failed_ || rest_.empty()) {
      failed_ = true;
      return 0;
    }
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::uint64_t varint() {
    if (failed_ || rest_.empty() || static_cast<std::uint8_t>(rest_.front()) >= 0x80) return long_varint();
    return byte();
  }
  std::uint64_t varint_up_to(std::uint64_t most);  // more is a fault
  std::int64_t signed_varint();
  std::uint64_t fixed64() {
    const std::string_view bytes = raw(8);
    if (bytes.size() != 8) return 0;
    // Of a known length: compilers make one load of it.
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = (value << 8) | static_cast<std::uint8_t>(bytes[i]);
    return value;
  }
  std::string_view text();
  std::string_view raw(std::size_t size) {
    if (failed_ || size > rest_.size()) {
      failed_ = true;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }
  /// A number of things that take at least `bytes_each` (> 0) bytes each; more than can follow is a fault.
  std::size_t count(std::size_t bytes_each);

  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t rest() const { return failed_ ? 0 : rest_.size(); }
  /// Everything was read and nothing was wrong.
  [[nodiscard]] bool done() const { return !failed_ && rest_.empty(); }

 private:
  std::uint64_t long_varint();
  std::string_view rest_;
  bool failed_ = false;
};

}  // namespace settle::engine
