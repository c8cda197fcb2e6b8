#include "runner/backfill/backfill_work.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "runner/backfill/backfill_names.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

using engine::Duration;
using engine::Sample;
using engine::SeriesNumber;

namespace {

// What stands in a block as the policy: closed history needs none.
constexpr const char* kPolicy = "closed";

engine::KnownPoints known_from_gap(const Store& store, const ChunkWork& work) {
  engine::KnownPoints known;
  if (work.cells.empty()) {
    return known;
  }
  const ReadTransaction view = store.read();
  std::map<SeriesNumber, std::string> texts;
  for (const engine::GapCell& cell : work.cells) {
    if (!work.range.contains(cell.bucket)) {
      continue;
    }
    const auto [text, is_new] = texts.try_emplace(cell.series);
    if (is_new) {
      text->second = series_text_of(view, work.tenant, work.stream_id, cell.series).value_or("");
    }
    if (text->second.empty()) {
      continue;  // forgotten since: older than the ledger
    }
    known[{text->second, cell.bucket}] = {.emitted = cell.emitted,
                                          .revision = cell.revision,
                                          .last_observed = cell.last_observed,
                                          .given_up = true};
  }
  return known;
}

/// What the live lane emitted may have gone to others while a job was away: the ledgers say what it was sent.
void leave_to_ledgers(engine::Time from, engine::KnownPoints& known) {
  for (auto& [key, point] : known) {
    if (key.second < from) {
      continue;
    }
    point.emitted.reset();
    point.revision = 0;
  }
}

LedgerBlock block_of(const ChunkWork& work, const FillTarget& target) {
  LedgerBlock block;
  block.tenant = work.tenant;
  block.job_id = target.job_id;
  block.stream_id = backfill_stream_id(work.stream_id);
  block.policy = kPolicy;
  block.record = target.spec.record;
  block.labels = target.spec.labels;
  block.corrections = target.spec.engine.corrections;
  if (target.spec.timestamp == Stamp::end) {
    block.stamp_offset = work.options.granularity;
  }
  return block;
}

struct Share {
  LedgerBlock block;
  engine::Fill fill;
};

/// Numbers the series of all shares at once: a text and a number belong together in the whole batch.
void add_samples(const Store& store, const ChunkWork& work, std::vector<Share> shares, ChunkDone& out) {
  std::vector<std::string> texts;
  for (const Share& share : shares) {
    texts.insert(texts.end(), share.fill.series.begin(), share.fill.series.end());
  }
  std::sort(texts.begin(), texts.end());  // of one share they are
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  const std::vector<SeriesNumber> numbers = number_series(
      store.read(), work.tenant, backfill_stream_id(work.stream_id), texts, work.wall, out.batch);
  for (Share& share : shares) {
    std::vector<SeriesNumber> own;
    for (const std::string& text : share.fill.series) {
      const auto at = std::lower_bound(texts.begin(), texts.end(), text);
      own.push_back(numbers[static_cast<std::size_t>(at - texts.begin())]);
    }
    std::map<engine::Reason, std::uint64_t>::iterator reason = out.reasons.end();
    for (Sample& sample : share.fill.samples) {
      sample.series = own[sample.series];
      if (reason == out.reasons.end() || reason->first != sample.reason) {
        reason = out.reasons.try_emplace(sample.reason).first;
      }
      reason->second += 1;
    }
    out.samples += share.fill.samples.size();
    for (const std::string& sink : share.block.sinks) {
      out.rows_by_sink[sink] += share.fill.samples.size();
    }
    share.block.samples = std::move(share.fill.samples);
    append_to_ledger(out.batch, share.block, Lane::backfill);
  }
}

/// What is known of the target's points, as the sinks of one group have them.
struct Group {
  std::vector<std::string> sinks;
  engine::KnownPoints known;
};

void note_sent(const std::string& source_series, const FillTarget& target, const SentPoints& sent,
               Duration offset, const std::string* sink, engine::KnownPoints& known) {
  const auto found = sent.find(output_series(source_series, target.spec.record, target.spec.labels));
  if (found == sent.end()) {
    return;
  }
  for (const auto& [stamp, point] : found->second) {
    if (sink != nullptr && std::find(point.sinks.begin(), point.sinks.end(), *sink) == point.sinks.end()) {
      continue;
    }
    engine::KnownPoint& one = known[{source_series, stamp - offset}];
    one.emitted = point.value;
    one.revision = std::max(one.revision, point.revision);
  }
}

bool all_have(const SentPoints& sent, const std::vector<std::string>& sinks) {
  for (const auto& [series, points] : sent) {
    for (const auto& [stamp, point] : points) {
      for (const std::string& sink : sinks) {
        if (std::find(point.sinks.begin(), point.sinks.end(), sink) == point.sinks.end()) {
          return false;
        }
      }
    }
  }
  return true;
}

/// Sinks that have the same of the output share a group: nearly always all of them.
engine::Result<std::vector<Group>> groups_of(const Store& store, const FillTarget& target,
                                             const engine::ClosedHistory& history,
                                             const engine::KnownPoints& from_gap, Duration granularity) {
  const JobSpec& spec = target.spec;
  const Duration offset = spec.timestamp == Stamp::end ? granularity : Duration::zero();
  SentPoints sent;
  if (target.sent) {
    if (auto extended = target.sent->extend(store); !extended) {
      return extended.error();
    }
    auto found = target.sent->find(store, {target.range.from + offset, target.range.to + offset});
    if (!found) {
      return found.error();
    }
    sent = *std::move(found);
  }
  std::vector<Group> groups;
  if (all_have(sent, spec.sinks)) {
    Group& group = groups.emplace_back();
    group.sinks = spec.sinks;
    group.known = from_gap;
  } else {
    for (const std::string& sink : spec.sinks) {
      Group& group = groups.emplace_back();
      group.sinks.push_back(sink);
      group.known = from_gap;
    }
  }
  for (Group& group : sent.empty() ? std::span<Group>{} : std::span{groups}) {
    const std::string* sink = groups.size() > 1 ? &group.sinks.front() : nullptr;
    for (const std::string& series : history.series) {
      note_sent(series, target, sent, offset, sink, group.known);
    }
    std::string last;
    for (const auto& [key, point] : from_gap) {
      if (std::exchange(last, key.first) != key.first) {
        note_sent(key.first, target, sent, offset, sink, group.known);
      }
    }
  }
  return groups;
}

/// The live engine's job ends where that of the last of its jobs does.
std::optional<engine::Time> valid_until_of(const std::vector<FillTarget>& targets) {
  std::optional<engine::Time> latest = engine::Time::min();
  for (const FillTarget& target : targets) {
    const std::optional<engine::Time>& one = target.spec.valid_until;
    latest = latest && one ? std::optional{std::max(*latest, *one)} : std::nullopt;
  }
  return latest;
}

/// Counter output. What is known of the gap is exactly what the totals have of it: what was sent before, by
/// another stream under the same output, is in other totals.
void add_amounts(const engine::ClosedHistory& history, const engine::KnownPoints& from_gap,
                 const ChunkWork& work, ChunkDone& out) {
  const engine::FillOrder order{.range = work.range,
                                .scope = work.scope,
                                .valid_until = valid_until_of(work.targets),
                                .granularity = work.options.granularity,
                                .now = work.now,
                                .output = engine::Output::counter};
  const engine::Fill fill = engine::plan_fill(history, from_gap, order);
  out.amounts = engine::amounts_of(fill);
  out.lost = fill.lost;
  out.batch.require(Table::gaps, work.gap_key, work.gap_record);
}

}  // namespace

