// Where keys find their cells, against a plain reading of the rules; and adding cells, against its plain
// twin.

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#define XXH_INLINE_ALL
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <xxhash.h>

#include "engine/sketch/matrix.hpp"
#include "engine/sketch/matrix_kernels.hpp"

namespace {

using namespace settle::sketch;
__extension__ using Wide = unsigned __int128;

std::uint64_t xxh3(const std::string& key, std::size_t row) {
  return XXH3_64bits_withSeed(key.data(), key.size(), kAsapSeeds[row % 20]);
}

TEST(Matrix, CutsOneHashIntoRowsAsLongAsItSuffices) {
  struct Case {
    std::uint32_t rows;
    std::uint32_t cols;
    int bits;
  };
  for (const Case& one :
       {Case{4, 2048, 64}, Case{3, 512, 64}, Case{2, 3, 64}, Case{1, 1, 64}, Case{5, 2048, 64},
        Case{6, 2048, 128}, Case{7, 1000, 128}, Case{10, 2048, 128}, Case{11, 2048, 0}, Case{20, 100, 0}}) {
    const auto column_bits = static_cast<unsigned>(std::bit_width(one.cols - 1));
    ASSERT_EQ(one.rows * (column_bits + 1) <= 64, one.bits == 64);
    ASSERT_EQ(one.rows * (column_bits + 1) > 128, one.bits == 0);
    const Matrix matrix{MatrixShape{.rows = one.rows, .cols = one.cols}};
    for (const char* text : {"", "a", "flow-0", "a longer key, of more than sixteen bytes"}) {
      const std::string key{text};
      Matrix::Places places;
      matrix.find({key}, places);
      const XXH128_hash_t both = XXH3_128bits_withSeed(key.data(), key.size(), kAsapSeeds[0]);
      for (std::uint32_t row = 0; row < one.rows; ++row) {
        const Wide mask = (Wide{1} << column_bits) - 1;
        Wide hash = one.bits == 64 ? Wide{xxh3(key, 0)} : Wide{both.high64} << 64 | both.low64;
        unsigned sign_bit = static_cast<unsigned>(one.bits) - 1 - row;
        unsigned shift = row * column_bits;
        if (one.bits == 0) {
          hash = xxh3(key, row);
          sign_bit = 63;
          shift = 0;
        }
        const auto column =
            static_cast<std::uint32_t>(static_cast<std::uint64_t>(hash >> shift & mask) % one.cols);
        EXPECT_EQ(places[row].cell, row * one.cols + column) << one.rows << " x " << one.cols << " " << key;
        EXPECT_EQ(places[row].negative, (hash >> sign_bit & 1) == 0);
      }
    }
  }
}

TEST(Matrix, HashesEachRowByItsOwnSeedInRegularMode) {
  const Matrix matrix{MatrixShape{.rows = 20, .cols = 1000, .rule = MatrixShape::Rule::asap_regular}};
  Matrix::Places places;
  const std::string key = "k-a";
  matrix.find({key}, places);
  for (std::uint32_t row = 0; row < 20; ++row) {
    EXPECT_EQ(places[row].cell, row * 1000 + (xxh3(key, row) & 0xffffffff) % 1000);
    EXPECT_EQ(places[row].negative, xxh3(key, row) >> 63 == 0);
  }
}

TEST(Matrix, UsesTheRowAsSeedOfXxh32) {
  const Matrix matrix{MatrixShape{.rows = 3, .cols = 1000, .rule = MatrixShape::Rule::xxh32}};
  Matrix::Places places;
  matrix.find({"abc"}, places);
  for (std::uint32_t row = 0; row < 3; ++row)
    EXPECT_EQ(places[row].cell, row * 1000 + XXH32("abc", 3, row) % 1000);
  // From the reference's test vectors: XXH32("abc", 0).
  EXPECT_EQ(places[0].cell, 0x32d153ffU % 1000);
}

std::vector<double> start(std::size_t n) {
  std::vector<double> cells(n);
  for (std::size_t i = 0; i < n; ++i) cells[i] = static_cast<double>(i) * 0.75;
  return cells;
}

template <class T>
std::string shifted(const std::vector<T>& values) {
  // One byte before: the kernels are not to rely on alignment.
  std::string bytes(1 + values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data() + 1, values.data(), values.size() * sizeof(T));
  return bytes;
}

RC_GTEST_PROP(MatrixKernels, AddDoublesAsTheirPlainTwinDoes, ()) {
  const auto special =
      rc::gen::element(0.0, -0.0, -1.0, 1e300, 1.0000001e300, -1e301, 4.9e-324,
                       std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN());
  const auto cell = rc::gen::weightedOneOf<double>(
      {{40, rc::gen::map(rc::gen::inRange(0, 1'000'000), [](int i) { return i * 0.5; })}, {1, special}});
  const auto values = *rc::gen::container<std::vector<double>>(cell);
  const std::string bytes = shifted(values);
  for (const CellSign sign : {CellSign::any, CellSign::not_negative}) {
    auto fast = start(values.size());
    auto slow = start(values.size());
    const bool fine = plain::add_f64_cells(slow.data(), bytes.data() + 1, values.size(), sign);
    RC_ASSERT(add_f64_cells(fast.data(), bytes.data() + 1, values.size(), sign) == fine);
    RC_ASSERT(are_f64_cells(bytes.data() + 1, values.size(), sign) == fine);
    RC_ASSERT(fast == slow);
    if (!fine) RC_ASSERT(fast == start(values.size()));
  }
}

RC_GTEST_PROP(MatrixKernels, AddIntegersAsTheirPlainTwinDoes, ()) {
  const auto cell = rc::gen::weightedOneOf<std::int64_t>(
      {{40, rc::gen::inRange<std::int64_t>(0, std::int64_t{1} << 52)},
       {1, rc::gen::element<std::int64_t>(-1, std::int64_t{1} << 52, std::int64_t{1} << 53, INT64_MAX,
                                          INT64_MIN)}});
  const auto few = *rc::gen::container<std::vector<std::int64_t>>(cell);
  std::vector<std::int64_t> values;
  for (int i = 0; i < 3; ++i) values.insert(values.end(), few.begin(), few.end());
  const std::string bytes = shifted(values);
  for (const CellSign sign : {CellSign::any, CellSign::not_negative}) {
    auto fast = start(values.size());
    auto slow = start(values.size());
    const bool fine = plain::add_i64_cells(slow.data(), bytes.data() + 1, values.size(), sign);
    RC_ASSERT(add_i64_cells(fast.data(), bytes.data() + 1, values.size(), sign) == fine);
    RC_ASSERT(fast == slow);
  }
  auto fast = start(values.size());
  auto slow = start(values.size());
  add_u64_cells(fast.data(), bytes.data() + 1, values.size());
  plain::add_u64_cells(slow.data(), bytes.data() + 1, values.size());
  RC_ASSERT(fast == slow);
}

}  // namespace
