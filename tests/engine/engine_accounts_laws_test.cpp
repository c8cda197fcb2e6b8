// Laws 2 and 3: all that was observed is emitted or accounted for, and nothing counts twice.

#include <cmath>
#include <set>

#include "tests/engine/laws.hpp"

namespace settle::test {
namespace {

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

}  // namespace
}  // namespace settle::test
