// engine/codec/cell/columns.hpp: numbers and keys as cell frames have them.
//
// Numbers of one column are written in the first way that says all of them: 0 varints (whole, below 2^53), 1
// zigzag varints (whole, within +-2^53), 2 doubles. Runs: varint how many; then, if any, the way, and for
// each run varint places passed over, varint length, its numbers.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/model/bytes.hpp"
#include "engine/sketch/key_table.hpp"

namespace settle::codec::cell {

/// Written as few bytes as possible: more are a fault.
[[nodiscard]] std::uint64_t read_varint(engine::ByteReader& in);
[[nodiscard]] double read_f64(engine::ByteReader& in);
void write_f64(engine::ByteWriter& out, double value);  // minus zero as zero

enum class Way : std::uint8_t { whole = 0, with_sign = 1, doubles = 2 };
[[nodiscard]] Way way_of(std::span<const double> numbers);
void write_number(engine::ByteWriter& out, Way way, double number);
[[nodiscard]] inline double read_number(engine::ByteReader& in, Way way) {
  if (way == Way::whole) return static_cast<double>(in.varint());
  if (way == Way::with_sign) return static_cast<double>(in.signed_varint());
  return std::bit_cast<double>(in.fixed64());
}

struct NumberLimits {
  double below = 0;      // of the magnitude
  bool negative = true;  // may be
};

/// Reads the numbers of one column and sees that its way was needed.
class NumberReader {
 public:
  NumberReader(engine::ByteReader& in, NumberLimits limits);
  double next(engine::ByteReader& in);
  /// After the last one.
  void finish(engine::ByteReader& in) const;
  [[nodiscard]] Way way() const { return way_; }

 private:
  Way way_ = Way::whole;
  NumberLimits limits_;
  bool needed_ = true;  // the way, by what came so far
};

struct RunRules {
  std::size_t places = 0;  // that there are at most
  NumberLimits numbers;
  bool whole = false;  // one run of all places, with zeros; otherwise runs have none
};

/// The numbers that are not zero.
void write_runs(engine::ByteWriter& out, std::span<const double> numbers, bool whole = false);

/// Runs that lie in bytes which outlive it.
class Runs {
 public:
  Runs() = default;  // none
  /// Checks all of them; a fault is the reader's.
  Runs(engine::ByteReader& in, const RunRules& rules);
  [[nodiscard]] bool empty() const { return runs_ == 0; }
  /// The first and one behind the last place that has a number.
  [[nodiscard]] std::size_t first() const { return first_; }
  [[nodiscard]] std::size_t end() const { return end_; }
  /// into[place - first()] += number
  void add_to(double* into) const;
  /// f(place, number)
  template <class F>
  void for_each(F f) const {
    engine::ByteReader in = numbers_;
    std::size_t place = 0;
    for (std::size_t run = 0; run < runs_; ++run) {
      place += in.varint();
      for (std::size_t left = in.varint(); left > 0; --left) f(place++, read_number(in, way_));
    }
  }

 private:
  void check_whole_runs(engine::ByteReader& in, std::size_t runs, const RunRules& rules);
  void check_runs(engine::ByteReader& in, std::size_t runs, const RunRules& rules);

  std::size_t runs_ = 0;
  std::size_t first_ = 0;
  std::size_t end_ = 0;
  Way way_ = Way::whole;
  engine::ByteReader numbers_{{}};  // at the first run
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
