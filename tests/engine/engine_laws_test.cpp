// Laws of docs/ARCHITECTURE.md, each as a property of random histories; the naive model must keep them too.
// engine_accounts_laws_test.cpp has laws 2 and 3, engine_replay_law_test.cpp has law 8.

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>

#include "tests/engine/laws.hpp"

namespace settle::test {
namespace {

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
  const auto fault = [](const History& history) {
    History shuffled = history;
    Dice dice{history.steps.size()};
    for (auto& step : shuffled.steps) {
      dice.shuffle(step.parts);
      for (auto& part : step.parts) dice.shuffle(part.rows);
    }
    return compare_runs<TypeParam>(history, shuffled, true);
  };
  EXPECT_TRUE(holds_for_histories("law 1: order", Mix{}, fault));
  EXPECT_TRUE(holds_for_histories("law 1: order, of sketches", sketch_mix(), fault));
}

TYPED_TEST(Laws, No1EqualRowsCountOnce) {
  const auto fault = [](const History& history) {
    History doubled = history;
    for (auto& step : doubled.steps) {
      if (step.kind == Kind::carry) continue;  // its rows are amounts, not observations
      for (auto& part : step.parts) {
        const auto rows = part.rows;
        part.rows.insert(part.rows.end(), rows.begin(), rows.end());
      }
    }
    return compare_runs<TypeParam>(history, doubled, false);
  };
  EXPECT_TRUE(holds_for_histories("law 1: equal rows", Mix{}, fault));
  EXPECT_TRUE(holds_for_histories("law 1: equal rows, of sketches", sketch_mix(), fault));
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

TYPED_TEST(Laws, No4RevisionsRiseAndValuesDiffer) {
  const auto fault = [](const History& history) {
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
  };
  EXPECT_TRUE(holds_for_histories("law 4: revisions", Mix{}, fault));
  EXPECT_TRUE(holds_for_histories("law 4: revisions, of sketches", sketch_mix(), fault));
}

TYPED_TEST(Laws, InOrderNothingSettlesBehindWhatSettledOfItsSeries) {
  const Mix mix{.adjust = [](engine::EngineOptions& options) {
    options.in_order = true;
    options.output = engine::Output::gauge;
    options.absent = engine::Absent::none;  // that a bucket has no row is known later than the next one's row
  }};
  EXPECT_TRUE(holds_for_histories("in order", mix, [](const History& history) {
    TypeParam engine{history.options, history.live_from};
    std::map<std::string, Time> newest;
    std::set<std::string> scopes;
    std::set<std::string> came_late;  // series with a row behind what had settled: nothing could wait for it
    return watch(engine, history, [&](const Observed& seen) -> std::string {
      for (const auto& part : seen.step.parts) {
        scopes.insert(part.scope);
        for (const auto& row : part.rows) {
          const auto found = newest.find(row.series);
          if (found != newest.end() && row.bucket < found->second) came_late.insert(row.series);
        }
      }
      for (const auto& sample : seen.out.samples) {
        // What is forced, and a row that comes after its bucket was final, waits for nothing.
        if (sample.revision != 1 || sample.reason != engine::Reason::settled) continue;
        for (const auto& [key, cell] : seen.after) {
          const bool is_earlier = key.second == sample.series && key.first < sample.bucket;
          if (is_earlier && cell.revision == 0) return "left before " + describe(cell);
        }
        // A row that another scope has yet to report is known to none.
        if (came_late.contains(sample.series)) continue;
        const auto [at, first] = newest.try_emplace(sample.series, sample.bucket);
        if (!first && scopes.size() == 1 && sample.bucket < at->second)
          return "too late: " + describe(sample);
        at->second = std::max(at->second, sample.bucket);
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
  const auto fault = [](const History& history) {
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
  };
  EXPECT_TRUE(holds_for_histories("law 9: load", Mix{}, fault));
  EXPECT_TRUE(holds_for_histories("law 9: load, of sketches", sketch_mix(), fault));
}

}  // namespace
}  // namespace settle::test
