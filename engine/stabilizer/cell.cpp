#include "engine/stabilizer/cell.hpp"

#include <algorithm>
#include <cassert>

namespace settle::engine {

namespace {

// Of a shared string: its counts, itself, and what an allocation costs.
constexpr std::size_t kBlobOverhead = 16 + sizeof(std::string) + 16;

std::size_t bytes_of(const Blob& blob) {
  return blob.empty() ? 0 : kBlobOverhead + blob.bytes().size();
}

}  // namespace

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

void Bucket::put_blob(std::uint32_t cell, const Blob& blob) {
  // What is stored of a cell must load again.
  assert(fingerprint(blob).held_bits() == cells[cell].bits());
  if (blobs.size() < cells.size()) {
    blobs.reserve(cells.capacity());
    blobs.resize(cells.size());
  }
  blob_bytes -= bytes_of(blobs[cell]);
  blobs[cell] = blob;
  blob_bytes += bytes_of(blob);
}

std::size_t Bucket::memory_bytes() const {
  return sizeof(Bucket) + cells.capacity() * sizeof(Cell) + index.memory_bytes() +
         totals.capacity() * sizeof(std::uint64_t) + blobs.capacity() * sizeof(Blob) + blob_bytes +
         entries.capacity() * sizeof(Entry) + dirty.capacity() * sizeof(std::uint32_t) +
         emissions.capacity() * sizeof(Emission) + replaced.capacity() * sizeof(Replaced) +
         panel.capacity() * sizeof(PanelCell);
}

}  // namespace settle::engine
