// engine/stabilizer/cell_index.hpp: where in a bucket the cell of a series lies.
//
// Dense (an array by series id) where at least a quarter of the series have a cell, else a small hash table:
// so a bucket never costs more than a fixed number of bytes per cell, however many series there are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace settle::engine {

using SeriesId = std::uint32_t;  // dense, reused; only inside one engine
using ScopeId = std::uint32_t;
inline constexpr std::uint32_t kNone = 0xffff'ffff;

class CellIndex {
 public:
  /// kNone: there is none.
  [[nodiscard]] std::uint32_t find(SeriesId id) const {
    if (slots_.empty()) return id < dense_.size() ? dense_[id] : kNone;
    return find_sparse(id);
  }
  void prefetch(SeriesId id) const {
    if (slots_.empty()) {
      __builtin_prefetch(dense_.data() + id);
    } else {
      __builtin_prefetch(slots_.data() + home(id));
    }
  }
  /// Inserts or overwrites. `series` is the number of series ids in use.
  void set(SeriesId id, std::uint32_t at, std::size_t series);
  void erase(SeriesId id);
  [[nodiscard]] std::size_t memory_bytes() const {
    return dense_.capacity() * sizeof(std::uint32_t) + slots_.capacity() * sizeof(Slot);
  }

 private:
  struct Slot {
    SeriesId id = kNone;
    std::uint32_t at = kNone;
  };
  [[nodiscard]] std::size_t home(SeriesId id) const { return (id * 0x9e37'79b1u) >> shift_; }
  [[nodiscard]] std::uint32_t find_sparse(SeriesId id) const;
  [[nodiscard]] std::size_t slot_of(SeriesId id) const;  // its own, or the free one where it belongs
  void rebuild(std::size_t series, SeriesId id);
  [[nodiscard]] std::vector<Slot> used() const;

  std::vector<std::uint32_t> dense_;  // used while slots_ is empty
  std::vector<Slot> slots_;           // a power of two, linear probing
  unsigned shift_ = 32;
  std::size_t count_ = 0;
};

}  // namespace settle::engine
