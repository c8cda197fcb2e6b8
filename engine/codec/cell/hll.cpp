// engine/codec/cell/hll.cpp: counts of distinct items in cell frames.
#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "engine/codec/cell/bodies.hpp"
#include "engine/codec/cell/columns.hpp"
#include "engine/sketch/load.hpp"

namespace settle::codec::cell {

namespace {

using sketch::Hll;
using sketch::HllFamily;
using sketch::HllKind;

enum class Form : std::uint8_t { coupons = 0, hashes = 1, all_registers = 2, few_registers = 3 };

constexpr std::uint8_t kNibble = 15;
constexpr double kEstimateMost = 0x1p64;  // there are no more hashes

engine::Error wrong(std::string_view what) {
  return engine::refused("not a HyperLogLog sketch in a cell frame: " + std::string{what});
}

/// Registers that are not zero are named one by one while they are at most an eighth of all.
bool are_few(std::size_t set, std::size_t registers) {
  return set <= registers / 8;
}

struct Parts {
  HllKind kind;
  unsigned precision = 0;
  Form form = Form::coupons;
  std::string_view coupons;
  std::vector<std::int64_t> hashes;
  std::optional<double> hip;
  std::vector<std::uint8_t> registers;
};

bool is_kind(const HllKind& kind) {
  const bool postgresql = kind.family == HllFamily::postgresql;
  const bool asap = kind.family == HllFamily::asap;
  return kind.variant <= (asap ? 3 : 0) &&
         (postgresql ? kind.width >= 1 && kind.width <= 8 : kind.width == 0) && kind.sample_p > 0 &&
         (asap ? kind.sample_p <= 1 : kind.sample_p == 1);
}

void read_coupons(engine::ByteReader& in, Parts& parts) {
  const std::uint64_t count = read_varint(in);
  if (count > in.rest() / 4 || count > sketch::hll_coupons_max(parts.precision)) return in.fail();
  parts.coupons = in.raw(count * 4);
  std::uint32_t last = 0;
  for (std::size_t at = 0; at < parts.coupons.size(); at += 4) {
    const auto coupon = sketch::load<std::uint32_t>(parts.coupons.data() + at);
    if (coupon <= last || coupon >> sketch::kAddressBits == 0) return in.fail();
    last = coupon;
  }
}

void read_hashes(engine::ByteReader& in, Parts& parts) {
  const std::uint64_t count = read_varint(in);
  if (count > in.rest() / 8 || count > sketch::kHllHashesMax) return in.fail();
  parts.hashes.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto hash = std::bit_cast<std::int64_t>(in.fixed64());
    if (!parts.hashes.empty() && hash <= parts.hashes.back()) in.fail();
    parts.hashes.push_back(hash);
  }
}

void read_all_registers(engine::ByteReader& in, std::vector<std::uint8_t>& registers) {
  const std::uint8_t base = in.byte();
  const std::string_view nibbles = in.raw(registers.size() / 2);
  if (in.failed()) return;
  unsigned least = 255;
  std::size_t set = 0;
  for (std::size_t i = 0; i < registers.size(); ++i) {
    const auto pair = static_cast<std::uint8_t>(nibbles[i / 2]);
    unsigned value = i % 2 == 0 ? pair & kNibble : pair >> 4U;
    if (value == kNibble) value += in.byte();
    value += base;
    if (value > 255) in.fail();
    registers[i] = static_cast<std::uint8_t>(value);
    least = std::min(least, value);
    set += value != 0 ? 1 : 0;
  }
  if (least != base || are_few(set, registers.size())) in.fail();
}

void read_few_registers(engine::ByteReader& in, std::vector<std::uint8_t>& registers) {
  const std::uint64_t count = read_varint(in);
  if (!are_few(count, registers.size())) return in.fail();
  std::size_t next = 0;
  for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
    const std::uint64_t passed = read_varint(in);
    const std::uint8_t value = in.byte();
    if (value == 0 || passed >= registers.size() - next) return in.fail();
    registers[next + passed] = value;
    next += passed + 1;
  }
}

void read_registers(engine::ByteReader& in, Parts& parts) {
  const std::uint8_t has_hip = in.byte();
  if (has_hip > 1) in.fail();
  if (has_hip == 1) {
    parts.hip = read_f64(in);
    if (!(*parts.hip >= 0 && *parts.hip <= kEstimateMost)) in.fail();
  }
  const std::size_t count = std::size_t{1} << parts.precision;
  if (in.failed() || (parts.form == Form::all_registers && in.rest() < count / 2)) return in.fail();
  parts.registers.assign(count, 0);
  parts.form == Form::all_registers ? read_all_registers(in, parts.registers)
                                    : read_few_registers(in, parts.registers);
  const std::uint8_t most = parts.kind.rank_max(parts.precision);
  if (*std::max_element(parts.registers.begin(), parts.registers.end()) > most) in.fail();
}

