#include "runner/streams/inheritance.hpp"

#include <algorithm>

#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/sent.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

using engine::Sample;
using engine::Time;

namespace {

bool share_a_sink(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(),
                     [&b](const std::string& name) { return std::count(b.begin(), b.end(), name) > 0; });
}

engine::Duration stamp_offset(const JobSpec& spec) {
  return spec.timestamp == Stamp::end ? spec.engine.granularity : engine::Duration::zero();
}

}  // namespace

void Inheritance::read(const ReadTransaction& view, const Job& job, Time from, std::uint64_t first_sequence) {
  for (const Lane lane : {Lane::live, Lane::backfill}) {
    read(view, job, from, first_sequence, lane);
  }
  std::erase_if(sent_, [](const auto& at) { return at.second.sinks.empty(); });
}

void Inheritance::read(const ReadTransaction& view, const Job& job, Time from, std::uint64_t first_sequence,
                       Lane lane) {
  const JobSpec& spec = job.spec;
  OutputBlocks blocks{job.tenant, spec};
  const auto visit = [&](std::string_view key, std::string_view bytes) {
    if (!blocks.holds(key, bytes)) {
      return true;
    }
    const engine::Result<LedgerBlock> block = decode_block(bytes);
    if (!block || !share_a_sink(block->sinks, spec.sinks)) {
      return true;
    }
    const bool own = block->job_id == job.id;
    for (const Sample& sample : block->samples) {
      if (sample.reason == engine::Reason::stale) {
        continue;
      }
      const Time stamp = sample.bucket + block->stamp_offset;
      const auto source =
          stamp < from ? std::nullopt : series_text_of(view, block->tenant, block->stream_id, sample.series);
      if (!source) {
        continue;
      }
      Sent& sent = sent_[{stamp, job.id + '\0' + output_series(*source, block->record, block->labels)}];
      // What was committed last is what the sink has, or will have.
      const std::uint64_t sequence = read_u64(key.substr(0, 8));
      if (sequence >= sent.sequence) {
        sent.value = sample.value;
        sent.sequence = sequence;
      }
      if (own) {
        continue;
      }
      sent.revision = std::max(sent.revision, sample.revision);
      for (const std::string& sink : block->sinks) {
        if (std::count(sent.sinks.begin(), sent.sinks.end(), sink) == 0) {
          sent.sinks.push_back(sink);
        }
      }
    }
    return true;
  };
  view.scan(ledger_table(lane), key_u64(first_sequence), "", visit);
}

Inheritance::Shares Inheritance::shares(const Job& job, std::vector<Sample> samples,
                                        const engine::Engine& names, const CellSet& changing) const {
  if (sent_.empty()) {
    return {.parts = {{.sinks = job.spec.sinks, .samples = std::move(samples)}}, .newest = {}};
  }
  std::map<std::vector<std::string>, std::vector<Sample>> by_sinks;
  std::map<Point, engine::Value> newest;
  for (Sample& sample : samples) {
    Point point{
        sample.bucket + stamp_offset(job.spec),
        job.id + '\0' + output_series(names.series_name(sample.series), job.spec.record, job.spec.labels)};
    const auto found = sent_.find(point);
    if (found == sent_.end()) {
      by_sinks[job.spec.sinks].push_back(sample);
      continue;
    }
    const Sent& sent = found->second;
    std::vector<std::string> without;
    std::vector<std::string> with;
    for (const std::string& sink : job.spec.sinks) {
      (std::count(sent.sinks.begin(), sent.sinks.end(), sink) > 0 ? with : without).push_back(sink);
    }
    if (!without.empty()) {
      by_sinks[without].push_back(sample);
    }
    const auto renewed = newest.find(point);
    const engine::Value& has = renewed == newest.end() ? sent.value : renewed->second;
    const engine::EngineOptions& options = job.spec.engine;
    if (sample.value == has || options.corrections == engine::Corrections::hold ||
        (options.rising_only && sample.value < has) || changing.contains({sample.bucket, sample.series})) {
      continue;
    }
    sample.replaced = has;
    sample.revision += sent.revision;
    if (sample.reason == engine::Reason::settled) {  // what was forced may lie past the frontier, and says so
      sample.reason = engine::Reason::correction;
    }
    newest.insert_or_assign(std::move(point), sample.value);
    by_sinks[with].push_back(sample);
  }
  Shares shares;
  shares.parts.reserve(by_sinks.size());
  for (auto& [sinks, part] : by_sinks) {
    shares.parts.push_back({.sinks = sinks, .samples = std::move(part)});
  }
  shares.newest.assign(newest.begin(), newest.end());
  return shares;
}

void Inheritance::take(const std::vector<std::pair<Point, engine::Value>>& newest) {
  for (const auto& [point, value] : newest) {
    const auto found = sent_.find(point);
    if (found != sent_.end()) found->second.value = value;
  }
}

void Inheritance::forget_before(Time stamp) {
  sent_.erase(sent_.begin(), sent_.lower_bound({stamp, std::string{}}));
}

}  // namespace settle::runner
