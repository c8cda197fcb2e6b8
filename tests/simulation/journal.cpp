#include "tests/simulation/journal.hpp"

#include <utility>

#include <xxhash.h>

namespace settle::simulation {

void Journal::note(engine::Time at, std::string_view event, std::string_view text) {
  const auto ms = static_cast<std::uint64_t>(engine::epoch_ms(at));
  digest_ = XXH3_64bits_withSeed(event.data(), event.size(), digest_ ^ ms);
  digest_ = XXH3_64bits_withSeed(text.data(), text.size(), digest_);
  events_ += 1;
  if (listener_) listener_(at, event, text);
}

void Journal::violate(engine::Time at, std::string_view invariant, std::string detail) {
  note(at, "VIOLATION", std::string{invariant} + ": " + detail);
  if (!violation_) violation_ = {.invariant = std::string{invariant}, .detail = std::move(detail)};
}

}  // namespace settle::simulation
