// What must hold when all is calm and had its time (tests/simulation/witness.hpp).
#include <algorithm>
#include <cmath>

#include "tests/simulation/witness.hpp"

namespace settle::simulation {

using engine::format_time;
using engine::format_value;
using engine::Time;
using engine::Value;
using sinks::Overwrite;

namespace {

constexpr const char* kTenant = "default";

std::string text_of(const std::optional<Value>& value) {
  return value ? format_value(*value) : "nothing";
}

bool is_open(const runner::GapEntry& entry) {
  return entry.state != runner::GapState::filled && entry.state != runner::GapState::impossible;
}

}  // namespace

bool Witness::in_gap(const runner::Job& job, const std::string& scope, Time bucket, Gaps which) const {
  const auto found = gaps_.find(job.stream_id);
  return found != gaps_.end() &&
         std::any_of(found->second.begin(), found->second.end(), [&](const runner::GapEntry& entry) {
           const bool of_scope = entry.gap.scope.empty() || entry.gap.scope == scope;
           const bool own = which == Gaps::all && entry.job_id == job.id;
           const bool counts = own || entry.job_id.empty();
           return of_scope && counts && entry.gap.range.contains(bucket);
         });
}

/// Law 6. A value from which a zero followed may vanish later, or be given up: the zero stays.
Witness::Zero Witness::expected_zero(const StreamFacts& stream, const runner::Job& job,
                                     const SeriesSpec& series, Time bucket) const {
  if (stream.options.absent == engine::Absent::none) return Zero::no;
  if (!stream.ended.contains({series.scope, bucket})) return Zero::no;  // law 7
  Zero zero = Zero::no;
  for (Time b = bucket - stream.options.granularity; b >= bucket - stream.options.absent_for;
       b -= stream.options.granularity) {
    const auto earlier = stream.observed.find({series.text, b});
    if (earlier == stream.observed.end()) continue;
    if (earlier->second && !in_gap(job, series.scope, b)) return Zero::must;
    zero = Zero::may;
  }
  return zero;
}

void Witness::check_value(const runner::Job& job, const std::string& series, Time bucket,
                          const Expected& expected, const char* invariant) {
  const engine::Duration offset =
      job.spec.timestamp == runner::Stamp::end ? job.spec.engine.granularity : engine::Duration::zero();
  const SampleKey key{runner::output_series(series, job.spec.record, job.spec.labels), bucket + offset};
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const Server& server = *servers_[i];
    const std::vector<std::string>& names = job.spec.sinks;
    if (std::find(names.begin(), names.end(), server.spec().name) == names.end()) continue;
    if (is_dead(i, key, job.spec.engine.corrections)) continue;
    const std::optional<Value> has = value_at(i, key, job.spec.engine.corrections);
    if (has == expected.value || (!has && expected.or_nothing)) continue;
    // What another stream sent under this output stays where this one has nothing to say.
    const auto newest = books_[i].newest.find(key);
    const bool of_another = newest != books_[i].newest.end() && newest->second.stream_id != job.stream_id;
    if (!expected.value && of_another) continue;
    if (expected.or_newest && newest != books_[i].newest.end() && has == newest->second.value) continue;
    const auto& others = expected.or_one_of;
    if (std::find(others.begin(), others.end(), has) != others.end()) continue;
    violate(invariant, server.spec().name + " has " + text_of(has) + " of " + key.first + " at " +
                           format_time(key.second) + ", expected " + text_of(expected.value));
    return;
  }
}

/// A gap's bucket has what an answer said that was asked for because of it; where it had nothing, what was
/// known before.
void Witness::fill(Expected& expected, const StreamFacts& stream, const SeriesSpec& series,
                   Time bucket) const {
  if (stream.options.absent == engine::Absent::zero) {
    expected.or_nothing = true;
    expected.or_one_of.push_back(Value::count(0));
  }
  // Of what the source had no more, the value stays that went out, or the last one goes out.
  const auto emitted = stream.emitted.find({series.text, bucket});
  if (emitted != stream.emitted.end()) expected.or_one_of.push_back(emitted->second);
  const auto found = stream.reread.find({series.text, bucket});
  if (found == stream.reread.end()) return;
  const bool had_it = std::any_of(found->second.begin(), found->second.end(),
                                  [](const std::optional<Value>& value) { return value.has_value(); });
  expected.or_newest = !had_it;
  if (had_it) {
    expected.value = found->second.back();
    expected.or_one_of.insert(expected.or_one_of.end(), found->second.begin(), found->second.end());
  }
}

