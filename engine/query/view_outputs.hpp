// engine/query/view_outputs.hpp: the series that a view gives out, which are those of the cells or groups of
// them, and the windows of each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/model/time.hpp"
#include "engine/query/final_cells.hpp"
#include "engine/query/kept_window.hpp"
#include "engine/query/label_groups.hpp"
#include "engine/query/window_merge.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::query {

/// What a bucket of an output holds: a cell, or several that were merged, or that do not fit.
struct OutputCell {
  std::string_view blob;
  const sketch::Accumulator* merged = nullptr;  // instead of `blob`
  const engine::Error* fault = nullptr;         // instead of both
};

struct OutputMerger {
  using Partial = sketch::Accumulator;
  using Kept = KeptWindow;
  std::uint64_t* merges = nullptr;  // counted

  engine::Result<void> add(Partial& into, const OutputCell& cell) const;
  engine::Result<void> join(Partial& into, const Partial& later) const;
};

using OutputId = std::uint32_t;  // dense, reused

class ViewOutputs {
 public:
  struct Options {
    engine::Duration granularity{};
    std::int64_t buckets = 0;                    // of a window
    std::string metric;                          // the name of groups
    std::optional<std::vector<std::string>> by;  // none: series of several scopes are merged
    bool apart = false;                          // instead of both
  };
  explicit ViewOutputs(Options options);

  struct Touched {
    OutputId id = 0;
    bool is_new = false;
  };
  /// A cell of the series is new, another, or gone. nullopt: there is no such series.
  std::optional<Touched> changed(const FinalCells& cells, SeriesId series, engine::Time bucket);
  /// The output that went with the series.
  std::optional<OutputId> gone(SeriesId series);
  void forget_before(engine::Time bucket);
  void clear();

  [[nodiscard]] std::size_t id_end() const { return outputs_.size(); }
  [[nodiscard]] std::string_view series(OutputId id) const { return outputs_[id].series; }
  /// By their texts.
  [[nodiscard]] std::span<const OutputId> in_order();

  /// The window whose last bucket starts there, into `out`; how many of its buckets have cells. To be called
  /// between forget_corrections() and the next change.
  engine::Result<std::size_t> merge(const FinalCells& cells, OutputId id, engine::Time last,
                                    sketch::Accumulator& out);
  /// The same will be asked soon: brings what it needs into the cache, bit by bit as `stage` goes from 0 to
  /// kStages - 1, which changes nothing.
  static constexpr std::size_t kStages = 3;
  void soon(const FinalCells& cells, OutputId id, engine::Time last, std::size_t stage) const;
  /// Windows back in time are merged apart from each output's newest, which loses nothing by it; of these
  /// nothing is kept from one change to the next.
  void forget_corrections() { behind_of_.reset(); }

  /// So far: of cells and partials into windows, and of cells into the buckets of groups.
  [[nodiscard]] std::uint64_t merges() const { return merges_; }

 private:
  using Windows = WindowMerge<OutputMerger>;
  struct Output {
    std::string series;  // "": none
    Windows newest;
    std::optional<engine::Time> front;  // the last bucket of the newest window that was merged
  };
  struct Input {
    std::string series;  // "": none
    OutputId output = 0;
  };

  [[nodiscard]] LabelGroups::TextOf texts() const;
  [[nodiscard]] bool enter(const FinalCells& cells, SeriesId series);
  void begin(OutputId id, std::string series);
  [[nodiscard]] std::optional<SeriesId> lone_input(OutputId id) const;
  const OutputCell* cell_of_group(const FinalCells& cells, GroupId group, engine::Time bucket);

  Options options_;
  std::vector<Output> outputs_;
  std::vector<Input> inputs_;  // by series
  std::optional<LabelGroups> groups_;
  std::vector<OutputId> order_;
  bool is_ordered_ = true;
  Windows behind_;
  std::optional<OutputId> behind_of_;
  std::uint64_t merges_ = 0;
  // Of the cell that was asked for last.
  OutputCell cell_;
  sketch::Accumulator merged_;
  engine::Error fault_;
};

}  // namespace settle::query
