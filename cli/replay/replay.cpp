#include "cli/replay/replay.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/replay/judge.hpp"
#include "cli/text_table.hpp"
#include "engine/plan/schedule.hpp"

namespace settle::cli {
namespace {

using engine::Duration;
using engine::Time;

constexpr std::int64_t kPollsMax = 10'000'000;
/// Nothing is stored, but an engine that is never drained remembers what it would have to write.
constexpr std::uint64_t kPollsBetweenDrains = 256;

/// When to poll: from the first line until the last bucket is past `watch`.
struct Span {
  Time first_bucket;
  Time from;
  Time to;
};

engine::Result<Span> span_of(const fetchers::TraceHistory& history, const ReplayOptions& options) {
  const Duration g = options.engine.granularity;
  const auto buckets = history.buckets();
  if (!buckets) return engine::refused("the trace holds no values");
  if (const auto off = history.first_off_grid(g)) {
    return engine::refused("the bucket " + engine::format_time(*off) + " does not start on a multiple of " +
                           engine::format_duration(g) + ": is --granularity right?");
  }
  Span span;
  span.first_bucket = buckets->first;
  span.from = std::max(history.first_line().value_or(span.first_bucket), span.first_bucket);
  const Time newest_end = buckets->last + g;
  const Time last = std::max(history.last_line().value_or(newest_end), newest_end);
  // A cell is sealed by the first complete answer past `watch`.
  span.to = last + options.engine.watch + g + 2 * options.poll;
  if (const std::int64_t polls = (span.to - span.from) / options.poll; polls > kPollsMax) {
    return engine::refused("from " + engine::format_time(span.from) + " to " + engine::format_time(span.to) +
                           " that is " + std::to_string(polls) + " polls: give a longer --poll");
  }
  return span;
}

/// One policy at work on one metric.
class Lane {
 public:
  Lane(const engine::EngineOptions& options, Time first_bucket, Truth& truth, Judge& judge,
       std::vector<Emission>* emissions)
      : engine_(options, first_bucket), truth_(truth), judge_(judge), emissions_(emissions) {}

  [[nodiscard]] engine::TimeRange plan(Time now) {
    const auto plan = engine::plan_live({.live_from = engine_.live_from(),
                                         .now = now,
                                         .granularity = engine_.options().granularity,
                                         .watch = engine_.options().watch,
                                         .valid_until = {}});
    if (plan.release_before) (void)engine_.release(*plan.release_before);
    return plan.range;
  }

  void take(const engine::Answer& answer, Time now, bool frozen) {
    emit(engine_.ingest(answer, now), now, frozen);
    emit(engine_.expire(now), now, frozen);
    if (++polls_ % kPollsBetweenDrains == 0) (void)engine_.drain_changes();
  }

  void recheck(const fetchers::TraceHistory& history, const engine::Selector& selector, Time now) {
    const auto bucket = engine_.recheck_due(now);
    if (!bucket) return;
    const engine::TimeRange range{.from = *bucket, .to = *bucket + engine_.options().granularity};
    engine_.recheck(history.answer_at(range, selector, now), now);
  }

 private:
  void emit(const std::vector<engine::Sample>& samples, Time now, bool frozen) {
    for (const engine::Sample& sample : samples) {
      if (sample.series >= keys_.size()) keys_.resize(sample.series + 1);
      std::optional<std::uint64_t>& key = keys_[sample.series];
      if (!key) key = truth_.series_key(engine_.series_name(sample.series));
      judge_.take(truth_.key(*key, sample.bucket), sample, now, frozen);
      if (emissions_ == nullptr) continue;
      emissions_->push_back(
          {.at = now, .series = std::string(engine_.series_name(sample.series)), .sample = sample});
    }
  }

