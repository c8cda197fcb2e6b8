#include "engine/finality/finality.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <system_error>

namespace settle::engine {

namespace {

constexpr double kTargetMin = 0.0001;
constexpr double kShareMax = 0.5;

bool is_final(const Consecutive& policy, const Quiet& seen, const Demand&) {
  return seen.evidence_polls >= policy.polls;
}
bool is_final(const Fixed& policy, const Quiet& seen, const Demand&) {
  return seen.moving_age >= policy.age;
}
bool is_final(const Learned&, const Quiet& seen, const Demand& learned) {
  return seen.moving_age >= learned.moving_age && seen.evidence_polls >= learned.polls;
}

std::string text_of(double share) {
  std::array<char, 64> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), share, std::chars_format::fixed);
  return {text.data(), end.ptr};
}

std::string text_of(const Consecutive& policy) {
  return "consecutive:" + std::to_string(policy.polls);
}
std::string text_of(const Fixed& policy) {
  return "fixed:" + format_duration(policy.age);
}
std::string text_of(const Learned& policy) {
  return "learned:" + text_of(policy.error_target) +
         (policy.tolerance > 0 ? ",tolerance=" + text_of(policy.tolerance) : "");
}

/// `0.01` or `1%`.
std::optional<double> parse_share(std::string_view text) {
  const bool percent = text.ends_with('%');
  if (percent) text.remove_suffix(1);
  const bool plain = !text.empty() && text.size() <= 20 && text.find_first_not_of("0123456789.") == text.npos;
  if (!plain) return std::nullopt;
  // "1e-2" reads as the very double that "0.01" does; 1.0 / 100 would not for every number.
  const std::string number = std::string{text} + (percent ? "e-2" : "e0");
  double share = 0;
  const auto read = std::from_chars(number.data(), number.data() + number.size(), share);
  if (read.ec != std::errc{} || read.ptr != number.data() + number.size() || share > kShareMax) {
    return std::nullopt;
  }
  return share;
}

/// What follows `learned:`.
std::optional<Learned> parse_learned(std::string_view text) {
  constexpr std::string_view kTolerance = "tolerance=";
  const std::size_t comma = text.find(',');
  const auto target = parse_share(text.substr(0, comma));
  if (!target || *target < kTargetMin) return std::nullopt;
  Learned policy{.error_target = *target};
  if (comma == text.npos) return policy;
  const std::string_view rest = text.substr(comma + 1);
  if (!rest.starts_with(kTolerance)) return std::nullopt;
  const auto tolerance = parse_share(rest.substr(kTolerance.size()));
  if (!tolerance) return std::nullopt;
  policy.tolerance = *tolerance;
  return policy;
}

}  // namespace

bool decide_final(const Finality& policy, const Quiet& seen, const Demand& learned) {
  return std::visit([&](const auto& chosen) { return is_final(chosen, seen, learned); }, policy);
}

Result<Finality> parse_finality(std::string_view text) {
  constexpr std::string_view kConsecutive = "consecutive:";
  constexpr std::string_view kFixed = "fixed:";
  constexpr std::string_view kLearned = "learned:";
  if (text.starts_with(kConsecutive)) {
    const std::string_view digits = text.substr(kConsecutive.size());
    std::uint32_t polls = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), polls);
    if (read.ec == std::errc{} && read.ptr == digits.data() + digits.size() && polls > 0) {
      return Finality{Consecutive{.polls = polls}};
    }
  } else if (text.starts_with(kFixed)) {
    if (const auto age = parse_duration(text.substr(kFixed.size())); age) return Finality{Fixed{.age = *age}};
  } else if (text == "learned") {
    return Finality{Learned{}};
  } else if (text.starts_with(kLearned)) {
    if (const auto policy = parse_learned(text.substr(kLearned.size())); policy) return Finality{*policy};
  }
  return refused(
      "\"" + std::string{text} +
      "\" is not a finality policy; expected learned, learned:E or learned:E,tolerance=R with shares such as "
      "0.01 or 1% (E from 0.0001 to 0.5, R up to 0.5), consecutive:N with N of at least 1, or fixed:D with a "
      "duration such as fixed:5m");
}

std::string format_finality(const Finality& policy) {
  return std::visit([](const auto& chosen) { return text_of(chosen); }, policy);
}

}  // namespace settle::engine
