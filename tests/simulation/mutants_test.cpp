// An invariant that cannot fail says nothing: worlds that are broken on purpose must be noticed.
#include <array>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/world.hpp"

namespace settle::simulation {
namespace {

struct Broken {
  Mutant mutant;
  const char* name;
  std::set<std::string> noticed_by;  // invariants, any of them
};

void PrintTo(const Broken& broken, std::ostream* out) {
  *out << broken.name;
}

class Mutants : public testing::TestWithParam<Broken> {};

TEST_P(Mutants, AreNoticed) {
  spdlog::set_level(spdlog::level::off);
  const Broken& broken = GetParam();
  constexpr std::uint64_t kSeeds = 60;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Report report = run_world({.seed = seed, .mutant = broken.mutant, .listener = {}});
    if (!report.violation) continue;
    EXPECT_TRUE(broken.noticed_by.contains(report.violation->invariant))
        << "seed " << seed << ": " << report.violation->invariant << ": " << report.violation->detail;
    return;
  }
  FAIL() << "nobody noticed in " << kSeeds << " worlds";
}

INSTANTIATE_TEST_SUITE_P(
    Simulation, Mutants,
    testing::Values(
        Broken{Mutant::sink_drops_a_row,
               "SinkDropsARow",
               {"acknowledged is delivered", "what is acknowledged is kept",
                "the newest revision is what the server has"}},
        Broken{Mutant::sink_stores_twice, "SinkStoresTwice", {"one value where both are kept"}},
        Broken{Mutant::sink_alters_a_value,
               "SinkAltersAValue",
               {"the newest revision is what the server has", "one value where both are kept"}},
        Broken{Mutant::sink_never_takes_any, "SinkNeverTakesAny", {"everything drains"}},
        Broken{Mutant::sink_hides_a_restart,
               "SinkHidesARestart",
               {"what is acknowledged is kept", "the newest revision is what the server has"}},
        Broken{Mutant::cursor_skips_rows, "CursorSkipsRows", {"acknowledged is delivered"}},
        Broken{
            Mutant::store_goes_back,
            "StoreGoesBack",
            {"L never goes back", "law 4: revisions increase", "source time never goes back in the store",
             "sent again only if uncertain or lost", "a cursor goes back only for a server that restarted"}},
        Broken{Mutant::ledger_loses_rows,
               "LedgerLosesRows",
               {"live rows go first", "what is acknowledged is kept", "acknowledged is delivered",
                "the newest revision is what the server has"}},
        Broken{Mutant::gaps_are_forgotten,
               "GapsAreForgotten",
               {"law 2: the last value observed is the last one sent",
                "law 2: what was held back is accounted for"}},
        Broken{
            Mutant::answer_drops_a_row,
            "AnswerDropsARow",
            {"law 2: the last value observed is the last one sent",
             "law 2: a total is the sum of what was observed", "law 2: what was held back is accounted for"}},
        Broken{Mutant::frontier_lies, "FrontierLies", {"law 7: nothing settles past the frontier"}},
        Broken{Mutant::reread_misses_a_bucket,
               "RereadMissesABucket",
               {"law 2: the last value observed is the last one sent",
                "law 2: a total is the sum of what was observed", "a backfill brings what the source has"}},
        Broken{Mutant::reread_counts_though_failed,
               "RereadCountsThoughFailed",
               {"law 2: the last value observed is the last one sent",
                "law 2: a total is the sum of what was observed", "a backfill brings what the source has"}},
        Broken{Mutant::backfill_ledger_loses_rows,
               "BackfillLedgerLosesRows",
               {"what is acknowledged is kept", "acknowledged is delivered",
                "the newest revision is what the server has", "law 4: revisions increase"}},
        Broken{Mutant::backfill_passes_failures,
               "BackfillPassesFailures",
               {"a backfill asks until it is answered", "a backfill brings what the source has"}},
        Broken{Mutant::backfill_ends_short, "BackfillEndsShort", {"a backfill goes to the live lane"}}),
    [](const testing::TestParamInfo<Broken>& one) { return std::string{one.param.name}; });

}  // namespace
}  // namespace settle::simulation
