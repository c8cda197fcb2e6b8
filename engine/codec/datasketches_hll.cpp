#include "engine/codec/datasketches_hll.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/sketch/load.hpp"
#include "engine/sketch/registers.hpp"

namespace settle::codec {

namespace {

using engine::refused;
using engine::Result;
using sketch::Hll;
using sketch::HllFamily;
using sketch::HllKind;
using sketch::kAddressBits;

constexpr std::size_t kListAt = 8;
constexpr std::size_t kSetAt = 12;
constexpr std::size_t kDenseAt = 40;
constexpr unsigned kEmpty = 4;
constexpr unsigned kCompact = 8;
constexpr unsigned kOutOfOrder = 16;
constexpr unsigned kListSlots = 8;
constexpr unsigned kLogSetMin = 5;
constexpr unsigned kLogArrayMax = 26;
constexpr unsigned kRankMax = 63;
constexpr unsigned kException = 15;  // the nibble that says: look among the exceptions
enum Mode : std::uint8_t { kList = 0, kSet = 1, kDense = 2 };

/// lg of the exception slots that an updatable HLL_4 reserves, by lgK from 4 on.
constexpr std::array<std::uint8_t, 18> kLogExceptions{2, 2, 2, 3, 3, 3,  4,  4,  5,
                                                      5, 6, 7, 8, 9, 10, 11, 12, 13};

template <class T>
T number_at(std::string_view bytes, std::size_t at) {
  return sketch::load<T>(bytes.data() + at);
}

std::uint32_t address_at(std::string_view words, std::size_t at) {
  return number_at<std::uint32_t>(words, at) & ((1U << kAddressBits) - 1);
}

struct Header {
  unsigned lg_k = 0;
  unsigned lg_array = 0;
  unsigned flags = 0;
  unsigned count_or_min = 0;  // coupons of a list; curMin
  Mode mode = kList;
  HllType type = HllType::hll4;

  [[nodiscard]] bool compact() const { return (flags & kCompact) != 0; }
  [[nodiscard]] std::size_t registers() const { return std::size_t{1} << lg_k; }
};

/// What is wrong with a blob, once something is. Validation says so through it and false: whole results,
/// passed from function to function, would cost a third of a merge of 80 ns.
struct Fault {
  std::string text;

