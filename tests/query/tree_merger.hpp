// tests/query/tree_merger.hpp: mergeable values that say what was merged with what, and the naive merge of a
// window that the incremental one is compared with.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "engine/model/time.hpp"
#include "engine/result.hpp"
#include "engine/sketch/accumulator.hpp"

namespace settle::query::test {

/// A cell is a text; its first character is its kind, and kinds do not fit each other. What is merged is the
/// expression, so that two are equal only if they were merged alike.
struct TreeMerger {
  struct Partial {
    std::string tree;
    char kind = 0;
    bool operator==(const Partial&) const = default;
  };
  std::size_t* merges = nullptr;  // counted, failed ones included

  engine::Result<void> add(Partial& into, const std::string& cell) const {
    return join(into, Partial{.tree = cell, .kind = cell.at(0)}, "+");
  }
  engine::Result<void> join(Partial& into, const Partial& later) const { return join(into, later, "&"); }
  engine::Result<void> add_across(Partial& into, const std::string& cell) const {
    return join(into, Partial{.tree = cell, .kind = cell.at(0)}, "|");
  }

 private:
  engine::Result<void> join(Partial& into, const Partial& more, const std::string& by) const {
    if (merges != nullptr) ++*merges;
    if (into.kind == 0) {
      into = more;
      return {};
    }
    if (into.kind != more.kind) return engine::refused("kinds do not fit");
    into.tree = "(" + into.tree + by + more.tree + ")";
    return {};
  }
};

/// Sums, whose last bits tell the order.
struct SumMerger {
  using Partial = double;
  engine::Result<void> add(Partial& into, double cell) const {
    into += cell;
    return {};
  }
  engine::Result<void> join(Partial& into, double later) const {
    into += later;
    return {};
  }
};

template <class Cell>
using Cells = std::map<std::int64_t, Cell>;  // by number of the bucket: start / granularity

template <class Cell>
auto looking_in(const Cells<Cell>& cells, engine::Duration granularity) {
  return [&cells, granularity](engine::Time start) -> const Cell* {
    const auto found = cells.find(start.time_since_epoch() / granularity);
    return found == cells.end() ? nullptr : &found->second;
  };
}

inline std::int64_t floor_divided(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

/// As engine/query/window_merge.hpp says it, word by word. `last`: number of the last bucket.
template <class Merger, class Cell>
engine::Result<std::size_t> naive_window(const Cells<Cell>& cells, std::int64_t last, std::int64_t buckets,
                                         const Merger& merger, typename Merger::Partial& out) {
  const std::int64_t block_start = floor_divided(last, buckets) * buckets;
  typename Merger::Partial prefix{};
  typename Merger::Partial suffix{};
  std::size_t in_prefix = 0;
  std::size_t in_suffix = 0;
  for (std::int64_t i = block_start; i <= last; ++i) {
    const auto cell = cells.find(i);
    if (cell == cells.end()) continue;
    if (auto added = merger.add(prefix, cell->second); !added) return added.error();
    ++in_prefix;
  }
  for (std::int64_t i = block_start - 1; i > last - buckets; --i) {
    const auto cell = cells.find(i);
    if (cell == cells.end()) continue;
    if (auto added = merger.add(suffix, cell->second); !added) return added.error();
    ++in_suffix;
  }
  if (in_suffix == 0) {
    out = prefix;
    return in_prefix;
  }
  out = suffix;
  if (in_prefix == 0) return in_suffix;
  if (auto joined = merger.join(out, prefix); !joined) return joined.error();
  return in_suffix + in_prefix;
}

}  // namespace settle::query::test
