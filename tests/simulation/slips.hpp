// tests/simulation/slips.hpp: mistakes that the daemon itself does not make, put into it by the linker
// (CMakeLists.txt), to see that somebody notices.
#pragma once

namespace settle::simulation {

struct Slips {
  bool passes_failed_chunks = false;  // a backfill goes on where the source did not answer
  bool ends_a_bucket_short = false;   // a backfill leaves the last bucket to a live lane that has left it
};
/// In force for all worlds of the process.
[[nodiscard]] Slips& slips();

}  // namespace settle::simulation
