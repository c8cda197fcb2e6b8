#include "engine/codec/asap_cells.hpp"

#include <cstring>

#include "engine/codec/wire.hpp"

namespace settle::codec {

namespace {

constexpr std::uint64_t kContinued = 0x8080808080808080ULL;
constexpr std::uint64_t kNegative = 0x0101010101010101ULL;

double wide(std::uint64_t high, std::uint64_t low) {
  return static_cast<double>(from_zigzag(high)) * 0x1p64 +
         static_cast<double>(static_cast<std::uint64_t>(from_zigzag(low)));
}

}  // namespace

void PackedField::add(std::string_view packed) {
  if (one_.empty() && many_.empty()) {
    one_ = packed;
  } else {
    if (many_.empty()) many_ = one_;
    many_.append(packed);
  }
}

void PackedField::add_varint(std::uint64_t value) {
  WireWriter one;
  one.raw_varint(value);
  if (many_.empty()) many_ = one_;
  many_.append(one.view());
}

void PackedField::add_f64(double value) {
  if (many_.empty()) many_ = one_;
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  many_.append(bytes, sizeof value);
}

bool are_zigzag_cells(std::string_view packed, std::size_t n, sketch::CellSign sign) {
  if (n > packed.size()) return false;
  std::size_t found = 0;
  std::uint64_t odd = 0;  // zigzag: odd is negative
  for (std::size_t at = 0; at < packed.size();) {
    if (packed.size() - at >= 8) {
      const auto word = sketch::load<std::uint64_t>(packed.data() + at);
      if ((word & kContinued) == 0) {
        odd |= word & kNegative;
        found += 8;
        at += 8;
        continue;
      }
    }
    const auto value = read_varint(packed, at);
    if (!value) return false;
    odd |= *value & 1;
    ++found;
  }
  return found == n && (sign == sketch::CellSign::any || odd == 0);
}

void add_zigzag_cells(double* into, std::string_view packed, double factor) {
  for (std::size_t at = 0; at < packed.size();) {
    if (packed.size() - at >= 8) {
      const auto word = sketch::load<std::uint64_t>(packed.data() + at);
      if ((word & kContinued) == 0) {
        // Eight small cells; most matrices are mostly empty.
        for (unsigned i = 0; word != 0 && i < 8; ++i) {
          into[i] += factor * static_cast<double>(from_zigzag(word >> (8 * i) & 0xff));
        }
        into += 8;
        at += 8;
        continue;
      }
    }
    *into++ += factor * static_cast<double>(from_zigzag(read_varint(packed, at).value_or(0)));
  }
}

bool are_wide_cells(std::string_view packed, std::size_t n, sketch::CellSign sign) {
  PackedVarints halves{packed};
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::size_t found = 0;
  while (halves.next(high) && halves.next(low)) {
    if (sign == sketch::CellSign::not_negative && from_zigzag(high) < 0) return false;
    ++found;
  }
  return !halves.failed() && found == n && are_zigzag_cells(packed, 2 * n, sketch::CellSign::any);
}

void add_wide_cells(double* into, std::string_view packed, double factor) {
  PackedVarints halves{packed};
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  while (halves.next(high) && halves.next(low)) *into++ += factor * wide(high, low);
}

}  // namespace settle::codec
