// engine/sketch/count_sketch.hpp: how much each key weighs, without bias: Charikar, Chen and Farach-Colton,
// 2002.
#pragma once

#include <cstddef>

#include "engine/sketch/answer.hpp"
#include "engine/sketch/matrix_sketch.hpp"

namespace settle::sketch {

class CountSketch : public MatrixSketch {
 public:
  using MatrixSketch::MatrixSketch;

  /// The sketch has a shape of a rule with signs (asap); weight finite.
  void add(Key key, double weight);
  /// Both are as before after an error.
  [[nodiscard]] engine::Result<void> merge(const CountSketch& other) { return merge_state(other); }

  /// Costs a pass over the cells, for the norm. The median of the rows (of an even number: the mean of the
  /// two in the middle); off by at most norm() x sqrt(3 / cols) with probability 2/3 in each row, hence 1 -
  /// e^-rows or better of the median of many.
  [[nodiscard]] PointAnswer query(Key key) const { return query(key, slack()); }
  /// Euclidean, of the weights of all keys: the median of what the rows say.
  [[nodiscard]] double norm() const;
  /// Nothing is known of keys that no source named, unless the sketch holds all of its keys.
  [[nodiscard]] TopAnswer top_k(std::size_t k) const;

 private:
  [[nodiscard]] double median(Key key) const;
  [[nodiscard]] double slack() const;
  [[nodiscard]] PointAnswer query(Key key, double slack) const;
};

}  // namespace settle::sketch
