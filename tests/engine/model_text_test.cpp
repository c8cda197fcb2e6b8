// Every parser on random texts: it refuses, or what it read has one canonical text that it reads back as the
// same.

#include <bit>
#include <limits>

#include <gtest/gtest.h>

#include "engine/finality/finality.hpp"
#include "engine/model/series.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/promql/selector.hpp"
#include "tests/support/histories.hpp"

namespace settle::engine {
namespace {

using test::Dice;

/// Pieces that are likely to make sense together.
std::string random_text(Dice& dice, const std::vector<std::string_view>& pieces) {
  std::string text;
  for (std::size_t left = dice.below(10); left > 0; --left) text += pieces[dice.below(pieces.size())];
  return text;
}

/// `read` gives the canonical text, or nothing when it refuses.
template <class Read>
std::string canonical_fault(std::uint64_t seed, const std::vector<std::string_view>& pieces, Read read) {
  Dice dice{seed};
  for (int i = 0; i < 200; ++i) {
    const std::string text = random_text(dice, pieces);
    const std::optional<std::string> once = read(text);
    if (!once) continue;
    const std::optional<std::string> twice = read(*once);
    if (!twice) return "\"" + text + "\" becomes \"" + *once + "\", which is refused";
    if (*twice != *once) return "\"" + text + "\" becomes \"" + *once + "\", then \"" + *twice + "\"";
  }
  return "";
}

template <class T, class Format>
std::optional<std::string> formatted(const Result<T>& read, Format format) {
  if (!read) return std::nullopt;
  return format(*read);
}

const std::vector<std::string_view> kLabelPieces = {"m",
                                                    "__name__",
                                                    "a",
                                                    "b",
                                                    "{",
                                                    "}",
                                                    "{",
                                                    "}",
                                                    "=",
                                                    "=",
                                                    "!=",
                                                    "=~",
                                                    "!~",
                                                    "\"x\"",
                                                    "\"x\"",
                                                    "\"\"",
                                                    "'y'",
                                                    "`z`",
                                                    ",",
                                                    " ",
                                                    "\\",
                                                    "\"",
                                                    "\n",
                                                    "\"\\n\"",
                                                    "\"\\\"\"",
                                                    "\"[a-z]+\"",
                                                    "\"(\"",
                                                    "\xC3\xB6",
                                                    "\"\xC3\xB6\"",
                                                    "\xFF",
                                                    "\"\xFF\"",
                                                    "9",
                                                    ":"};

TEST(Texts, OfSeriesAreCanonicalOnceRead) {
  EXPECT_TRUE(test::holds_for_seeds("series", [](std::uint64_t seed) {
    return canonical_fault(seed, kLabelPieces,
                           [](std::string_view text) { return formatted(parse_series(text), series_text); });
  }));
}

TEST(Texts, OfSelectorsAreCanonicalOnceRead) {
  EXPECT_TRUE(test::holds_for_seeds("selectors", [](std::uint64_t seed) {
    return canonical_fault(seed, kLabelPieces, [](std::string_view text) {
      return formatted(parse_selector(text), [](const Selector& selector) { return selector.text(); });
    });
  }));
}

TEST(Texts, OfDurationsAreCanonicalOnceRead) {
  EXPECT_TRUE(test::holds_for_seeds("durations", [](std::uint64_t seed) {
    return canonical_fault(
        seed, {"1", "30", "90", "9999999", "0", "d", "h", "m", "s", "ms", "-", "."},
        [](std::string_view text) { return formatted(parse_duration(text), format_duration); });
  }));
}

TEST(Texts, OfTimesAreCanonicalOnceRead) {
  EXPECT_TRUE(test::holds_for_seeds("times", [](std::uint64_t seed) {
    return canonical_fault(seed,
                           {"2026-06-26", "T", "13:57:00", "Z", ".", "5", "+02:00", "-00:30", "1782482220000",
                            "-", "0000", "9999-12-31", "23:59:59", "1"},
                           [](std::string_view text) { return formatted(parse_time(text), format_time); });
  }));
}

TEST(Texts, OfFinalityPoliciesAreCanonicalOnceRead) {
  EXPECT_TRUE(test::holds_for_seeds("finality", [](std::uint64_t seed) {
    return canonical_fault(
        seed, {"consecutive:", "fixed:", "3", "0", "5", "m", "s", "h"},
        [](std::string_view text) { return formatted(parse_finality(text), format_finality); });
  }));
}

TEST(Texts, OfRandomTimesReadBack) {
  EXPECT_TRUE(test::holds_for_seeds("random times", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const Time at =
        from_epoch_ms(static_cast<std::int64_t>(dice.below(315'569'520'000'000)) - 62'167'219'200'000);
    const auto read = parse_time(format_time(at));
    return read && *read == at ? "" : format_time(at);
  }));
}

TEST(Texts, OfRandomValuesReadBackAndKeepTheirOrder) {
  EXPECT_TRUE(test::holds_for_seeds("random values", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    const auto random_value = [&] {
      const std::uint64_t bits = dice.next() >> dice.below(64);
      return dice.chance(50) ? Value::count(bits) : Value::number(std::bit_cast<double>(dice.next()));
    };
    const Value a = random_value();
    const Value b = random_value();
    const auto read = parse_value(format_value(a));
    if (!read || *read != a) return format_value(a);
    if (Value::from_bits(a.held_bits()) != a) return "bits of " + format_value(a);
    const bool antisymmetric = (a < b) == (b > a) && (a == b) == ((a <=> b) == 0);
    return antisymmetric ? "" : format_value(a) + " and " + format_value(b);
  }));
}

}  // namespace
}  // namespace settle::engine
