#include "engine/codec/cell/columns.hpp"

#include <algorithm>
#include <cmath>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "engine/codec/cell/whole_numbers.hpp"
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

namespace {

/// What follows, as it lies.
std::string_view rest_of(engine::ByteReader in) {
  return in.raw(in.rest());
}

/// Runs that touch would be one.
bool may_follow(std::uint64_t passed, std::uint64_t length, std::size_t left, bool is_first) {
  return length != 0 && passed <= left && length <= left - passed && (is_first || passed != 0);
}

}  // namespace

Runs::Runs(engine::ByteReader& in, const RunRules& rules) {
  const std::uint64_t runs = read_varint(in);
  if (runs == 0) return;
  if (runs > rules.places || (rules.whole && runs > 1)) {
    in.fail();
    return;
  }
  engine::ByteReader at_way = in;
  const bool all_may_be = rules.numbers.below >= kWholeBound;
  if (all_may_be && at_way.byte() == static_cast<std::uint8_t>(Way::whole) && !at_way.failed()) {
    in = at_way;
    check_whole_runs(in, runs, rules);
  } else {
    check_runs(in, runs, rules);
  }
  if (!in.failed()) runs_ = runs;
}

void Runs::check_whole_runs(engine::ByteReader& in, std::size_t runs, const RunRules& rules) {
  way_ = Way::whole;
  numbers_ = in;
  const std::string_view rest = rest_of(in);
  const char* at = rest.data();
  const char* const end = at + rest.size();
  std::uint64_t any = 0;
  std::size_t place = 0;
  for (std::size_t run = 0; run < runs; ++run) {
    std::uint64_t passed = 0;
    std::uint64_t length = 0;
    if (!take_whole(at, end, passed) || !take_whole(at, end, length) ||
        !may_follow(passed, length, rules.places - place, run == 0) ||
        (rules.whole && length != rules.places)) {
      return in.fail();
    }
    at = check_whole(at, end, length, rules.whole, any);
    if (at == nullptr) return in.fail();
    if (run == 0) first_ = passed;
    place += passed + length;
  }
  end_ = place;
  if (any == 0) return in.fail();
  (void)in.raw(static_cast<std::size_t>(at - rest.data()));
}

void Runs::check_runs(engine::ByteReader& in, std::size_t runs, const RunRules& rules) {
  NumberReader numbers{in, rules.numbers};
  way_ = numbers.way();
  numbers_ = in;
  bool any = false;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::uint64_t passed = read_varint(in);
    const std::uint64_t length = read_varint(in);
    if (!may_follow(passed, length, rules.places - end_, run == 0)) in.fail();
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
}

namespace {

struct WholeRuns {
  std::string_view bytes;  // from the first run on
  std::size_t count = 0;
  std::size_t first = 0;
  std::size_t end = 0;
};

template <class AddBytes>
[[gnu::always_inline]] inline void add_runs(double* into, const WholeRuns& runs, AddBytes add_bytes) {
  const char* at = runs.bytes.data();
  const char* const end = at + runs.bytes.size();
  const double* const into_end = into + (runs.end - runs.first);
  std::uint64_t passed = 0;
  std::uint64_t length = 0;
  for (std::size_t run = 0; run < runs.count; ++run) {
    if (!take_whole(at, end, passed) || !take_whole(at, end, length)) return;
    if (run > 0) into += passed;
    at = add_whole(into, into_end, at, end, length, add_bytes);
    into += length;
  }
}

void add_runs_plain(double* into, const WholeRuns& runs) {
  add_runs(into, runs, [](double* to, std::uint64_t word) {
    for (unsigned i = 0; i < 8; ++i, word >>= 8) to[i] += static_cast<double>(static_cast<int>(word & 0x7f));
  });
}

#if defined(__x86_64__)
// A call for eight numbers would cost more than adding them, and what is inlined here must be of its target:
// hence the loop once more.
[[gnu::target("avx2")]] void add_runs_avx2(double* into, const WholeRuns& runs) {
  const char* at = runs.bytes.data();
  const char* const end = at + runs.bytes.size();
  const double* const into_end = into + (runs.end - runs.first);
  std::uint64_t passed = 0;
  std::uint64_t length = 0;
  for (std::size_t run = 0; run < runs.count; ++run) {
    if (!take_whole(at, end, passed) || !take_whole(at, end, length)) return;
    if (run > 0) into += passed;
    while (length > 0) {
      const std::size_t here = std::min<std::size_t>(length, 8);
      std::uint64_t word = kHighBits;
      if (end - at >= 8 && into_end - into >= 8) word = sketch::load<std::uint64_t>(at) & low_bytes(here);
      if ((word & kHighBits) != 0) {
        std::uint64_t value = 0;
        (void)take_whole(at, end, value);
        *into++ += static_cast<double>(value);
        --length;
        continue;
      }
      const __m128i bytes = _mm_cvtsi64_si128(static_cast<std::int64_t>(word));
      const __m256i numbers = _mm256_cvtepu8_epi32(bytes);
      const __m256d low = _mm256_cvtepi32_pd(_mm256_castsi256_si128(numbers));
      const __m256d high = _mm256_cvtepi32_pd(_mm256_extracti128_si256(numbers, 1));
      _mm256_storeu_pd(into, _mm256_add_pd(_mm256_loadu_pd(into), low));
      _mm256_storeu_pd(into + 4, _mm256_add_pd(_mm256_loadu_pd(into + 4), high));
      at += here;
      into += here;
      length -= here;
    }
  }
}
#endif

}  // namespace

void Runs::add_to(double* into) const {
  if (way_ != Way::whole)
    return for_each([&](std::size_t at, double number) { into[at - first_] += number; });
  const WholeRuns runs{.bytes = rest_of(numbers_), .count = runs_, .first = first_, .end = end_};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") != 0) return add_runs_avx2(into, runs);
#endif
  add_runs_plain(into, runs);
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
