// engine/query/merge_across.hpp: one bucket of several series, merged.
#pragma once

#include <cstddef>
#include <ranges>
#include <utility>

#include "engine/result.hpp"

namespace settle::query {

/// Merges what the members hold in a bucket into `out`, over what it held, in their order, which is the
/// caller's care (LabelGroups::members); gives how many have a cell. cell_of(member) -> const Cell*, nullptr
/// where there is none. merger.add_across(Partial&, const Cell&) -> Result<void>. After an error `out` holds
/// the members before.
template <class Merger, class CellOf>
engine::Result<std::size_t> merge_across(const std::ranges::input_range auto& members, const CellOf& cell_of,
                                         const Merger& merger, typename Merger::Partial& out) {
  out = typename Merger::Partial{};
  std::size_t cells = 0;
  for (const auto& member : members) {
    const auto* const cell = cell_of(member);
    if (cell == nullptr) continue;
    if (auto added = merger.add_across(out, *cell); !added) return added.error();
    ++cells;
  }
  return cells;
}

}  // namespace settle::query