/// False: nobody asks for it any more.
bool Witness::is_asked(const std::string& stream) const {
  return std::any_of(job_streams_.begin(), job_streams_.end(),
                     [&stream](const auto& job) { return job.second == stream; });
}

void Witness::check_gaps() {
  for (const auto& [stream, entries] : gaps_) {
    if (!is_asked(stream)) continue;
    for (const runner::GapEntry& entry : entries) {
      if (!is_open(entry)) continue;
      violate("every gap ends filled or impossible",
              entry.gap.scope + " from " + format_time(entry.gap.range.from) + " to " +
                  format_time(entry.gap.range.to) + " is " +
                  std::string{runner::gap_state_text(entry.state)} + ": " + entry.last_error);
    }
  }
}

/// It asked until it was answered, or left a gap, and went as far as the live lane did not.
void Witness::check_asked(const runner::Job& job, const runner::BackfillStatus& backfill) {
  const StreamFacts& stream = streams_.at(job.stream_id);
  const engine::TimeRange asked = backfill.request.range;
  const auto reaches = ask_reaches_.find({job.stream_id, asked.from, asked.to});
  if (reaches != ask_reaches_.end() && backfill.end_effective < std::max(reaches->second, asked.from)) {
    violate("a backfill goes to the live lane", job.spec.store_path + ": " + backfill.id + " ends at " +
                                                    format_time(backfill.end_effective) + ", not at " +
                                                    format_time(reaches->second));
  }
  // A flush leaves L behind what had not ended, a clock that was ahead what was not there; and what a tick
  // was told that a bad disk held up is not seen here.
  using Kind = Happening::Kind;
  const bool unclear =
      std::any_of(scenario_.happenings.begin(), scenario_.happenings.end(), [](const Happening& one) {
        const bool flushes = one.kind == Kind::remove && one.steps > 0;
        return flushes || one.kind == Kind::skew || one.kind == Kind::slow_disk ||
               one.kind == Kind::full_disk;
      });
  for (const SeriesSpec& series : stream.source->series) {
    if (unclear || !job.spec.selector.matches(*engine::parse_series(series.text))) continue;
    for (Time bucket = asked.from; bucket < backfill.end_effective; bucket += stream.options.granularity) {
      const std::pair<std::string, Time> of_scope{series.scope, bucket};
      const std::pair<std::string, Time> of_series{series.text, bucket};
      const bool answered = stream.reread.contains(of_series) || stream.ended.contains(of_scope) ||
                            stream.observed.contains(of_series) || in_gap(job, series.scope, bucket);
      if (answered) continue;
      violate("a backfill asks until it is answered", job.spec.store_path + ": " + backfill.id +
                                                          " never got " + series.text + " at " +
                                                          format_time(bucket));
    }
  }
}

