// runner/push/delivery.hpp: what a pump decides, as functions of values: how long to wait, what an outcome
// asks for.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "sinks/sink.hpp"

namespace settle::runner {

/// Exponential with full jitter: the n-th wait is uniform in (0, min(most, least * 2^n)], so that many
/// senders that failed together do not come back together. Deterministic by seed.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds least, std::chrono::milliseconds most, std::uint64_t seed);
  /// The next wait; never shorter than what the sink asked for.
  [[nodiscard]] std::chrono::milliseconds next(std::optional<std::chrono::milliseconds> retry_after);
  /// For what only an operator can mend: between half of the longest wait and all of it.
  [[nodiscard]] std::chrono::milliseconds slow();
  void reset() { failures_ = 0; }

 private:
  [[nodiscard]] std::chrono::milliseconds uniform(std::chrono::milliseconds low,
                                                  std::chrono::milliseconds high);
  std::chrono::milliseconds least_;
  std::chrono::milliseconds most_;
  std::uint64_t random_;
  unsigned failures_ = 0;
};

enum class NextStep : std::uint8_t {
  done,         // the rows are the sink's
  wait,         // then send the same rows again
  wait_slowly,  // the same, for an operator to mend
  split,        // send each half on its own, to find the bad rows
  bury,         // the one row is bad: to the dead letters
};
struct AfterPush {
  NextStep step = NextStep::done;
  /// Some of the rows may be there: where a second value does harm, look before they are sent again.
  bool doubtful = false;
};
[[nodiscard]] AfterPush decide_after_push(sinks::PushVerdict verdict, std::size_t rows);

/// Must doubtful rows be looked up before they are sent again?
[[nodiscard]] bool must_compare(const sinks::Capabilities& capabilities);
/// May a newer revision take the place of an older one that was not sent, and may it be sent at all? Not
/// where a second value does harm: whether the first was sent is not always known after a crash.
[[nodiscard]] bool takes_revisions(sinks::Overwrite overwrite);
/// Does a server that now says `after` do less for corrections than when it said `before`?
[[nodiscard]] bool is_worse(sinks::Overwrite before, sinks::Overwrite after);

}  // namespace settle::runner
