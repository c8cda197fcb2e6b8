// engine/sketch/frequent_items.hpp: items and their weights, merged without purging.
//
// Sources that count the most frequent items (DataSketches' frequent items, Misra-Gries) hold lower bounds
// and say by how much at most they are off. Summed in one table that grows, nothing is lost to the merge: an
// item's weight is at least what was summed, and at most that and the sum of all the sources' offsets,
// whether or not they hold it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/result.hpp"
#include "engine/sketch/answer.hpp"
#include "engine/sketch/key_table.hpp"

namespace settle::sketch {

class FrequentItems {
 public:
  /// Exact; 0 <= weight, finite. Refused when the table is full.
  [[nodiscard]] engine::Result<void> add(Key key, double weight);
  [[nodiscard]] engine::Result<void> merge(const FrequentItems& other);

  [[nodiscard]] double total() const { return total_; }
  [[nodiscard]] double offset() const { return offset_; }
  [[nodiscard]] const KeyTable& items() const { return items_; }

  /// As DataSketches has it: the estimate of an item that is held is its upper bound, of another it is 0.
  [[nodiscard]] double estimate(Key key) const;
  [[nodiscard]] TopAnswer top_k(std::size_t k) const;

  // For codecs, which check before they change.
  [[nodiscard]] KeyTable& items() { return items_; }
  void add_source(double total, double offset) {
    total_ += total;
    offset_ += offset;
  }

 private:
  KeyTable items_;
  double total_ = 0;
  double offset_ = 0;
};

/// Equal for equal content, in whatever order it came.
[[nodiscard]] std::uint64_t canonical_hash(const FrequentItems& items);

}  // namespace settle::sketch
