// engine/codec/asap_keys.hpp: the keys that ASAP's matrix messages name, read in place.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "engine/codec/wire.hpp"
#include "engine/result.hpp"
#include "engine/sketch/top_items.hpp"

namespace settle::codec {

class AsapKeys {
 public:
  // Each false when it does not decode.
  [[nodiscard]] bool read_heap(std::string_view message);  // {1 k, 2 {1 key, 2 f64 count}}
  void read_text(std::string_view key) { add({key}); }
  [[nodiscard]] bool read_other(std::string_view message);  // {1 kind, 2 bytes}

  [[nodiscard]] engine::Result<void> room_in(const sketch::TopItems& items) const {
    return items.room_for(keys_.size(), bytes_);
  }
  void name_in(sketch::TopItems& items) const {
    for (const sketch::Key& key : keys_) items.name(key);
  }
  /// There was a heap with room left: no key is unnamed.
  [[nodiscard]] bool is_all() const { return is_all_; }

 private:
  void add(sketch::Key key) {
    if (keys_.size() > sketch::KeyTable::kItemsMax) return;  // room_in() refuses
    keys_.push_back(key);
    bytes_ += key.bytes.size();
  }
  std::vector<sketch::Key> keys_;  // views of the message: some ten times its size at most
  std::size_t bytes_ = 0;
  bool is_all_ = false;
};

/// The kinds that have a fixed size have that size.
[[nodiscard]] bool is_key(sketch::Key key);
/// Fields 16 and 1001 of a state, in the order of the keys.
void write_asap_keys(WireWriter& out, const sketch::KeyTable& keys);

}  // namespace settle::codec
