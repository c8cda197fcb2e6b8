// cli/sketch/describe.hpp: what `settle sketch inspect` prints: all that a sketch knows, as JSON.
#pragma once

#include <cstddef>
#include <string>

#include "cli/sketch/blob.hpp"

namespace settle::cli {

/// `items_max`: of heavy hitters, from the heaviest on.
[[nodiscard]] std::string describe(const ReadSketch& read, std::size_t items_max);

}  // namespace settle::cli
