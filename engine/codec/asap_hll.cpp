#include "engine/codec/asap_hll.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <span>
#include <vector>

#include "engine/codec/wire.hpp"
#include "engine/sketch/registers.hpp"

namespace settle::codec {

namespace {

using engine::refused;
using engine::Result;
using sketch::Hll;
using sketch::HllFamily;
using sketch::HllKind;

constexpr std::uint8_t kErtl = 2;
constexpr std::uint8_t kHip = 3;

engine::Error fault(std::string_view what) {
  return refused("ASAP HLL: " + std::string{what});
}

HllKind kind_of(std::uint64_t variant, double sample_p) {
  return {.family = HllFamily::asap, .variant = static_cast<std::uint8_t>(variant), .sample_p = sample_p};
}

/// That kind and precision are possible, and that they fit.
Result<void> validate(const Hll& into, std::uint64_t variant, std::uint64_t precision, double sample_p) {
  if (variant > kHip) return fault("variant " + std::to_string(variant));
  const HllKind kind = kind_of(variant, sample_p);
  if (precision < sketch::kHllPrecisionMin || precision > kind.precision_max()) {
    return fault("precision " + std::to_string(precision) + " is not from 4 to 18");
  }
  return into.fits(kind);
}

/// Calls raise(index, value) for each pair; how many there are, or nothing if they are at fault.
template <class Raise>
std::optional<std::size_t> read_pairs(std::string_view bytes, unsigned precision, Raise raise) {
  const std::uint64_t rank_max = kind_of(0, 1).rank_max(precision);
  const std::uint64_t registers = std::uint64_t{1} << precision;
  std::uint64_t index = 0;
  std::size_t pairs = 0;
  for (std::size_t at = 0; at < bytes.size(); ++pairs) {
    const auto distance = read_varint(bytes, at);
    const auto value = distance ? read_varint(bytes, at) : std::nullopt;
    if (!value || *distance >= registers - index || (pairs != 0 && *distance == 0) || *value > rank_max)
      return {};
    index += *distance;
    raise(static_cast<std::size_t>(index), static_cast<std::uint8_t>(*value));
  }
  return pairs;
}

/// What a state says; the last of repeated fields counts, as everywhere in protobuf.
struct State {
  std::uint64_t variant = 0;
  std::uint64_t precision = 0;
  std::string_view registers;
  double hip = 0;
  std::uint64_t sparse_count = 0;
  std::string_view sparse;
};

bool parse_sparse(State& state, std::string_view message) {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() == 1 && reader.is(WireType::varint)) state.sparse_count = reader.varint();
    if (reader.field() == 2 && reader.is(WireType::bytes)) state.sparse = reader.bytes();
  }
  return !reader.failed();
}

Result<State> parse_state(std::string_view message) {
  State state;
  WireReader reader{message};
  while (reader.next()) {
    switch (reader.field()) {
      case 1:
        state.variant = reader.varint();
        break;
      case 2:
        state.precision = reader.varint();
        break;
      case 3:
        state.registers = reader.bytes();
        break;
      case 6:
        state.hip = reader.f64();
        break;
      case 7:
        if (!parse_sparse(state, reader.bytes())) reader.fail();
        break;
      default:
        break;
    }
  }
  if (reader.failed()) return fault("a state that is no protobuf message");
  if (!state.registers.empty() && !state.sparse.empty()) return fault("registers both dense and sparse");
  return state;
}

}  // namespace

Result<void> merge_asap_hll(Hll& into, const AsapHll& from, double sample_p) {
  if (auto valid = validate(into, from.variant, from.precision, sample_p); !valid) return valid;
  const auto precision = static_cast<unsigned>(from.precision);
  const HllKind kind = kind_of(from.variant, sample_p);
  if (from.hip && !(std::isfinite(*from.hip) && *from.hip >= 0))
    return fault("an estimate that is no number");
  const std::span<const std::uint8_t> registers{reinterpret_cast<const std::uint8_t*>(from.registers.data()),
                                                from.registers.size()};
  if (registers.empty()) {
    (void)into.open(kind, precision, from.hip);
    return {};
  }
  if (registers.size() != std::size_t{1} << precision) {
    return fault(std::to_string(registers.size()) + " registers at precision " + std::to_string(precision));
  }
  const std::uint8_t rank_max = kind.rank_max(precision);
  if (sketch::any_beyond(registers, rank_max)) {
    return fault("registers beyond " + std::to_string(rank_max));
  }
  into.raise(kind, precision, registers, from.hip);
  return {};
}

