#include "tests/simulation/ids.hpp"

#include <random>

#include "tests/simulation/random.hpp"

namespace settle::simulation {

namespace {
Random ids{0};
}

void seed_ids(std::uint64_t seed) {
  ids = Random{seed, "ids"};
}

// std::random_device::_M_getval()
// NOLINTNEXTLINE(bugprone-reserved-identifier): the name that the linker's --wrap asks for.
extern "C" std::random_device::result_type __wrap__ZNSt13random_device9_M_getvalEv(std::random_device*) {
  return static_cast<std::random_device::result_type>(ids.next());
}

}  // namespace settle::simulation
