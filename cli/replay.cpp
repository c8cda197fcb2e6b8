#include "cli/replay.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "cli/text_table.hpp"
#include "engine/plan/schedule.hpp"
#include "sinks/file_lines.hpp"

namespace settle::cli {
namespace {

using engine::Duration;
using engine::Time;

constexpr const char* kScope = "trace";
constexpr std::int64_t kPollsMax = 10'000'000;

/// When to poll: from the first line until the last bucket is past `watch`.
struct Span {
  Time first_bucket;
  Time from;
  Time to;
};

Span span_of(const fetchers::Trace& trace, const ReplayOptions& options) {
  const auto by_bucket = [](const fetchers::TraceLine& a, const fetchers::TraceLine& b) {
    return a.bucket < b.bucket;
  };
  const auto [oldest, newest] = std::minmax_element(trace.lines.begin(), trace.lines.end(), by_bucket);
  const Duration g = options.engine.granularity;
  Span span;
  span.first_bucket = engine::floor_to(oldest->bucket, g);
  span.from = std::max(trace.first.value_or(span.first_bucket), span.first_bucket);
  const Time last = std::max(trace.last.value_or(newest->bucket), newest->bucket + g);
  // A cell is sealed by the first complete answer past `watch`.
  span.to = last + options.engine.watch + g + 2 * options.poll;
  return span;
}

/// (series text, bucket) -> value.
using Values = std::map<std::pair<std::string, Time>, engine::Value>;

void replay_metric(const fetchers::TraceHistory& history, const engine::Selector& selector, const Span& span,
                   const ReplayOptions& options, ReplayReport& report) {
  engine::Engine engine(options.engine, span.first_bucket);
  const auto take = [&](const std::vector<engine::Sample>& samples, Time now) {
    for (const engine::Sample& sample : samples) {
      report.emissions.push_back(
          {.at = now, .series = std::string(engine.series_name(sample.series)), .sample = sample});
    }
  };
  for (Time now = span.from; now <= span.to; now += options.poll) {
    const auto plan = engine::plan_live({.live_from = engine.live_from(),
                                         .now = now,
                                         .granularity = options.engine.granularity,
                                         .watch = options.engine.watch,
                                         .valid_until = {}});
    if (plan.release_before) (void)engine.release(*plan.release_before);
    ++report.polls;
    if (plan.range.empty()) continue;
    take(engine.ingest(history.answer_at(plan.range, selector, now), now), now);
    take(engine.expire(now), now);
    (void)engine.drain_changes();  // nothing is stored: only forget them
  }
}

/// What the trace ends with.
Values final_values(const fetchers::TraceHistory& history, const engine::Selector& selector,
                    const Span& span) {
  Values values;
  const engine::Answer answer =
      history.answer_at({.from = span.first_bucket, .to = span.to}, selector, span.to);
  for (const engine::ScopeAnswer& scope : answer.scopes) {
    for (const engine::Observation& row : scope.rows) {
      auto [it, is_new] = values.emplace(std::pair(std::string(row.series), row.bucket), row.value);
      if (!is_new) it->second = std::max(it->second, row.value);  // as the engine settles a conflict
    }
  }
  return values;
}

void judge(const Values& truth, const std::vector<Emission>& emissions, Duration granularity,
           ReplayReport& report) {
  struct Seen {
    engine::Value first;
    engine::Value last;
    Duration age{};
  };
  std::map<std::pair<std::string, Time>, Seen> seen;
  for (const Emission& emission : emissions) {
    const auto key = std::pair(emission.series, emission.sample.bucket);
    const Duration age = emission.at - (emission.sample.bucket + granularity);
    const auto [it, is_first] =
        seen.emplace(key, Seen{.first = emission.sample.value, .last = emission.sample.value, .age = age});
    if (!is_first) it->second.last = emission.sample.value;
    if (emission.sample.reason == engine::Reason::correction) ++report.corrections;
    if (emission.sample.reason == engine::Reason::ttl) ++report.forced;
  }
  std::vector<Duration> ages;
  Duration sum{};
  for (const auto& [key, cell] : seen) {
    const auto final_value = truth.find(key);
    if (final_value == truth.end() || final_value->second != cell.first) ++report.wrong_at_first;
    if (final_value == truth.end() || final_value->second != cell.last) ++report.wrong_at_last;
    ages.push_back(cell.age);
    sum += cell.age;
  }
  for (const auto& [key, value] : truth) report.never_emitted += seen.contains(key) ? 0 : 1;
  report.windows = seen.size();
  if (ages.empty()) return;
  std::sort(ages.begin(), ages.end());
  report.mean_age = sum / static_cast<std::int64_t>(ages.size());
  report.p99_age = ages[(ages.size() * 99 + 99) / 100 - 1];  // nearest rank
}

}  // namespace

engine::Result<ReplayReport> replay(const fetchers::Trace& trace, const ReplayOptions& options) {
  if (trace.lines.empty()) return engine::refused("the trace holds no values");
  const fetchers::TraceHistory history(trace, kScope);
  if (const auto off = history.first_off_grid(options.engine.granularity)) {
    return engine::refused("the bucket " + engine::format_time(*off) + " does not start on a multiple of " +
                           engine::format_duration(options.engine.granularity) + ": is --granularity right?");
  }
  const Span span = span_of(trace, options);
  const std::int64_t polls = (span.to - span.from) / options.poll;
  if (polls > kPollsMax) {
    return engine::refused("from " + engine::format_time(span.from) + " to " + engine::format_time(span.to) +
                           " that is " + std::to_string(polls) + " polls: give a longer --poll");
  }
  ReplayReport report;
  Values truth;
  for (const std::string& metric : history.metrics()) {
    const auto selector = engine::parse_selector(metric);
    if (!selector) return selector.error();
    replay_metric(history, *selector, span, options, report);
    truth.merge(final_values(history, *selector, span));
  }
  judge(truth, report.emissions, options.engine.granularity, report);
  return report;
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

std::string replay_lines(const ReplayReport& report) {
  std::string lines;
  for (const Emission& emission : report.emissions) {
    lines += sinks::encode_line({.series = emission.series,
                                 .timestamp = emission.sample.bucket,
                                 .value = emission.sample.value,
                                 .revision = emission.sample.revision,
                                 .reason = emission.sample.reason});
  }
  return lines;
}

}  // namespace settle::cli
