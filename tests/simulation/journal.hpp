// tests/simulation/journal.hpp: what happened in a simulated world, in order; its digest tells whether two
// runs were the same.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "engine/model/time.hpp"

namespace settle::simulation {

/// What an invariant says when it does not hold.
struct Violation {
  std::string invariant;
  std::string detail;
};

class Journal {
 public:
  using Listener = std::function<void(engine::Time at, std::string_view event, std::string_view text)>;
  void listen(Listener listener) { listener_ = std::move(listener); }
  void note(engine::Time at, std::string_view event, std::string_view text);
  /// The first one counts; what follows may be its consequence.
  void violate(engine::Time at, std::string_view invariant, std::string detail);
  [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  Listener listener_;
  std::optional<Violation> violation_;
  std::uint64_t digest_ = 0;
  std::uint64_t events_ = 0;
};

}  // namespace settle::simulation