  bool operator()(std::string_view what) {
    text = "DataSketches HLL: ";
    text += what;
    return false;
  }
  bool wrong_size(std::size_t size, std::size_t expected) {
    return (*this)(std::to_string(size) + " bytes where its preamble says " + std::to_string(expected));
  }
};

bool parse_header(std::string_view blob, Header& header, Fault& fault) {
  if (blob.size() < kListAt) return fault("shorter than its preamble of 8 bytes");
  const auto byte = [blob](std::size_t at) { return static_cast<std::uint8_t>(blob[at]); };
  if (byte(1) != 1 || byte(2) != 7) {
    return fault("version " + std::to_string(byte(1)) + ", family " + std::to_string(byte(2)) +
                 " where 1 and 7 stand");
  }
  header = {.lg_k = byte(3), .lg_array = byte(4), .flags = byte(5), .count_or_min = byte(6)};
  if (header.lg_k < sketch::kHllPrecisionMin || header.lg_k > HllKind{}.precision_max()) {
    return fault("lgK " + std::to_string(header.lg_k) + " is not from 4 to 21");
  }
  constexpr std::array<std::uint8_t, 3> kPreambles{2, 3, 10};
  const unsigned mode = byte(7) & 3U;
  const unsigned type = byte(7) >> 2U & 3U;
  if (mode > kDense || type > 2) return fault("mode or type 3");
  if (byte(0) != kPreambles[mode]) return fault("a preamble that is not of its mode");
  header.mode = static_cast<Mode>(mode);
  header.type = static_cast<HllType>(type);
  return true;
}

/// `words`: the coupons' bytes, zeros among them where the blob is updatable.
bool validate_coupons(std::string_view blob, const Header& header, std::string_view& words, Fault& fault) {
  const bool list = header.mode == kList;
  const std::size_t begin = list ? kListAt : kSetAt;
  if (blob.size() < begin) return fault("shorter than its preamble");
  const std::uint64_t count = list ? header.count_or_min : number_at<std::uint32_t>(blob, kListAt);
  if (list && count > kListSlots) return fault("a list of " + std::to_string(count) + " coupons");
  std::uint64_t slots = count;
  if (!header.compact()) {
    unsigned log_slots = list ? 3 : header.lg_array;
    if (!list && log_slots < kLogSetMin) {  // some producers leave it out
      for (log_slots = kLogSetMin; 4 * count > std::uint64_t{3} << log_slots;) ++log_slots;
    }
    if (log_slots > kLogArrayMax) return fault("an array of 2^" + std::to_string(log_slots) + " coupons");
    slots = std::uint64_t{1} << log_slots;
  }
  if (blob.size() != begin + 4 * slots) return fault.wrong_size(blob.size(), begin + 4 * slots);
  words = blob.substr(begin);
  std::uint64_t found = 0;
  for (std::size_t at = 0; at < words.size(); at += 4) {
    const auto coupon = number_at<std::uint32_t>(words, at);
    if (coupon == 0) continue;
    if (coupon >> kAddressBits == 0) return fault("a coupon without a rank");
    ++found;
  }
  if (found != count) {
    return fault(std::to_string(found) + " coupons where it says " + std::to_string(count));
  }
  if ((header.flags & kEmpty) != 0 && count != 0) return fault("empty, but with coupons");
  if (count == 0) words = {};
  return true;
}

struct Dense {
  std::string_view registers;
  std::string_view exceptions;  // 4 bytes each, zeros among them where the blob is updatable
  std::optional<double> hip;
};

std::size_t packed_size(HllType type, std::size_t registers) {
  switch (type) {
    case HllType::hll4:
      return registers / 2;
    case HllType::hll6:
      return registers / 4 * 3 + 1;
    case HllType::hll8:
    case HllType::smallest:
      break;
  }
  return registers;
}

/// Whether two are of one register.
bool repeat(std::string_view exceptions) {
  constexpr std::size_t kFew = 64;  // of which comparing each with each costs less than an allocation
  std::vector<std::uint32_t> slots;
  for (std::size_t at = 0; at < exceptions.size(); at += 4) {
    const std::uint32_t slot = address_at(exceptions, at);
    if (number_at<std::uint32_t>(exceptions, at) == 0) continue;
    if (exceptions.size() > 4 * kFew) {
      slots.push_back(slot);
      continue;
    }
    for (std::size_t before = 0; before < at; before += 4) {
      if (number_at<std::uint32_t>(exceptions, before) != 0 && address_at(exceptions, before) == slot)
        return true;
    }
  }
  std::sort(slots.begin(), slots.end());
  return std::adjacent_find(slots.begin(), slots.end()) != slots.end();
}

/// Every nibble of 15 has one exception, every exception a nibble of 15, all ranks are possible.
bool validate_exceptions(const Dense& dense, const Header& header, std::uint32_t count, Fault& fault) {
  const unsigned low = header.count_or_min;
  const auto* nibbles = reinterpret_cast<const std::uint8_t*>(dense.registers.data());
  const auto nibble = [nibbles](std::size_t slot) { return (nibbles[slot / 2] >> (4 * (slot % 2))) & 15U; };
  if (low > kRankMax) return fault("curMin " + std::to_string(low));
  if (low + kException - 1 > kRankMax) {
    for (std::size_t slot = 0; slot < header.registers(); ++slot) {
      if (nibble(slot) != kException && nibble(slot) + low > kRankMax) return fault("registers beyond 63");
    }
  }
  const std::size_t fifteens = sketch::register_loops().count_fifteens(nibbles, header.registers());
  if (fifteens != count) {
    return fault(std::to_string(fifteens) + " registers are exceptions, " + std::to_string(count) +
                 " exceptions are said to follow");
  }
  std::size_t found = 0;
  for (std::size_t at = 0; at < dense.exceptions.size(); at += 4) {
    const auto exception = number_at<std::uint32_t>(dense.exceptions, at);
    if (exception == 0) continue;
    const std::uint32_t slot = address_at(dense.exceptions, at);
    if (slot >= header.registers()) return fault("an exception of no register");
    if (nibble(slot) != kException) return fault("an exception not asked for");
    if (exception >> kAddressBits < low + kException) return fault("an exception that is none");
    ++found;
  }
  if (found != count) return fault("exceptions are missing");
  if (repeat(dense.exceptions)) return fault("two exceptions of one register");
  return true;
}

bool validate_dense(std::string_view blob, const Header& header, Dense& dense, Fault& fault) {
  if (blob.size() < kDenseAt) return fault("shorter than its preamble of 40 bytes");
  if ((header.flags & kOutOfOrder) == 0) {
    dense.hip = number_at<double>(blob, 8);
    if (!std::isfinite(*dense.hip) || *dense.hip < 0) return fault("an estimate that is no number");
  }
  const std::size_t packed = packed_size(header.type, header.registers());
  const auto exceptions = number_at<std::uint32_t>(blob, 36);
  std::uint64_t slots = 0;
  if (header.type == HllType::hll4) {
    slots = exceptions;
    if (!header.compact()) {
      const unsigned reserved = kLogExceptions[header.lg_k - sketch::kHllPrecisionMin];
      const unsigned log_slots = header.lg_array != 0 ? header.lg_array : reserved;
      if (log_slots > kLogArrayMax)
        return fault("an array of 2^" + std::to_string(log_slots) + " exceptions");
      slots = std::uint64_t{1} << log_slots;
    }
  }
  if (blob.size() != kDenseAt + packed + 4 * slots)
    return fault.wrong_size(blob.size(), kDenseAt + packed + 4 * slots);
  dense.registers = blob.substr(kDenseAt, packed);
  dense.exceptions = blob.substr(kDenseAt + packed);
  if (header.type == HllType::hll4) return validate_exceptions(dense, header, exceptions, fault);
  if (header.type == HllType::hll8) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(dense.registers.data());
    if (sketch::register_loops().bits(bytes, packed) > kRankMax) return fault("registers beyond 63");
  }
  return true;
}

void raise_dense(Hll& into, const Dense& dense, const Header& header) {
  const std::span<std::uint8_t> registers = into.open({}, header.lg_k, dense.hip);
  const auto& loops = sketch::register_loops();
  const auto* from = reinterpret_cast<const std::uint8_t*>(dense.registers.data());
  // Slots whose low bits agree fold: a larger source is several of our size behind each other.
  for (std::size_t done = 0; done < header.registers(); done += registers.size()) {
    switch (header.type) {
      case HllType::hll4:
        loops.raise_nibbles(registers.data(), from + done / 2, registers.size(),
                            static_cast<std::uint8_t>(header.count_or_min));
        break;
      case HllType::hll6:
        loops.raise_sixes(registers.data(), from + done / 4 * 3, registers.size());
        break;
      case HllType::hll8:
      case HllType::smallest:
        loops.raise(registers.data(), from + done, registers.size());
        break;
    }
  }
  for (std::size_t at = 0; at < dense.exceptions.size(); at += 4) {
    const auto exception = number_at<std::uint32_t>(dense.exceptions, at);
    std::uint8_t& slot = registers[exception & (registers.size() - 1)];
    slot = std::max(slot, static_cast<std::uint8_t>(exception >> kAddressBits));
  }
}

}  // namespace

