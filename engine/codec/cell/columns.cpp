#include "engine/codec/cell/columns.hpp"

#include <algorithm>
#include <cmath>

#include "engine/codec/wire.hpp"

namespace settle::codec::cell {

namespace {

using sketch::Key;
using sketch::KeyKind;
using sketch::KeyTable;

constexpr double kWholeBound = 0x1p53;

bool is_whole(double number) {
  return std::abs(number) < kWholeBound && number == std::trunc(number);
}

bool is_minus_zero(double number) {
  return number == 0 && std::signbit(number);
}

}  // namespace

std::uint64_t read_varint(engine::ByteReader& in) {
  const std::size_t before = in.rest();
  const std::uint64_t value = in.varint();
  if (before - in.rest() != varint_size(value)) in.fail();
  return value;
}

double read_f64(engine::ByteReader& in) {
  const auto value = std::bit_cast<double>(in.fixed64());
  if (is_minus_zero(value)) in.fail();
  return value;
}

void write_f64(engine::ByteWriter& out, double value) {
  out.fixed64(std::bit_cast<std::uint64_t>(value + 0.0));
}

Way way_of(std::span<const double> numbers) {
  Way way = Way::whole;
  for (const double number : numbers) {
    if (!is_whole(number)) return Way::doubles;
    if (number < 0) way = Way::with_sign;
  }
  return way;
}

void write_number(engine::ByteWriter& out, Way way, double number) {
  if (way == Way::whole) {
    out.varint(static_cast<std::uint64_t>(number));
  } else if (way == Way::with_sign) {
    out.signed_varint(static_cast<std::int64_t>(number));
  } else {
    write_f64(out, number);
  }
}

NumberReader::NumberReader(engine::ByteReader& in, NumberLimits limits) : limits_(limits) {
  const std::uint8_t way = in.byte();
  if (way > static_cast<std::uint8_t>(Way::doubles)) in.fail();
  way_ = static_cast<Way>(way);
  needed_ = way_ == Way::whole;
}

double NumberReader::next(engine::ByteReader& in) {
  const std::size_t before = in.rest();
  const double number = read_number(in, way_);
  bool fine = std::abs(number) < limits_.below && (number >= 0 || limits_.negative) && !is_minus_zero(number);
  if (way_ == Way::doubles) {
    needed_ = needed_ || !is_whole(number);
  } else {
    needed_ = needed_ || number < 0;
    fine = fine && is_whole(number);
    if (fine) {
      const auto whole = static_cast<std::int64_t>(number);
      const auto bits = way_ == Way::whole ? static_cast<std::uint64_t>(whole) : to_zigzag(whole);
      fine = before - in.rest() == varint_size(bits);
    }
  }
  if (!fine) in.fail();
  return number;
}

void NumberReader::finish(engine::ByteReader& in) const {
  if (!needed_) in.fail();
}

void write_runs(engine::ByteWriter& out, std::span<const double> numbers, bool whole) {
  struct Run {
    std::size_t passed;
    std::size_t begin;
    std::size_t end;
  };
  std::vector<Run> runs;
  std::size_t before = 0;
  for (std::size_t at = 0; at < numbers.size();) {
    if (numbers[at] == 0) {
      ++at;
      continue;
    }
    const std::size_t begin = at;
    while (at < numbers.size() && numbers[at] != 0) ++at;
    runs.push_back({begin - before, begin, at});
    before = at;
  }
  if (whole && !runs.empty()) runs.assign(1, {.passed = 0, .begin = 0, .end = numbers.size()});
  out.varint(runs.size());
  if (runs.empty()) return;
  const Way way = way_of(numbers);
  out.byte(static_cast<std::uint8_t>(way));
  for (const Run& run : runs) {
    out.varint(run.passed);
    out.varint(run.end - run.begin);
    for (const double number : numbers.subspan(run.begin, run.end - run.begin))
      write_number(out, way, number);
  }
}

Runs::Runs(engine::ByteReader& in, const RunRules& rules) {
  const std::uint64_t runs = read_varint(in);
  if (runs == 0) return;
  if (runs > rules.places || (rules.whole && runs > 1)) {
    in.fail();
    return;
  }
  NumberReader numbers{in, rules.numbers};
  way_ = numbers.way();
  numbers_ = in;
  bool any = false;
  for (std::uint64_t run = 0; run < runs; ++run) {
    const std::uint64_t passed = read_varint(in);
    const std::uint64_t length = read_varint(in);
    const std::size_t left = rules.places - end_;
    // Runs that touch would be one.
    if (length == 0 || passed > left || length > left - passed || (run > 0 && passed == 0)) in.fail();
    if (rules.whole && length != rules.places) in.fail();
    if (in.failed()) return;
    if (run == 0) first_ = passed;
    end_ += passed + length;
    for (std::uint64_t i = 0; i < length && !in.failed(); ++i) {
      const bool zero = numbers.next(in) == 0;
      if (zero && !rules.whole) in.fail();
      any = any || !zero;
    }
  }
  if (!any) in.fail();
  numbers.finish(in);
  runs_ = runs;
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
