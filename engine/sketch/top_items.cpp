#include "engine/sketch/top_items.hpp"

#include <bit>

namespace settle::sketch {

std::uint64_t TopItems::canonical_hash() const {
  return keys_.canonical_hash(false) +
         std::bit_cast<std::uint64_t>(absent_at_most() + 0.0) * 0x9e3779b97f4a7c15ULL;
}

void cut_to_top(std::vector<TopItem>& items, std::size_t k) {
  const auto before = [](const TopItem& a, const TopItem& b) {
    return a.estimate != b.estimate ? a.estimate > b.estimate : a.item < b.item;
  };
  if (k < items.size()) {
    const auto end = items.begin() + static_cast<std::ptrdiff_t>(k);
    std::nth_element(items.begin(), end, items.end(), before);
    items.erase(end, items.end());
  }
  std::sort(items.begin(), items.end(), before);
}

}  // namespace settle::sketch
