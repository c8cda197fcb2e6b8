// tests/simulation/world.hpp: a simulated world from one seed, from its beginning to its end.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/simulation/journal.hpp"

namespace settle::simulation {

/// Ways in which the world itself is broken, so that we see which invariant notices.
enum class Mutant : std::uint8_t {
  none,
  sink_drops_a_row,
  sink_stores_twice,
  sink_alters_a_value,
  sink_never_takes_any,
  sink_hides_a_restart,
  cursor_skips_rows,   // between two lives: acknowledged, and never sent
  store_goes_back,     // at a crash, to what it was when the daemon last started
  ledger_loses_rows,   // between two lives
  gaps_are_forgotten,  // between two lives
  answer_drops_a_row,
  frontier_lies,
  reread_misses_a_bucket,       // the last one of what the backfill lane asks for
  reread_counts_though_failed,  // what a scope does not answer to it is taken for empty
  backfill_ledger_loses_rows,   // between two lives
  backfill_passes_failures,     // its cursor moves past a chunk that the source did not answer
  backfill_ends_short,          // by the last bucket
};

struct Report {
  std::uint64_t seed = 0;
  std::optional<Violation> violation;
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  std::uint64_t samples = 0;
  std::uint64_t lives = 0;  // of the daemon
  std::uint64_t commits = 0;
};

struct RunOptions {
  std::uint64_t seed = 0;
  Mutant mutant = Mutant::none;
  Journal::Listener listener;  // none: nobody reads along
};

/// Runs on the caller's thread, one world at a time in a process.
[[nodiscard]] Report run_world(const RunOptions& options);

}  // namespace settle::simulation
