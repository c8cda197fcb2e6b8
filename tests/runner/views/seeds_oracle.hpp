// tests/runner/views/seeds_oracle.hpp: what a window is, worked out from the source's final numbers one by
// one: no cells, no blocks of buckets, no order but that of time.
#pragma once

#include <map>
#include <string>

#include "tests/runner/views/seeds_world.hpp"

namespace settle::runner::seeds {

struct Expected {
  std::map<std::string, double> values;  // by output series
  bool deceived = false;                 // a cell looked final before it was
  bool late = false;                     // a cell changed after watch: what is seen of it depends
};
/// The window of the job that ends at `end`.
[[nodiscard]] Expected window_of(const World& world, const JobPlan& job, Time end);

/// Sums may be associated otherwise; all else is exact.
[[nodiscard]] bool equal(const JobPlan& job, double expected, double got);

}  // namespace settle::runner::seeds
