// engine/finality/rechecks.hpp: sealed buckets that are read again long afterwards, to see what sealing
// missed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "engine/model/answer.hpp"
#include "engine/model/time.hpp"
#include "engine/model/value.hpp"
#include "engine/stabilizer/sample.hpp"

namespace settle::engine {

/// The panel of a sealed bucket, as it was read last.
struct Recheck {
  struct Cell {
    SeriesNumber number = 0;
    Value::Bits value;
    bool operator==(const Cell&) const = default;
  };
  /// Values are written to records: never renumber.
  enum class Stage : std::uint8_t { sealed = 0, once = 1, done = 2 };
  Stage stage = Stage::sealed;
  std::uint32_t logged = 0;  // number of the last record that holds it; 0: none
  std::vector<Cell> cells;
};

/// Which buckets, and when: once at 2 x watch after their end and once at 10 x, never later than 20 x.
class Rechecks {
 public:
  Rechecks(Duration watch, Duration granularity);
  /// Whether a bucket is of the sample.
  [[nodiscard]] bool takes(Time bucket) const;
  void add(Time bucket, std::vector<Recheck::Cell> cells);
  [[nodiscard]] std::optional<Time> due(Time now) const;
  [[nodiscard]] bool is_due(Time bucket, const Recheck& one, Time now) const;
  /// It was read: from `sealed` to `once`, from there or late to `done`.
  void advance(Time bucket, Time now);
  /// Forgets what is done and saved, or too old.
  void clean(Time now);
  [[nodiscard]] std::map<Time, Recheck>& all() { return all_; }

 private:
  [[nodiscard]] Duration age(Time bucket, Time now) const { return now - bucket - granularity_; }

  Duration watch_{};
  Duration granularity_{};
  std::uint64_t one_in_ = 16;
  std::map<Time, Recheck> all_;
};

}  // namespace settle::engine
