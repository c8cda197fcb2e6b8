#include "runner/backfill_work.hpp"

#include <algorithm>
#include <utility>

#include "runner/backfill_names.hpp"
#include "runner/ledger.hpp"
#include "runner/series_names.hpp"

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
    known[{text->second, cell.bucket}] = {
        .emitted = cell.emitted, .revision = cell.revision, .last_observed = cell.last_observed};
  }
  return known;
}

LedgerBlock block_of(const ChunkWork& work, const FillTarget& target) {
  const JobSpec& spec = target.spec;
  return {.tenant = work.tenant,
          .job_id = target.job_id,
          .stream_id = backfill_stream_id(work.stream_id),
          .policy = kPolicy,
          .record = spec.record,
          .labels = spec.labels,
          .sinks = spec.sinks,
          .stamp_offset = spec.timestamp == Stamp::end ? work.options.granularity : Duration::zero(),
          .samples = {}};
}

void add_samples(const Store& store, const ChunkWork& work, LedgerBlock block, engine::Fill fill,
                 ChunkDone& out) {
  {
    const ReadTransaction view = store.read();
    const std::vector<SeriesNumber> numbers =
        number_series(view, work.tenant, block.stream_id, fill.series, work.wall, out.batch);
    for (Sample& sample : fill.samples) {
      sample.series = numbers[sample.series];
      out.reasons[sample.reason] += 1;
    }
  }
  out.samples += fill.samples.size();
  for (const std::string& sink : block.sinks) {
    out.rows_by_sink[sink] += fill.samples.size();
  }
  block.samples = std::move(fill.samples);
  append_to_ledger(out.batch, std::move(block), Lane::backfill);
}

}  // namespace

ChunkDone work_chunk(const Store& store, const engine::Answer& answer, const ChunkWork& work) {
  ChunkDone out;
  engine::ClosedHistory history = engine::close_history(work.options, answer, work.range, work.now);
  out.points = history.points.size();
  const engine::KnownPoints from_gap = known_from_gap(store, work);
  for (const FillTarget& target : work.targets) {
    const engine::FillOrder order{.range = target.range,
                                  .scope = work.scope,
                                  .valid_until = target.spec.valid_until,
                                  .corrections = target.spec.engine.corrections,
                                  .granularity = work.options.granularity,
                                  .now = work.now};
    engine::Fill fill = engine::plan_fill(history, from_gap, order);
    out.held_back += fill.held_back;
    out.lost.add(fill.lost);
    add_samples(store, work, block_of(work, target), std::move(fill), out);
  }
  out.scopes = std::move(history.scopes);
  out.limited = history.limited;
  out.stats = history.stats;
  return out;
}

}  // namespace settle::runner
