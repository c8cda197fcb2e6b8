// The nine laws of docs/ARCHITECTURE.md, each as a property of random histories; the naive model must keep
// them too.

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>
#include <tuple>

#include "tests/engine/story.hpp"

namespace settle::test {
namespace {

using Cells = std::map<std::pair<Time, std::string>, NaiveCellView>;
using Kind = HistoryStep::Kind;

const std::vector<HistoryPart> kNoParts;

Cells by_key(const std::vector<NaiveCellView>& views) {
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

Time end_of(const History& history, Time bucket) {
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

inline std::deque<std::string> records_of(const NaiveEngine&) {
  return {};
}
inline std::deque<std::string> records_of(const EngineDriver& engine) {
  return engine.records();
}

/// Runs both histories side by side; they have the same number of steps.
template <class E>
std::string compare_runs(const History& history, const History& other, bool same_stats) {
  E engine{history.options, history.live_from};
  E twin{other.options, other.live_from};
  for (std::size_t i = 0; i < history.steps.size(); ++i) {
    const StepOutput expected = apply(engine, history.steps[i]);
    const StepOutput got = apply(twin, other.steps[i]);
    const std::string wrong = difference(got.samples, expected.samples) +
                              difference(got.gaps, expected.gaps) +
                              (same_stats ? difference(twin.stats(), engine.stats()) : "");
    if (!wrong.empty()) return "step " + std::to_string(i) + ": " + wrong;
    if (same_stats && records_of(twin) != records_of(engine))
      return "step " + std::to_string(i) + ": other bytes";
  }
  return difference(twin.cells(), engine.cells());
}

TYPED_TEST(Laws, No1OutputDoesNotDependOnTheOrderOfRowsAndScopes) {
  EXPECT_TRUE(holds_for_histories("law 1: order", Mix{}, [](const History& history) {
    History shuffled = history;
    Dice dice{history.steps.size()};
    for (auto& step : shuffled.steps) {
      dice.shuffle(step.parts);
      for (auto& part : step.parts) dice.shuffle(part.rows);
    }
    return compare_runs<TypeParam>(history, shuffled, true);
  }));
}

TYPED_TEST(Laws, No1EqualRowsCountOnce) {
  EXPECT_TRUE(holds_for_histories("law 1: equal rows", Mix{}, [](const History& history) {
    History doubled = history;
    for (auto& step : doubled.steps) {
      if (step.kind == Kind::carry) continue;  // its rows are amounts, not observations
      for (auto& part : step.parts) {
        const auto rows = part.rows;
        part.rows.insert(part.rows.end(), rows.begin(), rows.end());
      }
    }
    return compare_runs<TypeParam>(history, doubled, false);
  }));
}

TYPED_TEST(Laws, No1OfDifferentRowsTheGreaterIsTakenAndItsRunRestarts) {
  auto options = story_options();
  options.finality = engine::Consecutive{2};
  Story<TypeParam> story{options};
  story.set("m", 0, 5);
  (void)story.poll(60s);
  const HistoryPart both{"a",
                         {kMinuteZero, kMinuteZero + 2min},
                         {},
                         kMinuteZero + 80s,
                         {{"m", kMinuteZero, Value::count(5)}, {"m", kMinuteZero, Value::count(3)}}};
  EXPECT_EQ(story.poll_parts(80s, {both}), "");
  EXPECT_EQ(story.stats().conflicts, 1U);
  EXPECT_EQ(story.poll(100s), "");
  EXPECT_EQ(story.poll(120s), "m@0=5 r1 settled; ");
}

/// The value that left last, by cell.
class LastEmitted {
 public:
  void take(const std::vector<NaiveSample>& samples) {
    for (const auto& sample : samples) values_[{sample.bucket, sample.series}] = sample.value;
  }
  [[nodiscard]] std::optional<Value> of(const std::pair<Time, std::string>& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? std::nullopt : std::optional{found->second};
  }

 private:
  std::map<std::pair<Time, std::string>, Value> values_;
};

double tolerance_of(const engine::EngineOptions& options) {
  const auto* learned = std::get_if<engine::Learned>(&options.finality);
  return learned == nullptr ? 0 : learned->tolerance;
}

template <class E>
std::string gauge_accounts(const History& history) {
  E engine{history.options, history.live_from};
  LastEmitted emitted;
  double unpropagated = 0;
  return watch(engine, history, [&](const Observed& seen) -> std::string {
    emitted.take(seen.out.samples);
    std::set<std::pair<Time, std::string>> given_up;
    for (const auto& gap : seen.out.gaps) {
      for (const auto& cell : gap.cells) {
        given_up.insert({cell.bucket, cell.series});
        const auto before = seen.before.find({cell.bucket, cell.series});
        if (before == seen.before.end() || before->second.value != cell.last_observed) return describe(gap);
        if (cell.emitted != emitted.of({cell.bucket, cell.series})) return describe(gap);
      }
    }
    for (const auto& [key, cell] : seen.before) {
      if (seen.after.contains(key) || given_up.contains(key)) continue;
      const auto last = emitted.of(key);
      if (!last) return "left without a sample: " + describe(cell);
      unpropagated += cell.value.as_double() - last->as_double();
      const bool held_back = history.options.corrections == engine::Corrections::hold ||
                             (history.options.rising_only && cell.value < *last) ||
                             std::abs(cell.value.as_double() - last->as_double()) <=
                                 tolerance_of(history.options) * std::abs(cell.value.as_double());
      if (!held_back && *last != cell.value) {
        return "left with another value than was emitted: " + describe(cell);
      }
    }
    if (engine.stats().unpropagated == unpropagated) return "";
    return "unpropagated is " + std::to_string(engine.stats().unpropagated) + ", should be " +
           std::to_string(unpropagated);
  });
}

/// A flush, and a bucket more for every series, so that a total follows all that waits for one.
void finish_totals(History& history) {
  Time last = history.live_from;
  std::set<std::string> names;
  for (const auto& step : history.steps) {
    last = std::max(last, step.at);
    for (const auto& part : step.parts) {
      for (const auto& row : part.rows) names.insert(row.series);
    }
  }
  history.steps.push_back({.kind = Kind::flush, .at = last + 30min, .parts = {}});
  const Time bucket = engine::floor_to(last, history.options.granularity) + 60min;
  HistoryPart part{.scope = "a", .covered = {bucket, end_of(history, bucket)}, .frontier = {}, .rows = {}};
  for (const std::string& name : names) part.rows.push_back({name, bucket, Value::count(1)});
  history.steps.push_back({.kind = Kind::ingest, .at = end_of(history, bucket), .parts = {part}});
  history.steps.push_back({.kind = Kind::flush, .at = end_of(history, bucket), .parts = {}});
}

/// The newest total of a series is the sum of all that was observed of it and not given up, and of what was
/// carried into it; what it is above that sum is `withheld`, what it is below, `unpropagated`.
template <class E>
std::string counter_accounts(History history) {
  finish_totals(history);
  E engine{history.options, history.live_from};
  std::map<std::string, std::uint64_t> sums;
  std::map<std::string, std::map<Time, std::uint64_t>> totals;
  double carried = 0;
  auto wrong = watch(engine, history, [&](const Observed& seen) -> std::string {
    for (const auto& sample : seen.out.samples)
      totals[sample.series][sample.bucket] = sample.value.as_count();
    if (seen.step.kind == Kind::carry) {
      for (const auto& part : seen.step.parts) {
        for (const auto& row : part.rows) carried += (part.scope == kLess ? -1 : 1) * row.value.as_double();
      }
    }
    std::set<std::pair<Time, std::string>> given_up;
    for (const auto& gap : seen.out.gaps) {
      for (const auto& cell : gap.cells) {
        given_up.insert({cell.bucket, cell.series});
        if (cell.emitted) sums[cell.series] += cell.emitted->as_count();
      }
    }
    for (const auto& [key, cell] : seen.before) {
      if (!seen.after.contains(key) && !given_up.contains(key)) sums[cell.series] += cell.value.as_count();
    }
    return "";
  });
  if (!wrong.empty()) return wrong;
  double known = carried;
  double emitted = 0;
  for (const auto& [series, sum] : sums) known += static_cast<double>(sum);
  for (const auto& [series, of] : totals) emitted += static_cast<double>(of.rbegin()->second);
  const auto& stats = engine.stats();
  if (history.options.corrections == engine::Corrections::repush && stats.withheld != 0) return "withheld";
  if (emitted - stats.withheld + stats.unpropagated == known) return "";
  return "totals " + std::to_string(emitted) + ", withheld " + std::to_string(stats.withheld) +
         ", unpropagated " + std::to_string(stats.unpropagated) + ", known " + std::to_string(known);
}

/// What a ledger has of a cell adds up to what was emitted last.
template <class E>
std::string deltas_add_up(const History& history) {
  E engine{history.options, history.live_from};
  std::map<std::pair<Time, std::string>, double> sums;
  LastEmitted emitted;
  return watch(engine, history, [&](const Observed& seen) -> std::string {
    for (const auto& sample : seen.out.samples) {
      const auto before = emitted.of({sample.bucket, sample.series});
      if (sample.replaced != before) return "replaces another value: " + describe(sample);
      double& sum = sums[{sample.bucket, sample.series}];
      const double delta = sample.value.as_double() - (sample.replaced ? sample.replaced->as_double() : 0.0);
      if (sample.replaced && delta == 0) return "a correction by nothing: " + describe(sample);
      sum += delta;
      if (sum != sample.value.as_double()) return "the ledger says otherwise: " + describe(sample);
    }
    emitted.take(seen.out.samples);
    for (const auto& [key, cell] : seen.before) {
      if (seen.after.contains(key) || seen.step.kind == Kind::release) continue;
      if (sums[key] != cell.value.as_double()) return "sealed with another sum: " + describe(cell);
    }
    return engine.stats().unpropagated == 0 ? "" : "unpropagated";
  });
}

Mix exact(engine::Output output) {
  return {.odd_rows = false, .adjust = [output](auto& options) {
            options.output = output;
            options.series_idle = 48h;
          }};
}

TYPED_TEST(Laws, No2WhatWasObservedIsEmittedOrAccountedForWhenItLeaves) {
  EXPECT_TRUE(
      holds_for_histories("law 2: conservation", exact(engine::Output::gauge), gauge_accounts<TypeParam>));
}

TYPED_TEST(Laws, No2TheDeltasOfALedgerAddUpToWhatWasObservedLast) {
  Mix mix = exact(engine::Output::gauge);
  mix.adjust = [](auto& options) {
    options.output = engine::Output::gauge;
    options.rising_only = false;
    options.corrections = engine::Corrections::ledger;
    if (tolerance_of(options) > 0) options.finality = engine::Learned{.error_target = 0.2};
  };
  EXPECT_TRUE(holds_for_histories("law 2: ledger", mix, deltas_add_up<TypeParam>));
}

TYPED_TEST(Laws, No2WhatASinkOfLargerValuesKeepsIsEmittedOrAccountedFor) {
  Mix mix = exact(engine::Output::gauge);
  mix.adjust = [](auto& options) {
    options.output = engine::Output::gauge;
    options.rising_only = true;
    options.corrections = engine::Corrections::repush;
  };
  EXPECT_TRUE(holds_for_histories("law 2: larger only", mix, gauge_accounts<TypeParam>));
  EXPECT_TRUE(holds_for_histories("law 2: values only rise", mix, [](const History& history) {
    TypeParam engine{history.options, history.live_from};
    LastEmitted emitted;
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& sample : seen.out.samples) {
        const auto before = emitted.of({sample.bucket, sample.series});
        if (before && sample.value < *before) return "fell: " + describe(sample);
      }
      emitted.take(seen.out.samples);
      return "";
    });
  }));
}

TYPED_TEST(Laws, No3NoBucketCountsTwice) {
  Mix mix = exact(engine::Output::counter);
  EXPECT_TRUE(holds_for_histories("law 3: nothing twice", mix, counter_accounts<TypeParam>));
}

TYPED_TEST(Laws, No4RevisionsRiseAndValuesDiffer) {
  EXPECT_TRUE(holds_for_histories("law 4: revisions", Mix{}, [](const History& history) {
    TypeParam engine{history.options, history.live_from};
    std::map<std::pair<Time, std::string>, NaiveSample> last;
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& sample : seen.out.samples) {
        const auto [at, first] = last.try_emplace({sample.bucket, sample.series}, sample);
        const bool fine =
            first ? sample.revision == 1
                  : sample.revision == at->second.revision + 1 && sample.value != at->second.value;
        if (!fine) return describe(sample) + " after " + describe(at->second);
        at->second = sample;
      }
      return "";
    });
  }));
}

