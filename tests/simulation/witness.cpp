#include "tests/simulation/witness.hpp"

#include <algorithm>

#include <xxhash.h>

#include "runner/push/delivery_records.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/series_names.hpp"

namespace settle::simulation {

using engine::format_time;
using engine::format_value;
using engine::Reason;
using engine::Time;
using runner::LedgerPosition;
using runner::Table;

namespace {

constexpr const char* kTenant = "default";

std::string name_of(const SampleKey& key) {
  return key.first + " at " + format_time(key.second);
}

/// The id in sequence tenant 0 id 0 part.
std::string id_in(std::string_view key) {
  key.remove_prefix(8);
  key.remove_prefix(key.find('\0') + 1);
  return std::string{key.substr(0, key.find('\0'))};
}

engine::Value difference(const engine::Value& to, const engine::Value& from) {
  const double by = to.as_double() - from.as_double();
  const bool whole = to.is_count() && from.is_count() && by >= 0;
  return whole ? engine::Value::count(static_cast<std::uint64_t>(by)) : engine::Value::number(by);
}

}  // namespace

Witness::Witness(const Scenario& scenario, const WorldTime& world, Journal& journal,
                 std::vector<Source*> sources, std::vector<Server*> servers)
    : scenario_(scenario),
      world_(world),
      journal_(journal),
      sources_(std::move(sources)),
      servers_(std::move(servers)),
      books_(servers_.size()) {}

void Witness::violate(const char* invariant, std::string detail) {
  journal_.violate(world_.now, invariant, std::move(detail));
}

void Witness::told(const std::string& selector, const Told& told) {
  const auto found = by_selector_.find(selector);
  if (found == by_selector_.end()) {
    told_[selector] = told;
    return;
  }
  StreamFacts& stream = streams_.at(found->second);
  // L is learned with a commit, and may be behind what the daemon has. What the live lane asks for goes to
  // the last bucket that has ended, what it leaves behind does not.
  const bool is_past = told.range.to + stream.options.granularity <= told.now;
  if (is_past || told.range.from < stream.live_from) {
    take_reread(stream, told);
  } else {
    stream.pending = told;
  }
}

void Witness::daemon_died() {
  told_.clear();
  flushing_.clear();
  for (auto& [id, stream] : streams_) stream.pending.reset();
}

void Witness::learn_jobs(runner::Runner& runner) {
  job_streams_.clear();
  for (const runner::Job* job : runner.service().list_jobs(kTenant, "", 1'000)) {
    job_streams_[job->id] = job->stream_id;
    jobs_.try_emplace(job->id);
    StreamFacts& stream = streams_[job->stream_id];
    if (stream.source == nullptr) {
      stream.selector = job->spec.selector.text();
      stream.options = job->spec.engine;
      for (const Source* source : sources_) {
        if (source->spec().name == job->spec.source) stream.source = &source->spec();
      }
    }
    by_selector_[stream.selector] = job->stream_id;
    if (const auto early = told_.find(stream.selector); early != told_.end()) {
      stream.pending = std::move(early->second);
      told_.erase(early);
    }
    const runner::JobStatus status = runner.service().job_status(*job);
    const Time live_from = status.live_from;
    // Where it never asked, nothing says how late it had become.
    if (stream.first_tick && live_from < stream.live_from) {
      violate("L never goes back", "stream " + stream.selector + " went from " +
                                       format_time(stream.live_from) + " to " + format_time(live_from));
    }
    stream.live_from = live_from;
    const auto reach = 2 * stream.options.watch / stream.options.granularity + 3;
    // What an outage or a sleep left behind is given up with the first answer after it.
    const std::uint64_t most = stream.source->series.size() * static_cast<std::uint64_t>(reach);
    if (status.open_cells > most) {
      violate("memory is bounded", std::to_string(status.open_cells) + " open cells, at most " +
                                       std::to_string(most) + " can be live");
    }
  }
}

void Witness::committed(const runner::Store& store, runner::Runner& runner) {
  learn_jobs(runner);
  const runner::ReadTransaction view = store.read();
  take_ticks(view);
  take_ledger(view);
  take_gaps(view);
  take_dead_letters(view);
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    take_cursor(view, i, runner::Lane::live);
    take_cursor(view, i, runner::Lane::backfill);
  }
  if (const auto sequence = view.get(Table::meta, "sequence"))
    next_sequence_ = runner::read_u64(*sequence) + 1;
  if (const auto bytes = view.get(Table::meta, "source_time")) {
    const Time time = engine::from_epoch_ms(static_cast<std::int64_t>(runner::read_u64(*bytes)));
    if (time < source_time_) violate("source time never goes back in the store", format_time(time));
    source_time_ = time;
  }
}

/// A tick is committed when the stream's log has grown.
void Witness::take_ticks(const runner::ReadTransaction& view) {
  std::set<std::string> ticked;
  view.scan(Table::log, runner::key_u64(next_sequence_), "", [&](std::string_view key, std::string_view) {
    ticked.insert(id_in(key));
    return true;
  });
  for (const std::string& id : ticked) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) continue;
    const bool parted = std::none_of(job_streams_.begin(), job_streams_.end(), [&](const auto& job) {
      return job.second == id && view.get(Table::jobs, runner::key_of(kTenant, job.first));
    });
    if (parted && flushing_.erase(id) > 0) {  // the answer that is on its way comes too late
      found->second.pending.reset();
      continue;
    }
    take_answer(found->second);
    if (++found->second.ticks_since_gap == 3) found->second.totals_from = found->second.live_from;
    for (const auto& [job, stream_id] : job_streams_) {
      if (stream_id != id) continue;
      JobFacts& facts = jobs_[job];
      // A tick that was under way when it came leaves it out, and what its own first one seals went to others
      // only; L is published a tick later.
      if (++facts.ticks == 3) facts.from = found->second.live_from;
    }
  }
}

