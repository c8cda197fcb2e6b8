// tests/engine/laws.hpp: random histories watched step by step, for the laws of the engine and of its naive
// model.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/story.hpp"

namespace settle::test {

using Cells = std::map<std::pair<Time, std::string>, NaiveCellView>;
using Kind = HistoryStep::Kind;

inline const std::vector<HistoryPart> kNoParts;

inline Cells by_key(const std::vector<NaiveCellView>& views) {
  Cells cells;
  for (const auto& view : views) cells[{view.bucket, view.series}] = view;
  return cells;
}

/// What every law looks at: a step, what it gave, and the cells around it.
struct Observed {
  const HistoryStep& step;
  const StepOutput& out;
  const Cells& before;
  const Cells& after;
  Time now;  // never falls
};

/// Runs a history and asks `fault` after every step; the first answer that is not "" is the result.
template <class E, class F>
std::string watch(E& engine, const History& history, F fault) {
  Cells before;
  Time now = Time::min();
  for (std::size_t i = 0; i < history.steps.size(); ++i) {
    const HistoryStep& step = history.steps[i];
    if (step.kind == Kind::ingest || step.kind == Kind::expire || step.kind == Kind::flush) {
      now = std::max(now, step.at);
    }
    const StepOutput out = apply(engine, step);
    Cells after = by_key(engine.cells());
    if (auto wrong = fault(Observed{step, out, before, after, now}); !wrong.empty()) {
      return "step " + std::to_string(i) + " at " + engine::format_time(step.at) + ": " + wrong;
    }
    before = std::move(after);
  }
  return "";
}

inline Time end_of(const History& history, Time bucket) {
  return bucket + history.options.granularity;
}

/// The part's whole buckets that lie at or after `from` and have begun.
template <class F>
void for_buckets(const History& history, const HistoryPart& part, Time from, Time now, F visit) {
  const Duration step = history.options.granularity;
  for (Time b = std::max(engine::ceil_to(part.covered.from, step), from);
       b + step <= part.covered.to && b <= now; b += step) {
    visit(b);
  }
}

template <class E>
class Laws : public ::testing::Test {};
TYPED_TEST_SUITE(Laws, BothEngines);

}  // namespace settle::test