  engine::Engine engine_;
  Truth& truth_;
  Judge& judge_;
  std::vector<Emission>* emissions_;
  std::vector<std::optional<std::uint64_t>> keys_;  // by series number
  std::uint64_t polls_ = 0;
};

/// One metric of the trace; all lanes are polled at the same instants. Returns the number of polls.
std::uint64_t replay_metric(const fetchers::TraceHistory& history, const engine::Selector& selector,
                            const Span& span, const ReplayOptions& options, std::vector<Lane>& lanes) {
  const Duration poll = options.poll;
  // A bucket is first asked for at its end: what it shows then may have been there a granularity earlier.
  const Duration silence = options.engine.granularity + 2 * poll;
  std::uint64_t polls = 0;
  for (Time now = span.from; now <= span.to; now += poll) {
    ++polls;
    const bool frozen = now - silence > span.from && !history.changed_between(now - silence, now);
    // Lanes whose engines own the same buckets ask the same: mostly all of them.
    std::optional<engine::TimeRange> asked;
    engine::Answer answer;
    for (Lane& lane : lanes) {
      const engine::TimeRange range = lane.plan(now);
      if (range.empty()) continue;
      if (asked != range) {
        answer = history.answer_at(range, selector, now);
        asked = range;
      }
      lane.take(answer, now, frozen);
      lane.recheck(history, selector, now);
    }
  }
  return polls;
}

/// `emissions` of the first policy are kept, if wanted.
engine::Result<std::vector<ReplayFigures>> replay_all(const fetchers::TraceHistory& history,
                                                      const ReplayOptions& options,
                                                      const std::vector<engine::Finality>& policies,
                                                      std::vector<Emission>* emissions) {
  const auto span = span_of(history, options);
  if (!span) return span.error();
  std::vector<Judge> judges(policies.size(), Judge(options, span->first_bucket));
  std::uint64_t polls = 0;
  for (const std::string& metric : history.metrics()) {
    const auto selector = engine::parse_selector(metric);
    if (!selector) return selector.error();
    Truth truth(history.answer_at({.from = span->first_bucket, .to = span->to}, *selector, span->to),
                span->first_bucket, options.engine.granularity);
    std::vector<Lane> lanes;
    for (std::size_t i = 0; i < policies.size(); ++i) {
      engine::EngineOptions engine = options.engine;
      engine.finality = policies[i];
      lanes.emplace_back(engine, span->first_bucket, truth, judges[i], i == 0 ? emissions : nullptr);
    }
    polls += replay_metric(history, *selector, *span, options, lanes);
    for (Judge& judge : judges) judge.close(truth);
  }
  std::vector<ReplayFigures> figures;
  figures.reserve(judges.size());
  for (Judge& judge : judges) figures.push_back(std::move(judge).figures(polls));
  return figures;
}

}  // namespace

engine::Result<ReplayReport> replay(const fetchers::TraceHistory& history, const ReplayOptions& options) {
  ReplayReport report;
  const auto figures = replay_all(history, options, {options.engine.finality}, &report.emissions);
  if (!figures) return figures.error();
  static_cast<ReplayFigures&>(report) = figures->front();
  return report;
}

engine::Result<std::vector<ReplayFigures>> replay_policies(const fetchers::TraceHistory& history,
                                                           const ReplayOptions& options,
                                                           const std::vector<engine::Finality>& policies) {
  return replay_all(history, options, policies, nullptr);
}

std::string format_replay(const ReplayReport& report, const ReplayOptions& options) {
  TextTable table({"emitted at", "bucket", "value", "revision", "reason", "age", "series"});
  for (const Emission& emission : report.emissions) {
    const engine::Sample& sample = emission.sample;
    const Duration age = emission.at - (sample.bucket + options.engine.granularity);
    table.add({engine::format_time(emission.at), engine::format_time(sample.bucket),
               engine::format_value(sample.value), std::to_string(sample.revision),
               std::string(engine::reason_text(sample.reason)), engine::format_duration(age),
               emission.series});
  }
  const auto seconds = [](Duration d) {
    return engine::format_duration(std::chrono::round<std::chrono::seconds>(d));
  };
  return table.text() + "\n" + engine::format_finality(options.engine.finality) + ", poll " +
         engine::format_duration(options.poll) + ": " + std::to_string(report.windows) + " windows in " +
         std::to_string(report.polls) + " polls\n" + "age at first emission: mean " +
         seconds(report.mean_age) + ", p99 " + seconds(report.p99_age) +
         "\nwrong at first emission: " + std::to_string(report.wrong_at_first) +
         "\nwrong at last emission: " + std::to_string(report.wrong_at_last) +
         "\ncorrections: " + std::to_string(report.corrections) +
         "\nforced by ttl: " + std::to_string(report.forced) +
         "\nnever emitted: " + std::to_string(report.never_emitted) + "\n";
}

}  // namespace settle::cli
