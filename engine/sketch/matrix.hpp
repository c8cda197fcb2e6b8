// engine/sketch/matrix.hpp: what Count-Min and CountSketch share: rows of cells, and how a key finds its cell
// in each.
//
// Cormode, Muthukrishnan: An improved data stream summary, 2005; Charikar, Chen, Farach-Colton: Finding
// frequent items in data streams, 2002. The rules are those of the producers: ASAP (sketchlib-go,
// asap_sketchlib), Apache DataSketches (C++), ASAPQuery's stream jobs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/result.hpp"
#include "engine/sketch/key_table.hpp"

namespace settle::sketch {

struct MatrixShape {
  static constexpr std::size_t kRowsMax = 64;
  static constexpr std::size_t kCellsMax = std::size_t{1} << 24;
  enum class Rule : std::uint8_t {
    asap_packed =
        0,  // "fast": one XXH3, of 64 or 128 bits, cut into rows; one for each row where that is too short
    asap_regular = 1,  // one XXH3-64 for each row, seeds from ASAP's list
    datasketches =
        2,      // MurmurHash3 x64-128, row seeds drawn from `seed` as libstdc++ draws them; Count-Min only
    xxh32 = 3,  // XXH32, seed = row; Count-Min only
  };

  std::uint32_t rows = 0;
  std::uint32_t cols = 0;
  Rule rule = Rule::asap_packed;
  std::uint64_t seed = 0;  // of datasketches; 0 elsewhere

  /// Width from the error wanted (a share of the total weight), rows from 1 - confidence; the width a power
  /// of two.
  [[nodiscard]] static MatrixShape of_error(double error, double confidence);
  [[nodiscard]] std::size_t cells() const { return std::size_t{rows} * cols; }
  [[nodiscard]] engine::Result<void> check() const;  // the bounds above
  [[nodiscard]] std::string text() const;            // for errors: "4 x 2048, asap packed"
  [[nodiscard]] bool operator==(const MatrixShape&) const = default;
};

/// The twenty seeds that ASAP's libraries share.
inline constexpr std::array<std::uint64_t, 20> kAsapSeeds{
    0xcafe3553, 0xade3415118, 0x8cc70208, 0x2f024b2b, 0x451a3df5, 0x6a09e667, 0xbb67ae85,
    0x3c6ef372, 0xa54ff53a,   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19, 0xcbbb9d5d,
    0x629a292a, 0x9159015a,   0x152fecd8, 0x67332667, 0x8eb44a87, 0xdb0c2e0d};

/// What a datasketches blob says of its seed.
[[nodiscard]] std::uint16_t datasketches_seed_hash(std::uint64_t seed);

/// A shape, cells once something was added, and the share of events that the producers saw.
class Matrix {
 public:
  Matrix() = default;
  explicit Matrix(MatrixShape shape) : shape_(shape) {}

  [[nodiscard]] bool has_shape() const { return shape_.rows != 0; }
  [[nodiscard]] const MatrixShape& shape() const { return shape_; }
  /// No cell differs from zero.
  [[nodiscard]] bool is_zero() const;
  /// An error that names both sides; anything fits what has no shape.
  [[nodiscard]] engine::Result<void> fits(const MatrixShape& other) const;
  /// Takes the shape if there is none.
  void take_shape(const MatrixShape& shape);

  /// Row-major; allocates at the first call.
  [[nodiscard]] std::span<double> cells();
  [[nodiscard]] std::span<const double> cells() const { return cells_; }
  [[nodiscard]] std::size_t cells_in_use() const { return cells_.size(); }  // 0: none was needed so far

  /// Share of the events that the cells count, 0 < p <= 1. Sources of different shares are brought to the
  /// smaller: the answer is by what the cells of the source to be added must be multiplied.
  [[nodiscard]] double sample_p() const { return sample_p_; }
  [[nodiscard]] double join_sample_p(double p);

  /// fits() has been asked; both are of one shape or one has none.
  void add(const Matrix& other);

  /// Where the key's cells are, by row, and with which sign CountSketch counts there.
  struct Place {
    std::uint32_t cell = 0;
    bool negative = false;
  };
  using Places = std::array<Place, MatrixShape::kRowsMax>;
  void find(Key key, Places& places) const;  // the first shape().rows of them

  [[nodiscard]] std::uint64_t canonical_hash() const;

 private:
  void scale(double factor);
  void find_packed(Key key, Places& places) const;
  void find_datasketches(Key key, Places& places) const;

  MatrixShape shape_;
  double sample_p_ = 1;
  bool counts_ = false;  // something of sample_p_ is in it
  std::vector<double> cells_;
};

/// Of a sketch's estimate: the true weight lies in [low, high] with probability 1 - e^-rows.
struct PointAnswer {
  double estimate = 0;
  double low = 0;
  double high = 0;
};

}  // namespace settle::sketch