/// Every backfill comes to its end, and what it was for is there as the source said it.
void Witness::check_backfills(runner::Runner& runner, const runner::Job& job) {
  const StreamFacts& stream = streams_.at(job.stream_id);
  const auto& facts = jobs_.at(job.id);
  for (const runner::BackfillStatus& one : runner.service().list_backfills(kTenant, job.id, "", 1'000)) {
    if (one.state == runner::BackfillState::cancelled) continue;
    if (one.state != runner::BackfillState::done) {
      violate("every backfill ends", job.spec.store_path + ": " + one.id + " is " +
                                         std::string{runner::backfill_state_text(one.state)} + ": " +
                                         one.last_error);
    }
    if (one.state == runner::BackfillState::done) check_asked(job, one);
    if (job.spec.engine.corrections == engine::Corrections::hold || job.spec.engine.rising_only) continue;
    const Time to = std::min(one.end_effective, facts.from.value_or(one.end_effective));
    for (const SeriesSpec& series : stream.source->series) {
      if (!job.spec.selector.matches(*engine::parse_series(series.text))) continue;
      for (Time bucket = one.request.range.from; bucket < to; bucket += stream.options.granularity) {
        Expected expected;
        fill(expected, stream, series, bucket);
        const auto seen = stream.observed.find({series.text, bucket});
        if (seen != stream.observed.end() && seen->second) expected.or_one_of.push_back(*seen->second);
        check_value(job, series.text, bucket, expected, "a backfill brings what the source has");
      }
    }
  }
}

void Witness::check_gauge(const runner::Job& job, const StreamFacts& stream, Time from) {
  const auto asked = asked_.find(job.stream_id);
  const auto was_asked = [&](Time bucket) {
    return asked != asked_.end() && std::any_of(asked->second.begin(), asked->second.end(),
                                                [&](const auto& range) { return range.contains(bucket); });
  };
  for (const SeriesSpec& series : stream.source->series) {
    if (!job.spec.selector.matches(*engine::parse_series(series.text))) continue;
    for (Time bucket = from; bucket < stream.live_from; bucket += stream.options.granularity) {
      const auto seen = stream.observed.find({series.text, bucket});
      const Zero zero = expected_zero(stream, job, series, bucket);
      Expected expected;
      if (seen != stream.observed.end()) {
        expected.value = seen->second.value_or(Value::count(0));
      } else if (zero != Zero::no) {
        expected = {.value = Value::count(0), .or_nothing = zero == Zero::may};
      }
      if (was_asked(bucket)) {  // as it was, or as it was read again when that was forced
        expected.or_nothing = expected.or_nothing || !expected.value;
        if (expected.value) expected.or_one_of.push_back(*expected.value);
        fill(expected, stream, series, bucket);
      } else if (in_gap(job, series.scope, bucket)) {
        fill(expected, stream, series, bucket);
      }
      check_value(job, series.text, bucket, expected, "law 2: the last value observed is the last one sent");
    }
  }
}

Witness::Amount Witness::amount_of(const runner::Job& job, const StreamFacts& stream,
                                   const SeriesSpec& series, Time bucket) const {
  const auto seen = stream.observed.find({series.text, bucket});
  const std::uint64_t known = seen == stream.observed.end() || !seen->second ? 0 : seen->second->as_count();
  Amount amount{.least = known, .most = known};
  const auto reread = stream.reread.find({series.text, bucket});
  if (reread == stream.reread.end() || !in_gap(job, series.scope, bucket)) return amount;
  std::optional<Amount> brought;
  for (const std::optional<Value>& one : reread->second) {
    const std::uint64_t value = one ? one->as_count() : known;
    const bool is_zero = !one && stream.options.absent == engine::Absent::zero;  // a row that is gone
    const std::uint64_t least = is_zero ? 0 : value;
    brought = {.least = std::min(brought ? brought->least : least, least),
               .most = std::max(brought ? brought->most : value, value)};
  }
  return brought.value_or(amount);
}

void Witness::check_counter(const runner::Job& job, const StreamFacts& stream, Time from) {
  const auto earliest = [](const auto& map, const std::string& series, Time otherwise) {
    const auto first = map.lower_bound({series, Time::min()});
    return first == map.end() || first->first.first != series ? otherwise
                                                              : std::min(otherwise, first->first.second);
  };
  for (const SeriesSpec& series : stream.source->series) {
    if (!job.spec.selector.matches(*engine::parse_series(series.text))) continue;
    Amount total;
    const Time seen_from = earliest(stream.observed, series.text, Time::max());
    if (seen_from == Time::max()) continue;
    const engine::Duration step = stream.options.granularity;
    for (Time bucket = earliest(stream.reread, series.text, seen_from); bucket < stream.live_from;
         bucket += step) {
      const auto seen = stream.observed.find({series.text, bucket});
      const bool known = seen != stream.observed.end();
      const Amount amount = amount_of(job, stream, series, bucket);
      total = {.least = total.least + amount.least, .most = total.most + amount.most};
      const Zero zero = known ? Zero::must : expected_zero(stream, job, series, bucket);
      if (bucket < std::max(from, stream.totals_from) || bucket < seen_from || total.least != total.most) {
        continue;
      }
      Expected expected;
      if (zero != Zero::no) {
        expected.value = Value::count(total.least);
        expected.or_nothing = zero == Zero::may;
      }
      check_value(job, series.text, bucket, expected, "law 2: a total is the sum of what was observed");
    }
  }
}

/// What was observed and not sent is counted.
void Witness::check_accounts(const runner::Job& job, const StreamFacts& stream, double unpropagated) {
  // What another stream had sent before is held back, too, and by nobody counted; and a backfill may have
  // told another job of the stream something newer.
  const bool replaced =
      std::any_of(scenario_.happenings.begin(), scenario_.happenings.end(),
                  [](const Happening& one) { return one.kind == Happening::Kind::replace; });
  if (stream.options.output == engine::Output::counter || replaced) return;
  if (asked_.contains(job.stream_id)) return;
  double left = 0;
  std::string cells;
  for (const SeriesSpec& series : stream.source->series) {
    auto cell = stream.observed.lower_bound({series.text, Time::min()});
    for (; cell != stream.observed.end() && cell->first.first == series.text; ++cell) {
      const Time bucket = cell->first.second;
      // What one job missed while others kept the stream going, the stream's account still has.
      const auto emitted = stream.emitted_live.find(cell->first);
      if (bucket >= stream.live_from || emitted == stream.emitted_live.end()) continue;
      if (in_gap(job, series.scope, bucket, Gaps::of_stream)) continue;
      const double by = cell->second.value_or(Value::count(0)).as_double() - emitted->second.as_double();
      left += by;
      if (by != 0 && cells.size() < 200) cells += "; " + series.text + " at " + format_time(bucket);
    }
  }
  if (std::abs(left - unpropagated) > 1e-6 * std::max(1.0, std::abs(left))) {
    violate("law 2: what was held back is accounted for",
            job.spec.store_path + " says " + std::to_string(unpropagated) + " unpropagated, it is " +
                std::to_string(left) + cells);
  }
}

void Witness::check_stream(const runner::Job& job, const JobFacts& facts, double unpropagated) {
  const StreamFacts& stream = streams_.at(job.stream_id);
  if (!facts.from) return;
  const auto* learned = std::get_if<engine::Learned>(&stream.options.finality);
  const bool holds = stream.options.corrections == engine::Corrections::hold || stream.options.rising_only ||
                     (learned != nullptr && learned->tolerance > 0);
  if (holds) return check_accounts(job, stream, unpropagated);
  // What a gap brings of a series that is gone has no total to go to.
  const bool may_remain = stream.options.output == engine::Output::counter && gaps_.contains(job.stream_id);
  if (unpropagated != 0) {
    if (!may_remain) violate("law 2: nothing is unpropagated under repush", std::to_string(unpropagated));
    return;
  }
  if (stream.options.output == engine::Output::counter) {
    check_counter(job, stream, *facts.from);
  } else {
    check_gauge(job, stream, *facts.from);
  }
}

bool Witness::settled(runner::Runner& runner, Time calm_from) {
  learn_jobs(runner);
  for (const auto& [id, stream_id] : job_streams_) {
    const StreamFacts& stream = streams_.at(stream_id);
    if (stream.live_from < calm_from || stream.ticks_since_gap < 6) return false;
  }
  const std::vector<runner::PumpStatus> pumps = runner.service().outbox();
  if (std::any_of(pumps.begin(), pumps.end(), [](const auto& pump) { return pump.rows_waiting > 0; })) {
    return false;
  }
  const auto& service = runner.service();
  for (const auto& [stream, entries] : gaps_) {
    if (is_asked(stream) && std::any_of(entries.begin(), entries.end(), is_open)) return false;
  }
  for (const runner::Job* job : service.list_jobs(kTenant, "", 1'000)) {
    for (const runner::BackfillStatus& one : service.list_backfills(kTenant, job->id, "", 1'000)) {
      const bool over =
          one.state == runner::BackfillState::done || one.state == runner::BackfillState::cancelled;
      if (!over) return false;
    }
    const runner::JobStatus status = service.job_status(*job);
    if (status.state != runner::JobState::running || !status.last_error.empty()) return false;
  }
  return true;
}

void Witness::check_end(runner::Runner& runner) {
  learn_jobs(runner);
  for (const runner::PumpStatus& pump : runner.service().outbox()) {
    if (pump.rows_waiting > 0) {
      violate("everything drains", pump.sink + " still waits with " + std::to_string(pump.rows_waiting) +
                                       " rows: " + pump.last_error);
    }
  }
  check_servers();
  check_gaps();
  for (const runner::Job* job : runner.service().list_jobs("default", "", 1'000)) {
    const runner::JobStatus status = runner.service().job_status(*job);
    const bool well = status.state == runner::JobState::running && status.last_error.empty();
    if (!well) {
      violate("every job runs in the end", job->spec.store_path + " is " +
                                               std::string{runner::job_state_text(status.state)} + ": " +
                                               status.last_error);
    }
    const StreamFacts& stream = streams_.at(job->stream_id);
    const engine::Duration behind = world_.now - stream.live_from;
    if (behind > stream.options.watch + 6 * stream.options.granularity + 2 * job->spec.poll_interval) {
      violate("L follows the time",
              job->spec.store_path + " is " + engine::format_duration(behind) + " behind");
    }
    check_stream(*job, jobs_.at(job->id), status.unpropagated);
    check_backfills(runner, *job);
  }
}

}  // namespace settle::simulation