TYPED_TEST(Laws, No5ClosesInOrderAndOnlyWhatWasAnsweredPastTheEdge) {
  const Mix mix{.releases = false, .flushes = false};
  EXPECT_TRUE(holds_for_histories("law 5: expiry", mix, [](const History& history) {
    TypeParam engine{history.options, history.live_from};
    std::map<std::string, std::map<Time, Time>> covered;  // scope, bucket
    Time live_from = history.live_from;
    const auto past = [&](const std::string& scope, Time bucket, Duration age) {
      const auto found = covered[scope].find(bucket);
      return found != covered[scope].end() && found->second - end_of(history, bucket) > age;
    };
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& part : seen.step.kind == Kind::ingest ? seen.step.parts : kNoParts) {
        (void)covered[part.scope];
        if (part.completeness != engine::Completeness::complete) continue;
        for_buckets(history, part, live_from, seen.now, [&](Time b) { covered[part.scope][b] = seen.now; });
      }
      const NaiveSample* before = nullptr;
      for (const auto& sample : seen.out.samples) {
        if (before != nullptr &&
            std::tie(before->bucket, before->series) >= std::tie(sample.bucket, sample.series)) {
          return "out of order: " + describe(sample);
        }
        before = &sample;
        bool answered = sample.reason != engine::Reason::ttl;
        for (const auto& [scope, of] : covered) answered |= past(scope, sample.bucket, history.options.ttl);
        if (!answered) return "closed too early: " + describe(sample);
      }
      for (; live_from < engine.live_from(); live_from += history.options.granularity) {
        for (const auto& [scope, of] : covered) {
          if (seen.step.kind == Kind::expire && past(scope, live_from, history.options.watch)) continue;
          return "sealed too early for " + scope + ": " + engine::format_time(live_from);
        }
      }
      return "";
    });
  }));
}

