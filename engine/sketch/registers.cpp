#include "engine/sketch/registers.hpp"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace settle::sketch {

namespace {

namespace plain {

void raise(std::uint8_t* into, const std::uint8_t* from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) into[i] = std::max(into[i], from[i]);
}

void raise_nibbles(std::uint8_t* into, const std::uint8_t* from, std::size_t n, std::uint8_t base) {
  for (std::size_t i = 0; i < n; ++i) {
    const unsigned nibble = (from[i / 2] >> (4 * (i % 2))) & 15U;
    into[i] = std::max(into[i], static_cast<std::uint8_t>(nibble + base));
  }
}

void raise_sixes(std::uint8_t* into, const std::uint8_t* from, std::size_t n) {
  for (std::size_t i = 0; i < n; i += 4, from += 3) {
    const unsigned four = from[0] | unsigned{from[1]} << 8 | unsigned{from[2]} << 16;
    for (std::size_t k = 0; k < 4; ++k) {
      into[i + k] = std::max(into[i + k], static_cast<std::uint8_t>((four >> (6 * k)) & 63U));
    }
  }
}

std::uint8_t bits(const std::uint8_t* from, std::size_t n) {
  unsigned all = 0;
  for (std::size_t i = 0; i < n; ++i) all |= from[i];
  return static_cast<std::uint8_t>(all);
}

std::size_t count_fifteens(const std::uint8_t* from, std::size_t n) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < n; ++i) count += ((from[i / 2] >> (4 * (i % 2))) & 15U) == 15 ? 1 : 0;
  return count;
}

RegisterSums sums(const std::uint8_t* from, std::size_t n, unsigned shift) {
  RegisterSums all;
  for (std::size_t i = 0; i < n; ++i) {
    all.zeros += from[i] == 0 ? 1 : 0;
    all.beyond_31 = all.beyond_31 || from[i] > 31;
    if (from[i] <= shift) all.scaled += std::uint64_t{1} << (shift - from[i]);
  }
  return all;
}

constexpr RegisterLoops kLoops{raise, raise_nibbles, raise_sixes, bits, count_fifteens, sums};

}  // namespace plain

#if defined(__x86_64__)
namespace avx2 {

// Each takes 32 registers at a time and leaves a last 16 to its plain twin.
#define SETTLE_AVX2 __attribute__((target("avx2")))
// Loops whose steps cost little more than their counting.
#if defined(__clang__)
#define SETTLE_UNROLL _Pragma("unroll 4")
#else
#define SETTLE_UNROLL _Pragma("GCC unroll 4")
#endif

SETTLE_AVX2 inline __m256i load(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

SETTLE_AVX2 inline __m128i load_half(const std::uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

SETTLE_AVX2 inline void raise_to(std::uint8_t* into, __m256i values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(into), _mm256_max_epu8(load(into), values));
}

SETTLE_AVX2 void raise(std::uint8_t* into, const std::uint8_t* from, std::size_t n) {
  std::size_t i = 0;
  SETTLE_UNROLL
  for (; i + 32 <= n; i += 32) raise_to(into + i, load(from + i));
  plain::raise(into + i, from + i, n - i);
}

SETTLE_AVX2 void raise_nibbles(std::uint8_t* into, const std::uint8_t* from, std::size_t n,
                               std::uint8_t base) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  const __m256i added = _mm256_set1_epi8(static_cast<char>(base));
  std::size_t i = 0;
  SETTLE_UNROLL
  for (; i + 64 <= n; i += 64) {
    // Interleaving works within halves: quarters change places before, so that it leaves all in order.
    const __m256i packed = _mm256_permute4x64_epi64(load(from + i / 2), _MM_SHUFFLE(3, 1, 2, 0));
    const __m256i even = _mm256_add_epi8(_mm256_and_si256(packed, low_bits), added);
    const __m256i odd = _mm256_add_epi8(_mm256_and_si256(_mm256_srli_epi16(packed, 4), low_bits), added);
    raise_to(into + i, _mm256_unpacklo_epi8(even, odd));
    raise_to(into + i + 32, _mm256_unpackhi_epi8(even, odd));
  }
  plain::raise_nibbles(into + i, from + i / 2, n - i, base);
}

SETTLE_AVX2 void raise_sixes(std::uint8_t* into, const std::uint8_t* from, std::size_t n) {
  // 24 bytes hold 32 registers; the second load ends where they end, so that nothing behind them is read.
  // Every three bytes become a 32-bit lane, whose four groups of six bits then move to its four bytes.
  const __m256i order = _mm256_setr_epi8(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1,  //
                                         4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1);
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32, from += 24) {
    const __m256i bytes = _mm256_set_m128i(load_half(from + 8), load_half(from));
    const __m256i lanes = _mm256_shuffle_epi8(bytes, order);
    const __m256i first = _mm256_and_si256(lanes, _mm256_set1_epi32(0x3f));
    const __m256i second = _mm256_and_si256(_mm256_slli_epi32(lanes, 2), _mm256_set1_epi32(0x3f00));
    const __m256i third = _mm256_and_si256(_mm256_slli_epi32(lanes, 4), _mm256_set1_epi32(0x3f0000));
    const __m256i fourth = _mm256_and_si256(_mm256_slli_epi32(lanes, 6), _mm256_set1_epi32(0x3f000000));
    raise_to(into + i, _mm256_or_si256(_mm256_or_si256(first, second), _mm256_or_si256(third, fourth)));
  }
  plain::raise_sixes(into + i, from, n - i);
}

