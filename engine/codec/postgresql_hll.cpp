#include "engine/codec/postgresql_hll.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace settle::codec {

namespace {

using engine::refused;
using engine::Result;
using sketch::Hll;
using sketch::HllFamily;
using sketch::HllKind;

constexpr std::size_t kHeader = 3;
enum Type : std::uint8_t { kEmpty = 1, kExplicit = 2, kSparse = 3, kFull = 4 };

engine::Error fault(std::string_view what) {
  return refused("PostgreSQL HLL: " + std::string{what});
}

/// Big-endian: the highest bit of a byte comes first.
class Bits {
 public:
  explicit Bits(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] std::size_t left() const { return bytes_.size() * 8 - at_; }
  /// At most 32, and no more than are left.
  [[nodiscard]] std::uint32_t take(unsigned count) {
    std::uint32_t value = 0;
    for (; count > 0; --count, ++at_) {
      value = value << 1U | (static_cast<std::uint8_t>(bytes_[at_ / 8]) >> (7 - at_ % 8) & 1U);
    }
    return value;
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

/// Less than a byte, and zero.
bool is_padding(Bits bits) {
  return bits.left() < 8 && bits.take(static_cast<unsigned>(bits.left())) == 0;
}

Result<std::vector<std::int64_t>> parse_explicit(std::string_view body) {
  if (body.size() % 8 != 0) return fault("explicit hashes that are not of 8 bytes each");
  std::vector<std::int64_t> hashes;
  hashes.reserve(body.size() / 8);
  for (std::size_t at = 0; at < body.size(); at += 8) {
    std::uint64_t hash = 0;
    for (std::size_t k = 0; k < 8; ++k) hash = hash << 8U | static_cast<std::uint8_t>(body[at + k]);
    const auto number = static_cast<std::int64_t>(hash);
    if (!hashes.empty() && hashes.back() >= number) return fault("explicit hashes that do not ascend");
    hashes.push_back(number);
  }
  return hashes;
}

Result<std::vector<std::uint8_t>> parse_registers(std::string_view body, bool sparse, unsigned log2m,
                                                  const HllKind& kind) {
  std::vector<std::uint8_t> registers(std::size_t{1} << log2m);
  const std::uint8_t rank_max = kind.rank_max(log2m);
  Bits bits{body};
  if (!sparse && body.size() != (registers.size() * kind.width + 7) / 8) {
    return fault(std::to_string(body.size()) + " bytes of registers, which is not what its header says");
  }
  std::size_t next = 0;  // the lowest index that may come
  while (sparse ? bits.left() >= log2m + kind.width && !is_padding(bits) : next < registers.size()) {
    const std::size_t index = sparse ? bits.take(log2m) : next;
    const std::uint32_t value = bits.take(kind.width);
    if (index < next) return fault("sparse registers that do not ascend");
    if (sparse && value == 0) return fault("a sparse register of 0");
    if (value > rank_max) return fault("registers beyond " + std::to_string(rank_max));
    registers[index] = static_cast<std::uint8_t>(value);
    next = index + 1;
  }
  if (!is_padding(bits)) return fault("more bits than registers");
  return registers;
}

}  // namespace

Result<void> merge_postgresql_hll(Hll& into, std::string_view blob, const Settings& /*settings*/) {
  if (blob.empty()) return {};
  if (blob.size() < kHeader) return fault("shorter than its header of 3 bytes");
  const unsigned first = static_cast<std::uint8_t>(blob[0]);
  const unsigned second = static_cast<std::uint8_t>(blob[1]);
  if (first >> 4U != 1) return fault("storage version " + std::to_string(first >> 4U) + " where 1 stands");
  const HllKind kind{.family = HllFamily::postgresql, .width = static_cast<std::uint8_t>((second >> 5U) + 1)};
  const unsigned log2m = second & 31U;
  if (log2m < sketch::kHllPrecisionMin || log2m > kind.precision_max()) {
    return fault("log2m " + std::to_string(log2m) + " is not from 4 to 18");
  }
  if (auto fitting = into.fits(kind); !fitting) return fitting;
  const std::string_view body = blob.substr(kHeader);
  switch (first & 15U) {
    case kEmpty:
      if (!body.empty()) return fault("empty, but with a body");
      into.take_hashes(kind, log2m, {});
      return {};
    case kExplicit: {
      const auto hashes = parse_explicit(body);
      if (!hashes) return hashes.error();
      into.take_hashes(kind, log2m, *hashes);
      return {};
    }
    case kSparse:
    case kFull: {
      const auto registers = parse_registers(body, (first & 15U) == kSparse, log2m, kind);
      if (!registers) return registers.error();
      into.raise(kind, log2m, *registers, std::nullopt);
      return {};
    }
    default:
      return fault("type " + std::to_string(first & 15U));
  }
}

}  // namespace settle::codec
