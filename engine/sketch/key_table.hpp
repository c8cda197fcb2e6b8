// engine/sketch/key_table.hpp: keys with a weight each, in one flat table: the items of heavy hitters.
//
// Open addressing, linear probing, at most half full. A slot holds the key itself if it has up to 16 bytes,
// else its 128-bit hash; so that a key is found without a look at the arena, where the bytes of all of them
// lie. Nothing is erased.
#pragma once

#include <bit>
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

  /// A key as slots hold it, and where its slot is looked for.
  struct Print {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::uint32_t size_and_kind = 0;  // size << 3 | kind
    std::uint64_t place = 0;
  };
  /// Into where it is needed: copies of it cost more than making it.
  void print(Key key, Print& out) const;

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t key_bytes() const { return arena_.size(); }
  /// Slots that the longest search passes.
  [[nodiscard]] std::size_t farthest() const { return farthest_; }

  /// Whether so many more fit, were none of them here yet.
  [[nodiscard]] engine::Result<void> room_for(std::size_t items, std::size_t key_bytes) const;
  /// Makes room, so that the next `items` insertions move nothing.
  void reserve(std::size_t items, std::size_t key_bytes);

  /// The key's weight, which starts at zero. The reference holds until the next insertion.
  double& at(Key key) {
    relieve();
    Print wanted;
    print(key, wanted);
    return at(key, wanted);
  }
  double& at(Key key, const Print& print);
  /// To be called before prints are made, now and then: keys that were chosen to collide would make every
  /// search long. Places then get a salt that depends on all keys so far, which whoever chose them could not
  /// know.
  void relieve() {
    if (farthest_ > far_) salt_anew();
  }
  [[nodiscard]] const double* find(Key key) const;
  /// Brings the slot into the cache.
  void prefetch(const Print& print) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[print.place & (slots_.size() - 1)], 1);
  }

  /// f(Key, double weight) for each, in no order that means anything.
  template <class F>
  void for_each(F f) const {
    for (const Slot& slot : slots_) {
      if (slot.size_and_kind != kEmpty) f(key_of(slot), slot.weight);
    }
  }
  /// The same for tables of the same content, in whatever order it came.
  [[nodiscard]] std::uint64_t canonical_hash(bool with_weights) const;

 private:
  static constexpr std::uint32_t kEmpty = ~std::uint32_t{0};  // no kind is 7
  struct Slot {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    double weight = 0;
    std::uint32_t offset = 0;
    std::uint32_t size_and_kind = kEmpty;
  };
  static_assert(sizeof(Slot) == 32, "two slots in a line of the cache");
  static_assert(kKeyBytesMax < (std::size_t{1} << 29), "a size and a kind fit 32 bits");

  [[nodiscard]] std::uint64_t place(std::uint64_t low, std::uint64_t high,
                                    std::uint32_t size_and_kind) const {
    // The product of both halves, folded, mixes every bit of the key into the low ones.
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{low ^ 0x9e3779b97f4a7c15ULL ^ size_and_kind ^ salt_} *
                         (high ^ 0xc2b2ae3d27d4eb4fULL ^ std::rotl(salt_, 32));
    const auto folded = static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
    return folded ^ folded >> 32;
  }
  [[nodiscard]] static std::uint32_t size_and_kind(Key key) {
    return static_cast<std::uint32_t>(key.bytes.size()) << 3 | static_cast<std::uint32_t>(key.kind);
  }
  void print_long(Key key, Print& out) const;
  [[nodiscard]] Key key_of(const Slot& slot) const {
    return {{arena_.data() + slot.offset, slot.size_and_kind >> 3},
            static_cast<KeyKind>(slot.size_and_kind & 7U)};
  }
  /// A slot of this key; of a long one, its hash is believed only with its bytes.
  [[nodiscard]] bool is(const Slot& slot, Key key, const Print& print) const {
    return slot.low == print.low && slot.high == print.high && slot.size_and_kind == print.size_and_kind &&
           (key.bytes.size() <= 16 ||
            std::memcmp(arena_.data() + slot.offset, key.bytes.data(), key.bytes.size()) == 0);
  }
  double& insert(std::size_t slot, Key key, const Print& print);
  void rehash(std::size_t slots);
  void salt_anew();

  std::vector<Slot> slots_;  // a power of two
  std::string arena_;
  std::size_t size_ = 0;
  std::uint64_t salt_ = 0;
  std::size_t farthest_ = 0;  // that a key lies from its place
  std::size_t far_ = 256;     // more is no chance: a table half full has a tenth of that
};

inline void KeyTable::print(Key key, Print& out) const {
  const char* bytes = key.bytes.data();
  const std::size_t size = key.bytes.size();
  if (size > 16) return print_long(key, out);
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  if (size >= 8) {
    std::memcpy(&low, bytes, 8);
    std::memcpy(&high, bytes + size - 8, 8);
  } else if (size >= 4) {
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, bytes, 4);
    std::memcpy(&last, bytes + size - 4, 4);
    low = first | std::uint64_t{last} << 32;
  } else if (size != 0) {
    const auto byte = [bytes](std::size_t i) { return std::uint64_t{static_cast<unsigned char>(bytes[i])}; };
    low = byte(0) | byte(size / 2) << 8 | byte(size - 1) << 16;
  }
  out.low = low;
  out.high = high;
  out.size_and_kind = size_and_kind(key);
  out.place = place(low, high, size_and_kind(key));
}

inline double& KeyTable::at(Key key, const Print& print) {
  if (slots_.empty()) rehash(16);
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = print.place & mask;
  while (slots_[at].size_and_kind != kEmpty) {
    if (is(slots_[at], key, print)) return slots_[at].weight;
    at = (at + 1) & mask;
  }
  return insert(at, key, print);
}

}  // namespace settle::sketch
