// The queries of jobs: however one is written it is read as what it was made from, has one text, and that
// reads back; whatever else is given is refused with a place.

#include <array>
#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/model/label_text.hpp"
#include "engine/promql/parser.hpp"
#include "tests/support/histories.hpp"

namespace settle::engine {
namespace {

using test::Dice;

std::string space(Dice& dice) {
  return dice.one_of<std::string>({"", "", "", " ", "\n", "\t  "});
}

std::string in_parentheses(Dice& dice, std::string inner) {
  while (dice.chance(20)) inner = "(" + space(dice) + inner + space(dice) + ")";
  return inner;
}

struct Written {
  std::string text;
  Function function = Function::select;
  double parameter = 0;
  std::string selector;
  std::int64_t window_ms = 0;
};

std::string written_number(Dice& dice, double x) {
  std::array<char, 64> text{};
  const auto format = dice.one_of({std::chars_format::general, std::chars_format::scientific});
  const auto end = std::to_chars(text.data(), text.data() + text.size(), std::abs(x), format);
  std::string out = in_parentheses(dice, std::string(text.data(), end.ptr));
  if (std::signbit(x)) out = "-" + space(dice) + out;
  while (dice.chance(10)) out = dice.chance(50) ? "+" + out : "-(-" + out + ")";
  return in_parentheses(dice, out);
}

std::string written_window(Dice& dice, std::int64_t& ms) {
  struct Unit {
    std::string_view name;
    std::int64_t ms;
  };
  constexpr std::array<Unit, 7> kUnits{{{"y", 31'536'000'000},
                                        {"w", 604'800'000},
                                        {"d", 86'400'000},
                                        {"h", 3'600'000},
                                        {"m", 60'000},
                                        {"s", 1000},
                                        {"ms", 1}}};
  ms = 0;
  if (dice.chance(20)) {
    ms = static_cast<std::int64_t>(1 + dice.below(100'000));
    const std::string digits = std::to_string(ms);
    const std::string padded = std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
    return padded.substr(0, padded.size() - 3) + "." + padded.substr(padded.size() - 3);
  }
  std::string text;
  while (ms == 0) {
    text.clear();
    for (const Unit& unit : kUnits) {
      if (!dice.chance(30)) continue;
      const auto n = static_cast<std::int64_t>(dice.below(10));
      text += std::to_string(n) + std::string{unit.name};
      ms += n * unit.ms;
    }
  }
  return text;
}

std::string written_selector(Dice& dice, std::string& canonical) {
  const auto value = dice.one_of<std::string>({"x", "", "[5m]", ")", "\\\"", "\\\\", "\xC3\xB6", "a,b"});
  const auto kind = dice.one_of<std::string>({"=", "!="});
  const auto name = dice.one_of<std::string>({"m", "rate", "sum_over_time", "a:b", "inf_total", "_"});
  if (dice.chance(30)) {
    canonical = name;
    return dice.chance(50) ? name : "{" + space(dice) + "__name__=\"" + name + "\"}" + space(dice);
  }
  canonical = name;
  canonical += "{a" + kind + "\"" + value + "\",b=~\"y.*\"}";
  return name + space(dice) + "{" + space(dice) + "b" + space(dice) + "=~" + space(dice) + "'y.*'" +
         space(dice) + "," + space(dice) + "a" + kind + "\"" + value + "\"" + space(dice) + "}" + space(dice);
}

Written make_query(Dice& dice) {
  Written made;
  made.function = static_cast<Function>(dice.below(12));
  std::string inner = written_selector(dice, made.selector);
  if (made.function != Function::select) {
    const std::string window = written_window(dice, made.window_ms);
    std::string range = inner;
    range += "[" + space(dice) + window + space(dice) + "]";
    range = in_parentheses(dice, range);
    std::string parameter;
    if (parameter_of(made.function) != Parameter::none) {
      made.parameter = dice.chance(50) ? static_cast<double>(dice.below(2000)) - 500
                                       : static_cast<double>(dice.next()) * 0x1p-64;
      parameter = written_number(dice, made.parameter) + space(dice) + ",";
    }
    const bool alias = made.function == Function::top_k_over_time && dice.chance(50);
    inner = alias ? "topk_over_time" : std::string{function_text(made.function)};
    inner += space(dice) + "(" + space(dice) + parameter + space(dice) + range + space(dice) + ")";
  }
  made.text = space(dice) + in_parentheses(dice, inner) + space(dice);
  return made;
}

TEST(JobQueries, AreReadAsWhatTheyWereMadeFrom) {
  EXPECT_TRUE(test::holds_for_seeds("made queries", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    for (int i = 0; i < 50; ++i) {
      const Written made = make_query(dice);
      const auto read = parse_job_query(made.text);
      if (!read) return made.text + ": " + read.error().detail;
      const bool same = read->function == made.function && read->parameter == made.parameter &&
                        read->selector.text() == made.selector && read->window.count() == made.window_ms;
      if (!same) return made.text + " is read as " + read->text();
      const std::string text = read->text();
      const auto again = parse_job_query(text);
      if (!again) return text + ": " + again.error().detail;
      if (again->text() != text) return text + " becomes " + again->text();
      if (again->parameter != read->parameter || again->window != read->window) return text + " loses";
    }
    return "";
  }));
}

/// What is wrong with what the parser says of `text`.
std::string parse_fault(const std::string& text) {
  const auto read = parse_job_query(text);
  if (read) {
    const std::string once = read->text();
    const auto again = parse_job_query(once);
    if (!again) return text + " becomes " + once + ", which is refused: " + again.error().detail;
    return again->text() == once ? "" : text + " becomes " + once + ", then " + again->text();
  }
  const std::string& detail = read.error().detail;
  const std::string_view marker = " at column ";
  const std::size_t at = detail.rfind(marker);
  if (at == detail.npos) return text + ": no column in: " + detail;
  const std::string_view digits = std::string_view{detail}.substr(at + marker.size());
  std::size_t column = 0;
  const auto number = std::from_chars(digits.data(), digits.data() + digits.size(), column);
  if (number.ec != std::errc{} || number.ptr != digits.data() + digits.size() || column < 1 ||
      column > text.size() + 1) {
    return text + ": no place in it: " + detail;
  }
  return is_utf8(detail) ? "" : text + ": an error that is no text: " + detail;
}

TEST(JobQueries, DamagedAreRefusedWithAPlaceOrHaveOneText) {
  EXPECT_TRUE(test::holds_for_seeds("damaged queries", [](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    std::string text = make_query(dice).text;
    for (std::size_t size = 0; size < text.size(); ++size) {
      if (auto fault = parse_fault(text.substr(0, size)); !fault.empty()) return fault;
    }
    for (int i = 0; i < 100; ++i) {
      const std::size_t at = dice.below(text.size());
      std::string damaged = text;
      switch (dice.below(4)) {
        case 0:
          damaged[at] = static_cast<char>(dice.below(256));
          break;
        case 1:
          damaged.erase(at, 1 + dice.below(3));
          break;
        case 2:
          damaged.insert(at, 1, "()[]{},\"'`+-.:_0e\\"[dice.below(18)]);
          break;
        default:
          damaged.insert(at, text.substr(dice.below(text.size()), dice.below(10)));
          break;
      }
      if (auto fault = parse_fault(damaged); !fault.empty()) return fault;
      if (!damaged.empty() && damaged.size() < 500 && dice.chance(30)) text = damaged;
    }
    return "";
  }));
}

TEST(JobQueries, OfRandomPiecesAreRefusedWithAPlaceOrHaveOneText) {
  const std::vector<std::string_view> pieces = {"m",
                                                "sum_over_time",
                                                "quantile_over_time",
                                                "topk_over_time",
                                                "increase",
                                                "(",
                                                "(",
                                                ")",
                                                ")",
                                                "[",
                                                "[",
                                                "]",
                                                "]",
                                                "{",
                                                "}",
                                                ",",
                                                "=",
                                                "5m",
                                                "1h",
                                                "1w",
                                                "y",
                                                "300",
                                                "0.5",
                                                ".",
                                                "1e",
                                                "+",
                                                "-",
                                                "_",
                                                "0x",
                                                "inf",
                                                "NaN",
                                                ":",
                                                "\"x\"",
                                                "\"",
                                                "a=\"1\"",
                                                " ",
                                                "@",
                                                "offset",
                                                "\xFF",
                                                "\xC3\xB6"};
  EXPECT_TRUE(test::holds_for_seeds("pieces of queries", [&](std::uint64_t seed) -> std::string {
    Dice dice{seed};
    for (int i = 0; i < 200; ++i) {
      std::string text;
      for (std::size_t left = dice.below(12); left > 0; --left) text += pieces[dice.below(pieces.size())];
      if (auto fault = parse_fault(text); !fault.empty()) return fault;
    }
    return "";
  }));
}

}  // namespace
}  // namespace settle::engine