SETTLE_AVX2 std::uint8_t bits(const std::uint8_t* from, std::size_t n) {
  if (n < 64) return plain::bits(from, n);
  // What overlaps does no harm: between the first and the last bytes all loads are aligned, which is half of
  // the time.
  __m256i first = load(from);
  __m256i second = load(from + n - 32);
  std::size_t i = 32 - (reinterpret_cast<std::uintptr_t>(from) & 31U);
  for (; i + 128 <= n; i += 128) {
    first = _mm256_or_si256(first, _mm256_or_si256(load(from + i), load(from + i + 32)));
    second = _mm256_or_si256(second, _mm256_or_si256(load(from + i + 64), load(from + i + 96)));
  }
  for (; i + 32 <= n; i += 32) first = _mm256_or_si256(first, load(from + i));
  alignas(32) std::uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), _mm256_or_si256(first, second));
  std::uint64_t all = words[0] | words[1] | words[2] | words[3];
  all |= all >> 32;
  all |= all >> 16;
  all |= all >> 8;
  return static_cast<std::uint8_t>(all & 255U);
}

SETTLE_AVX2 inline std::uint64_t sum_of_lanes(__m256i lanes) {
  alignas(32) std::uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), lanes);
  return words[0] + words[1] + words[2] + words[3];
}

SETTLE_AVX2 inline __m256i add_bytes(__m256i sums, __m256i bytes) {
  return _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
}

SETTLE_AVX2 std::size_t count_fifteens(const std::uint8_t* from, std::size_t n) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  const __m256i high_bits = _mm256_set1_epi8(static_cast<char>(0xf0));
  const __m256i full = _mm256_set1_epi8(-1);
  __m256i counts = _mm256_setzero_si256();
  std::size_t i = 0;
  while (i + 64 <= n) {
    // Bytes count for at most 120 steps of two, so that none wraps.
    const std::size_t end = std::min(n - n % 64, i + std::size_t{120} * 64);
    __m256i low = _mm256_setzero_si256();
    __m256i high = low;
    SETTLE_UNROLL
    for (; i < end; i += 64) {
      const __m256i packed = load(from + i / 2);
      low = _mm256_sub_epi8(low, _mm256_cmpeq_epi8(_mm256_or_si256(packed, high_bits), full));
      high = _mm256_sub_epi8(high, _mm256_cmpeq_epi8(_mm256_or_si256(packed, low_bits), full));
    }
    counts = add_bytes(add_bytes(counts, low), high);
  }
  return sum_of_lanes(counts) + plain::count_fifteens(from + i / 2, n - i);
}

