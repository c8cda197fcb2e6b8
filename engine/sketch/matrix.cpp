#include "engine/sketch/matrix.hpp"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

#include "engine/sketch/hash.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace settle::sketch {

namespace {

/// The row seeds of DataSketches' C++ library: its default engine is minstd_rand0, whose range libstdc++'s
/// uniform_int_distribution stretches to 64 bits by drawing digits to the base of that range.
class RowSeeds {
 public:
  explicit RowSeeds(std::uint64_t seed) : seed_(seed), state_(seed % kModulus == 0 ? 1 : seed % kModulus) {}
  std::uint64_t next() { return wide() + seed_; }

 private:
  static constexpr std::uint64_t kModulus = 2147483647;
  static constexpr std::uint64_t kBase = kModulus - 1;  // how many values a draw has

  std::uint64_t draw() {
    state_ = state_ * 16807 % kModulus;
    return state_ - 1;
  }
  /// Of [0, 4]: the first digit.
  std::uint64_t first_digit() {
    constexpr std::uint64_t kDigits = ~std::uint64_t{0} / kBase / kBase + 1;
    constexpr std::uint64_t kScale = (kBase - 1) / kDigits;
    std::uint64_t drawn = draw();
    while (drawn >= kDigits * kScale) drawn = draw();
    return drawn / kScale;
  }
  std::uint64_t two_digits() {
    for (;;) {
      const std::uint64_t high = kBase * first_digit();
      const std::uint64_t value = high + draw();
      if (value <= ~std::uint64_t{0} / kBase) return value;
    }
  }
  std::uint64_t wide() {
    for (;;) {
      const std::uint64_t high = kBase * two_digits();
      const std::uint64_t value = high + draw();
      if (value >= high) return value;
    }
  }

  std::uint64_t seed_;
  std::uint64_t state_;
};

std::string_view rule_text(MatrixShape::Rule rule) {
  switch (rule) {
    case MatrixShape::Rule::asap_packed:
      return "asap packed";
    case MatrixShape::Rule::asap_regular:
      return "asap regular";
    case MatrixShape::Rule::datasketches:
      return "datasketches";
    case MatrixShape::Rule::xxh32:
      break;
  }
  return "xxh32";
}

std::uint64_t xxh3(Key key, std::size_t row) {
  return XXH3_64bits_withSeed(key.bytes.data(), key.bytes.size(), kAsapSeeds[row % kAsapSeeds.size()]);
}

std::uint32_t xxh32(Key key, std::uint32_t seed) {
  const char* bytes = key.bytes.empty() ? "" : key.bytes.data();
  assert(bytes != nullptr);
  return XXH32(bytes, key.bytes.size(), seed);
}

}  // namespace

