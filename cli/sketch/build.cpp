#include "cli/sketch/build.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <functional>
#include <istream>
#include <optional>
#include <string_view>

#include "engine/model/time.hpp"
#include "engine/sketch/counts.hpp"

namespace settle::cli {
namespace {

using sketch::Accumulator;
using sketch::Key;
using sketch::KeyKind;

constexpr double kWeightBound = sketch::kCountBound;
constexpr std::size_t kShown = 40;  // of a line that is wrong

/// What is done with a line; the error says what is wrong with it.
using AddLine = std::function<engine::Result<void>(std::string_view rest, double weight)>;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

/// The text up to the first blank, which is taken off `text`.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text = trimmed(text.substr(end));
  return word;
}

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

engine::Error not_a(std::string_view what, std::string_view text) {
  std::string shown{text.substr(0, kShown)};
  if (text.size() > kShown) shown += "...";
  return engine::refused("\"" + shown + "\" is not " + std::string{what});
}

engine::Result<double> finite(std::string_view text) {
  const auto number = number_of<double>(text);
  if (!number || !std::isfinite(*number)) return not_a("a finite number", text);
  return *number;
}

/// An item as the sketches hash it; its bytes lie in `word` unless it is text.
engine::Result<Key> key_of(std::string_view text, KeyKind kind, std::array<char, 8>& word) {
  if (kind == KeyKind::text) return Key{text, kind};
  if (kind == KeyKind::i64) {
    const auto number = number_of<std::int64_t>(text);
    if (!number) return not_a("a whole number of 64 bits (--item i64)", text);
    word = std::bit_cast<std::array<char, 8>>(*number);
  } else {
    const auto number = finite(text);
    if (!number) return number.error();
    word = std::bit_cast<std::array<char, 8>>(*number + 0.0);
  }
  return Key{{word.data(), word.size()}, kind};
}

engine::Result<void> for_each_line(std::istream& values, bool weighted, const AddLine& add) {
  std::string line;
  for (std::uint64_t number = 1; std::getline(values, line); ++number) {
    std::string_view rest = trimmed(line);
    if (rest.empty()) continue;
    engine::Result<void> added;
    double weight = 1;
    if (weighted) {
      const std::string_view word = take_word(rest);
      const auto read = number_of<double>(word);
      if (!read || !(*read > 0 && *read < kWeightBound)) {
        added = not_a("a weight above 0 (--weighted)", word);
      } else if (rest.empty()) {
        added = engine::refused("a weight and nothing behind it (--weighted)");
      } else {
        weight = *read;
      }
    }
    if (added) added = add(rest, weight);
    if (!added) return engine::refused("line " + std::to_string(number) + ": " + added.error().detail);
  }
  if (values.bad()) return engine::refused("the values cannot be read to their end");
  return {};
}

std::optional<KeyKind> item_kind(const std::string& text) {
  if (text == "text") return KeyKind::text;
  if (text == "i64") return KeyKind::i64;
  if (text == "f64") return KeyKind::f64;
  return std::nullopt;
}

engine::Result<Accumulator> build_ddsketch(const BuildOptions& options, std::istream& values) {
  if (!(options.accuracy >= 1e-6 && options.accuracy < 1)) {
    return engine::refused("--accuracy is a share of at least 0.000001 and below 1, such as 0.01");
  }
  if (options.bin_limit < 0 || options.bin_limit > sketch::Bins::kMost) {
    return engine::refused("--bin-limit is 1 to " + std::to_string(sketch::Bins::kMost) +
                           ", or 0 for as many as there may be");
  }
  sketch::DDSketch ddsketch{sketch::Mapping::of_accuracy(options.accuracy), options.bin_limit};
  auto added = for_each_line(values, options.weighted,
                             [&](std::string_view text, double weight) -> engine::Result<void> {
                               const auto value = finite(text);
                               if (!value) return value.error();
                               if (!ddsketch.add(*value, weight)) return not_a("a value", text);
                               return {};
                             });
  if (!added) return added.error();
  return Accumulator{std::move(ddsketch)};
}

engine::Result<Accumulator> build_hll(const BuildOptions& options, KeyKind item, std::istream& values) {
  if (options.precision < sketch::kHllPrecisionMin || options.precision > 21) {
    return engine::refused("--precision is 4 to 21");
  }
  auto hll = sketch::Hll::of_precision(options.precision);
  auto added =
      for_each_line(values, options.weighted, [&](std::string_view text, double) -> engine::Result<void> {
        std::array<char, 8> word{};
        const auto key = key_of(text, item, word);
        if (!key) return key.error();
        if (item == KeyKind::text) hll.add(text);
        if (item == KeyKind::i64) hll.add(std::bit_cast<std::int64_t>(word));
        if (item == KeyKind::f64) hll.add(std::bit_cast<double>(word));
        return {};
      });
  if (!added) return added.error();
  return Accumulator{std::move(hll)};
}

template <class Matrix>
engine::Result<Accumulator> build_matrix(const BuildOptions& options, KeyKind item, std::istream& values) {
  const sketch::MatrixShape shape{.rows = options.depth, .cols = options.width};
  if (auto fine = shape.check(); !fine) {
    return engine::refused("--depth and --width: " + fine.error().detail);
  }
  if (options.keep == 0 || options.keep > 100'000) return engine::refused("--keep is 1 to 100000");
  Matrix matrix{shape, options.keep};
  auto added = for_each_line(values, options.weighted,
                             [&](std::string_view text, double weight) -> engine::Result<void> {
                               std::array<char, 8> word{};
                               const auto key = key_of(text, item, word);
                               if (!key) return key.error();
                               matrix.add(*key, weight);
                               return {};
                             });
  if (!added) return added.error();
  return Accumulator{std::move(matrix)};
}

engine::Result<Accumulator> build_items(const BuildOptions& options, KeyKind item, std::istream& values) {
  sketch::FrequentItems items;
  auto added = for_each_line(values, options.weighted,
                             [&](std::string_view text, double weight) -> engine::Result<void> {
                               std::array<char, 8> word{};
                               const auto key = key_of(text, item, word);
                               if (!key) return key.error();
                               return items.add(*key, weight);
                             });
  if (!added) return added.error();
  return Accumulator{std::move(items)};
}

engine::Result<Accumulator> build_stats(std::istream& values) {
  sketch::Stats stats;
  auto added = for_each_line(values, false, [&](std::string_view text, double) -> engine::Result<void> {
    const auto time = engine::parse_time(take_word(text));
    if (!time) return engine::refused("a line is TIME VALUE: " + time.error().detail);
    const auto value = finite(text);
    if (!value) return engine::refused("a line is TIME VALUE: " + value.error().detail);
    if (!stats.add(*time, *value)) {
      return engine::refused(engine::format_time(*time) + " is not later than the line before");
    }
    return {};
  });
  if (!added) return added.error();
  return Accumulator{stats};
}

}  // namespace

engine::Result<Accumulator> build(const BuildOptions& options, std::istream& values) {
  const auto item = item_kind(options.item);
  if (!item) return engine::refused("--item is text, i64 or f64, not \"" + options.item + "\"");
  if (options.kind == "ddsketch") return build_ddsketch(options, values);
  if (options.kind == "hll") return build_hll(options, *item, values);
  if (options.kind == "count-min") return build_matrix<sketch::CountMin>(options, *item, values);
  if (options.kind == "count-sketch") return build_matrix<sketch::CountSketch>(options, *item, values);
  if (options.kind == "frequent-items") return build_items(options, *item, values);
  if (options.kind == "stats") return build_stats(values);
  return engine::refused("--kind is ddsketch, hll, count-min, count-sketch, frequent-items or stats, not \"" +
                         options.kind + "\"");
}

}  // namespace settle::cli