Result<void> merge_datasketches_hll(Hll& into, std::string_view blob, const Settings& /*settings*/) {
  if (blob.empty()) return {};
  Fault fault;
  Header header;
  if (!parse_header(blob, header, fault)) return refused(std::move(fault.text));
  if (!into.accepts({})) return into.fits({});
  if (header.mode == kDense) {
    Dense dense;
    if (!validate_dense(blob, header, dense, fault)) return refused(std::move(fault.text));
    raise_dense(into, dense, header);
  } else {
    std::string_view words;
    if (!validate_coupons(blob, header, words, fault)) return refused(std::move(fault.text));
    into.take_coupons(header.lg_k, words);
  }
  return {};
}

namespace {

struct Writer {
  std::string out;

  template <class T>
  void put(T number) {
    out.append(reinterpret_cast<const char*>(&number), sizeof number);
  }
  void preamble(const std::array<unsigned, 8>& bytes) {
    for (const unsigned byte : bytes) out += static_cast<char>(byte);
  }
};

std::string encode_few(const Hll& hll, HllType type) {
  const auto coupons = hll.coupons().sorted();
  const auto count = static_cast<unsigned>(coupons.size());
  const bool list = count < kListSlots;
  unsigned log_slots = list ? 3 : kLogSetMin;
  while (!list && 4 * count > 3U << log_slots) ++log_slots;
  const unsigned type_bits = type == HllType::smallest ? 0 : static_cast<unsigned>(type);
  Writer writer;
  writer.preamble({list ? 2U : 3U, 1, 7, hll.precision(), log_slots, kCompact | (count == 0 ? kEmpty : 0),
                   list ? count : 0, (list ? kList : kSet) | type_bits << 2U});
  if (!list) writer.put(static_cast<std::uint32_t>(count));
  for (const std::uint32_t coupon : coupons) writer.put(coupon);
  return std::move(writer.out);
}

/// What a dense preamble says of its registers.
struct Census {
  std::array<std::uint32_t, 256> counts{};
  unsigned low = 0;              // the smallest register
  std::uint32_t exceptions = 0;  // 15 and more above it

