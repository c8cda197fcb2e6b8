#include "runner/streams/revisions.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <compare>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

namespace {

// A read transaction pins pages: no longer than this, then the answer is what was found.
constexpr std::chrono::milliseconds kScanMax{100};
// Of the clock of this machine, and between it and source time: above it the two are not the same.
constexpr std::chrono::minutes kClockSlack{10};
constexpr std::size_t kSequenceBytes = 8;
constexpr std::size_t kPartBytes = 2;
constexpr std::uint64_t kEnd = std::numeric_limits<std::uint64_t>::max();

/// Of one sample in both ledgers, in the order of the answer.
struct Position {
  std::uint64_t sequence = 0;  // of the commit
  std::uint32_t lane = 0;
  std::uint32_t part = 0;
  std::uint32_t row = 0;
  auto operator<=>(const Position&) const = default;
};

std::string text_of(const Position& at) {
  return std::to_string(at.sequence) + "-" + std::to_string(at.lane) + "-" + std::to_string(at.part) + "-" +
         std::to_string(at.row);
}

template <class Number>
bool read_number(std::string_view& text, char end, Number& into) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), into);
  if (read.ec != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(read.ptr - text.data()));
  if (end == '\0') return text.empty();
  if (!text.starts_with(end)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Position> read_position(std::string_view text) {
  Position at;
  const bool good = read_number(text, '-', at.sequence) && read_number(text, '-', at.lane) &&
                    read_number(text, '-', at.part) && read_number(text, '\0', at.row);
  return good ? std::optional(at) : std::nullopt;
}

Position end_of(std::uint64_t sequence) {
  constexpr auto kMost = std::numeric_limits<std::uint32_t>::max();
  return {.sequence = sequence, .lane = kMost, .part = kMost, .row = kMost};
}

/// The first commit that may hold what comes after it.
std::uint64_t commit_after(const Position& at) {
  return at < end_of(at.sequence) || at.sequence == kEnd ? at.sequence : at.sequence + 1;
}

struct Found {
  Position at;
  Revision revision;
};

struct Search {
  const RevisionQuery& query;
  std::optional<Position> after;
  std::uint64_t first = 0;    // commit to begin with
  std::uint64_t last = kEnd;  // before it
  Clocks& clocks;
  SteadyTime until;
};

struct InLane {
  std::vector<Found> found;      // one more than the limit shows that there is more
  std::uint64_t reached = kEnd;  // all commits before it were looked at
};

void take_block(const ReadTransaction& view, const Search& search, const LedgerBlock& block, Position at,
                std::vector<Found>& found) {
  const RevisionQuery& query = search.query;
  for (std::size_t row = 0; row < block.samples.size() && found.size() <= query.limit; ++row) {
    const engine::Sample& sample = block.samples[row];
    const engine::Time stamp = sample.bucket + block.stamp_offset;
    at.row = static_cast<std::uint32_t>(row);
    if (!query.timestamps.contains(stamp) || (search.after && at <= *search.after)) {
      continue;
    }
    const auto name = series_text_of(view, query.tenant, block.stream_id, sample.series);
    if (!name) {
      continue;
    }
    std::string output = output_series(*name, block.record, block.labels);
    if (query.series.empty() || output == query.series) {
      found.push_back({.at = at,
                       .revision = {.job_id = query.job_id,
                                    .series = std::move(output),
                                    .timestamp = stamp,
                                    .sample = sample,
                                    .policy = block.policy}});
    }
  }
}

std::uint32_t part_of(std::string_view key) {
  const std::string_view part = key.substr(key.size() - kPartBytes);
  return std::uint32_t{static_cast<unsigned char>(part[0])} << 8 | static_cast<unsigned char>(part[1]);
}

InLane look_through(const ReadTransaction& view, const Search& search, Lane lane) {
  InLane out;
  out.reached = search.last;
  const std::string mine = key_of(search.query.tenant, search.query.job_id);
  std::optional<std::uint64_t> commit;
  const std::string to = search.last == kEnd ? std::string{} : key_u64(search.last);
  const auto visit = [&](std::string_view key, std::string_view value) {
    const std::uint64_t sequence = read_u64(key.substr(0, kSequenceBytes));
    // Only between commits, and never before the first: every question gets further than the one before.
    if (commit && *commit != sequence &&
        (out.found.size() > search.query.limit || search.clocks.steady_now() >= search.until)) {
      out.reached = sequence;
      return false;
    }
    commit = sequence;
    if (key.substr(kSequenceBytes).starts_with(mine)) {
      if (const engine::Result<LedgerBlock> block = decode_block(value)) {
        const Position at{
            .sequence = sequence, .lane = static_cast<std::uint32_t>(lane), .part = part_of(key), .row = 0};
        take_block(view, search, *block, at, out.found);
      }
    }
    return true;
  };
  view.scan(ledger_table(lane), key_u64(search.first), to, visit);
  return out;
}

/// The first commit that may hold a timestamp of the range. Marks are by the clock of this machine; where
/// source time is another they say nothing.
std::uint64_t first_commit(const ReadTransaction& view, engine::Time from, engine::Duration granularity,
                           Clocks& clocks) {
  const engine::Duration apart = clocks.source_now() - clocks.wall_now();
  if (from <= engine::Time{} || apart > kClockSlack || -apart > kClockSlack) {
    return 0;
  }
  return sequence_reached(view, from - granularity - kClockSlack);
}

}  // namespace

Outcome<Revisions> find_revisions(const Store& store, const RevisionQuery& query,
                                  engine::Duration granularity, Clocks& clocks) {
  const SteadyTime start = clocks.steady_now();
  std::optional<Position> after;
  if (!query.after.empty()) {
    after = read_position(query.after);
    if (!after) {
      return Refusal{.kind = Refusal::Kind::invalid,
                     .field = "after",
                     .detail = "\"" + query.after + "\" is not the \"next\" of a list",
                     .job_id = {}};
    }
  }
  const ReadTransaction view = store.read();
  const std::uint64_t first = first_commit(view, query.timestamps.from, granularity, clocks);
  Search search{.query = query,
                .after = after,
                .first = std::max(first, after ? commit_after(*after) : 0),
                .last = kEnd,
                .clocks = clocks,
                .until = start + kScanMax / 2};
  // The backfill lane first: it is the shorter one, and what it leaves of the time is the live lane's.
  InLane filled = look_through(view, search, Lane::backfill);
  search.last = filled.reached;  // what is later belongs to a later page
  search.until = start + kScanMax;
  InLane live = look_through(view, search, Lane::live);
  std::vector<Found> all;
  std::merge(std::make_move_iterator(live.found.begin()), std::make_move_iterator(live.found.end()),
             std::make_move_iterator(filled.found.begin()), std::make_move_iterator(filled.found.end()),
             std::back_inserter(all), [](const Found& a, const Found& b) { return a.at < b.at; });
  Revisions page;
  Position last;
  for (Found& one : all) {
    if (one.at.sequence >= live.reached) break;
    if (page.found.size() == query.limit) {
      page.next = text_of(last);
      return page;
    }
    last = one.at;
    page.found.push_back(std::move(one.revision));
  }
  if (live.reached != kEnd) page.next = text_of(end_of(live.reached - 1));
  return page;
}

}  // namespace settle::runner
