// The engine against the naive model of docs/stabilizer.md, step by step, on random histories.

#include <gtest/gtest.h>

#include "tests/support/engine_driver.hpp"

namespace settle::test {
namespace {

template <class T>
std::string shown(const std::optional<T>& at) {
  return at ? engine::format_time(*at) : "none";
}

std::string shown(const std::vector<Time>& times) {
  std::string out;
  for (const Time at : times) out += engine::format_time(at) + " ";
  return out;
}

/// The ways to look at cells must agree with each other.
std::string view_fault(const EngineDriver& driver) {
  const engine::Engine& engine = driver.engine();
  const auto cells = engine.cells();
  if (engine.open_cells() != cells.size()) return "open_cells: " + std::to_string(engine.open_cells());
  for (std::size_t i = 0; i < cells.size();) {
    const auto of = engine.cells_of(cells[i].bucket);
    if (of.empty()) return "cells_of: nothing for " + engine::format_time(cells[i].bucket);
    for (const auto& cell : of) {
      if (i == cells.size() || cell.number != cells[i].number || cell.bucket != cells[i].bucket ||
          cell.value != cells[i].value || cell.series != engine.series_name(cell.number)) {
        return "cells_of: " + std::string{cell.series} + " " + engine::format_time(cell.bucket);
      }
      ++i;
    }
  }
  return "";
}

/// What differs in the state that can be seen; "" when nothing does.
std::string state_difference(const EngineDriver& engine, NaiveEngine& model) {
  if (const auto cells = difference(engine.cells(), model.cells()); !cells.empty()) return "cells: " + cells;
  if (const auto stats = difference(engine.stats(), model.stats()); !stats.empty()) return "stats: " + stats;
  if (const auto view = difference(engine.finality_view(), model.finality_view()); !view.empty()) {
    return "finality: " + view;
  }
  if (engine.live_from() != model.live_from()) {
    return "live_from: got " + engine::format_time(engine.live_from()) + ", expected " +
           engine::format_time(model.live_from());
  }
  if (engine.newest_final_bucket() != model.newest_final_bucket()) {
    return "newest_final_bucket: got " + shown(engine.newest_final_bucket()) + ", expected " +
           shown(model.newest_final_bucket());
  }
  if (engine.said_buckets() != model.said_buckets()) {
    return "said_buckets: got " + shown(engine.said_buckets()) + ", expected " + shown(model.said_buckets());
  }
  if (engine.frontier() != model.frontier()) {
    return "frontier: got " + shown(engine.frontier()) + ", expected " + shown(model.frontier());
  }
  if (auto views = view_fault(engine); !views.empty()) return views;
  if (engine.limited() != model.limited()) return model.limited() ? "not limited" : "limited without cause";
  if (engine.series_count() != model.series_count()) {
    return "series_count: got " + std::to_string(engine.series_count()) + ", expected " +
           std::to_string(model.series_count());
  }
  return "";
}

std::string compare(const History& history) {
  EngineDriver engine{history.options, history.live_from};
  NaiveEngine model{history.options, history.live_from};
  for (std::size_t i = 0; i < history.steps.size(); ++i) {
    const StepOutput got = apply(engine, history.steps[i]);
    const StepOutput expected = apply(model, history.steps[i]);
    const std::string where =
        "step " + std::to_string(i) + " at " + engine::format_time(history.steps[i].at) + ": ";
    if (const auto samples = difference(got.samples, expected.samples); !samples.empty()) {
      return where + "samples: " + samples;
    }
    if (const auto gaps = difference(got.gaps, expected.gaps); !gaps.empty()) return where + "gaps: " + gaps;
    if (const auto state = state_difference(engine, model); !state.empty()) return where + state;
  }
  return "";
}

TEST(EngineAndModel, AgreeOnRandomHistories) {
  EXPECT_TRUE(holds_for_histories("engine and model agree", Mix{}, compare));
}

TEST(EngineAndModel, AgreeOnGaugesWithoutRestarts) {
  const Mix mix{.restarts = false, .adjust = [](auto& options) { options.output = engine::Output::gauge; }};
  EXPECT_TRUE(holds_for_histories("engine and model agree on gauges", mix, compare));
}

TEST(EngineAndModel, AgreeOnCountersWithZeros) {
  const Mix mix{.small_limits = false, .adjust = [](auto& options) {
                  options.output = engine::Output::counter;
                  options.absent = engine::Absent::zero;
                }};
  EXPECT_TRUE(holds_for_histories("engine and model agree on counters", mix, compare));
}

Mix learned_mix(double target, double tolerance) {
  return {.flushes = false, .adjust = [=](auto& options) {
            options.finality = engine::Learned{.error_target = target, .tolerance = tolerance};
            options.watch = options.ttl = std::chrono::minutes{3};
          }};
}

TEST(EngineAndModel, AgreeWhileTheyLearn) {
  EXPECT_TRUE(holds_for_histories("engine and model learn alike", learned_mix(0.2, 0), compare));
  EXPECT_TRUE(holds_for_histories("... with a tolerance", learned_mix(0.3, 0.05), compare));
}

/// Long enough for paces, changes of regime and reads of what is sealed for long.
TEST(EngineAndModel, AgreeOnWhatALongLifeTeaches) {
  std::size_t rechecked = 0;
  std::size_t forgotten = 0;
  std::size_t most_windows = 0;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    Mix mix = learned_mix(0.05, seed % 2 == 0 ? 0 : 0.05);
    mix.outages = false;
    mix.turns = true;
    mix.odd_rows = false;
    const History history = make_history(seed, mix, 400);
    EXPECT_EQ(compare(history), "") << "seed " << seed;
    EngineDriver engine{history.options, history.live_from};
    std::size_t most = 0;
    for (const HistoryStep& step : history.steps) {
      (void)apply(engine, step);
      most = std::max(most, engine.finality_view().windows);
      forgotten += engine.finality_view().windows < most && most < 200 ? 1 : 0;
    }
    most_windows = std::max(most_windows, most);
    rechecked += engine.finality_view().rechecked;
  }
  EXPECT_GT(rechecked, 0U);
  EXPECT_GT(forgotten, 0U);
  EXPECT_GT(most_windows, 64U);
}

TEST(EngineAndModel, AgreeOnSketches) {
  EXPECT_TRUE(holds_for_histories("engine and model agree on sketches", sketch_mix(), compare));
  Mix mix = sketch_mix();
  mix.adjust = [sketches = mix.adjust](auto& options) {
    sketches(options);
    options.corrections = engine::Corrections::hold;
  };
  EXPECT_TRUE(holds_for_histories("... that are held", mix, compare));
  mix.adjust = [sketches = sketch_mix().adjust](auto& options) {
    sketches(options);
    options.finality = engine::Learned{.error_target = 0.2};
    options.watch = options.ttl = std::chrono::minutes{3};
  };
  EXPECT_TRUE(holds_for_histories("... while they learn", mix, compare));
}

TEST(EngineAndModel, AgreeUnderHold) {
  const Mix mix{.odd_rows = false,
                .adjust = [](auto& options) { options.corrections = engine::Corrections::hold; }};
  EXPECT_TRUE(holds_for_histories("engine and model agree under hold", mix, compare));
}

}  // namespace
}  // namespace settle::test
