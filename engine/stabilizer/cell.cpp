#include "engine/stabilizer/cell.hpp"

#include <algorithm>

namespace settle::engine {

Entry* Bucket::find_entry(ScopeId scope) {
  return const_cast<Entry*>(static_cast<const Bucket*>(this)->find_entry(scope));
}

const Entry* Bucket::find_entry(ScopeId scope) const {
  const auto at = std::lower_bound(entries.begin(), entries.end(), scope,
                                   [](const Entry& entry, ScopeId id) { return entry.scope < id; });
  return at != entries.end() && at->scope == scope ? &*at : nullptr;
}

Entry& Bucket::entry_of(ScopeId scope) {
  auto at = std::lower_bound(entries.begin(), entries.end(), scope,
                             [](const Entry& entry, ScopeId id) { return entry.scope < id; });
  if (at == entries.end() || at->scope != scope) at = entries.insert(at, Entry{.scope = scope});
  return *at;
}

void Bucket::reserve_cells(std::size_t more) {
  const std::size_t needed = cells.size() + more;
  if (needed <= cells.capacity()) return;
  // An eighth of slack: a bucket that fills row by row is copied a few times, never half empty.
  cells.reserve(std::max(needed, cells.size() + cells.size() / 8));
}

std::size_t Bucket::memory_bytes() const {
  return sizeof(Bucket) + cells.capacity() * sizeof(Cell) + index.memory_bytes() +
         totals.capacity() * sizeof(std::uint64_t) + entries.capacity() * sizeof(Entry) +
         dirty.capacity() * sizeof(std::uint32_t) + emissions.capacity() * sizeof(Emission) +
         replaced.capacity() * sizeof(Replaced) + panel.capacity() * sizeof(PanelCell);
}

}  // namespace settle::engine
