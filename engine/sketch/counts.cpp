#include "engine/sketch/counts.hpp"

#include <bit>

#include "engine/sketch/load.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define SETTLE_AVX2 __attribute__((target("avx2")))
#endif

namespace settle::sketch {
namespace {

/// Lane l of the group's sum: counts l, l + 4, … as a tree of blocks.
double lane(const double* counts, std::size_t l) {
  double blocks[4];
  for (std::size_t b = 0; b < 4; ++b) {
    const double* c = counts + b * kCountBlock + l;
    blocks[b] = (c[0] + c[4]) + (c[8] + c[12]);
  }
  return (blocks[0] + blocks[1]) + (blocks[2] + blocks[3]);
}

}  // namespace

namespace plain {

bool all_counts(const char* from, std::size_t count) {
  bool good = true;
  for (std::size_t i = 0; i < count; ++i) {
    good &= is_count(load<double>(from + i * sizeof(double)));
  }
  return good;
}

void add_counts(double* into, const char* from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) into[i] += load<double>(from + i * sizeof(double));
}

double sum_groups(const double* counts, std::size_t groups, double* sums) {
  double total = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    const double* c = counts + g * kCountGroup;
    sums[g] = (lane(c, 0) + lane(c, 2)) + (lane(c, 1) + lane(c, 3));
    total += sums[g];
  }
  return total;
}

}  // namespace plain

double sum_block(const double* counts) {
  double lanes[4];
  for (std::size_t l = 0; l < 4; ++l) {
    lanes[l] = (counts[l] + counts[l + 4]) + (counts[l + 8] + counts[l + 12]);
  }
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

#ifdef SETTLE_AVX2
namespace {

SETTLE_AVX2 __m256d load4(const char* from, std::size_t index) {
  return _mm256_loadu_pd(reinterpret_cast<const double*>(from + index * sizeof(double)));
}

SETTLE_AVX2 bool all_counts_avx2(const char* from, std::size_t count) {
  // The upper half of a count, as a number without sign, is less than that of the bound: what is negative,
  // infinite or NaN is greater. The lower halves do not matter.
  __m256i a = _mm256_setzero_si256();
  __m256i b = a;
  const std::size_t whole = count & ~std::size_t{7};
  for (std::size_t i = 0; i < whole; i += 8) {
    a = _mm256_max_epu32(a, _mm256_castpd_si256(load4(from, i)));
    b = _mm256_max_epu32(b, _mm256_castpd_si256(load4(from, i + 4)));
  }
  alignas(32) std::uint64_t greatest[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(greatest), _mm256_max_epu32(a, b));
  constexpr std::uint64_t kBound = std::bit_cast<std::uint64_t>(kCountBound);
  static_assert((kBound & 0xffff'ffff) == 0, "its upper half decides");
  bool good = true;
  for (const std::uint64_t lane : greatest) good &= lane < kBound;
  // Minus zero is a count: a closer look.
  if (!good) return plain::all_counts(from, count);
  return plain::all_counts(from + whole * sizeof(double), count - whole);
}

SETTLE_AVX2 void add_counts_avx2(double* into, const char* from, std::size_t count) {
  const std::size_t whole = count & ~std::size_t{15};
  for (std::size_t i = 0; i < whole; i += 16) {
    for (std::size_t k = 0; k < 16; k += 4) {
      _mm256_storeu_pd(into + i + k, _mm256_add_pd(_mm256_loadu_pd(into + i + k), load4(from, i + k)));
    }
  }
  plain::add_counts(into + whole, from + whole * sizeof(double), count - whole);
}

SETTLE_AVX2 double sum_groups_avx2(const double* counts, std::size_t groups, double* sums) {
  double total = 0;
  for (std::size_t g = 0; g < groups; ++g) {
    const double* c = counts + g * kCountGroup;
    __m256d blocks[4];
    for (std::size_t b = 0; b < 4; ++b, c += kCountBlock) {
      blocks[b] = _mm256_add_pd(_mm256_add_pd(_mm256_loadu_pd(c), _mm256_loadu_pd(c + 4)),
                                _mm256_add_pd(_mm256_loadu_pd(c + 8), _mm256_loadu_pd(c + 12)));
    }
    const __m256d lanes =
        _mm256_add_pd(_mm256_add_pd(blocks[0], blocks[1]), _mm256_add_pd(blocks[2], blocks[3]));
    const __m128d pair = _mm_add_pd(_mm256_castpd256_pd128(lanes), _mm256_extractf128_pd(lanes, 1));
    sums[g] = _mm_cvtsd_f64(_mm_add_sd(pair, _mm_unpackhi_pd(pair, pair)));
    total += sums[g];
  }
  return total;
}

bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0;
}

}  // namespace

bool all_counts(const char* from, std::size_t count) {
  return has_avx2() ? all_counts_avx2(from, count) : plain::all_counts(from, count);
}
void add_counts(double* into, const char* from, std::size_t count) {
  return has_avx2() ? add_counts_avx2(into, from, count) : plain::add_counts(into, from, count);
}
double sum_groups(const double* counts, std::size_t groups, double* sums) {
  return has_avx2() ? sum_groups_avx2(counts, groups, sums) : plain::sum_groups(counts, groups, sums);
}
#else
bool all_counts(const char* from, std::size_t count) {
  return plain::all_counts(from, count);
}
void add_counts(double* into, const char* from, std::size_t count) {
  plain::add_counts(into, from, count);
}
double sum_groups(const double* counts, std::size_t groups, double* sums) {
  return plain::sum_groups(counts, groups, sums);
}
#endif

}  // namespace settle::sketch