engine::Result<Parts> read_parts(std::string_view body) {
  engine::ByteReader in{body};
  Parts parts;
  const std::uint8_t family = in.byte();
  parts.kind.family = static_cast<HllFamily>(family);
  parts.kind.variant = in.byte();
  parts.kind.width = in.byte();
  parts.kind.sample_p = read_f64(in);
  parts.precision = in.byte();
  const std::uint8_t form = in.byte();
  parts.form = static_cast<Form>(form);
  if (in.failed()) return wrong("it is cut short");
  if (family < 1 || family > 4 || !is_kind(parts.kind)) return wrong("its kind of hashing is unknown");
  if (parts.precision < sketch::kHllPrecisionMin || parts.precision > parts.kind.precision_max()) {
    return wrong("its precision is " + std::to_string(parts.precision) + "; it can be 4 to " +
                 std::to_string(parts.kind.precision_max()));
  }
  switch (parts.form) {
    case Form::coupons:
      if (parts.kind.family != HllFamily::datasketches) return wrong("its kind has no coupons");
      read_coupons(in, parts);
      break;
    case Form::hashes:
      if (parts.kind.family != HllFamily::postgresql) return wrong("its kind has no hashes");
      read_hashes(in, parts);
      break;
    case Form::all_registers:
    case Form::few_registers:
      read_registers(in, parts);
      break;
    default:
      return wrong("its form is unknown");
  }
  if (!in.done()) return wrong("it is cut short or too long, or a register, coupon or hash is none");
  return parts;
}

void write_registers(engine::ByteWriter& out, const std::vector<std::uint8_t>& registers, bool few) {
  if (few) {
    out.varint(registers.size() -
               static_cast<std::size_t>(std::count(registers.begin(), registers.end(), 0)));
    std::size_t next = 0;
    for (std::size_t i = 0; i < registers.size(); ++i) {
      if (registers[i] == 0) continue;
      out.varint(i - next);
      out.byte(registers[i]);
      next = i + 1;
    }
    return;
  }
  const std::uint8_t base = *std::min_element(registers.begin(), registers.end());
  out.byte(base);
  const auto nibble = [&](std::size_t i) { return std::min<unsigned>(registers[i] - base, kNibble); };
  for (std::size_t i = 0; i < registers.size(); i += 2) {
    out.byte(static_cast<std::uint8_t>(nibble(i) | nibble(i + 1) << 4U));
  }
  for (const std::uint8_t value : registers) {
    if (value - base >= kNibble) out.byte(static_cast<std::uint8_t>(value - base - kNibble));
  }
}

Form form_of(const Hll& from, const std::vector<std::uint8_t>& registers) {
  if (!from.dense() && from.kind().family == HllFamily::datasketches) return Form::coupons;
  if (!from.dense() && from.kind().family == HllFamily::postgresql) return Form::hashes;
  const auto zeros = static_cast<std::size_t>(std::count(registers.begin(), registers.end(), 0));
  return are_few(registers.size() - zeros, registers.size()) ? Form::few_registers : Form::all_registers;
}

}  // namespace

engine::Result<void> merge_hll(Hll& into, std::string_view body) {
  if (body.empty()) return {};
  const auto parts = read_parts(body);
  if (!parts) return parts.error();
  if (auto fits = into.fits(parts->kind); !fits) return fits;
  switch (parts->form) {
    case Form::coupons:
      into.take_coupons(parts->precision, parts->coupons);
      break;
    case Form::hashes:
      into.take_hashes(parts->kind, parts->precision, parts->hashes);
      break;
    case Form::all_registers:
    case Form::few_registers:
      into.raise(parts->kind, parts->precision, parts->registers, parts->hip);
      break;
  }
  return {};
}

std::string encode_hll(const Hll& from) {
  if (!from.has_kind()) return {};
  const std::vector<std::uint8_t> registers = from.dense() ? from.registers() : std::vector<std::uint8_t>{};
  const Form form = form_of(from, registers);
  engine::ByteWriter out;
  out.byte(static_cast<std::uint8_t>(from.kind().family));
  out.byte(from.kind().variant);
  out.byte(from.kind().width);
  write_f64(out, from.kind().sample_p);
  out.byte(static_cast<std::uint8_t>(from.precision()));
  out.byte(static_cast<std::uint8_t>(form));
  if (form == Form::coupons) {
    const auto coupons = from.coupons().sorted();
    out.varint(coupons.size());
    out.raw({reinterpret_cast<const char*>(coupons.data()), coupons.size() * sizeof coupons[0]});
  } else if (form == Form::hashes) {
    out.varint(from.hashes().size());
    for (const std::int64_t hash : from.hashes()) out.fixed64(std::bit_cast<std::uint64_t>(hash));
  } else {
    out.byte(from.hip() ? 1 : 0);
    if (from.hip()) write_f64(out, *from.hip());
    write_registers(out, registers, form == Form::few_registers);
  }
  return std::move(out).take();
}

}  // namespace settle::codec::cell
