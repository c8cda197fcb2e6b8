#include "engine/codec/datasketches_frequent_items.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/sketch/load.hpp"

namespace settle::codec {

namespace {

using sketch::FrequentItems;
using sketch::Key;
using sketch::KeyKind;
using sketch::KeyTable;

constexpr std::size_t kHead = 32;

engine::Error wrong(std::string_view what) {
  return engine::refused("not a frequent items sketch of DataSketches: " + std::string{what});
}

struct Parts {
  std::size_t items = 0;
  double total = 0;
  double offset = 0;
  const char* weights = nullptr;
  std::string_view keys;
};

engine::Result<Parts> read_head(std::string_view blob) {
  if (blob.size() < 8) return wrong("shorter than 8 bytes");
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(blob[i]); };
  if (byte(1) != 1 || byte(2) != 10) return wrong("serial version and family are not 1 and 10");
  if ((byte(5) & 5) != 0) {
    if (byte(0) != 1) return wrong("it is empty, but its preamble is not 1 long");
    return Parts{};
  }
  if (byte(0) != 4) return wrong("its preamble is not 4 longs");
  if (blob.size() < kHead) return wrong("shorter than its preamble");
  Parts parts;
  parts.items = sketch::load<std::uint32_t>(blob.data() + 8);
  if (parts.items > (blob.size() - kHead) / 8) return wrong("shorter than the weights of its items");
  parts.total = static_cast<double>(sketch::load<std::uint64_t>(blob.data() + 16));
  parts.offset = static_cast<double>(sketch::load<std::uint64_t>(blob.data() + 24));
  parts.weights = blob.data() + kHead;
  parts.keys = blob.substr(kHead + 8 * parts.items);
  return parts;
}

/// Whether the texts fill the bytes exactly; how many bytes they have.
bool texts_fit(const Parts& parts, std::size_t& bytes) {
  std::size_t at = 0;
  for (std::size_t i = 0; i < parts.items; ++i) {
    if (parts.keys.size() - at < 4) return false;
    const std::size_t size = sketch::load<std::uint32_t>(parts.keys.data() + at);
    at += 4;
    if (size > parts.keys.size() - at) return false;
    at += size;
  }
  bytes = at - 4 * parts.items;
  return at == parts.keys.size();
}

/// A few prints are made ahead, so that their slots are on the way from memory while others are added. What
/// is known of each lies in an array of its own: structs that are copied through memory cost more than all
/// the rest.
template <KeyKind kKind>
void add_all(KeyTable& into, const Parts& parts) {
  constexpr std::size_t kAhead = 8;
  std::array<const char*, kAhead> starts{};
  std::array<std::uint32_t, kAhead> sizes{};
  std::array<KeyTable::Print, kAhead> prints;
  const char* at = parts.keys.data();
  for (std::size_t i = 0; i < parts.items; i += kAhead) {
    const std::size_t n = std::min(kAhead, parts.items - i);
    into.relieve();
    for (std::size_t k = 0; k < n; ++k) {
      const std::uint32_t size = kKind == KeyKind::text ? sketch::load<std::uint32_t>(at) : 8;
      if constexpr (kKind == KeyKind::text) at += 4;
      starts[k] = at;
      sizes[k] = size;
      into.print({{at, size}, kKind}, prints[k]);
      into.prefetch(prints[k]);
      at += size;
    }
    for (std::size_t k = 0; k < n; ++k) {
      const double weight = static_cast<double>(sketch::load<std::uint64_t>(parts.weights + 8 * (i + k)));
      into.at({{starts[k], sizes[k]}, kKind}, prints[k]) += weight;
    }
  }
}

void append(std::string& out, std::uint64_t value, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

std::uint64_t whole(double value) {
  return value >= 0x1p63 ? std::uint64_t{1} << 63 : static_cast<std::uint64_t>(std::llround(value));
}

}  // namespace

engine::Result<void> merge_datasketches_frequent_items(FrequentItems& into, std::string_view blob,
                                                       const Settings& settings) {
  if (blob.empty()) return {};
  const auto parts = read_head(blob);
  if (!parts) return parts.error();
  std::size_t bytes = 8 * parts->items;
  const bool texts = settings.item == Settings::Item::text;
  if (texts ? !texts_fit(*parts, bytes) : parts->keys.size() != bytes) {
    if (parts->weights == nullptr) return {};
    return wrong(
        texts
            ? "its items are not the texts that it says it has (if they are integers, the source must say so)"
            : "its items are not as many integers as it says it has");
  }
  KeyTable& items = into.items();
  if (auto room = items.room_for(parts->items, bytes); !room) return room;
  items.reserve(parts->items, bytes);
  texts ? add_all<KeyKind::text>(items, *parts) : add_all<KeyKind::i64>(items, *parts);
  into.add_source(parts->total, parts->offset);
  return {};
}

std::string encode_datasketches_frequent_items(const FrequentItems& from) {
  struct Item {
    Key key;
    std::uint64_t weight;
  };
  std::vector<Item> items;
  items.reserve(from.items().size());
  bool integers = from.items().size() != 0;
  from.items().for_each([&](Key key, double weight) {
    items.push_back({key, whole(weight)});
    integers = integers && key.kind == KeyKind::i64;
  });
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) {
    return a.key.kind != b.key.kind ? a.key.kind < b.key.kind : a.key.bytes < b.key.bytes;
  });
  // As C++ sizes its table: at least 8 slots, at most 3/4 full.
  const int lg = std::max(3, static_cast<int>(std::bit_width(items.size() * 4 / 3)));
  const bool empty = items.empty() && from.total() == 0 && from.offset() == 0;
  std::string out;
  for (const int byte : {empty ? 1 : 4, 1, 10, lg, lg, empty ? 5 : 0, 0, 0})
    out.push_back(static_cast<char>(byte));
  if (empty) return out;
  append(out, items.size(), 4);
  append(out, 0, 4);
  append(out, whole(from.total()), 8);
  append(out, whole(from.offset()), 8);
  for (const Item& item : items) append(out, item.weight, 8);
  for (const Item& item : items) {
    const std::string text = item.key.kind == KeyKind::text || integers ? std::string{} : item.key.text();
    const std::string_view bytes = text.empty() ? item.key.bytes : std::string_view{text};
    if (!integers) append(out, bytes.size(), 4);
    out.append(bytes);
  }
  return out;
}

}  // namespace settle::codec