void Witness::take_answer(StreamFacts& stream) {
  if (!stream.pending) return;
  const Told told = std::move(*stream.pending);
  stream.pending.reset();
  stream.newest_tick = told.now;
  if (!stream.first_tick) stream.first_tick = told.now;
  for (const Told::Scope& scope : told.scopes) {
    if (scope.complete && scope.frontier) {
      const auto [at, is_new] = stream.frontier.try_emplace(scope.name, *scope.frontier);
      at->second = std::max(at->second, *scope.frontier);
    }
    const auto frontier = stream.frontier.find(scope.name);
    const Time reached = frontier == stream.frontier.end() ? told.now : std::min(told.now, frontier->second);
    const engine::Duration step = stream.options.granularity;
    // A flush may have moved L while the source was at work: what is below it comes too late.
    const engine::TimeRange taken{std::max(scope.covered.from, stream.live_from), scope.covered.to};
    for (Time bucket = taken.from; scope.complete && bucket < taken.to; bucket += step) {
      if (bucket + step <= reached) stream.ended.insert({scope.name, bucket});
    }
    if (scope.complete && stream.options.absent == engine::Absent::zero) {
      for (const SeriesSpec& one : stream.source->series) {
        if (one.scope != scope.name) continue;
        auto cell = stream.observed.lower_bound({one.text, taken.from});
        for (; cell != stream.observed.end() && cell->first.first == one.text; ++cell) {
          if (taken.contains(cell->first.second)) cell->second.reset();
        }
      }
    }
    for (const Told::Row& row : scope.rows) {
      if (row.bucket < taken.from) continue;
      stream.observed[{stream.source->series[row.series].text, row.bucket}] = row.value;
    }
  }
}

/// The backfill lane's: what it makes of it is looked at in the end only.
void Witness::take_reread(StreamFacts& stream, const Told& told) {
  for (const Told::Scope& scope : told.scopes) {
    if (scope.complete && scope.frontier) {
      const auto [at, is_new] = stream.frontier.try_emplace(scope.name, *scope.frontier);
      at->second = std::max(at->second, *scope.frontier);
    }
    for (const SeriesSpec& one : stream.source->series) {
      if (one.scope != scope.name || !scope.complete) continue;
      for (Time bucket = scope.covered.from; bucket < scope.covered.to;
           bucket += stream.options.granularity) {
        const auto has = std::find_if(scope.rows.begin(), scope.rows.end(), [&](const Told::Row& row) {
          return row.bucket == bucket && stream.source->series[row.series].text == one.text;
        });
        auto& said = stream.reread[{one.text, bucket}];
        said.push_back(has == scope.rows.end() ? std::nullopt : std::optional{has->value});
      }
    }
  }
}

void Witness::take_ledger(const runner::ReadTransaction& view) {
  for (const runner::Lane lane : {runner::Lane::live, runner::Lane::backfill}) {
    view.scan(runner::ledger_table(lane), runner::key_u64(next_sequence_), "",
              [&](std::string_view key, std::string_view value) {
                const auto block = runner::decode_block(value);
                if (block) {
                  take_block(view, lane, key, *block);
                } else {
                  violate("the ledger reads back", block.error().detail);
                }
                return true;
              });
  }
}

