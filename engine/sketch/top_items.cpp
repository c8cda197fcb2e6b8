#include "engine/sketch/top_items.hpp"

#include <bit>

namespace settle::sketch {

std::uint64_t TopItems::canonical_hash() const {
  return keys_.canonical_hash(false) +
         std::bit_cast<std::uint64_t>(absent_at_most() + 0.0) * 0x9e3779b97f4a7c15ULL;
}

std::vector<TopItem> take_top(std::vector<Ranked> items, std::size_t k) {
  const auto before = [](const Ranked& a, const Ranked& b) {
    if (a.answer.estimate != b.answer.estimate) return a.answer.estimate > b.answer.estimate;
    if (a.key.kind == KeyKind::text && b.key.kind == KeyKind::text) return a.key.bytes < b.key.bytes;
    return a.key.text() < b.key.text();
  };
  k = std::min(k, items.size());
  std::partial_sort(items.begin(), items.begin() + static_cast<std::ptrdiff_t>(k), items.end(), before);
  std::vector<TopItem> top;
  top.reserve(k);
  for (std::size_t i = 0; i < k; ++i) {
    const auto& [estimate, low, high] = items[i].answer;
    top.push_back({items[i].key.text(), estimate, low, high});
  }
  return top;
}

}  // namespace settle::sketch
