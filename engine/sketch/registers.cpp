#include "engine/sketch/registers.hpp"

#include <algorithm>
#include <cstring>

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

std::uint8_t largest(const std::uint8_t* from, std::size_t n) {
  return n == 0 ? std::uint8_t{0} : *std::max_element(from, from + n);
}

RegisterLoops::Nibbles count_nibbles(const std::uint8_t* from, std::size_t n, std::uint8_t limit) {
  RegisterLoops::Nibbles counts;
  for (std::size_t i = 0; i < n; ++i) {
    const unsigned nibble = (from[i / 2] >> (4 * (i % 2))) & 15U;
    counts.fifteens += nibble == 15 ? 1 : 0;
    counts.above += nibble != 15 && nibble > limit ? 1 : 0;
  }
  return counts;
}

RegisterSums sums(const std::uint8_t* from, std::size_t n, unsigned shift) {
  RegisterSums all;
  for (std::size_t i = 0; i < n; ++i) {
    all.zeros += from[i] == 0 ? 1 : 0;
    if (from[i] <= shift) all.scaled += std::uint64_t{1} << (shift - from[i]);
  }
  return all;
}

constexpr RegisterLoops kLoops{raise, raise_nibbles, raise_sixes, largest, count_nibbles, sums};

}  // namespace plain

#if defined(__x86_64__)
namespace avx2 {

// Each takes 32 registers at a time and leaves a last 16 to its plain twin.
#define SETTLE_AVX2 __attribute__((target("avx2")))

SETTLE_AVX2 inline __m256i load(const std::uint8_t* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}

SETTLE_AVX2 inline __m128i load_half(const std::uint8_t* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}

SETTLE_AVX2 inline void raise_to(std::uint8_t* into, __m256i values) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(into), _mm256_max_epu8(load(into), values));
}

/// 32 nibbles as bytes, in order.
SETTLE_AVX2 inline __m256i spread_nibbles(const std::uint8_t* from) {
  const __m128i packed = load_half(from);
  const __m128i low = _mm_and_si128(packed, _mm_set1_epi8(15));
  const __m128i high = _mm_and_si128(_mm_srli_epi16(packed, 4), _mm_set1_epi8(15));
  return _mm256_set_m128i(_mm_unpackhi_epi8(low, high), _mm_unpacklo_epi8(low, high));
}

SETTLE_AVX2 void raise(std::uint8_t* into, const std::uint8_t* from, std::size_t n) {
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) raise_to(into + i, load(from + i));
  plain::raise(into + i, from + i, n - i);
}

SETTLE_AVX2 void raise_nibbles(std::uint8_t* into, const std::uint8_t* from, std::size_t n,
                               std::uint8_t base) {
  const __m256i added = _mm256_set1_epi8(static_cast<char>(base));
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) raise_to(into + i, _mm256_add_epi8(spread_nibbles(from + i / 2), added));
  plain::raise_nibbles(into + i, from + i / 2, n - i, base);
}

SETTLE_AVX2 void raise_sixes(std::uint8_t* into, const std::uint8_t* from, std::size_t n) {
  // 24 bytes hold 32 registers; the second load ends where they end, so that nothing behind them is read. Every three
  // bytes become a 32-bit lane, whose four groups of six bits then move to its four bytes.
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

SETTLE_AVX2 std::uint8_t largest(const std::uint8_t* from, std::size_t n) {
  __m256i first = _mm256_setzero_si256();
  __m256i second = first;
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    first = _mm256_max_epu8(first, load(from + i));
    second = _mm256_max_epu8(second, load(from + i + 32));
  }
  alignas(32) std::uint8_t lanes[32];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), _mm256_max_epu8(first, second));
  return std::max(plain::largest(lanes, 32), plain::largest(from + i, n - i));
}

SETTLE_AVX2 inline std::uint64_t sum_of_lanes(__m256i lanes) {
  alignas(32) std::uint64_t words[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(words), lanes);
  return words[0] + words[1] + words[2] + words[3];
}

SETTLE_AVX2 RegisterLoops::Nibbles count_nibbles(const std::uint8_t* from, std::size_t n,
                                                 std::uint8_t limit) {
  const __m256i low_bits = _mm256_set1_epi8(15);
  const __m256i limits = _mm256_set1_epi8(static_cast<char>(limit));
  __m256i fifteens = _mm256_setzero_si256();
  __m256i above = fifteens;
  std::size_t i = 0;
  while (i + 64 <= n) {
    // Bytes count down from 0 for at most 120 steps of two, so that none wraps.
    __m256i step_fifteens = _mm256_setzero_si256();
    __m256i step_above = step_fifteens;
    for (int step = 0; step < 120 && i + 64 <= n; ++step, i += 64) {
      const __m256i packed = load(from + i / 2);
      for (const __m256i nibbles :
           {_mm256_and_si256(packed, low_bits), _mm256_and_si256(_mm256_srli_epi16(packed, 4), low_bits)}) {
        const __m256i full = _mm256_cmpeq_epi8(nibbles, low_bits);
        step_fifteens = _mm256_sub_epi8(step_fifteens, full);
        step_above =
            _mm256_sub_epi8(step_above, _mm256_andnot_si256(full, _mm256_cmpgt_epi8(nibbles, limits)));
      }
    }
    fifteens = _mm256_add_epi64(fifteens, _mm256_sad_epu8(step_fifteens, _mm256_setzero_si256()));
    above = _mm256_add_epi64(above, _mm256_sad_epu8(step_above, _mm256_setzero_si256()));
  }
  RegisterLoops::Nibbles counts = plain::count_nibbles(from + i / 2, n - i, limit);
  counts.fifteens += sum_of_lanes(fifteens);
  counts.above += sum_of_lanes(above);
  return counts;
}

SETTLE_AVX2 inline __m256i powers(const std::uint8_t* four, __m256i one) {
  int word = 0;
  std::memcpy(&word, four, sizeof word);
  return _mm256_srlv_epi64(one, _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(word)));  // 0 from a shift of 64 on
}

SETTLE_AVX2 RegisterSums sums(const std::uint8_t* from, std::size_t n, unsigned shift) {
  const __m256i one = _mm256_set1_epi64x(static_cast<std::int64_t>(std::uint64_t{1} << shift));
  __m256i first = _mm256_setzero_si256();
  __m256i second = first;
  RegisterSums all;
  std::size_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i zeros = _mm256_cmpeq_epi8(load(from + i), _mm256_setzero_si256());
    all.zeros += static_cast<unsigned>(__builtin_popcount(static_cast<unsigned>(_mm256_movemask_epi8(zeros))));
    for (std::size_t k = 0; k < 32; k += 8) {
      first = _mm256_add_epi64(first, powers(from + i + k, one));
      second = _mm256_add_epi64(second, powers(from + i + k + 4, one));
    }
  }
  const RegisterSums rest = plain::sums(from + i, n - i, shift);
  all.zeros += rest.zeros;
  all.scaled = rest.scaled + sum_of_lanes(_mm256_add_epi64(first, second));
  return all;
}

#undef SETTLE_AVX2

constexpr RegisterLoops kLoops{raise, raise_nibbles, raise_sixes, largest, count_nibbles, sums};

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

}  // namespace settle::sketch
