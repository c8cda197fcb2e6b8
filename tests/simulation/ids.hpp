// tests/simulation/ids.hpp: the daemon's random names, made from the seed: a job's id says when its stream is
// polled, so they decide much.
#pragma once

#include <cstdint>

namespace settle::simulation {

/// std::random_device of this program gives what follows from `seed`. The linker does it (CMakeLists.txt).
void seed_ids(std::uint64_t seed);

}  // namespace settle::simulation
