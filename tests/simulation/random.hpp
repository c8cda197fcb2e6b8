// tests/simulation/random.hpp: all chance of a simulated world comes from its seed, through here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

namespace settle::simulation {

/// splitmix64. Parts of the world draw from sources of their own, so that one more question to one of them
/// does not change what the others do.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  /// Of the same seed, and independent by name.
  Random(std::uint64_t seed, std::string_view name) : state_(seed) {
    for (const char c : name) state_ = mix(state_ ^ static_cast<unsigned char>(c));
  }

  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15u); }
  /// In [0, n); 0 for n = 0.
  std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : next() % n; }
  /// In [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1)));
  }
  bool percent(unsigned chance) { return below(100) < chance; }
  std::chrono::milliseconds between(std::chrono::milliseconds low, std::chrono::milliseconds high) {
    return std::chrono::milliseconds{between(low.count(), high.count())};
  }

  [[nodiscard]] static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
  }

 private:
  std::uint64_t state_;
};

}  // namespace settle::simulation