Result<void> merge_asap_hll_state(Hll& into, std::string_view message, double sample_p) {
  if (message.empty()) return {};
  const auto state = parse_state(message);
  if (!state) return state.error();
  AsapHll from{.variant = static_cast<std::uint8_t>(std::min<std::uint64_t>(state->variant, 255)),
               .precision = state->precision,
               .registers = state->registers,
               .hip = std::nullopt};
  // proto3 leaves out a zero: of a HIP sketch it says that there is no estimate.
  if (from.variant == kHip && state->hip != 0) from.hip = state->hip;
  if (state->sparse.empty()) return merge_asap_hll(into, from, sample_p);

  if (auto valid = validate(into, from.variant, from.precision, sample_p); !valid) return valid;
  std::vector<std::uint8_t> registers(std::size_t{1} << from.precision);
  const auto pairs =
      read_pairs(state->sparse, static_cast<unsigned>(from.precision),
                 [&registers](std::size_t index, std::uint8_t value) { registers[index] = value; });
  if (!pairs) return fault("sparse registers that are none");
  // Of the pairs, or of all registers; some leave it out.
  const std::uint64_t said = state->sparse_count;
  if (said != 0 && said != *pairs && said != registers.size()) {
    return fault(std::to_string(*pairs) + " sparse registers where it says " + std::to_string(said));
  }
  from.registers = {reinterpret_cast<const char*>(registers.data()), registers.size()};
  return merge_asap_hll(into, from, sample_p);
}

Result<void> merge_asap_hll_delta(Hll& into, std::string_view message, std::optional<unsigned> precision,
                                  double sample_p) {
  if (message.empty()) return {};
  if (!precision && !into.has_kind()) {
    return fault("a delta does not say its precision: it needs a full sketch before it");
  }
  const unsigned at = precision.value_or(into.precision());
  if (auto valid = validate(into, 0, at, sample_p); !valid) return valid;
  if (into.has_kind() && into.precision() != at) {
    return fault("a delta of precision " + std::to_string(at) + " to a sketch of " +
                 std::to_string(into.precision()));
  }
  std::string_view bytes;
  WireReader reader{message};
  while (reader.next()) {
    if (reader.field() == 1 && reader.is(WireType::bytes)) bytes = reader.bytes();
  }
  if (reader.failed()) return fault("a delta that is no protobuf message");
  if (!read_pairs(bytes, at, [](std::size_t, std::uint8_t) {}))
    return fault("registers of a delta that are none");
  const std::span<std::uint8_t> registers = into.open(kind_of(0, sample_p), at, std::nullopt);
  (void)read_pairs(bytes, at, [registers](std::size_t index, std::uint8_t value) {
    registers[index] = std::max(registers[index], value);
  });
  return {};
}

Result<std::string> encode_asap_hll_state(const Hll& hll) {
  if (!hll.has_kind()) return std::string{};
  if (hll.kind().family != HllFamily::asap) {
    return refused(hll.kind().text() + " cannot be written as ASAP HLL: it hashes otherwise");
  }
  std::uint8_t variant = hll.kind().variant;
  if (variant == 0 || (variant == kHip && !hll.hip())) variant = kErtl;
  WireWriter writer;
  writer.varint(1, variant);
  writer.varint(2, hll.precision());
  const auto registers = hll.dense_registers();
  writer.bytes(3, {reinterpret_cast<const char*>(registers.data()), registers.size()});
  if (variant == kHip) {
    std::array<double, 2>
        sums{};  // of 2^-register, the small ones apart, for a producer that goes on counting
    for (const std::uint8_t value : registers) sums[value < 32 ? 0 : 1] += std::ldexp(1.0, -value);
    writer.f64(4, sums[0]);
    writer.f64(5, sums[1]);
    writer.f64(6, *hll.hip());
  }
  return std::move(writer).take();
}

}  // namespace settle::codec
