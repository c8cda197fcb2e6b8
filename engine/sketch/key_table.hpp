// engine/sketch/key_table.hpp: keys with a weight each, in one flat table: the items of heavy hitters.
//
// Open addressing, linear probing, at most half full; a slot holds the key's 64-bit hash, its weight, and
// where its bytes lie in one arena. Nothing is erased.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.hpp"

namespace settle::sketch {

/// What the bytes of a key are: they are what is hashed; people read text().
enum class KeyKind : std::uint8_t { text = 0, i64 = 1, u64 = 2, f64 = 3, f32 = 4 };

struct Key {
  std::string_view bytes;  // numbers: little-endian, 8 bytes (f32: 4)
  KeyKind kind = KeyKind::text;
  [[nodiscard]] std::string text() const;
};

class KeyTable {
 public:
  static constexpr std::size_t kItemsMax = std::size_t{1} << 20;
  static constexpr std::size_t kKeyBytesMax = std::size_t{1} << 24;

  [[nodiscard]] static std::uint64_t hash(Key key);

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t key_bytes() const { return arena_.size(); }

  /// Whether so many more fit, were none of them here yet.
  [[nodiscard]] engine::Result<void> room_for(std::size_t items, std::size_t key_bytes) const;
  /// Makes room, so that the next `items` insertions move nothing.
  void reserve(std::size_t items, std::size_t key_bytes);

  /// The key's weight, which starts at zero. The reference holds until the next insertion.
  double& at(Key key) { return at(key, hash(key)); }
  double& at(Key key, std::uint64_t hash);
  [[nodiscard]] const double* find(Key key) const;
  /// Brings the slot of a hash into the cache.
  void prefetch(std::uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[hash & (slots_.size() - 1)], 1);
  }

  /// f(Key, double weight) for each, in no order that means anything.
  template <class F>
  void for_each(F f) const {
    for (const Slot& slot : slots_) {
      if (slot.hash != 0) f(key_of(slot), slot.weight);
    }
  }
  /// The same for tables of the same content, in whatever order it came.
  [[nodiscard]] std::uint64_t canonical_hash(bool with_weights) const;

 private:
  struct Slot {
    std::uint64_t hash = 0;  // 0: empty
    double weight = 0;
    std::uint32_t offset = 0;
    std::uint32_t size_and_kind = 0;  // size << 3 | kind
  };
  static_assert(sizeof(Slot) == 24);
  static_assert(kKeyBytesMax < (std::size_t{1} << 29), "a size and a kind fit 32 bits");

  [[nodiscard]] static std::uint32_t size_and_kind(Key key) {
    return static_cast<std::uint32_t>(key.bytes.size()) << 3 | static_cast<std::uint32_t>(key.kind);
  }
  [[nodiscard]] Key key_of(const Slot& slot) const {
    return {{arena_.data() + slot.offset, slot.size_and_kind >> 3},
            static_cast<KeyKind>(slot.size_and_kind & 7U)};
  }
  [[nodiscard]] bool is(const Slot& slot, Key key, std::uint64_t hash) const {
    return slot.hash == hash && slot.size_and_kind == size_and_kind(key) &&
           std::memcmp(arena_.data() + slot.offset, key.bytes.data(), key.bytes.size()) == 0;
  }
  double& insert(std::size_t slot, Key key, std::uint64_t hash);
  void rehash(std::size_t slots);

  std::vector<Slot> slots_;  // a power of two
  std::string arena_;
  std::size_t size_ = 0;
};

inline double& KeyTable::at(Key key, std::uint64_t hash) {
  if (slots_.empty()) rehash(16);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].hash != 0) {
    if (is(slots_[at], key, hash)) return slots_[at].weight;
    at = (at + 1) & mask;
  }
  return insert(at, key, hash);
}

}  // namespace settle::sketch