engine::Result<ChunkDone> work_chunk(const Store& store, const engine::Answer& answer,
                                     const ChunkWork& work) {
  ChunkDone out;
  engine::ClosedHistory history = engine::close_history(work.options, answer, work.range, work.now);
  out.points = history.points.size();
  engine::KnownPoints from_gap = known_from_gap(store, work);
  std::vector<Share> shares;
  const bool counts = work.options.output == engine::Output::counter;
  if (counts) {
    add_amounts(history, from_gap, work, out);
  } else {
    leave_to_ledgers(work.ledgers_from, from_gap);
  }
  for (const FillTarget& target : counts ? std::span<const FillTarget>{} : std::span{work.targets}) {
    const engine::FillOrder order{.range = target.range,
                                  .scope = work.scope,
                                  .valid_until = target.spec.valid_until,
                                  .corrections = target.spec.engine.corrections,
                                  .rising_only = target.spec.engine.rising_only,
                                  .granularity = work.options.granularity,
                                  .now = work.now};
    auto groups = groups_of(store, target, history, from_gap, work.options.granularity);
    if (!groups) {
      return groups.error();
    }
    for (Group& group : *groups) {
      engine::Fill fill = engine::plan_fill(history, group.known, order);
      out.held_back += fill.held_back;
      out.unpropagated += fill.unpropagated;
      out.lost.add(fill.lost);
      Share& share = shares.emplace_back();
      share.block = block_of(work, target);
      share.block.sinks = std::move(group.sinks);
      share.fill = std::move(fill);
    }
  }
  add_samples(store, work, std::move(shares), out);
  if (!work.stream_record.empty()) {
    out.batch.require(Table::streams, key_of(work.tenant, work.stream_id), work.stream_record);
  }
  out.scopes = std::move(history.scopes);
  out.limited = history.limited;
  out.rows_uncountable = history.rows_uncountable;
  return out;
}

}  // namespace settle::runner
