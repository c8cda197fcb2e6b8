// tests/query/naive_view.hpp: what a view answers, worked out anew from all cells each time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/codec/cell/frame.hpp"
#include "engine/model/series.hpp"
#include "engine/query/view_spec.hpp"
#include "engine/query/window_answer.hpp"
#include "tests/query/tree_merger.hpp"

namespace settle::query::test {

struct NaiveRow {
  std::string series;
  std::int64_t bucket = 0;
  WindowValue value;
};

struct NaiveAnswer {
  std::int64_t from = 0;
  std::int64_t to = 0;
  std::vector<NaiveRow> rows;
  std::uint64_t unfit = 0;
};

/// Buckets by number.
class NaiveView {
 public:
  explicit NaiveView(ViewSpec spec) : spec_(std::move(spec)) {}

  void put(const std::string& series, std::int64_t bucket, const std::string& blob) {
    if (blob.empty()) {
      cells_[series].erase(bucket);
      if (cells_[series].empty()) cells_.erase(series);
    } else {
      cells_[series][bucket] = blob;
    }
  }
  void cover(std::int64_t from, std::int64_t to) {
    for (; from < to; ++from) covered_.insert(from);
  }
  void forget_before(std::int64_t bucket) {
    covered_.erase(covered_.begin(), covered_.lower_bound(bucket));
    for (auto line = cells_.begin(); line != cells_.end();) {
      line->second.erase(line->second.begin(), line->second.lower_bound(bucket));
      line = line->second.empty() ? cells_.erase(line) : std::next(line);
    }
  }
  [[nodiscard]] std::set<std::pair<std::string, std::int64_t>> places() const {
    std::set<std::pair<std::string, std::int64_t>> all;
    for (const auto& [series, line] : cells_) {
      for (const auto& [bucket, blob] : line) all.emplace(series, bucket);
    }
    return all;
  }
  [[nodiscard]] const std::string& blob(const std::string& series, std::int64_t bucket) const {
    return cells_.at(series).at(bucket);
  }
  [[nodiscard]] const std::set<std::int64_t>& covered() const { return covered_; }

  [[nodiscard]] NaiveAnswer rows(std::int64_t from, std::int64_t to) const {
    NaiveAnswer answer{.from = from, .to = from, .rows = {}, .unfit = 0};
    while (from < to && !is_complete(from)) ++from;
    if (from == to) return answer;
    answer.from = from;
    for (; from < to && is_complete(from); ++from) answer.to = from + 1;
    const auto outputs = merged_outputs();
    for (std::int64_t bucket = answer.from; bucket < answer.to; ++bucket) add_rows(outputs, bucket, answer);
    return answer;
  }

 private:
  struct Cell {
    sketch::Accumulator merged;
    std::optional<engine::Error> fault;
  };
  struct Merger {
    using Partial = sketch::Accumulator;
    engine::Result<void> add(Partial& into, const Cell& cell) const {
      if (cell.fault) return *cell.fault;
      return sketch::merge(into, cell.merged);
    }
    engine::Result<void> join(Partial& into, const Partial& later) const {
      return sketch::merge(into, later);
    }
  };
  using Outputs = std::map<std::string, Cells<Cell>>;

  [[nodiscard]] std::int64_t window() const { return spec_.query.window / spec_.feed.granularity; }
  [[nodiscard]] bool is_complete(std::int64_t last) const {
    for (std::int64_t i = last - window() + 1; i <= last; ++i) {
      if (!covered_.contains(i)) return false;
    }
    return true;
  }

  /// What counters rise by is added up after the function.
  [[nodiscard]] bool adds_up() const {
    const auto function = spec_.query.function;
    return function == engine::Function::increase || function == engine::Function::rate ||
           function == engine::Function::last_over_time;
  }

  [[nodiscard]] std::string group_of(const std::string& series) const {
    engine::Labels labels = *engine::parse_series(series);
    if (!spec_.by) {
      std::erase_if(labels, [](const engine::Label& label) { return label.name == kScopeLabel; });
      return engine::series_text(labels);
    }
    std::erase_if(labels, [&](const engine::Label& label) {
      return std::find(spec_.by->begin(), spec_.by->end(), label.name) == spec_.by->end();
    });
    labels.push_back({.name = "__name__", .value = spec_.query.selector.metric()});
    return engine::series_text(*engine::normalize_labels(labels));
  }

  /// Series in the order of their texts, as std::map has them.
  [[nodiscard]] Outputs merged_outputs() const {
    Outputs outputs;
    for (const auto& [series, line] : cells_) {
      for (const auto& [bucket, blob] : line) {
        Cell& cell = outputs[adds_up() ? series : group_of(series)][bucket];
        sketch::Accumulator one;
        if (!codec::merge_cell(one, blob)) std::abort();
        if (cell.fault) continue;
        auto added = sketch::merge(cell.merged, one, sketch::Along::series);
        if (!added) cell.fault = added.error();
      }
    }
    return outputs;
  }

  void add_rows(const Outputs& outputs, std::int64_t bucket, NaiveAnswer& answer) const {
    std::map<std::string, WindowValue> rows;
    std::set<std::string> faulty;
    for (const auto& [series, cells] : outputs) {
      sketch::Accumulator window;
      const auto merged = naive_window(cells, bucket, this->window(), Merger{}, window);
      if (!merged) faulty.insert(adds_up() ? group_of(series) : series);
      if (!merged || *merged == 0) continue;
      if (spec_.query.function == engine::Function::top_k_over_time) {
        add_items(series, window, rows, answer);
        continue;
      }
      const auto end = engine::Time{spec_.feed.granularity * (bucket + 1)};
      const auto value = answer_value(spec_.query, window, end);
      if (!value) faulty.insert(adds_up() ? group_of(series) : series);
      if (value && *value && adds_up()) {
        WindowValue& sum = rows[group_of(series)];
        sum.low = sum.high = sum.value += (*value)->value;
      } else if (value && *value) {
        rows.emplace(series, **value);
      }
    }
    answer.unfit += faulty.size();
    for (const auto& [series, value] : rows) {
      if (!faulty.contains(series)) answer.rows.push_back({series, bucket, value});
    }
  }

  void add_items(const std::string& series, const sketch::Accumulator& window,
                 std::map<std::string, WindowValue>& rows, NaiveAnswer& answer) const {
    const auto items = answer_items(spec_.query, window);
    if (!items || (items->items.empty() && items->absent_at_most > 0)) {
      ++answer.unfit;
      return;
    }
    for (const auto& item : items->items) {
      engine::Labels labels = *engine::parse_series(series);
      labels.push_back({.name = spec_.cells.item.empty() ? "item" : spec_.cells.item, .value = item.item});
      const auto fine = engine::normalize_labels(labels);
      const WindowValue value{item.estimate, item.low, item.high, items->degraded};
      if (!fine || !rows.emplace(engine::series_text(*fine), value).second) ++answer.unfit;
    }
  }

  ViewSpec spec_;
  std::map<std::string, std::map<std::int64_t, std::string>> cells_;
  std::set<std::int64_t> covered_;
};

}  // namespace settle::query::test
