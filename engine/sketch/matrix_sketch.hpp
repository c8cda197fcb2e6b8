// engine/sketch/matrix_sketch.hpp: a matrix and the keys to ask it for: the state of Count-Min and of
// CountSketch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/result.hpp"
#include "engine/sketch/matrix.hpp"
#include "engine/sketch/top_items.hpp"

namespace settle::sketch {

class MatrixSketch {
 public:
  /// How many candidates building keeps for top_k(10): four times as many as are asked for.
  static constexpr std::size_t kKeep = 40;
  static constexpr MatrixShape kDefaultShape{.rows = 4, .cols = 2048};

  MatrixSketch() = default;  // takes the shape of what is merged first
  explicit MatrixSketch(MatrixShape shape, std::size_t keep = kKeep) : matrix_(shape), keep_(keep) {}

  // For codecs, which check before they change.
  [[nodiscard]] const Matrix& matrix() const { return matrix_; }
  [[nodiscard]] Matrix& matrix() { return matrix_; }
  [[nodiscard]] const TopItems& items() const { return items_; }
  [[nodiscard]] TopItems& items() { return items_; }

  [[nodiscard]] Degraded degraded() const {
    return matrix_.sample_p() < 1 ? Degraded::sampled : Degraded::nothing;
  }

 protected:
  [[nodiscard]] engine::Result<void> merge_state(const MatrixSketch& other);
  [[nodiscard]] std::size_t keep() const { return keep_; }

 private:
  Matrix matrix_;
  TopItems items_;
  std::size_t keep_ = kKeep;
};

/// Equal for equal content: the cells, and the candidates in whatever order.
[[nodiscard]] std::uint64_t canonical_hash(const MatrixSketch& sketch);

}  // namespace settle::sketch
