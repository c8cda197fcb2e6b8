// engine/sketch/top_items.hpp: the keys that may be heavy hitters of a matrix, and what is known of all
// others.
//
// A matrix cannot list its keys: candidates come from the heaps of producers, or from building. Whatever
// counts a heap held are not used: the merged matrix is asked again (heaps updated with raw increments lose
// most of the top).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/sketch/answer.hpp"
#include "engine/sketch/key_table.hpp"
#include "engine/sketch/matrix.hpp"

namespace settle::sketch {

class TopItems {
 public:
  [[nodiscard]] const KeyTable& keys() const { return keys_; }
  [[nodiscard]] engine::Result<void> room_for(std::size_t items, std::size_t key_bytes) const {
    return keys_.room_for(items, key_bytes);
  }
  void name(Key key) { keys_.at(key); }
  /// A source whose unnamed keys weigh at most this; infinity where it does not say.
  void add_absent(double at_most) { absent_ += at_most; }
  /// Every key that is not named weighs at most this, sampling aside.
  [[nodiscard]] double absent_at_most() const { return absent_ + floor_; }

  /// While building: the key now has this estimate, and up to 2 x keep keys stay. estimate(Key) scores again.
  template <class F>
  void offer(Key key, double now, std::size_t keep, F estimate) {
    // A pruned key comes back as soon as it may matter; until then it weighs at most what was pruned.
    if (now <= floor_ && keys_.find(key) == nullptr) return;
    keys_.at(key);
    if (keys_.size() > 2 * keep) prune(keep, estimate);
  }

  /// bounds(Key) -> PointAnswer. The k greatest, by estimate, then by item.
  template <class F>
  [[nodiscard]] std::vector<TopItem> top(std::size_t k, F bounds) const;

  void merge(const TopItems& other) {
    keys_.reserve(other.keys_.size(), other.keys_.key_bytes());
    other.keys_.for_each([this](Key key, double) { keys_.at(key); });
    absent_ += other.absent_at_most();
  }
  [[nodiscard]] std::uint64_t canonical_hash() const;

 private:
  template <class F>
  void prune(std::size_t keep, F estimate);

  KeyTable keys_;      // their weights are not used
  double absent_ = 0;  // of the sources that were merged
  double floor_ = 0;   // of what was pruned while building
};

/// An item before its text is made.
struct Ranked {
  Key key;
  PointAnswer answer;
};
/// The k greatest, by estimate, then by item.
[[nodiscard]] std::vector<TopItem> take_top(std::vector<Ranked> items, std::size_t k);

template <class F>
std::vector<TopItem> TopItems::top(std::size_t k, F bounds) const {
  std::vector<Ranked> items;
  items.reserve(keys_.size());
  keys_.for_each([&](Key key, double) { items.push_back({key, bounds(key)}); });
  return take_top(std::move(items), k);
}

template <class F>
void TopItems::prune(std::size_t keep, F estimate) {
  struct Scored {
    double score;
    Key key;
  };
  std::vector<Scored> scored;
  scored.reserve(keys_.size());
  keys_.for_each([&](Key key, double) { scored.push_back({estimate(key), key}); });
  const auto cut = scored.begin() + static_cast<std::ptrdiff_t>(keep);
  std::nth_element(scored.begin(), cut, scored.end(), [](const Scored& a, const Scored& b) {
    if (a.score != b.score) return a.score > b.score;
    return a.key.kind != b.key.kind ? a.key.kind < b.key.kind : a.key.bytes < b.key.bytes;
  });
  floor_ = std::max(floor_, cut->score);
  KeyTable kept;
  for (auto one = scored.begin(); one != cut; ++one) kept.at(one->key);
  keys_ = std::move(kept);
}

}  // namespace settle::sketch