  explicit Census(std::span<const std::uint8_t> registers) {
    for (const std::uint8_t value : registers) ++counts[value];
    while (counts[low] == 0) ++low;
    for (unsigned value = low + kException; value <= kRankMax; ++value) exceptions += counts[value];
  }
  /// Of 2^-value: exact, as no more than 53 bits take part.
  [[nodiscard]] double powers(unsigned first, unsigned last) const {
    double sum = 0;
    for (unsigned value = first; value <= last; ++value)
      sum += std::ldexp(counts[value], -static_cast<int>(value));
    return sum;
  }
};

void put_registers(Writer& writer, std::span<const std::uint8_t> registers, HllType type, unsigned low) {
  if (type == HllType::hll8) {
    writer.out.append(reinterpret_cast<const char*>(registers.data()), registers.size());
  } else if (type == HllType::hll6) {
    for (std::size_t i = 0; i < registers.size(); i += 4) {
      const unsigned four = registers[i] | unsigned{registers[i + 1]} << 6 |
                            unsigned{registers[i + 2]} << 12 | unsigned{registers[i + 3]} << 18;
      for (unsigned shift = 0; shift < 24; shift += 8) writer.out += static_cast<char>(four >> shift & 255U);
    }
    writer.out += '\0';
  } else {
    const auto nibble = [low](std::uint8_t value) { return std::min(value - low, kException); };
    for (std::size_t i = 0; i < registers.size(); i += 2) {
      writer.out += static_cast<char>(nibble(registers[i]) | nibble(registers[i + 1]) << 4U);
    }
    for (std::size_t i = 0; i < registers.size(); ++i) {
      if (nibble(registers[i]) != kException) continue;
      writer.put(static_cast<std::uint32_t>(i) | std::uint32_t{registers[i]} << kAddressBits);
    }
  }
}

std::string encode_dense(const Hll& hll, HllType type) {
  const auto registers = hll.dense_registers();
  const Census census{registers};
  if (type == HllType::smallest) {
    const std::size_t hll4 =
        packed_size(HllType::hll4, registers.size()) + 4 * std::size_t{census.exceptions};
    const std::size_t hll6 = packed_size(HllType::hll6, registers.size());
    type = hll4 <= hll6 ? HllType::hll4 : hll6 <= registers.size() ? HllType::hll6 : HllType::hll8;
  }
  const bool nibbles = type == HllType::hll4;
  const unsigned low = nibbles ? census.low : 0;
  const std::uint32_t exceptions = nibbles ? census.exceptions : 0;
  unsigned log_slots = 0;
  if (exceptions != 0) {
    log_slots = kLogExceptions[hll.precision() - sketch::kHllPrecisionMin];
    while (4 * std::uint64_t{exceptions} > std::uint64_t{3} << log_slots) ++log_slots;
  }
  const unsigned empty = census.counts[0] == registers.size() ? kEmpty : 0;
  Writer writer;
  writer.out.reserve(kDenseAt + registers.size() + 1);
  writer.preamble({10, 1, 7, hll.precision(), log_slots, kCompact | (hll.hip() ? 0 : kOutOfOrder) | empty,
                   low, kDense | static_cast<unsigned>(type) << 2U});
  writer.put(hll.hip().value_or(0));
  writer.put(census.powers(0, 31));
  writer.put(census.powers(32, kRankMax));
  writer.put(census.counts[low]);
  writer.put(exceptions);
  put_registers(writer, registers, type, low);
  return std::move(writer.out);
}

}  // namespace

Result<std::string> encode_datasketches_hll(const Hll& hll, HllType type) {
  if (!hll.has_kind()) return std::string{};
  if (hll.kind().family != HllFamily::datasketches) {
    return refused(hll.kind().text() + " cannot be written as DataSketches HLL: it hashes otherwise");
  }
  return hll.dense() ? encode_dense(hll, type) : encode_few(hll, type);
}

}  // namespace settle::codec
