#include "engine/sketch/matrix_kernels.hpp"

#include <bit>

#include "engine/sketch/load.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace settle::sketch {

namespace {

// What a cell's bits, as a signed number, may be at most; a cell with its sign bit cleared, that is.
constexpr auto kLargest = std::bit_cast<std::int64_t>(kCellMax);

bool is_fine(std::int64_t bits, CellSign sign) {
  const std::int64_t magnitude = bits & INT64_MAX;
  return magnitude <= kLargest && (sign == CellSign::any || bits >= 0 || magnitude == 0);
}

bool are_fine_plainly(const char* from, std::size_t n, CellSign sign) {
  for (std::size_t i = 0; i < n; ++i) {
    if (!is_fine(load<std::int64_t>(from + 8 * i), sign)) return false;
  }
  return true;
}

}  // namespace

namespace plain {

bool add_f64_cells(double* into, const char* from, std::size_t n, CellSign sign) {
  if (!are_fine_plainly(from, n, sign)) return false;
  for (std::size_t i = 0; i < n; ++i) into[i] += load<double>(from + 8 * i);
  return true;
}

bool add_i64_cells(double* into, const char* from, std::size_t n, CellSign sign) {
  for (std::size_t i = 0; i < n && sign == CellSign::not_negative; ++i) {
    if (load<std::int64_t>(from + 8 * i) < 0) return false;
  }
  for (std::size_t i = 0; i < n; ++i) into[i] += static_cast<double>(load<std::int64_t>(from + 8 * i));
  return true;
}

void add_u64_cells(double* into, const char* from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) into[i] += static_cast<double>(load<std::uint64_t>(from + 8 * i));
}

}  // namespace plain

#if defined(__x86_64__)
namespace {

__attribute__((target("avx2"))) __m256i load4(const char* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

/// Whether all cells may get in. Cells of not_negative that are -0 are looked at again, one by one.
__attribute__((target("avx2"))) bool are_fine(const char* from, std::size_t n, CellSign sign) {
  const __m256i largest = _mm256_set1_epi64x(kLargest);
  const __m256i magnitude = _mm256_set1_epi64x(INT64_MAX);
  __m256i bad = _mm256_setzero_si256();
  std::size_t i = 0;
  if (sign == CellSign::any) {
    for (; i + 4 <= n; i += 4) {
      bad =
          _mm256_or_si256(bad, _mm256_cmpgt_epi64(_mm256_and_si256(load4(from + 8 * i), magnitude), largest));
    }
  } else {
    // The sign bit of what is negative stays set; four at a time, as the loads allow.
    __m256i bad2 = bad;
    for (; i + 8 <= n; i += 8) {
      const __m256i first = load4(from + 8 * i);
      const __m256i second = load4(from + 8 * i + 32);
      bad = _mm256_or_si256(bad, _mm256_or_si256(first, _mm256_cmpgt_epi64(first, largest)));
      bad2 = _mm256_or_si256(bad2, _mm256_or_si256(second, _mm256_cmpgt_epi64(second, largest)));
    }
    bad = _mm256_or_si256(bad, bad2);
  }
  if (_mm256_movemask_pd(_mm256_castsi256_pd(bad)) != 0) i = 0;
  return are_fine_plainly(from + 8 * i, n - i, sign);
}

__attribute__((target("avx2"))) bool are_not_negative(const char* from, std::size_t n) {
  std::int64_t all = 0;
  for (std::size_t i = 0; i < n; ++i) all |= load<std::int64_t>(from + 8 * i);
  return all >= 0;
}

// Cells whose vectors lie in registers at once.
constexpr std::size_t kBlock = 32;

__attribute__((target("avx2"))) void add_plainly(double* into, const char* from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) into[i] += load<double>(from + 8 * i);
}

/// Adds block after block as long as every cell may get in and every sum is exact, so that subtracting takes
/// it back: that is seen without reading anything twice. The number of cells added.
__attribute__((target("avx2"))) std::size_t add_exact(double* into, const char* from, std::size_t n) {
  // The upper half of a cell that may get in, as a number without sign, is less than this: what is negative,
  // infinite or NaN is greater. The lower halves do not matter.
  const __m256i most = _mm256_set1_epi64x(kLargest);
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    __m256d sums[kBlock / 4];
    __m256d inexact = _mm256_setzero_pd();
    __m256i greatest = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kBlock / 4; ++k) {
      const __m256d cells = _mm256_castsi256_pd(load4(from + 8 * (i + 4 * k)));
      const __m256d old = _mm256_loadu_pd(into + i + 4 * k);
      sums[k] = _mm256_add_pd(old, cells);
      inexact = _mm256_or_pd(inexact, _mm256_cmp_pd(_mm256_sub_pd(sums[k], cells), old, _CMP_NEQ_UQ));
      greatest = _mm256_max_epu32(greatest, _mm256_castpd_si256(cells));
    }
    const __m256i beyond = _mm256_cmpeq_epi32(_mm256_max_epu32(greatest, most), greatest);
    if (_mm256_movemask_pd(_mm256_or_pd(inexact, _mm256_castsi256_pd(beyond))) != 0) break;
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kBlock / 4; ++k) _mm256_storeu_pd(into + i + 4 * k, sums[k]);
  }
  return i;
}

