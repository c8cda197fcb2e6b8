#include "runner/push/delivery.hpp"

#include <algorithm>

namespace settle::runner {

using sinks::Overwrite;
using sinks::PushVerdict;
using std::chrono::milliseconds;

Backoff::Backoff(milliseconds least, milliseconds most, std::uint64_t seed)
    : least_(std::max(least, milliseconds{1})), most_(std::max(most, least_)), random_(seed) {}

milliseconds Backoff::uniform(milliseconds low, milliseconds high) {
  // splitmix64
  random_ += 0x9e3779b97f4a7c15u;
  std::uint64_t bits = random_;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  bits ^= bits >> 31;
  const auto span = static_cast<std::uint64_t>((high - low).count()) + 1;
  return low + milliseconds{static_cast<milliseconds::rep>(bits % span)};
}

milliseconds Backoff::next(std::optional<milliseconds> retry_after) {
  milliseconds cap = least_;
  for (unsigned i = 0; i < failures_ && cap < most_; ++i) cap *= 2;
  ++failures_;
  const milliseconds wait = uniform(milliseconds{1}, std::min(cap, most_));
  return std::max(wait, retry_after.value_or(milliseconds{0}));
}

milliseconds Backoff::slow() {
  return uniform(most_ / 2, most_);
}

AfterPush decide_after_push(PushVerdict verdict, std::size_t rows) {
  switch (verdict) {
    case PushVerdict::accepted:
      return {NextStep::done, false};
    case PushVerdict::retry:
      return {NextStep::wait, false};
    case PushVerdict::uncertain:
      return {NextStep::wait, true};
    case PushVerdict::misconfigured:
      return {NextStep::wait_slowly, false};
    case PushVerdict::refused:
      break;
  }
  // A server may have applied what stood before the row it stumbled over.
  return rows > 1 ? AfterPush{NextStep::split, true} : AfterPush{NextStep::bury, false};
}

bool must_compare(const sinks::Capabilities& capabilities) {
  const bool keeps_both =
      capabilities.overwrite == Overwrite::none || capabilities.overwrite == Overwrite::append_log;
  return keeps_both && capabilities.can_read_back;
}

bool takes_revisions(Overwrite overwrite) {
  return overwrite != Overwrite::none;
}

bool is_worse(Overwrite before, Overwrite after) {
  const auto rank = [](Overwrite overwrite) {
    switch (overwrite) {
      case Overwrite::none:
        return 0;
      case Overwrite::max_wins:
        return 1;
      case Overwrite::last_wins:
      case Overwrite::append_log:
        return 2;
    }
    return 0;
  };
  return rank(after) < rank(before);
}

}  // namespace settle::runner
