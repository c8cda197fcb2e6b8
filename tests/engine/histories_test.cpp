// The generators themselves, judged by the naive model.

#include <gtest/gtest.h>

#include "tests/support/engine_driver.hpp"

namespace settle::test {
namespace {

TEST(Histories, AreTheSameForTheSameSeed) {
  EXPECT_EQ(describe(make_history(7, Mix{}, 20)), describe(make_history(7, Mix{}, 20)));
  EXPECT_NE(describe(make_history(7, Mix{}, 20)), describe(make_history(8, Mix{}, 20)));
}

/// Guards the generator: a property over histories in which nothing happens would hold for nothing.
TEST(Histories, ContainEverythingTheyAreMeantToContain) {
  engine::EngineStats sum;
  std::size_t gaps = 0;
  std::size_t limited = 0;
  std::size_t unpropagated = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const History history = make_history(seed, Mix{}, 50);
    NaiveEngine model{history.options, history.live_from};
    for (const HistoryStep& step : history.steps) gaps += apply(model, step).gaps.size();
    const auto stats = model.stats();
    sum.conflicts += stats.conflicts;
    sum.rows_refused += stats.rows_refused;
    sum.rows_uncountable += stats.rows_uncountable;
    sum.rows_late += stats.rows_late;
    sum.rows_over_limit += stats.rows_over_limit;
    sum.vanished += stats.vanished;
    sum.scope_moves += stats.scope_moves;
    sum.answers_truncated += stats.answers_truncated;
    sum.answers_unmoved += stats.answers_unmoved;
    sum.settled += stats.settled;
    sum.ttl += stats.ttl;
    sum.corrections += stats.corrections;
    sum.flushed += stats.flushed;
    sum.zeros += stats.zeros;
    sum.changed_after_final += stats.changed_after_final;
    sum.held_back += stats.held_back;
    sum.sealed += stats.sealed;
    sum.given_up += stats.given_up;
    sum.withheld += stats.withheld;
    limited += model.limited() ? 1 : 0;
    const auto* learned = std::get_if<engine::Learned>(&history.options.finality);
    const bool sends_all = history.options.output == engine::Output::gauge && !history.options.rising_only &&
                           history.options.corrections != engine::Corrections::hold &&
                           (learned == nullptr || learned->tolerance == 0);
    EXPECT_TRUE(stats.unpropagated == 0 || !sends_all);
    unpropagated += stats.unpropagated != 0 ? 1 : 0;
  }
  EXPECT_GT(sum.conflicts, 10U);
  EXPECT_GT(sum.rows_refused, 10U);
  EXPECT_GT(sum.rows_uncountable, 10U);
  EXPECT_GT(sum.rows_late, 10U);
  EXPECT_GT(sum.rows_over_limit, 10U);
  EXPECT_GT(sum.vanished, 10U);
  EXPECT_GT(sum.scope_moves, 10U);
  EXPECT_GT(sum.answers_truncated, 10U);
  EXPECT_GT(sum.answers_unmoved, 10U);
  EXPECT_GT(sum.settled, 1000U);
  EXPECT_GT(sum.ttl, 100U);
  EXPECT_GT(sum.corrections, 100U);
  EXPECT_GT(sum.flushed, 10U);
  EXPECT_GT(sum.zeros, 100U);
  EXPECT_GT(sum.changed_after_final, 100U);
  EXPECT_GT(sum.held_back, 10U);
  EXPECT_GT(sum.sealed, 1000U);
  EXPECT_GT(sum.given_up, 10U);
  EXPECT_GT(sum.withheld, 0.0);
  EXPECT_GT(gaps, 10U);
  EXPECT_GT(limited, 1U);
  EXPECT_GT(unpropagated, 10U);
}

}  // namespace
}  // namespace settle::test
