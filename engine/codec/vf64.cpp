#include "engine/codec/vf64.hpp"

#include <cstring>

#include "engine/sketch/counts.hpp"
#include "engine/sketch/load.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define SETTLE_AVX2 __attribute__((target("avx2,popcnt")))
#endif

namespace settle::codec {
namespace {

constexpr std::uint64_t kOne = 0x3ff0'0000'0000'0000;  // bits of 1.0

double from_bits(std::uint64_t x) {
  return std::bit_cast<double>(std::rotr(x, 6) + kOne) - 1;
}

using sketch::is_count;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

}  // namespace

std::optional<double> read_long_vf64(std::string_view bytes, std::size_t& at) {
  std::uint64_t x = 0;
  for (int shift = 57; at < bytes.size(); shift -= 7) {
    const std::uint64_t next = byte_at(bytes, at++);
    if (shift == 1) return from_bits(x | next);  // the ninth
    x |= (next & 0x7f) << shift;
    if (next < 0x80) return from_bits(x);
  }
  return std::nullopt;
}

void append_vf64(std::string& out, double value) {
  std::uint64_t x = std::rotl(std::bit_cast<std::uint64_t>(value + 1) - kOne, 6);
  for (int i = 0; i < 8; ++i) {
    const auto next = static_cast<std::uint8_t>(x >> 57);
    x <<= 7;
    if (x == 0) {
      out.push_back(static_cast<char>(next));
      return;
    }
    out.push_back(static_cast<char>(next | 0x80));
  }
  out.push_back(static_cast<char>(x >> 56));
}

namespace plain {

std::optional<std::size_t> measure_counts(std::string_view bytes, std::size_t count) {
  std::size_t at = 0;
  for (; count > 0; --count) {
    const auto value = read_vf64(bytes, at);
    if (!value || !is_count(*value)) return std::nullopt;
  }
  return at;
}

void add_vf64(double* into, std::string_view bytes) {
  for (std::size_t at = 0; at < bytes.size();) *into++ += read_vf64(bytes, at).value_or(0);
}

}  // namespace plain

#ifdef SETTLE_AVX2
namespace {

constexpr std::uint64_t kHighBits = 0x8080'8080'8080'8080;

/// What lies at `at`, measured.
double take_one(std::string_view bytes, std::size_t& at) {
  if (bytes.size() - at < 8) return read_vf64(bytes, at).value_or(0);
  auto word = sketch::load<std::uint64_t>(bytes.data() + at);
  const std::uint64_t ends = ~word & kHighBits;
  if (ends == 0) return read_vf64(bytes, at).value_or(0);
  const auto size = static_cast<unsigned>(__builtin_ctzll(ends)) / 8 + 1;
  at += size;
  word = (__builtin_bswap64(word) >> (64 - 8 * size)) & ~kHighBits;  // the last byte lowest
  // Sevens to fourteens to twenty-eights to the whole.
  word = ((word & 0x7f00'7f00'7f00'7f00ULL) >> 1) | (word & 0x007f'007f'007f'007fULL);
  word = ((word & 0x3fff'0000'3fff'0000ULL) >> 2) | (word & 0x0000'3fff'0000'3fffULL);
  word = ((word & 0x0fff'ffff'0000'0000ULL) >> 4) | (word & 0x0000'0000'0fff'ffffULL);
  // At most 56 bits come to stand at the top, so that the rotation brings zeros to the top six: a plain
  // shift.
  return std::bit_cast<double>(((word << (64 - 7 * size)) >> 6) + kOne) - 1;
}

/// For each set of bytes that end a value: where their 16-bit lanes go; what is left over is zero.
struct Compact {
  alignas(16) std::uint8_t lanes[256][16];
};
constexpr Compact make_compact() {
  Compact table{};
  for (std::size_t ends = 0; ends < 256; ++ends) {
    std::size_t to = 0;
    for (std::size_t from = 0; from < 8; ++from) {
      if ((ends & (std::size_t{1} << from)) == 0) continue;
      table.lanes[ends][2 * to] = static_cast<std::uint8_t>(2 * from);
      table.lanes[ends][2 * to + 1] = static_cast<std::uint8_t>(2 * from + 1);
      ++to;
    }
    for (; to < 8; ++to) table.lanes[ends][2 * to] = table.lanes[ends][2 * to + 1] = 0x80;
  }
  return table;
}
constexpr Compact kCompact = make_compact();

/// The values of one or two bytes that end within the eight of `word`; `before`: the same bytes moved up by
/// one, with the byte before `word` lowest. Writes eight doubles, of which the first ones count; returns how
/// many.
SETTLE_AVX2 unsigned take_short(std::uint64_t word, std::uint64_t before, double* out) {
  const __m128i last = _mm_cvtsi64_si128(static_cast<long long>(word));
  const __m128i ends = _mm_cvtepu8_epi16(last);
  const __m128i starts = _mm_cvtepu8_epi16(_mm_cvtsi64_si128(static_cast<long long>(before)));
  // Fourteen bits: of two bytes both, of one its own on top.
  const __m128i two = _mm_cmpgt_epi16(starts, _mm_set1_epi16(0x7f));
  const __m128i high = _mm_blendv_epi8(ends, _mm_and_si128(starts, _mm_set1_epi16(0x7f)), two);
  const __m128i fourteen = _mm_or_si128(_mm_slli_epi16(high, 7), _mm_and_si128(ends, two));
  const auto set = ~static_cast<unsigned>(_mm_movemask_epi8(last)) & 0xffU;
  const __m128i order = _mm_load_si128(reinterpret_cast<const __m128i*>(kCompact.lanes[set]));
  const __m128i values = _mm_shuffle_epi8(fourteen, order);
  const __m256i one = _mm256_set1_epi64x(static_cast<long long>(kOne));
  for (std::size_t half = 0; half < 2; ++half) {
    const __m128i four = half == 0 ? values : _mm_unpackhi_epi64(values, values);
    const __m256i bits = _mm256_add_epi64(_mm256_slli_epi64(_mm256_cvtepu16_epi64(four), 44), one);
    _mm256_storeu_pd(out + 4 * half, _mm256_sub_pd(_mm256_castsi256_pd(bits), _mm256_castsi256_pd(one)));
  }
  return static_cast<unsigned>(__builtin_popcount(set));
}

/// Decodes to a few values aside and adds those: adding at once would load what the window before has just
/// stored at other offsets, which costs more than all else.
SETTLE_AVX2 void add_vf64_avx2(double* into, std::string_view bytes) {
  constexpr std::size_t kAside = 128;
  double aside[kAside + 16];
  std::size_t held = 0;
  const auto flush = [&] {
    sketch::add_counts(into, reinterpret_cast<const char*>(aside), held);
    into += held;
    held = 0;
  };
  std::size_t at = 0;
  std::uint64_t carry = 0;  // the byte before `at` if its value goes on
  while (bytes.size() - at >= 8) {
    const auto word = sketch::load<std::uint64_t>(bytes.data() + at);
    const std::uint64_t before = (word << 8) | carry;
    if ((word & before & kHighBits) == 0) {
      held += take_short(word, before, aside + held);
      carry = word >> 56;
      if (carry < 0x80) carry = 0;
      at += 8;
    } else {
      // A value of three bytes or more: one by one to the end of these eight.
      const std::size_t end = at + 8;
      if (carry != 0) --at;
      while (at < end) aside[held++] = take_one(bytes, at);
      carry = 0;
    }
    if (held >= kAside) flush();
  }
  if (carry != 0) --at;
  while (at < bytes.size()) aside[held++] = take_one(bytes, at);
  flush();
}

SETTLE_AVX2 std::optional<std::size_t> measure_counts_avx2(std::string_view bytes, std::size_t count) {
  std::size_t at = 0;
  while (count > 0) {
    const std::size_t rest = bytes.size() - at;
    alignas(32) char few[32] = {};
    const char* from = bytes.data() + at;
    std::uint32_t there = ~std::uint32_t{0};
    if (rest < 32) {
      if (rest > 0) std::memcpy(few, from, rest);
      from = few;
      there = (std::uint32_t{1} << rest) - 1;
    }
    const auto more = there & static_cast<std::uint32_t>(_mm256_movemask_epi8(
                                  _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))));
    // Eight bytes in a row say that more follows: only then is there a value of nine, which may be no count.
    const std::uint32_t two = more & (more >> 1);
    const std::uint32_t four = two & (two >> 2);
    if ((four & (four >> 4)) != 0) {
      const auto value = read_vf64(bytes, at);
      if (!value || !is_count(*value)) return std::nullopt;
      --count;
      continue;
    }
    std::uint32_t ends = there & ~more;
    const auto values = static_cast<std::size_t>(__builtin_popcount(ends));
    if (values >= count) {
      for (; count > 1; --count) ends &= ends - 1;
      return at + static_cast<unsigned>(__builtin_ctz(ends)) + 1;
    }
    if (rest < 32) return std::nullopt;
    // A tail without an end is left to the next round.
    at += 32 - static_cast<unsigned>(__builtin_clz(ends));
    count -= values;
  }
  return at;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("popcnt") != 0;
}

}  // namespace

std::optional<std::size_t> measure_counts(std::string_view bytes, std::size_t count) {
  return has_avx2() ? measure_counts_avx2(bytes, count) : plain::measure_counts(bytes, count);
}
void add_vf64(double* into, std::string_view bytes) {
  if (has_avx2()) return add_vf64_avx2(into, bytes);
  plain::add_vf64(into, bytes);
}
#else
std::optional<std::size_t> measure_counts(std::string_view bytes, std::size_t count) {
  return plain::measure_counts(bytes, count);
}
void add_vf64(double* into, std::string_view bytes) {
  plain::add_vf64(into, bytes);
}
#endif

}  // namespace settle::codec