TYPED_TEST(Laws, No6ASampleHasAReportedValueOrIsAZeroFromAbsence) {
  Mix mix;
  mix.adjust = [](auto& options) { options.output = engine::Output::gauge; };
  EXPECT_TRUE(holds_for_histories("law 6: absence", mix, [](const History& history) {
    TypeParam engine{history.options, history.live_from};
    std::map<std::string, std::map<Time, std::vector<Value>>> reported;
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& part : seen.step.parts) {
        for (const auto& row : part.rows) reported[row.series][row.bucket].push_back(row.value);
      }
      for (const auto& sample : seen.out.samples) {
        const auto& of = reported[sample.series];
        const auto here = of.find(sample.bucket);
        if (here != of.end() && std::count(here->second.begin(), here->second.end(), sample.value) > 0)
          continue;
        if (history.options.absent == engine::Absent::none || sample.value != Value::count(0)) {
          return "never reported: " + describe(sample);
        }
        const auto earlier = of.lower_bound(sample.bucket - history.options.absent_for);
        if (here == of.end() && (earlier == of.end() || earlier->first >= sample.bucket)) {
          return "a zero without a value before it: " + describe(sample);
        }
      }
      return "";
    });
  }));
}

TYPED_TEST(Laws, No7NothingThatClaimsToBeSettledLiesPastTheFrontier) {
  Mix mix{.releases = false};
  mix.adjust = [](auto& options) { options.output = engine::Output::gauge; };
  EXPECT_TRUE(holds_for_histories("law 7: frontier", mix, [](const History& history) {
    TypeParam engine{history.options, history.live_from};
    std::map<std::string, Time> frontier;
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& part : seen.step.parts) {
        if (part.completeness != engine::Completeness::complete || !part.frontier) continue;
        const auto at = frontier.try_emplace(part.scope, *part.frontier).first;
        at->second = std::max(at->second, *part.frontier);
      }
      for (const auto& sample : seen.out.samples) {
        if (sample.reason != engine::Reason::settled && sample.reason != engine::Reason::correction) continue;
        const auto cell = seen.after.find({sample.bucket, sample.series});
        if (cell == seen.after.end()) continue;  // sealed in the same call: only ttl and zeros go out then
        const auto known = frontier.find(cell->second.scope);
        const Time end = end_of(history, sample.bucket);
        if (end > seen.now || (known != frontier.end() && end > known->second)) return describe(sample);
      }
      return "";
    });
  }));
}

TYPED_TEST(Laws, No9WhatWasLoadedBehavesAsWhatWasSaved) {
  EXPECT_TRUE(holds_for_histories("law 9: load", Mix{}, [](const History& history) {
    History whole = history;
    for (auto& step : whole.steps) {
      if (step.kind == Kind::renew || step.kind == Kind::reload) step.kind = Kind::save;
    }
    TypeParam engine{history.options, history.live_from};
    TypeParam twin{whole.options, whole.live_from};
    for (std::size_t i = 0; i < history.steps.size(); ++i) {
      const StepOutput got = apply(engine, history.steps[i]);
      const StepOutput expected = apply(twin, whole.steps[i]);
      const std::string wrong =
          difference(got.samples, expected.samples) + difference(got.gaps, expected.gaps) +
          difference(engine.stats(), twin.stats()) + difference(engine.cells(), twin.cells());
      if (!wrong.empty()) return "step " + std::to_string(i) + ": " + wrong;
    }
    return std::string{};
  }));
}

}  // namespace
}  // namespace settle::test
