#include "engine/codec/redis_hll.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/sketch/registers.hpp"

namespace settle::codec {

namespace {

using engine::refused;
using engine::Result;
using sketch::Hll;
using sketch::HllFamily;
using sketch::HllKind;

constexpr HllKind kKind{.family = HllFamily::redis};
constexpr unsigned kPrecision = 14;
constexpr std::size_t kRegisters = std::size_t{1} << kPrecision;
constexpr std::size_t kHeader = 16;

engine::Error fault(std::string_view what) {
  return refused("Redis HLL: " + std::string{what});
}

/// Calls run(first, count, value) for what the opcodes say; false if they do not make exactly all registers.
template <class Run>
bool read_sparse(std::string_view opcodes, Run run) {
  std::size_t slot = 0;
  for (std::size_t at = 0; at < opcodes.size(); ++at) {
    const unsigned code = static_cast<std::uint8_t>(opcodes[at]);
    std::size_t count = (code & 0x3fU) + 1;
    unsigned value = 0;
    if ((code & 0x80U) != 0) {
      value = (code >> 2U & 31U) + 1;
      count = (code & 3U) + 1;
    } else if ((code & 0x40U) != 0) {
      if (++at == opcodes.size()) return false;
      count = ((code & 0x3fU) << 8U | static_cast<std::uint8_t>(opcodes[at])) + 1;
    }
    if (count > kRegisters - slot) return false;
    run(slot, count, static_cast<std::uint8_t>(value));
    slot += count;
  }
  return slot == kRegisters;
}

}  // namespace

Result<void> merge_redis_hll(Hll& into, std::string_view blob, const Settings& /*settings*/) {
  if (blob.empty()) return {};
  if (!blob.starts_with("HYLL")) return fault("it does not begin with HYLL");
  if (blob.size() < kHeader) return fault("shorter than its header of 16 bytes");
  if (auto fitting = into.fits(kKind); !fitting) return fitting;
  const std::string_view body = blob.substr(kHeader);
  if (blob[4] == 0) {
    if (body.size() != kRegisters / 4 * 3) {
      return fault(std::to_string(blob.size()) + " bytes where dense registers need 12304");
    }
    std::vector<std::uint8_t> registers(kRegisters);
    const auto* packed = reinterpret_cast<const std::uint8_t*>(body.data());
    sketch::register_loops().raise_sixes(registers.data(), packed, kRegisters);
    if (sketch::any_beyond(registers, kKind.rank_max(kPrecision))) {
      return fault("registers beyond 51");
    }
    into.raise(kKind, kPrecision, registers, std::nullopt);
    return {};
  }
  if (blob[4] != 1) return fault("encoding " + std::to_string(static_cast<std::uint8_t>(blob[4])));
  const auto ignore = [](std::size_t, std::size_t, std::uint8_t) {};
  if (!read_sparse(body, ignore)) return fault("sparse runs that are not of 16384 registers");
  // Ours are as many: Redis has one precision only.
  const std::span<std::uint8_t> registers = into.open(kKind, kPrecision, std::nullopt);
  (void)read_sparse(body, [registers](std::size_t slot, std::size_t count, std::uint8_t value) {
    if (value == 0) return;
    for (std::uint8_t& at : registers.subspan(slot, count)) at = std::max(at, value);
  });
  return {};
}

}  // namespace settle::codec
