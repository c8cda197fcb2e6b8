// engine/query/view.hpp: what the windows of a job with a function answer.
//
// Of the range that was asked for last, answers are kept; merged again is only where a cell changed, and what
// is new. An answer depends on the cells alone, to the bit: not on what was asked before, nor on the order in
// which cells came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/query/final_cells.hpp"
#include "engine/query/group_sums.hpp"
#include "engine/query/view_outputs.hpp"
#include "engine/query/view_spec.hpp"
#include "engine/query/window_answer.hpp"
#include "engine/sketch/answer.hpp"

namespace settle::query {

struct ViewRow {
  std::string_view series;  // canonical text; valid until the view is asked again
  engine::Time bucket;      // start of the window's last one
  double value = 0;
  double low = 0;  // the bound
  double high = 0;
  sketch::Degraded degraded = sketch::Degraded::nothing;
};

class View {
 public:
  /// A spec that job_fault() and by_fault() have nothing against.
  explicit View(ViewSpec spec);
  [[nodiscard]] const ViewSpec& spec() const { return spec_; }

  struct Answer {
    /// The first of the windows asked for whose buckets are covered, and all that follow it without a gap.
    engine::TimeRange complete;
    std::vector<ViewRow> rows;  // of those, by bucket and then by series
    /// Windows of a series whose sketches do not fit each other or the function, and items that make no
    /// series: there are no rows of them.
    std::uint64_t unfit = 0;
    std::string why;  // of the first
  };
  /// Of all windows whose last bucket starts in `buckets`, as far as `cells` covers them. Always the same
  /// cells: a view of others is another view.
  [[nodiscard]] Answer rows(const FinalCells& cells, engine::TimeRange buckets);

  /// For tests and metrics: merges so far.
  [[nodiscard]] std::uint64_t merges() const { return outputs_.merges(); }

 private:
  enum class State : std::uint8_t { unknown, none, value, items, unfit };
  struct Point {
    WindowValue value;
    State state = State::none;
  };
  struct ItemRow {
    std::string series;
    WindowValue value;
  };
  struct Items {
    std::vector<ItemRow> rows;
    std::uint64_t unfit = 0;
    std::string why;
  };
  /// What was answered of the windows that end with one bucket.
  struct Column {
    engine::Time bucket;
    std::vector<Point> points;      // by output
    std::vector<OutputId> unknown;  // those whose state is
    std::unordered_map<OutputId, Items> items;
    std::unordered_map<OutputId, std::string> faults;
  };

  void catch_up(const FinalCells& cells);
  void start_anew(const FinalCells& cells);
  void change(const FinalCells& cells, SeriesId series, engine::Time bucket);
  void forget_windows_from_before(engine::Time bucket);
  void add_output(OutputId id);
  [[nodiscard]] Column fresh(engine::Time bucket);
  static void mark(Column& column, OutputId id);

  [[nodiscard]] engine::TimeRange complete_in(const FinalCells& cells, engine::TimeRange buckets) const;
  [[nodiscard]] engine::TimeRange live() const;
  void move_live_to(engine::TimeRange buckets);
  [[nodiscard]] std::vector<Column*> columns_of(engine::TimeRange buckets);
  void work_out(const FinalCells& cells, const std::vector<Column*>& columns);
  void work_out(const FinalCells& cells, Column& column, OutputId id);
  [[nodiscard]] engine::Result<Items> items_of(OutputId id) const;
  void give_out(const Column& column, Answer& answer);
  void give_out_sums(const Column& column, Answer& answer);

  ViewSpec spec_;
  ViewOutputs outputs_;
  std::uint64_t version_ = 0;  // of the cells
  const FinalCells* seen_ = nullptr;
  std::deque<Column> live_;    // one after the other
  std::deque<Column> behind_;  // of the last answer, those before live_
  sketch::Accumulator window_;
  std::optional<GroupSums> sums_;  // of increase and rate with `by`
};

}  // namespace settle::query