void Witness::take_block(const runner::ReadTransaction& view, runner::Lane lane, std::string_view key,
                         const runner::LedgerBlock& block) {
  // The backfill lane names its series under a stream of its own.
  const std::string stream_id = block.stream_id.substr(0, block.stream_id.find('#'));
  const auto stream = streams_.find(stream_id);
  if (stream == streams_.end()) return violate("the ledger names its stream", block.stream_id);
  for (std::size_t i = 0; i < block.samples.size(); ++i) {
    const engine::Sample& sample = block.samples[i];
    const auto text = runner::series_text_of(view, block.tenant, block.stream_id, sample.series);
    if (!text) {
      violate("the ledger names its series", std::to_string(sample.series));
      continue;
    }
    const std::string source_series{*text};
    samples_ += 1;
    Entry entry;
    entry.at = {.key = std::string{key}, .row = static_cast<std::uint32_t>(i)};
    entry.committed_at = world_.now;
    entry.job_id = block.job_id;
    entry.stream_id = stream_id;
    entry.lane = lane;
    entry.source_series = source_series;
    entry.bucket = sample.bucket;
    entry.key = {runner::output_series(source_series, block.record, block.labels),
                 sample.bucket + block.stamp_offset};
    entry.value = sample.value;
    entry.revision = sample.revision;
    entry.reason = sample.reason;
    journal_.note(world_.now, "sample",
                  name_of(entry.key) + " = " + format_value(entry.value) + ", revision " +
                      std::to_string(entry.revision) + ", " + std::string{engine::reason_text(entry.reason)});
    const Entry output = entry;
    if (block.corrections == engine::Corrections::ledger) {  // no row takes the place of another
      if (sample.replaced) {
        entry.key.first = runner::revision_series(entry.key.first, sample.revision);
        entry.value = difference(sample.value, *sample.replaced);
      }
      entry.revision = 1;
    }
    if (sample.reason != Reason::stale) {
      // What had settled before a job came is its own from its first ticks on, without the evidence of then.
      const bool is_new = jobs_[block.job_id].ticks <= 2;
      check_sample(stream->second, source_series, sample, is_new);
      if (!compared_.empty() && lane == runner::Lane::backfill) {
        check_nothing_new(stream->second, source_series, sample);
      }
      stream->second.emitted[{source_series, sample.bucket}] = sample.value;
      if (lane == runner::Lane::live) {
        stream->second.emitted_live[{source_series, sample.bucket}] = sample.value;
      }
    }
    for (std::size_t server = 0; server < servers_.size(); ++server) {
      const std::string& name = servers_[server]->spec().name;
      if (std::find(block.sinks.begin(), block.sinks.end(), name) == block.sinks.end()) continue;
      ServerBook& book = books_[server];
      check_revision(book, output, sample);
      if (block.corrections == engine::Corrections::ledger) {
        const auto& newest = book.newest.find(output.key);
        const bool known = newest != book.newest.end();
        const std::optional<engine::Value> had = known ? std::optional{newest->second.value} : std::nullopt;
        if (sample.reason != Reason::stale && had != sample.replaced) {
          violate("a difference is to the value before", name_of(output.key));
        }
      }
      book.newest[output.key] = {
          .revision = output.revision, .value = output.value, .stream_id = output.stream_id};
      book.by_key[entry.key].push_back(book.entries.size());
      book.lanes[static_cast<std::size_t>(lane)].order.push_back(book.entries.size());
      book.entries.push_back(entry);
    }
  }
}

/// Law 7, and that nothing is called settled without the evidence that its policy asks for.
void Witness::check_sample(const StreamFacts& stream, const std::string& series, const engine::Sample& sample,
                           bool job_is_new) {
  if (sample.reason == Reason::ttl || sample.reason == Reason::flush) return;
  const Time end = sample.bucket + stream.options.granularity;
  Time reached = stream.newest_tick;
  for (const SeriesSpec& one : stream.source->series) {
    if (one.text != series) continue;
    const auto frontier = stream.frontier.find(one.scope);
    if (frontier != stream.frontier.end()) reached = std::min(reached, frontier->second);
  }
  // A total that went out by ttl follows the totals before it, wherever the frontier is.
  const bool follows =
      stream.options.output == engine::Output::counter && sample.reason == Reason::correction;
  if (end > reached && !follows) {
    violate("law 7: nothing settles past the frontier", series + " " + format_time(sample.bucket) +
                                                            " settled, the source had reached " +
                                                            format_time(reached));
  }
  const auto* consecutive = std::get_if<engine::Consecutive>(&stream.options.finality);
  const bool by_polls = !job_is_new && consecutive != nullptr && sample.reason == Reason::settled &&
                        stream.options.output == engine::Output::gauge &&
                        stream.options.absent == engine::Absent::none;
  if (by_polls && sample.evidence_polls < consecutive->polls) {
    violate("settled on evidence", series + " " + format_time(sample.bucket) + " after " +
                                       std::to_string(sample.evidence_polls) + " polls");
  }
}

void Witness::take_gaps(const runner::ReadTransaction& view) {
  std::uint64_t digest = 0;
  view.scan(Table::gaps, "", "", [&](std::string_view key, std::string_view value) {
    digest = XXH3_64bits_withSeed(key.data(), key.size(), digest);
    digest = XXH3_64bits_withSeed(value.data(), value.size(), digest);
    return true;
  });
  if (std::exchange(gaps_digest_, digest) == digest) return;
  gaps_.clear();
  view.scan(Table::gaps, "", "", [&](std::string_view key, std::string_view value) {
    const auto gap = runner::decode_gap(value);
    if (!gap) {
      violate("gap entries read back", gap.error().detail);
      return true;
    }
    key.remove_prefix(key.find('\0') + 1);
    gaps_[std::string{key.substr(0, key.find('\0'))}].push_back(*gap);
    return true;
  });
  for (auto& [id, stream] : streams_) stream.ticks_since_gap = 0;
}

}  // namespace settle::simulation
