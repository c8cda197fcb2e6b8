// engine/plan/ranges.hpp: sets of instants as sorted, disjoint ranges that do not touch.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/model/time.hpp"

namespace settle::engine {

class Ranges {
 public:
  Ranges() = default;
  explicit Ranges(TimeRange range) { add(range); }

  void add(TimeRange range);
  void add(const Ranges& others);
  void remove(TimeRange range);
  void remove(const Ranges& others);
  /// Only what lies in `range` stays.
  void keep(TimeRange range);

  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  [[nodiscard]] bool contains(Time at) const;
  [[nodiscard]] const std::vector<TimeRange>& list() const { return ranges_; }
  /// The sum of the lengths in units of `step`.
  [[nodiscard]] std::uint64_t count(Duration step) const;
  bool operator==(const Ranges&) const = default;

 private:
  std::vector<TimeRange> ranges_;
};

}  // namespace settle::engine
