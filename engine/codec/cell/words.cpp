#include "engine/codec/cell/words.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/sketch/load.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define SETTLE_AVX2 __attribute__((target("avx2")))
#endif

namespace settle::codec::cell {

namespace {

using sketch::load;

/// f(a number of the way's type)
template <class F>
auto with_number(Way way, F f) {
  switch (way) {
    case Way::u8:
      return f(std::uint8_t{});
    case Way::u16:
      return f(std::uint16_t{});
    case Way::u32:
      return f(std::uint32_t{});
    case Way::i8:
      return f(std::int8_t{});
    case Way::i16:
      return f(std::int16_t{});
    case Way::i32:
      return f(std::int32_t{});
    case Way::f64:
      break;
  }
  return f(double{});
}

/// at(i) -> the i-th number
template <class At>
Way least_way(std::size_t count, At at) {
  bool whole = true;
  double low = 0;
  double high = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double number = at(i);
    whole &= number == std::trunc(number);
    low = std::min(low, number);
    high = std::max(high, number);
  }
  const auto is_within = [&]<class Number>(Number) {
    using Limits = std::numeric_limits<Number>;
    return low >= static_cast<double>(Limits::min()) && high <= static_cast<double>(Limits::max());
  };
  for (std::uint8_t way = 0; whole && way < kLastWay; ++way) {
    if (with_number(static_cast<Way>(way), is_within)) return static_cast<Way>(way);
  }
  return Way::f64;
}

/// Of unsigned numbers; the way before has half their bits.
template <class Number>
bool fills(const char* from, std::size_t count) {
  Number bits = 0;
  for (std::size_t i = 0; i < count; ++i) bits |= load<Number>(from + i * sizeof bits);
  return bits >> (sizeof bits * 4) != 0;
}

}  // namespace

Way way_of(std::span<const double> numbers) {
  return least_way(numbers.size(), [&](std::size_t i) { return numbers[i]; });
}

double number_at(Way way, const char* from) {
  return with_number(way, [&]<class Number>(Number) { return static_cast<double>(load<Number>(from)); });
}

void put_number(Way way, double number, char* to) {
  with_number(way, [&]<class Number>(Number) {
    const auto as_written = static_cast<Number>(number + 0.0);
    std::memcpy(to, &as_written, sizeof as_written);
  });
}

bool is_column(Way way, const char* from, std::size_t count, NumberLimits limits) {
  if (way == Way::u8) return true;
  if (way == Way::u16) return fills<std::uint16_t>(from, count);
  if (way == Way::u32) return fills<std::uint32_t>(from, count);
  const std::size_t width = width_of(way);
  bool fine = true;
  for (std::size_t i = 0; i < count; ++i) {
    const double number = number_at(way, from + i * width);
    fine &= std::abs(number) < limits.below && (number >= 0 || limits.negative) &&
            (number != 0 || !std::signbit(number));
  }
  return fine && least_way(count, [&](std::size_t i) { return number_at(way, from + i * width); }) == way;
}

bool has_zero_word(const char* from, std::size_t words) {
  bool zero = false;
  for (std::size_t i = 0; i < words; ++i) zero |= load<std::uint64_t>(from + i * kWord) == 0;
  return zero;
}

namespace plain {

void add_words(Way way, double* into, const char* from, std::size_t words) {
  with_number(way, [&]<class Number>(Number) {
    const std::size_t count = words * (kWord / sizeof(Number));
    for (std::size_t i = 0; i < count; ++i) {
      into[i] += static_cast<double>(load<Number>(from + i * sizeof(Number)));
    }
  });
}

}  // namespace plain

#ifdef SETTLE_AVX2
namespace {

SETTLE_AVX2 void add4(double* into, __m128i numbers) {
  _mm256_storeu_pd(into, _mm256_add_pd(_mm256_loadu_pd(into), _mm256_cvtepi32_pd(numbers)));
}

SETTLE_AVX2 __m128i word_at(const char* from) {
  return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(from));
}

SETTLE_AVX2 void add_u8_avx2(double* into, const char* from, std::size_t words) {
  for (std::size_t i = 0; i < words; ++i, into += 8) {
    const __m256i numbers = _mm256_cvtepu8_epi32(word_at(from + i * kWord));
    add4(into, _mm256_castsi256_si128(numbers));
    add4(into + 4, _mm256_extracti128_si256(numbers, 1));
  }
}

SETTLE_AVX2 void add_u16_avx2(double* into, const char* from, std::size_t words) {
  for (std::size_t i = 0; i < words; ++i, into += 4)
    add4(into, _mm_cvtepu16_epi32(word_at(from + i * kWord)));
}

}  // namespace

void add_words(Way way, double* into, const char* from, std::size_t words) {
  // Counts are nearly always of these two.
  if (way > Way::u16 || __builtin_cpu_supports("avx2") == 0) return plain::add_words(way, into, from, words);
  way == Way::u8 ? add_u8_avx2(into, from, words) : add_u16_avx2(into, from, words);
}
#else
void add_words(Way way, double* into, const char* from, std::size_t words) {
  plain::add_words(way, into, from, words);
}
#endif

}  // namespace settle::codec::cell
