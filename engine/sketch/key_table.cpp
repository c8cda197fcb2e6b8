#include "engine/sketch/key_table.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace settle::sketch {

namespace {

template <class T>
T number(std::string_view bytes) {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

template <class T>
std::string decimal(std::string_view bytes) {
  std::array<char, 32> out{};
  const auto end = std::to_chars(out.data(), out.data() + out.size(), number<T>(bytes)).ptr;
  return {out.data(), end};
}

}  // namespace

std::string Key::text() const {
  switch (kind) {
    case KeyKind::i64:
      return decimal<std::int64_t>(bytes);
    case KeyKind::u64:
      return decimal<std::uint64_t>(bytes);
    case KeyKind::f64:
      return decimal<double>(bytes);
    case KeyKind::f32:
      return decimal<float>(bytes);
    case KeyKind::text:
      break;
  }
  return std::string{bytes};
}

void KeyTable::print_long(Key key, Print& out) const {
  const XXH128_hash_t hash = XXH3_128bits(key.bytes.data(), key.bytes.size());
  out = {hash.low64, hash.high64, size_and_kind(key), place(hash.low64, hash.high64, size_and_kind(key))};
}

engine::Result<void> KeyTable::room_for(std::size_t items, std::size_t key_bytes) const {
  if (items > kItemsMax - size_) {
    return engine::refused("more than " + std::to_string(kItemsMax) + " items: " + std::to_string(size_) +
                           " and " + std::to_string(items) + " more");
  }
  if (key_bytes > kKeyBytesMax - arena_.size()) {
    return engine::refused("the items' keys take more than " + std::to_string(kKeyBytesMax) + " bytes");
  }
  return {};
}

void KeyTable::reserve(std::size_t items, std::size_t key_bytes) {
  const std::size_t slots = std::bit_ceil((size_ + items) * 2);
  if (slots > slots_.size()) rehash(slots);
  if (arena_.size() + key_bytes > arena_.capacity()) {
    arena_.reserve(std::max(arena_.size() + key_bytes, arena_.capacity() * 2));
  }
}

const double* KeyTable::find(Key key) const {
  if (slots_.empty()) return nullptr;
  Print wanted;
  print(key, wanted);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t at = wanted.place & mask; slots_[at].size_and_kind != kEmpty; at = (at + 1) & mask) {
    if (is(slots_[at], key, wanted)) return &slots_[at].weight;
  }
  return nullptr;
}

double& KeyTable::insert(std::size_t slot, Key key, const Print& print) {
  if ((size_ + 1) * 2 > slots_.size()) {
    rehash(slots_.size() * 2);
    slot = print.place & (slots_.size() - 1);
    while (slots_[slot].size_and_kind != kEmpty) slot = (slot + 1) & (slots_.size() - 1);
  }
  slots_[slot] = {print.low, print.high, 0, static_cast<std::uint32_t>(arena_.size()), print.size_and_kind};
  arena_.append(key.bytes);
  ++size_;
  farthest_ = std::max(farthest_, (slot - print.place) & (slots_.size() - 1));
  return slots_[slot].weight;
}

void KeyTable::rehash(std::size_t slots) {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(slots, 16)));
  const std::size_t mask = slots_.size() - 1;
  farthest_ = 0;
  for (const Slot& slot : old) {
    if (slot.size_and_kind == kEmpty) continue;
    const std::size_t start = place(slot.low, slot.high, slot.size_and_kind) & mask;
    std::size_t at = start;
    while (slots_[at].size_and_kind != kEmpty) at = (at + 1) & mask;
    slots_[at] = slot;
    farthest_ = std::max(farthest_, (at - start) & mask);
  }
}

void KeyTable::salt_anew() {
  far_ *= 2;  // so that this happens a few times at most
  salt_ = XXH3_64bits_withSeed(arena_.data(), arena_.size(), salt_ + 1);
  rehash(slots_.size());
}

std::uint64_t KeyTable::canonical_hash(bool with_weights) const {
  // A sum: the order of the slots does not matter, and nothing has to be sorted.
  std::uint64_t sum = size_;
  for (const Slot& slot : slots_) {
    if (slot.size_and_kind == kEmpty) continue;
    const std::array<std::uint64_t, 4> entry{
        slot.low, slot.high, slot.size_and_kind,
        with_weights ? std::bit_cast<std::uint64_t>(slot.weight + 0.0) : 0};
    sum += XXH3_64bits(entry.data(), sizeof entry);
  }
  return sum;
}

}  // namespace settle::sketch
