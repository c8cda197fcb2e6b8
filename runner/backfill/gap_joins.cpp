// Gaps of one scope that touch become one before they are filled.
#include <algorithm>
#include <utility>

#include "runner/backfill/backfill_lane_impl.hpp"
#include "runner/pool.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;

namespace {

constexpr std::uint64_t kJoinedCellsMax = 200'000;

/// The gaps as one, or nothing when one of them is gone.
GapEntry read_run(const Store& store, const std::vector<std::string>& keys) {
  GapEntry joined = read_gap(store, keys.front()).entry;
  for (std::size_t i = 1; i < keys.size(); ++i) {
    GapEntry next = read_gap(store, keys[i]).entry;
    if (next.gap.range.from != joined.gap.range.to) {
      return {};
    }
    joined.gap.range.to = next.gap.range.to;
    joined.noticed_at = std::min(joined.noticed_at, next.noticed_at);
    joined.attempts = std::max(joined.attempts, next.attempts);
    joined.gap.cells.insert(joined.gap.cells.end(), next.gap.cells.begin(), next.gap.cells.end());
  }
  joined.cells_seen = joined.gap.cells.size();
  return joined;
}

bool is_closed(const GapEntry& entry) {
  return entry.state == GapState::filled || entry.state == GapState::impossible;
}

}  // namespace

/// True: something was joined, and what is next has to be looked at anew.
asio::awaitable<bool> BackfillLane::Impl::join_gaps(GapStream of, std::string key) {
  std::map<std::string, GapItem>& items = gap_items.at(of);
  const GapEntry& mine = items.at(key).entry;
  // Those that touch it, in time order, it among them.
  std::vector<std::string> run;
  Time end = Time::min();
  std::uint64_t cells = 0;
  bool among = false;
  for (const auto& [other_key, other] : items) {
    const GapEntry& entry = other.entry;
    if (is_closed(entry) || entry.gap.scope != mine.gap.scope || entry.job_id != mine.job_id ||
        !entry.reason.empty()) {
      continue;  // one with a reason was cut off because it holds up others
    }
    if (entry.gap.range.from != end || cells + entry.cells_seen > kJoinedCellsMax) {
      if (among) {
        break;
      }
      run.clear();
      cells = 0;
    }
    run.push_back(other_key);
    among = among || other_key == key;
    cells += entry.cells_seen;
    end = entry.gap.range.to;
  }
  if (!among || run.size() < 2) {
    co_return false;
  }
  auto read = [this, &run] { return read_run(parts.store, run); };
  GapEntry joined = co_await run_on(parts.pool, std::move(read));
  if (joined.gap.range.empty()) {
    co_return false;
  }
  WriteBatch batch;
  for (const std::string& one : run) {
    batch.erase(Table::gaps, one);
  }
  put_gap(batch, of.first, of.second, joined);
  std::string why;
  std::vector<std::string> job_ids;
  const bool committed = co_await commit(std::move(batch), of, std::move(job_ids), &why);
  if (!committed) {
    co_return false;
  }
  GapItem whole;
  Wait& wait = whole.wait;
  for (const std::string& one : run) {
    const GapItem& item = items.at(one);
    const Wait& its = item.wait;
    whole.slowly = std::max(whole.slowly, item.slowly);
    whole.awaits = std::max(whole.awaits, item.awaits);
    joined.attempts = std::max(joined.attempts, item.entry.attempts);  // the store has some of them only
    wait.until = std::max(wait.until, its.until);
    wait.attempts = std::max(wait.attempts, its.attempts);
    if (its.live_fails_since) {
      wait.live_fails_since =
          std::min(wait.live_fails_since.value_or(SteadyTime::max()), *its.live_fails_since);
    }
    items.erase(one);
  }
  std::string joined_key = gap_key_of(of.first, of.second, joined);
  joined.gap.cells.clear();
  whole.entry = std::move(joined);
  items[std::move(joined_key)] = std::move(whole);
  co_return true;
}

}  // namespace settle::runner
