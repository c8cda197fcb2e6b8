#include "runner/revisions.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "runner/keys.hpp"
#include "runner/ledger.hpp"
#include "runner/series_names.hpp"

namespace settle::runner {

namespace {

// A read transaction pins pages: no longer than this, then the answer is what was found.
constexpr std::chrono::milliseconds kScanMax{100};
constexpr std::size_t kSequenceBytes = 8;

struct Found {
  std::uint64_t sequence = 0;
  Revision revision;
};

struct InLane {
  std::vector<Found> found;
  std::uint64_t reached = std::numeric_limits<std::uint64_t>::max();  // all up to this commit was looked at
};

void take_block(const ReadTransaction& view, const RevisionQuery& query, const LedgerBlock& block,
                std::uint64_t sequence, std::vector<Found>& found) {
  for (const engine::Sample& sample : block.samples) {
    const engine::Time stamp = sample.bucket + block.stamp_offset;
    if (!query.timestamps.contains(stamp) || found.size() >= query.limit) {
      continue;
    }
    const auto name = series_text_of(view, query.tenant, block.stream_id, sample.series);
    if (!name) {
      continue;
    }
    std::string output = output_series(*name, block.record, block.labels);
    if (query.series.empty() || output == query.series) {
      found.push_back({.sequence = sequence,
                       .revision = {.job_id = query.job_id,
                                    .series = std::move(output),
                                    .timestamp = stamp,
                                    .sample = sample,
                                    .policy = block.policy}});
    }
  }
}

InLane look_through(const ReadTransaction& view, const RevisionQuery& query, Lane lane, Clocks& clocks,
                    SteadyTime until) {
  InLane out;
  const std::string mine = key_of(query.tenant, query.job_id);
  view.scan(ledger_table(lane), {}, {}, [&](std::string_view key, std::string_view value) {
    const std::uint64_t sequence = read_u64(key.substr(0, kSequenceBytes));
    if (key.substr(kSequenceBytes).starts_with(mine)) {
      if (const engine::Result<LedgerBlock> block = decode_block(value)) {
        take_block(view, query, *block, sequence, out.found);
      }
    }
    if (out.found.size() >= query.limit) {
      return false;  // what follows is later than all of these
    }
    const bool late = clocks.steady_now() >= until;
    if (late) {
      out.reached = sequence;
    }
    return !late;
  });
  return out;
}

}  // namespace

Revisions find_revisions(const Store& store, const RevisionQuery& query, Clocks& clocks) {
  const SteadyTime start = clocks.steady_now();
  const ReadTransaction view = store.read();
  // The backfill lane first: it is the shorter one, and what it leaves of the time is the live lane's.
  InLane filled = look_through(view, query, Lane::backfill, clocks, start + kScanMax / 2);
  InLane live = look_through(view, query, Lane::live, clocks, start + kScanMax);
  std::vector<Found> all;
  std::merge(std::make_move_iterator(live.found.begin()), std::make_move_iterator(live.found.end()),
             std::make_move_iterator(filled.found.begin()), std::make_move_iterator(filled.found.end()),
             std::back_inserter(all), [](const Found& a, const Found& b) { return a.sequence < b.sequence; });
  const std::uint64_t reached = std::min(live.reached, filled.reached);
  Revisions page;
  page.cut = reached != std::numeric_limits<std::uint64_t>::max();
  for (Found& one : all) {
    if (one.sequence > reached || page.found.size() >= query.limit) {
      break;
    }
    page.found.push_back(std::move(one.revision));
  }
  page.cut = page.cut && page.found.size() < query.limit;
  return page;
}

}  // namespace settle::runner