/// 2^(15 - value) for values from 0 to 15, 0 for all others: low and high bytes, summed.
struct Powers {
  __m256i low;
  __m256i high;
};

SETTLE_AVX2 inline void add_powers(Powers& sums, __m256i values) {
  // A byte of 128 and more looks nothing up; below, its low four bits are the place.
  const __m256i low = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1,  //
                                       0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1);
  const __m256i high = _mm256_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0,  //
                                        -128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i places = _mm256_adds_epu8(values, _mm256_set1_epi8(0x70));
  sums.low = add_bytes(sums.low, _mm256_shuffle_epi8(low, places));
  sums.high = add_bytes(sums.high, _mm256_shuffle_epi8(high, places));
}

SETTLE_AVX2 inline std::uint64_t total(const Powers& sums) {
  return sum_of_lanes(sums.low) + (sum_of_lanes(sums.high) << 8);
}

SETTLE_AVX2 RegisterSums sums(const std::uint8_t* from, std::size_t n, unsigned shift) {
  const __m256i sixteen = _mm256_set1_epi8(16);
  RegisterSums all;
  Powers below{_mm256_setzero_si256(), _mm256_setzero_si256()};  // of registers below 16
  Powers above = below;                                          // of those from 16 to 31
  __m256i zeros = _mm256_setzero_si256();
  std::size_t i = 0;
  while (i + 32 <= n) {
    const std::size_t end = std::min(n - n % 32, i + std::size_t{240} * 32);  // no byte of the count wraps
    __m256i step_zeros = _mm256_setzero_si256();
    for (; i < end; i += 32) {
      const __m256i values = load(from + i);
      step_zeros = _mm256_sub_epi8(step_zeros, _mm256_cmpeq_epi8(values, _mm256_setzero_si256()));
      add_powers(below, values);
      const __m256i rest = _mm256_subs_epu8(values, _mm256_set1_epi8(15));
      if (_mm256_testz_si256(rest, rest) != 0) continue;
      add_powers(above, _mm256_sub_epi8(values, sixteen));
      if (_mm256_testz_si256(values, _mm256_set1_epi8(static_cast<char>(0xe0))) != 0) continue;
      all.beyond_31 = true;
      for (std::size_t k = i; k < i + 32; ++k) {
        if (from[k] > 31 && from[k] <= shift) all.scaled += std::uint64_t{1} << (shift - from[k]);
      }
    }
    zeros = add_bytes(zeros, step_zeros);
  }
  const RegisterSums rest = plain::sums(from + i, n - i, shift);
  all.scaled += rest.scaled + (total(below) << (shift - 15)) + (total(above) << (shift - 31));
  all.zeros = rest.zeros + sum_of_lanes(zeros);
  all.beyond_31 = all.beyond_31 || rest.beyond_31;
  return all;
}

#undef SETTLE_AVX2
#undef SETTLE_UNROLL

constexpr RegisterLoops kLoops{raise, raise_nibbles, raise_sixes, bits, count_fifteens, sums};

}  // namespace avx2
#endif

}  // namespace

const RegisterLoops& plain_loops() {
  return plain::kLoops;
}

const RegisterLoops& register_loops() {
#if defined(__x86_64__)
  static const RegisterLoops& best = __builtin_cpu_supports("avx2") ? avx2::kLoops : plain::kLoops;
  return best;
#else
  return plain::kLoops;
#endif
}

bool any_beyond(std::span<const std::uint8_t> registers, std::uint8_t limit) {
  // No number is larger than the bits of all together; those of usual ranks stay below most limits.
  return register_loops().bits(registers.data(), registers.size()) > limit &&
         *std::max_element(registers.begin(), registers.end()) > limit;
}

}  // namespace settle::sketch
