#include "engine/stabilizer/finality.hpp"

#include <charconv>
#include <system_error>

namespace settle::engine {

namespace {

bool is_final(const Consecutive& policy, const Quiet& seen) {
  return seen.evidence_polls >= policy.polls;
}
bool is_final(const Fixed& policy, const Quiet& seen) {
  return seen.moving_age >= policy.age;
}

std::string text_of(const Consecutive& policy) {
  return "consecutive:" + std::to_string(policy.polls);
}
std::string text_of(const Fixed& policy) {
  return "fixed:" + format_duration(policy.age);
}

}  // namespace

bool decide_final(const Finality& policy, const Quiet& seen) {
  return std::visit([&](const auto& chosen) { return is_final(chosen, seen); }, policy);
}

Result<Finality> parse_finality(std::string_view text) {
  constexpr std::string_view kConsecutive = "consecutive:";
  constexpr std::string_view kFixed = "fixed:";
  if (text.starts_with(kConsecutive)) {
    const std::string_view digits = text.substr(kConsecutive.size());
    std::uint32_t polls = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), polls);
    if (read.ec == std::errc{} && read.ptr == digits.data() + digits.size() && polls > 0) {
      return Finality{Consecutive{.polls = polls}};
    }
  } else if (text.starts_with(kFixed)) {
    if (const auto age = parse_duration(text.substr(kFixed.size())); age) return Finality{Fixed{.age = *age}};
  }
  return refused(
      "\"" + std::string{text} +
      "\" is not a finality policy; expected consecutive:N with N of at least 1, or fixed:D with a "
      "duration such as fixed:5m");
}

std::string format_finality(const Finality& policy) {
  return std::visit([](const auto& chosen) { return text_of(chosen); }, policy);
}

}  // namespace settle::engine
