// Live equals backfill (tests/simulation/witness.hpp).
#include <algorithm>

#include "runner/store/series_names.hpp"
#include "tests/simulation/witness.hpp"

namespace settle::simulation {

using engine::format_time;
using engine::format_value;
using engine::Time;
using engine::Value;

namespace {

std::string text_of(const std::optional<Value>& value) {
  return value ? format_value(*value) : "nothing";
}

/// Else what differs may be held back.
bool is_exact(const engine::EngineOptions& options) {
  const auto* learned = std::get_if<engine::Learned>(&options.finality);
  return options.corrections != engine::Corrections::hold && !options.rising_only &&
         (learned == nullptr || learned->tolerance == 0);
}

}  // namespace

std::optional<engine::TimeRange> Witness::live_range(const runner::Job& job) const {
  const auto facts = jobs_.find(job.id);
  const auto stream = streams_.find(job.stream_id);
  const bool is_gauge = job.spec.engine.output == engine::Output::gauge;
  if (!is_gauge || facts == jobs_.end() || stream == streams_.end() || !facts->second.from) {
    return std::nullopt;
  }
  const SourceSpec& source = *stream->second.source;
  Time last = world_.now - source.last_after - source.batch - source.granularity;
  for (const engine::TimeRange& stall : source.stalls) {
    if (stall.contains(last + source.last_after)) last = std::min(last, stall.from - source.last_after);
  }
  const Time told = engine::floor_to(last, source.granularity);
  const engine::TimeRange range{*facts->second.from, std::min(told, stream->second.live_from)};
  return range.empty() ? std::nullopt : std::optional{range};
}

std::optional<Value> Witness::truth_of(const StreamFacts& stream, const std::string& series,
                                       Time bucket) const {
  for (Source* source : sources_) {
    if (&source->spec() != stream.source) continue;
    for (std::size_t i = 0; i < stream.source->series.size(); ++i) {
      if (stream.source->series[i].text == series) return source->truth(i, bucket);
    }
  }
  return std::nullopt;
}

/// What the live lane sent of a bucket is sent again only where the source has changed it since.
void Witness::check_nothing_new(const StreamFacts& stream, const std::string& series,
                                const engine::Sample& sample) {
  if (!sample.replaced) return;
  const std::optional<Value> truth = truth_of(stream, series, sample.bucket);
  if (*sample.replaced == truth.value_or(Value::count(0)) ||
      sample.value != truth.value_or(Value::count(0))) {
    violate("live equals backfill", series + " at " + format_time(sample.bucket) + " was " +
                                        format_value(*sample.replaced) + ", now " +
                                        format_value(sample.value) + "; the source has " + text_of(truth));
  }
}

std::optional<Value> Witness::has(std::size_t server, const runner::Job& job, const std::string& series,
                                  Time bucket) const {
  const bool at_end = job.spec.timestamp == runner::Stamp::end;
  const engine::Duration offset = at_end ? job.spec.engine.granularity : engine::Duration::zero();
  const SampleKey key{runner::output_series(series, job.spec.record, job.spec.labels), bucket + offset};
  return value_at(server, key, job.spec.engine.corrections);
}

void Witness::check_reread(runner::Runner& runner) {
  for (const runner::Job* job : runner.service().list_jobs("default", "", 1'000)) {
    const auto range = compared_.find(job->id);
    const engine::EngineOptions& options = job->spec.engine;
    if (range == compared_.end() || !is_exact(options)) continue;
    const StreamFacts& stream = streams_.at(job->stream_id);
    for (const SeriesSpec& series : stream.source->series) {
      if (!job->spec.selector.matches(*engine::parse_series(series.text))) continue;
      for (Time bucket = range->second.from; bucket < range->second.to; bucket += options.granularity) {
        // Of what the source has no more, the value stays.
        const std::optional<Value> truth = truth_of(stream, series.text, bucket);
        if (truth) {
          check_value(*job, series.text, bucket, {.value = truth},
                      "what was read again is what the source has");
        }
      }
    }
  }
}

void Witness::check_beside(const runner::Job& live, const runner::Job& filled, engine::TimeRange range) {
  const StreamFacts& stream = streams_.at(filled.stream_id);
  const engine::EngineOptions& options = live.spec.engine;
  if (!is_exact(options)) return;
  for (const SeriesSpec& series : stream.source->series) {
    if (!live.spec.selector.matches(*engine::parse_series(series.text))) continue;
    for (Time bucket = range.from; bucket < range.to; bucket += options.granularity) {
      const std::optional<Value> truth = truth_of(stream, series.text, bucket);
      const auto seen = stream.observed.find({series.text, bucket});
      // A row that vanished stays what it was; zeros depend on what vanished before.
      const bool vanished = seen != stream.observed.end() && seen->second;
      if (!truth && (vanished || options.absent == engine::Absent::zero)) continue;
      check_value(filled, series.text, bucket, {.value = truth}, "a backfill brings what the source has");
    }
  }
}

}  // namespace settle::simulation
