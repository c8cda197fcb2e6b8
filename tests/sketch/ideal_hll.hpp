// tests/sketch/ideal_hll.hpp: registers as hashes that are as good as they can be would leave them.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "engine/sketch/hll.hpp"

namespace settle::test {

/// The registers that items with ideal hashes leave, by how many have which value: which of them it is makes
/// no difference to the estimate. Items that change nothing are passed over in one step: the rest are few for
/// each register.
class IdealHll {
 public:
  IdealHll(unsigned precision, std::int64_t seed)
      : precision_(precision),
        registers_(std::ldexp(1, static_cast<int>(precision))),
        random_(static_cast<std::uint64_t>(seed)),
        chance_(registers_) {
    having_[0] = std::size_t{1} << precision;
  }

  /// Until there are `items` items.
  void grow_to(std::int64_t items) {
    while (next_ <= static_cast<double>(items)) {
      change();
      draw_next();
    }
  }
  [[nodiscard]] sketch::DistinctAnswer answer() const {
    std::vector<std::uint8_t> registers;
    for (std::size_t value = 0; value < having_.size(); ++value) {
      registers.insert(registers.end(), having_[value], static_cast<std::uint8_t>(value));
    }
    sketch::Hll hll;
    hll.raise({}, precision_, registers, std::nullopt);
    return hll.answer();
  }

 private:
  static constexpr std::size_t kRankMax = 63;

  double uniform() { return 1 - std::generate_canonical<double, 53>(random_); }  // (0, 1]

  /// An item raises a register of value v with probability 2^-v.
  static double chance_of(std::size_t value) { return std::ldexp(1, -static_cast<int>(value)); }
  void draw_next() { next_ += 1 + std::floor(std::log(uniform()) / std::log1p(-chance_ / registers_)); }
  void change() {
    while (having_[lowest_] == 0) ++lowest_;
    double at = uniform() * chance_;
    std::size_t from = lowest_;
    for (std::size_t value = lowest_; value <= highest_ && at > 0; ++value) {
      if (having_[value] == 0) continue;
      from = value;
      at -= static_cast<double>(having_[value]) * chance_of(value);
    }
    const auto more = 1 + static_cast<std::size_t>(std::countr_zero(random_()));
    const std::size_t to = std::min(from + more, kRankMax);
    --having_[from];
    ++having_[to];
    chance_ += chance_of(to) - chance_of(from);
    highest_ = std::max(highest_, to);
  }

  unsigned precision_;
  double registers_;
  std::mt19937_64 random_;
  std::array<std::size_t, kRankMax + 1> having_{};
  std::size_t lowest_ = 0;   // there are none below
  std::size_t highest_ = 0;  // nor above
  double chance_;            // that the next item changes something, times the registers
  double next_ = 1;          // the item that changes something
};

}  // namespace settle::test
