#include "engine/codec/asap_keys.hpp"

#include <algorithm>
#include <cstdint>

namespace settle::codec {

using sketch::Key;
using sketch::KeyKind;

bool AsapKeys::read_heap(std::string_view message) {
  WireReader fields{message};
  std::uint64_t k = 0;
  std::uint64_t entries = 0;
  while (fields.next()) {
    if (fields.field() == 1) k = fields.varint();
    if (fields.field() != 2) continue;
    WireReader entry{fields.bytes()};
    std::string_view key;
    while (entry.next()) {
      if (entry.field() == 1) key = entry.bytes();
    }
    if (entry.failed()) return false;
    add({key});
    ++entries;
  }
  is_all_ = entries < k;
  return !fields.failed();
}

bool AsapKeys::read_other(std::string_view message) {
  WireReader fields{message};
  Key key;
  std::uint64_t kind = 0;
  while (fields.next()) {
    if (fields.field() == 1) kind = fields.varint();
    if (fields.field() == 2) key.bytes = fields.bytes();
  }
  if (fields.failed() || kind > static_cast<std::uint64_t>(KeyKind::f32)) return false;
  key.kind = static_cast<KeyKind>(kind);
  add(key);
  return is_key(key);
}

bool is_key(Key key) {
  if (key.kind == KeyKind::text) return true;
  return key.bytes.size() == (key.kind == KeyKind::f32 ? 4U : 8U);
}

void write_asap_keys(WireWriter& out, const sketch::KeyTable& keys) {
  std::vector<Key> sorted;
  sorted.reserve(keys.size());
  keys.for_each([&](Key key, double) { sorted.push_back(key); });
  std::sort(sorted.begin(), sorted.end(), [](const Key& a, const Key& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.bytes < b.bytes;
  });
  for (const Key& key : sorted) {
    if (key.kind == KeyKind::text) {
      out.bytes(16, key.bytes);
    } else {
      WireWriter other;
      other.varint(1, static_cast<std::uint64_t>(key.kind));
      other.bytes(2, key.bytes);
      out.bytes(1001, other.view());
    }
  }
}

}  // namespace settle::codec
