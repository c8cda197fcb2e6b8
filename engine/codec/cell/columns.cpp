#include "engine/codec/cell/columns.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace settle::codec::cell {

namespace {

using sketch::Key;
using sketch::KeyKind;
using sketch::KeyTable;
using sketch::load;

Way read_way(engine::ByteReader& in) {
  const std::uint8_t way = in.byte();
  if (way > kLastWay) in.fail();
  return in.failed() ? Way::u8 : static_cast<Way>(way);
}

}  // namespace

void write_column(engine::ByteWriter& out, std::span<const double> numbers) {
  const Way way = way_of(numbers);
  out.byte(static_cast<std::uint8_t>(way));
  std::array<char, kWord> bytes{};
  for (const double number : numbers) {
    put_number(way, number, bytes.data());
    out.raw({bytes.data(), width_of(way)});
  }
}

Column read_column(engine::ByteReader& in, std::size_t count, NumberLimits limits) {
  Column column{.way = read_way(in), .numbers = {}};
  const std::size_t width = width_of(column.way);
  if (count > in.rest() / width) in.fail();
  if (in.failed()) return column;
  column.numbers = in.raw(count * width);
  if (!is_column(column.way, column.numbers.data(), count, limits)) in.fail();
  return column;
}

void write_runs(engine::ByteWriter& out, std::span<const double> numbers, std::size_t first, bool whole) {
  struct Run {
    std::size_t begin;
    std::size_t end;
  };
  const Way way = way_of(numbers);
  const std::size_t per_word = numbers_per_word(way);
  const std::size_t places = first + numbers.size();
  const std::size_t words = (places + per_word - 1) / per_word;
  const auto numbers_of = [&](std::size_t word) {
    const std::size_t from = std::max(word * per_word, first);
    const std::size_t to = std::min((word + 1) * per_word, places);
    return from < to ? numbers.subspan(from - first, to - from) : std::span<const double>{};
  };
  std::vector<Run> runs;
  for (std::size_t word = 0; word < words; ++word) {
    const auto some = numbers_of(word);
    if (std::all_of(some.begin(), some.end(), [](double number) { return number == 0; })) continue;
    if (!runs.empty() && runs.back().end == word) {
      ++runs.back().end;
    } else {
      runs.push_back({.begin = word, .end = word + 1});
    }
  }
  if (whole && !runs.empty()) runs.assign(1, {.begin = 0, .end = words});
  out.varint(runs.size());
  if (runs.empty()) return;
  out.byte(static_cast<std::uint8_t>(way));
  std::size_t before = 0;
  for (const Run& run : runs) {
    out.varint(run.begin - before);
    out.varint(run.end - run.begin);
    before = run.end;
  }
  for (const Run& run : runs) {
    for (std::size_t word = run.begin; word < run.end; ++word) {
      std::array<char, kWord> bytes{};
      std::size_t place = std::max(word * per_word, first);
      for (const double number : numbers_of(word)) {
        put_number(way, number, bytes.data() + place++ % per_word * width_of(way));
      }
      out.raw({bytes.data(), bytes.size()});
    }
  }
}

Runs::Runs(engine::ByteReader& in, const RunRules& rules) {
  const std::uint64_t runs = read_varint(in);
  if (runs == 0) return;
  way_ = read_way(in);
  heads_ = in;
  const std::size_t per_word = numbers_per_word(way_);
  const std::size_t most = (rules.places + per_word - 1) / per_word;
  std::size_t word = 0;
  std::size_t words = 0;
  std::size_t first_word = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    const std::uint64_t passed = read_varint(in);
    const std::uint64_t length = read_varint(in);
    // Runs that touch would be one.
    if (length == 0 || passed > most - word || length > most - word - passed || (run > 0 && passed == 0)) {
      in.fail();
    }
    if (in.failed()) return;
    if (run == 0) first_word = passed;
    word += passed + length;
    words += length;
  }
  if (rules.whole && words != most) in.fail();
  if (words > in.rest() / kWord) in.fail();
  if (in.failed()) return;
  words_ = in.raw(words * kWord).data();
  const bool fine = (rules.whole || !has_zero_word(words_, words)) &&
                    is_column(way_, words_, words * per_word, rules.numbers) &&
                    find_ends(first_word, words, word) && end_ <= rules.places;
  if (!fine) {
    in.fail();
    return;
  }
  runs_ = runs;
}

bool Runs::find_ends(std::size_t first_word, std::size_t words, std::size_t end_word) {
  const char* first = words_;
  const char* last = words_ + (words - 1) * kWord;
  // Only one run of all places has words without bits, and it must have others.
  while (load<std::uint64_t>(first) == 0) {
    if (first == last) return false;
    first += kWord;
    ++first_word;
  }
  while (load<std::uint64_t>(last) == 0) {
    last -= kWord;
    --end_word;
  }
  const auto bits = static_cast<int>(width_of(way_) * 8);
  const auto below = static_cast<std::size_t>(std::countr_zero(load<std::uint64_t>(first)) / bits);
  const auto above = static_cast<std::size_t>(std::countl_zero(load<std::uint64_t>(last)) / bits);
  first_ = first_word * numbers_per_word(way_) + below;
  end_ = end_word * numbers_per_word(way_) - above;
  return true;
}

std::vector<Key> sorted_keys(const KeyTable& table) {
  std::vector<Key> keys;
  keys.reserve(table.size());
  table.for_each([&](Key key, double) { keys.push_back(key); });
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.bytes < b.bytes;
  });
  return keys;
}

void write_keys(engine::ByteWriter& out, const std::vector<Key>& keys) {
  out.varint(keys.size());
  for (const Key& key : keys) {
    out.byte(static_cast<std::uint8_t>(key.kind));
    out.text(key.bytes);
  }
}

Keys read_keys(engine::ByteReader& in) {
  Keys read;
  const std::uint64_t count = read_varint(in);
  if (count > KeyTable::kItemsMax || count > in.rest() / 2) {
    in.fail();
    return read;
  }
  read.keys.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    Key key;
    const std::uint8_t kind = in.byte();
    key.bytes = in.raw(read_varint(in));
    key.kind = static_cast<KeyKind>(kind);
    if (kind > static_cast<std::uint8_t>(KeyKind::f32)) in.fail();
    if (key.kind != KeyKind::text && key.bytes.size() != (key.kind == KeyKind::f32 ? 4U : 8U)) in.fail();
    if (!read.keys.empty()) {
      const Key& last = read.keys.back();
      const bool ascends = last.kind != key.kind ? last.kind < key.kind : last.bytes < key.bytes;
      if (!ascends) in.fail();
    }
    if (in.failed()) return read;
    read.keys.push_back(key);
    read.bytes += key.bytes.size();
  }
  return read;
}

}  // namespace settle::codec::cell
