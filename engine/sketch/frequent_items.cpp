#include "engine/sketch/frequent_items.hpp"

#include <bit>
#include <cassert>
#include <limits>
#include <utility>
#include <vector>

#include "engine/sketch/top_items.hpp"

namespace settle::sketch {

engine::Result<void> FrequentItems::add(Key key, double weight) {
  assert(weight >= 0 && weight <= std::numeric_limits<double>::max());
  if (items_.find(key) == nullptr) {
    if (auto room = items_.room_for(1, key.bytes.size()); !room) return room;
  }
  items_.at(key) += weight;
  total_ += weight;
  return {};
}

engine::Result<void> FrequentItems::merge(const FrequentItems& other) {
  if (auto room = items_.room_for(other.items_.size(), other.items_.key_bytes()); !room) return room;
  items_.reserve(other.items_.size(), other.items_.key_bytes());
  other.items_.for_each([this](Key key, double weight) { items_.at(key) += weight; });
  add_source(other.total_, other.offset_);
  return {};
}

double FrequentItems::estimate(Key key) const {
  const double* weight = items_.find(key);
  return weight == nullptr ? 0 : *weight + offset_;
}

TopAnswer FrequentItems::top_k(std::size_t k) const {
  TopAnswer answer;
  std::vector<Ranked> items;
  items.reserve(items_.size());
  items_.for_each([&](Key key, double weight) {
    items.push_back({key, {.estimate = weight + offset_, .low = weight, .high = weight + offset_}});
  });
  answer.items = take_top(std::move(items), k);
  answer.absent_at_most = offset_;
  return answer;
}

std::uint64_t canonical_hash(const FrequentItems& items) {
  // Two factors without a common one: total and offset must not stand in for each other.
  return items.items().canonical_hash(true) ^
         (std::bit_cast<std::uint64_t>(items.total() + 0.0) * 0x9e3779b97f4a7c15ULL) ^
         (std::bit_cast<std::uint64_t>(items.offset() + 0.0) * 0xc2b2ae3d27d4eb4fULL);
}

}  // namespace settle::sketch
