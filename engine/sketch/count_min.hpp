// engine/sketch/count_min.hpp: how much each key weighs, never too little: Cormode and Muthukrishnan, 2005.
#pragma once

#include <cstddef>

#include "engine/sketch/answer.hpp"
#include "engine/sketch/matrix_sketch.hpp"

namespace settle::sketch {

class CountMin : public MatrixSketch {
 public:
  using MatrixSketch::MatrixSketch;

  /// The sketch has a shape; 0 <= weight, finite.
  void add(Key key, double weight);
  /// Both are as before after an error.
  [[nodiscard]] engine::Result<void> merge(const CountMin& other) { return merge_state(other); }

  /// Costs a pass over the cells, for the total. The least cell; the true weight is at most that, and at
  /// least e/cols of the total weight less, with probability 1 - e^-rows.
  [[nodiscard]] PointAnswer query(Key key) const { return query(key, slack()); }
  /// Of everything that was added.
  [[nodiscard]] double total() const;
  [[nodiscard]] TopAnswer top_k(std::size_t k) const;

 private:
  [[nodiscard]] double least_cell(Key key) const;
  [[nodiscard]] double slack() const;
  [[nodiscard]] PointAnswer query(Key key, double slack) const;
  [[nodiscard]] double greatest_possible() const;
};

}  // namespace settle::sketch