__attribute__((target("avx2"))) bool add_f64_avx2(double* into, const char* from, std::size_t n,
                                                  CellSign sign) {
  const std::size_t done = sign == CellSign::not_negative ? add_exact(into, from, n) : 0;
  if (are_fine(from + 8 * done, n - done, sign)) {
    add_plainly(into + done, from + 8 * done, n - done);
    return true;
  }
  for (std::size_t i = 0; i < done; ++i) into[i] -= load<double>(from + 8 * i);
  return false;
}

/// Counts below 2^52 are the low bits of 2^52 + count; blocks with a greater one go the plain way.
__attribute__((target("avx2"))) void add_u64_avx2(double* into, const char* from, std::size_t n) {
  const __m256d two52 = _mm256_set1_pd(0x1p52);
  const __m256i two52_bits = _mm256_castpd_si256(two52);
  std::size_t i = 0;
  for (; i + kBlock <= n; i += kBlock) {
    __m256i counts[kBlock / 4];
    __m256i all = _mm256_setzero_si256();
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kBlock / 4; ++k) {
      counts[k] = load4(from + 8 * (i + 4 * k));
      all = _mm256_or_si256(all, counts[k]);
    }
    const __m256i high = _mm256_srli_epi64(all, 52);
    if (_mm256_testz_si256(high, high) == 0) {
      plain::add_u64_cells(into + i, from + 8 * i, kBlock);
      continue;
    }
#pragma GCC unroll 8
    for (std::size_t k = 0; k < kBlock / 4; ++k) {
      const __m256d count = _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(counts[k], two52_bits)), two52);
      _mm256_storeu_pd(into + i + 4 * k, _mm256_add_pd(_mm256_loadu_pd(into + i + 4 * k), count));
    }
  }
  plain::add_u64_cells(into + i, from + 8 * i, n - i);
}

}  // namespace

bool add_f64_cells(double* into, const char* from, std::size_t n, CellSign sign) {
  if (__builtin_cpu_supports("avx2")) return add_f64_avx2(into, from, n, sign);
  return plain::add_f64_cells(into, from, n, sign);
}

bool are_f64_cells(const char* from, std::size_t n, CellSign sign) {
  return __builtin_cpu_supports("avx2") ? are_fine(from, n, sign) : are_fine_plainly(from, n, sign);
}

bool add_i64_cells(double* into, const char* from, std::size_t n, CellSign sign) {
  if (sign == CellSign::not_negative && __builtin_cpu_supports("avx2")) {
    if (!are_not_negative(from, n)) return false;
    add_u64_avx2(into, from, n);
    return true;
  }
  return plain::add_i64_cells(into, from, n, sign);
}

void add_u64_cells(double* into, const char* from, std::size_t n) {
  if (__builtin_cpu_supports("avx2")) return add_u64_avx2(into, from, n);
  plain::add_u64_cells(into, from, n);
}
#else
bool add_f64_cells(double* into, const char* from, std::size_t n, CellSign sign) {
  return plain::add_f64_cells(into, from, n, sign);
}
bool are_f64_cells(const char* from, std::size_t n, CellSign sign) {
  return are_fine_plainly(from, n, sign);
}
bool add_i64_cells(double* into, const char* from, std::size_t n, CellSign sign) {
  return plain::add_i64_cells(into, from, n, sign);
}
void add_u64_cells(double* into, const char* from, std::size_t n) {
  plain::add_u64_cells(into, from, n);
}
#endif

}  // namespace settle::sketch
