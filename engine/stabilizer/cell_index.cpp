#include "engine/stabilizer/cell_index.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace settle::engine {

namespace {

constexpr std::size_t kSlotsMin = 8;
constexpr std::size_t kDenseMin = 64;  // below this many series an array always pays

}  // namespace

std::uint32_t CellIndex::find_sparse(SeriesId id) const {
  return slots_[slot_of(id)].at;
}

std::size_t CellIndex::slot_of(SeriesId id) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = home(id);
  while (slots_[at].id != id && slots_[at].id != kNone) at = (at + 1) & mask;
  return at;
}

void CellIndex::set(SeriesId id, std::uint32_t at, std::size_t series) {
  const bool dense = slots_.empty();
  if (dense ? id >= dense_.size() : (count_ + 1) * 2 > slots_.size()) rebuild(series, id);
  if (slots_.empty()) {
    if (dense_[id] == kNone) ++count_;
    dense_[id] = at;
    return;
  }
  Slot& slot = slots_[slot_of(id)];
  if (slot.id == kNone) ++count_;
  slot = {id, at};
}

void CellIndex::erase(SeriesId id) {
  if (find(id) == kNone) return;
  --count_;
  if (slots_.empty()) {
    dense_[id] = kNone;
    return;
  }
  // Backward shift: no tombstones, so a probe never gets longer than the load says.
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = slot_of(id);
  for (std::size_t next = (hole + 1) & mask; slots_[next].id != kNone; next = (next + 1) & mask) {
    if (((next - home(slots_[next].id)) & mask) < ((next - hole) & mask)) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = {};
}

std::vector<CellIndex::Slot> CellIndex::used() const {
  std::vector<Slot> out;
  out.reserve(count_);
  for (std::size_t id = 0; id < dense_.size(); ++id) {
    if (dense_[id] != kNone) out.push_back({static_cast<SeriesId>(id), dense_[id]});
  }
  for (const Slot& slot : slots_) {
    if (slot.id != kNone) out.push_back(slot);
  }
  return out;
}

void CellIndex::rebuild(std::size_t series, SeriesId id) {
  const std::size_t width = std::max(series, std::size_t{id} + 1);
  const bool dense = width <= kDenseMin || (count_ + 1) * 4 >= width;
  if (dense && slots_.empty()) {
    dense_.reserve(width);  // exactly: no doubling
    dense_.resize(width, kNone);
    return;
  }
  const std::vector<Slot> old = used();
  dense_ = std::vector<std::uint32_t>();
  slots_ = std::vector<Slot>();
  if (dense) {
    dense_.assign(width, kNone);
    for (const Slot& slot : old) dense_[slot.id] = slot.at;
    return;
  }
  const std::size_t size = std::bit_ceil(std::max(kSlotsMin, (old.size() + 1) * 3));
  slots_.resize(size);
  shift_ = 32u - static_cast<unsigned>(std::countr_zero(size));
  for (const Slot& slot : old) slots_[slot_of(slot.id)] = slot;
}

}  // namespace settle::engine
