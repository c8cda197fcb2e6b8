// engine/query/cell_builder.hpp: the sketch of one cell, of what is said row by row.
#pragma once

#include <string>
#include <string_view>

#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/query/view_spec.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::query {

/// Cell after cell: begin(), add() for each row, then frame() unless it is empty.
class CellBuilder {
 public:
  explicit CellBuilder(const CellSpec& spec);

  /// `end`: of the bucket.
  void begin(engine::Time end);
  /// `item`: if the spec names a label. What is wrong with the row, "" if nothing is.
  std::string_view add(const engine::Value& number, std::string_view item);
  /// Nothing was added.
  [[nodiscard]] bool empty() const { return empty_; }
  /// A cell frame.
  [[nodiscard]] std::string frame() const;

 private:
  std::string_view weigh(const engine::Value& number, std::string_view item);

  CellSpec spec_;
  sketch::Accumulator blank_;  // with the parameters, and nothing in it
  sketch::Accumulator cell_;
  engine::Time end_{};
  bool empty_ = true;
};

}  // namespace settle::query
