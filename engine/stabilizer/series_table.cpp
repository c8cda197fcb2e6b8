#include "engine/stabilizer/series_table.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

// Inlined: the call would cost as much as the hash of a label text.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace settle::engine {

namespace {

constexpr std::size_t kSlotsMin = 64;
constexpr std::size_t kCompactMin = 1 << 16;  // bytes: less is not worth a copy

std::uint32_t tag_of(std::uint64_t hash) {
  return static_cast<std::uint32_t>(hash);
}

}  // namespace

std::uint64_t SeriesTable::hash(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

void SeriesTable::prefetch(std::uint64_t hash) const {
  if (!slots_.empty()) __builtin_prefetch(&slots_[tag_of(hash) & (slots_.size() - 1)]);
}

void SeriesTable::prefetch_text(std::uint64_t hash) const {
  if (slots_.empty()) return;
  const Slot& slot = slots_[tag_of(hash) & (slots_.size() - 1)];
  if (slot.id != kNone) __builtin_prefetch(texts_[slot.id].data());
}

SeriesTable SeriesTable::clone() const {
  SeriesTable out;
  out.slots_ = slots_;
  out.used_ = used_;
  out.texts_ = texts_;
  out.series_ = series_;
  out.free_ = free_;
  out.by_number_ = by_number_;
  out.text_bytes_ = text_bytes_;
  out.compact_texts();
  return out;
}

SeriesTable::Interned SeriesTable::intern(std::string_view text, std::uint64_t hash) {
  if (slots_.empty() || (used_ + 1) * 2 > slots_.size()) grow();
  const std::size_t mask = slots_.size() - 1;
  const std::uint32_t tag = tag_of(hash);
  std::size_t at = tag & mask;
  for (; slots_[at].id != kNone; at = (at + 1) & mask) {
    if (slots_[at].tag == tag && texts_[slots_[at].id] == text) return {slots_[at].id, false};
  }
  SeriesId id = 0;
  if (free_.empty()) {
    id = static_cast<SeriesId>(series_.size());
    series_.emplace_back();
    texts_.emplace_back();
  } else {
    id = free_.back();
    free_.pop_back();
  }
  series_[id] = {};
  texts_[id] = text;
  slots_[at] = {tag, id};
  ++used_;
  return {id, true};
}

void SeriesTable::grow() {
  // The tag holds the home position for up to 2^32 slots, so no text is hashed again.
  std::vector<Slot> old(std::max(kSlotsMin, slots_.size() * 2));
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id == kNone) continue;
    std::size_t at = slot.tag & mask;
    while (slots_[at].id != kNone) at = (at + 1) & mask;
    slots_[at] = slot;
  }
}

void SeriesTable::erase_slot(SeriesId id) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t hole = tag_of(hash(texts_[id])) & mask;
  while (slots_[hole].id != id) {
    assert(slots_[hole].id != kNone);
    hole = (hole + 1) & mask;
  }
  for (std::size_t next = (hole + 1) & mask; slots_[next].id != kNone; next = (next + 1) & mask) {
    if (((next - slots_[next].tag) & mask) < ((next - hole) & mask)) continue;
    slots_[hole] = slots_[next];
    hole = next;
  }
  slots_[hole] = {};
  --used_;
}

void SeriesTable::free_id(SeriesId id) {
  erase_slot(id);
  texts_[id] = {};
  series_[id] = {};
  free_.push_back(id);
}

void SeriesTable::admit(SeriesId id, SeriesNumber number) {
  assert(number > (by_number_.empty() ? 0 : series_[by_number_.back()].number));
  texts_[id] = arena_.keep(texts_[id]);
  text_bytes_ += texts_[id].size();
  kept_bytes_ += texts_[id].size();
  series_[id].number = number;
  by_number_.push_back(id);
}

void SeriesTable::drop(SeriesId id) {
  assert(series_[id].number == 0);
  free_id(id);
}

void SeriesTable::retire(std::span<const SeriesId> ids) {
  if (ids.empty()) return;
  for (const SeriesId id : ids) {
    text_bytes_ -= texts_[id].size();
    free_id(id);
  }
  const auto dead = [&](SeriesId id) { return series_[id].number == 0; };
  // by_text_ holds exactly the first sorted_ of by_number_.
  sorted_ -= static_cast<std::size_t>(
      std::count_if(by_number_.begin(), by_number_.begin() + static_cast<std::ptrdiff_t>(sorted_), dead));
  std::erase_if(by_number_, dead);
  if (std::erase_if(by_text_, dead) > 0) {
    for (std::uint32_t at = 0; at < by_text_.size(); ++at) ranks_[by_text_[at]] = at;
  }
  if (kept_bytes_ > kCompactMin && kept_bytes_ > 2 * text_bytes_) compact_texts();
}

void SeriesTable::compact_texts() {
  TextArena fresh;
  for (const SeriesId id : by_number_) texts_[id] = fresh.keep(texts_[id]);
  arena_ = std::move(fresh);
  kept_bytes_ = text_bytes_;
}

SeriesId SeriesTable::find_number(SeriesNumber number) const {
  const auto at = std::lower_bound(by_number_.begin(), by_number_.end(), number,
                                   [&](SeriesId id, SeriesNumber n) { return series_[id].number < n; });
  return at != by_number_.end() && series_[*at].number == number ? *at : kNone;
}

const std::vector<SeriesId>& SeriesTable::by_text() const {
  if (sorted_ == by_number_.size()) return by_text_;
  const auto before = [&](SeriesId a, SeriesId b) { return texts_[a] < texts_[b]; };
  const auto old = static_cast<std::ptrdiff_t>(by_text_.size());
  by_text_.insert(by_text_.end(), by_number_.begin() + static_cast<std::ptrdiff_t>(sorted_),
                  by_number_.end());
  std::sort(by_text_.begin() + old, by_text_.end(), before);
  std::inplace_merge(by_text_.begin(), by_text_.begin() + old, by_text_.end(), before);
  sorted_ = by_number_.size();
  ranks_.resize(series_.size());
  for (std::uint32_t at = 0; at < by_text_.size(); ++at) ranks_[by_text_[at]] = at;
  return by_text_;
}

std::size_t SeriesTable::memory_bytes() const {
  return slots_.capacity() * sizeof(Slot) + texts_.capacity() * sizeof(std::string_view) +
         series_.capacity() * sizeof(Series) +
         (free_.capacity() + by_number_.capacity() + by_text_.capacity() + ranks_.capacity()) * 4 +
         kept_bytes_;
}

}  // namespace settle::engine
