// tests/sketch/zipf.hpp: keys drawn by Zipf's law, and how often each was.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace settle::test {

class Zipf {
 public:
  Zipf(double exponent, std::size_t items, std::uint64_t seed) : random_(seed), counts_(items) {
    double sum = 0;
    for (std::size_t i = 0; i < items; ++i)
      cumulated_.push_back(sum += std::pow(static_cast<double>(i + 1), -exponent));
  }
  std::size_t draw() {
    const double at = std::uniform_real_distribution<double>{0, cumulated_.back()}(random_);
    const auto found = std::upper_bound(cumulated_.begin(), cumulated_.end() - 1, at);
    const auto item = static_cast<std::size_t>(found - cumulated_.begin());
    ++counts_[item];
    return item;
  }
  [[nodiscard]] const std::vector<double>& counts() const { return counts_; }
  [[nodiscard]] static std::string key(std::size_t item) { return "item-" + std::to_string(item); }
  /// The least count among the k greatest.
  [[nodiscard]] double kth_count(std::size_t k) const {
    std::vector<double> sorted{counts_};
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(k) - 1, sorted.end(),
                     std::greater<>{});
    return sorted[k - 1];
  }

 private:
  std::mt19937_64 random_;
  std::vector<double> cumulated_;
  std::vector<double> counts_;
};

}  // namespace settle::test
