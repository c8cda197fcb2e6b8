// The end of a chunk of a gap: what it brought, and what is left of the gap, in one commit.
#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "runner/backfill/backfill_lane_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Ranges;
using engine::TimeRange;

namespace {

/// The closed range as it was filled and, in parts of their own, where the source has lost what was known.
std::vector<GapEntry> split_lost(const GapEntry& closed, const Ranges& lost_buckets,
                                 const char* lost_reason) {
  Ranges filled{closed.gap.range};
  filled.remove(lost_buckets);
  Ranges lost{closed.gap.range};
  lost.remove(filled);
  std::vector<GapEntry> out;
  for (const bool is_lost : {false, true}) {
    for (const TimeRange& range : (is_lost ? lost : filled).list()) {
      GapEntry part = closed;
      part.gap.range = range;
      if (is_lost && part.state == GapState::filled) {
        part.state = GapState::impossible;
        part.reason = lost_reason;
      }
      out.push_back(std::move(part));
    }
  }
  return out;
}

/// A job that got nothing of what was filled for others has an entry of its own.
void add_late(const Late& late, const std::map<std::string, GapItem>& items, const GapStream& of,
              std::vector<GapEntry>& parts) {
  const std::size_t count = parts.size();
  for (const std::string& job : late.jobs) {
    for (std::size_t i = 0; i < count; ++i) {
      GapEntry own = parts[i];
      own.job_id = job;
      own.state = GapState::impossible;
      own.reason = late_reason(late);
      const auto other = items.find(gap_key_of(of.first, of.second, own));
      const bool is_free = other == items.end() || other->second.entry.closed_at;
      if (is_free) {  // else a backfill of the job left a gap there, that is not closed
        parts.push_back(std::move(own));
      }
    }
  }
}

/// A gap filled in many chunks is one entry.
void extend_back(GapEntry& part, const std::map<std::string, GapItem>& items, const std::string& key) {
  for (const auto& [other_key, other] : items) {
    const GapEntry& before = other.entry;
    if (other_key != key && before.state == part.state && before.gap.range.to == part.gap.range.from &&
        before.gap.scope == part.gap.scope && before.job_id == part.job_id &&
        before.noticed_at == part.noticed_at && before.reason == part.reason) {
      part.gap.range.from = before.gap.range.from;
      part.cells_seen += before.cells_seen;
      return;
    }
  }
}

}  // namespace

const char* lost_reason(const Stream* stream) {
  return stream != nullptr && stream->engine.output == engine::Output::counter
             ? "the source has it no more; what was last observed is in the totals"
             : "the source has it no more; what was last observed went out with reason ttl";
}

/// Amounts go through the live engine, in its commit; where there are none, the commit is the lane's own.
asio::awaitable<bool> BackfillLane::Impl::commit_part(WriteBatch batch, GapStream of, engine::Amounts amounts,
                                                      std::string* why) {
  if (!amounts.empty()) {
    std::string failed = co_await parts.carry(of.first, of.second, std::move(amounts), std::move(batch));
    *why = std::move(failed);
    co_return why->empty();
  }
  std::vector<std::string> job_ids;
  const bool committed = co_await commit(std::move(batch), of, std::move(job_ids), why);
  co_return committed;
}

/// Commits what a chunk brought; `closed` was the beginning of the gap, `entry` is what is left of it.
asio::awaitable<void> BackfillLane::Impl::close_part(GapStream of, std::string key, GapEntry entry,
                                                     ChunkDone done, GapEntry closed, Late late) {
  std::map<std::string, GapItem>& items = gap_items.at(of);
  closed.closed_at = parts.clocks.source_now();
  closed.last_error.clear();
  const char* reason = lost_reason(parts.registry.find_stream(of.first, of.second));
  std::vector<GapEntry> closed_parts = split_lost(closed, done.lost, reason);
  add_late(late, items, of, closed_parts);
  WriteBatch batch = std::move(done.batch);
  batch.erase(Table::gaps, key);
  for (GapEntry& part : closed_parts) {
    extend_back(part, items, key);
    put_gap(batch, of.first, of.second, part);
  }
  const bool more = !entry.gap.range.empty();
  entry.state = GapState::scheduled;
  if (more) {
    put_gap(batch, of.first, of.second, entry);
  }
  std::string why;
  engine::Amounts amounts = std::move(done.amounts);
  const bool committed = co_await commit_part(std::move(batch), of, std::move(amounts), &why);
  GapItem& item = items.at(key);
  if (!committed) {
    fail(item.wait, key, std::move(why));
    co_return;
  }
  GapItem rest{.entry = std::move(entry), .wait = {}, .longest = item.longest};
  rest.longest.answered();
  rest.entry.gap.cells.clear();
  items.erase(key);
  for (GapEntry& part : closed_parts) {
    spdlog::info("event=gap_{} stream={} scope={:?} from={} to={}", gap_state_text(part.state), of.second,
                 part.gap.scope, engine::format_time(part.gap.range.from),
                 engine::format_time(part.gap.range.to));
    std::string part_key = gap_key_of(of.first, of.second, part);
    items[std::move(part_key)] = {.entry = std::move(part), .wait = {}, .longest = {}};
  }
  if (more) {
    std::string rest_key = gap_key_of(of.first, of.second, rest.entry);
    items[std::move(rest_key)] = std::move(rest);
  }
  if (done.rows_uncountable > 0) {
    spdlog::warn("event=gap_uncountable stream={} rows={}", of.second, done.rows_uncountable);
  }
  count(done);
}

}  // namespace settle::runner
