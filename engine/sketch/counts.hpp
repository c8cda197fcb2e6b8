// engine/sketch/counts.hpp: kernels over arrays of counts (doubles): check, add, sum.
//
// The sums are associated in one fixed way, so that both twins of a kernel give the same bits. The CPU
// decides at run time which twin runs; the plain ones are here for the tests.
#pragma once

#include <cstddef>
#include <cstdint>

namespace settle::sketch {

inline constexpr std::size_t kCountGroup = 64;
inline constexpr std::size_t kCountBlock = 16;

/// Counts are not negative (-0 is one) and less than this, so that no sum of them becomes infinite.
inline constexpr double kCountBound = 0x1p65;
[[nodiscard]] constexpr bool is_count(double value) {
  return value >= 0 && value < kCountBound;
}

/// Whether each of `count` doubles at `from` (unaligned) is one.
[[nodiscard]] bool all_counts(const char* from, std::size_t count);
/// into[i] += the i-th double at `from` (unaligned, elsewhere). Minus zero leaves zero as it is.
void add_counts(double* into, const char* from, std::size_t count);
/// sums[g] = the sum of group g of 64; returns the sum of the sums from the first to the last.
double sum_groups(const double* counts, std::size_t groups, double* sums);
/// Of 16.
[[nodiscard]] double sum_block(const double* counts);

namespace plain {
[[nodiscard]] bool all_counts(const char* from, std::size_t count);
void add_counts(double* into, const char* from, std::size_t count);
double sum_groups(const double* counts, std::size_t groups, double* sums);
}  // namespace plain

}  // namespace settle::sketch
