// engine/codec/cell/columns.hpp: numbers and keys as cell frames have them.
//
// A column is the byte of its way and its numbers. Runs are a column of places, in words of eight bytes, of
// which those without bits are left out: varint how many runs; then, if any, the way; for each run varint
// words passed over, varint words; then the words of all runs.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/codec/cell/words.hpp"
#include "engine/codec/wire.hpp"
#include "engine/model/bytes.hpp"
#include "engine/sketch/key_table.hpp"
#include "engine/sketch/load.hpp"

namespace settle::codec::cell {

/// Written as few bytes as possible: more are a fault.
[[nodiscard]] inline std::uint64_t read_varint(engine::ByteReader& in) {
  const std::size_t before = in.rest();
  const std::uint64_t value = in.varint();
  if (before - in.rest() != varint_size(value)) in.fail();
  return value;
}
[[nodiscard]] inline double read_f64(engine::ByteReader& in) {
  constexpr std::uint64_t kMinusZero = std::uint64_t{1} << 63;
  const std::uint64_t bits = in.fixed64();
  if (bits == kMinusZero) in.fail();
  return std::bit_cast<double>(bits);
}
inline void write_f64(engine::ByteWriter& out, double value) {  // minus zero as zero
  out.fixed64(std::bit_cast<std::uint64_t>(value + 0.0));
}

void write_column(engine::ByteWriter& out, std::span<const double> numbers);
/// Of a column that lies in bytes which outlive it.
struct Column {
  Way way = Way::u8;
  std::string_view numbers;

  [[nodiscard]] double at(std::size_t i) const { return number_at(way, numbers.data() + i * width_of(way)); }
};
/// Checked; a fault is the reader's.
[[nodiscard]] Column read_column(engine::ByteReader& in, std::size_t count, NumberLimits limits);

struct RunRules {
  std::size_t places = 0;  // that there are at most
  NumberLimits numbers;
  bool whole = false;  // one run of all places, with the words that have no bits
};

/// The numbers of place `first` (below 8) and those after it; the others are zero.
void write_runs(engine::ByteWriter& out, std::span<const double> numbers, std::size_t first = 0,
                bool whole = false);

/// Runs that lie in bytes which outlive it.
class Runs {
 public:
  Runs() = default;  // none
  /// Checks all of them; a fault is the reader's.
  Runs(engine::ByteReader& in, const RunRules& rules);
  [[nodiscard]] bool empty() const { return runs_ == 0; }
  /// The first and one behind the last place that has a number other than zero.
  [[nodiscard]] std::size_t first() const { return first_; }
  [[nodiscard]] std::size_t end() const { return end_; }
  /// into[place] += number; zeros, too, from first() down and from end() up to a multiple of eight.
  void add_to(double* into) const {
    for_each_run([&](std::size_t place, const char* from, std::size_t words) {
      add_words(way_, into + place, from, words);
    });
  }
  /// f(place, number that is not zero)
  template <class F>
  void for_each(F f) const {
    const std::size_t width = width_of(way_);
    for_each_run([&](std::size_t place, const char* from, std::size_t words) {
      for (const char* const end = from + words * kWord; from != end; from += width, ++place) {
        if (const double number = number_at(way_, from); number != 0) f(place, number);
      }
    });
  }

 private:
  /// Of words of which one has bits.
  [[nodiscard]] bool find_ends(std::size_t first_word, std::size_t words, std::size_t end_word);
  /// f(its first place, its numbers, how many words of them)
  template <class F>
  void for_each_run(F f) const {
    engine::ByteReader heads = heads_;
    const char* from = words_;
    std::size_t word = 0;
    for (std::size_t run = 0; run < runs_; ++run) {
      word += heads.varint();
      const std::size_t words = heads.varint();
      f(word * numbers_per_word(way_), from, words);
      word += words;
      from += words * kWord;
    }
  }

  std::size_t runs_ = 0;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  Way way_ = Way::u8;
  engine::ByteReader heads_{{}};
  const char* words_ = nullptr;
};

/// By kind, then by bytes.
[[nodiscard]] std::vector<sketch::Key> sorted_keys(const sketch::KeyTable& table);
/// varint how many, for each byte kind, text bytes.
void write_keys(engine::ByteWriter& out, const std::vector<sketch::Key>& keys);
struct Keys {
  std::vector<sketch::Key> keys;  // views of what was read
  std::size_t bytes = 0;
};
[[nodiscard]] Keys read_keys(engine::ByteReader& in);

}  // namespace settle::codec::cell