MatrixShape MatrixShape::of_error(double error, double confidence) {
  assert(error > 0 && confidence > 0 && confidence < 1);
  const double cols = std::clamp(std::ceil(std::exp(1.0) / error), 2.0, 262'144.0);
  const double rows = std::clamp(std::ceil(-std::log(1 - confidence)), 1.0, 64.0);
  return {.rows = static_cast<std::uint32_t>(rows), .cols = std::bit_ceil(static_cast<std::uint32_t>(cols))};
}

engine::Result<void> MatrixShape::check() const {
  if (rows == 0 || cols == 0 || rows > kRowsMax || cells() > kCellsMax) {
    return engine::refused("a matrix of " + text() + ": rows are 1 to " + std::to_string(kRowsMax) +
                           ", cells up to " + std::to_string(kCellsMax));
  }
  return {};
}

std::string MatrixShape::text() const {
  std::string text =
      std::to_string(rows) + " x " + std::to_string(cols) + ", " + std::string{rule_text(rule)};
  if (rule == Rule::datasketches) text += " seed " + std::to_string(seed);
  return text;
}

std::uint16_t datasketches_seed_hash(std::uint64_t seed) {
  std::array<char, sizeof seed> bytes{};
  std::memcpy(bytes.data(), &seed, sizeof seed);
  return static_cast<std::uint16_t>(murmur3_x64_128({bytes.data(), bytes.size()}, 0).low);
}

bool Matrix::is_zero() const {
  return std::all_of(cells_.begin(), cells_.end(), [](double cell) { return cell == 0; });
}

engine::Result<void> Matrix::fits(const MatrixShape& other) const {
  if (!has_shape() || shape_ == other) return {};
  return engine::refused("matrices of different shape or hashing: " + shape_.text() + " against " +
                         other.text());
}

void Matrix::take_shape(const MatrixShape& shape) {
  if (!has_shape()) shape_ = shape;
}

std::span<double> Matrix::cells() {
  if (cells_.empty()) cells_.assign(shape_.cells(), 0.0);
  counts_ = true;
  return cells_;
}

double Matrix::join_sample_p(double p) {
  if (!counts_) sample_p_ = p;
  if (p < sample_p_) {
    scale(p / sample_p_);
    sample_p_ = p;
  }
  return sample_p_ / p;
}

void Matrix::scale(double factor) {
  for (double& cell : cells_) cell *= factor;
}

void Matrix::add(const Matrix& other) {
  if (!other.has_shape()) return;
  take_shape(other.shape_);
  if (other.cells_.empty()) return;
  const double factor = join_sample_p(other.sample_p_);
  const std::span<double> into = cells();
  const double* from = other.cells_.data();
  if (factor == 1) {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += from[i];
  } else {
    for (std::size_t i = 0; i < into.size(); ++i) into[i] += factor * from[i];
  }
}

void Matrix::find(Key key, Places& places) const {
  const std::uint32_t cols = shape_.cols;
  switch (shape_.rule) {
    case MatrixShape::Rule::asap_packed:
      return find_packed(key, places);
    case MatrixShape::Rule::datasketches:
      return find_datasketches(key, places);
    case MatrixShape::Rule::asap_regular:
      for (std::uint32_t row = 0; row < shape_.rows; ++row) {
        const std::uint64_t hash = xxh3(key, row);
        places[row] = {row * cols + static_cast<std::uint32_t>(hash) % cols, (hash >> 63) == 0};
      }
      return;
    case MatrixShape::Rule::xxh32:
      for (std::uint32_t row = 0; row < shape_.rows; ++row) {
        places[row] = {row * cols + xxh32(key, row) % cols, false};
      }
  }
}

void Matrix::find_packed(Key key, Places& places) const {
  // A column's bits, and one more for the sign, which is taken from the hash's other end.
  const std::uint32_t rows = shape_.rows;
  const std::uint32_t cols = shape_.cols;
  const auto bits = static_cast<std::uint32_t>(std::bit_width(cols - 1));
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::uint32_t wanted = rows * (bits + 1);
  if (wanted <= 64) {
    const std::uint64_t hash = xxh3(key, 0);
    for (std::uint32_t row = 0; row < rows; ++row) {
      const auto column = static_cast<std::uint32_t>((hash >> (row * bits)) & mask);
      places[row] = {row * cols + column % cols, ((hash >> (63 - row)) & 1) == 0};
    }
  } else if (wanted <= 128) {
    const XXH128_hash_t both = XXH3_128bits_withSeed(key.bytes.data(), key.bytes.size(), kAsapSeeds[0]);
    const auto at = [&](std::uint32_t shift) {
      if (shift >= 64) return both.high64 >> (shift - 64);
      return shift == 0 ? both.low64 : both.low64 >> shift | both.high64 << (64 - shift);
    };
    for (std::uint32_t row = 0; row < rows; ++row) {
      const auto column = static_cast<std::uint32_t>(at(row * bits) & mask);
      places[row] = {row * cols + column % cols, (at(127 - row) & 1) == 0};
    }
  } else {
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint64_t hash = xxh3(key, row);
      places[row] = {row * cols + static_cast<std::uint32_t>(hash & mask) % cols, (hash >> 63) == 0};
    }
  }
}

void Matrix::find_datasketches(Key key, Places& places) const {
  RowSeeds seeds{shape_.seed};
  for (std::uint32_t row = 0; row < shape_.rows; ++row) {
    const std::uint64_t hash = murmur3_x64_128(key.bytes, seeds.next()).low;
    places[row] = {row * shape_.cols + static_cast<std::uint32_t>(hash % shape_.cols), false};
  }
}

std::uint64_t Matrix::canonical_hash() const {
  const bool zero = is_zero();
  const std::array<std::uint64_t, 6> head{shape_.rows,
                                          shape_.cols,
                                          static_cast<std::uint64_t>(shape_.rule),
                                          shape_.seed,
                                          std::bit_cast<std::uint64_t>(zero ? 1.0 : sample_p_),
                                          zero ? 1U : 0U};
  const std::uint64_t start = XXH3_64bits(head.data(), sizeof head);
  if (zero) return start;
  // -0 is 0: cells that cancel out must not tell how.
  if (std::none_of(cells_.begin(), cells_.end(),
                   [](double cell) { return cell == 0 && std::signbit(cell); })) {
    return XXH3_64bits_withSeed(cells_.data(), cells_.size() * sizeof(double), start);
  }
  std::vector<double> clean{cells_};
  for (double& cell : clean) cell += 0.0;
  return XXH3_64bits_withSeed(clean.data(), clean.size() * sizeof(double), start);
}

}  // namespace settle::sketch
