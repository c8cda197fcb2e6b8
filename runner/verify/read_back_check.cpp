#include "runner/verify/read_back_check.hpp"

#include <algorithm>
#include <utility>

#include "runner/pool.hpp"
#include "runner/push/delivery.hpp"
#include "runner/push/outbox.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;

namespace {

// VictoriaMetrics shows a new series only after some seconds; what is older was looked at before.
constexpr std::chrono::milliseconds kYoungest{60'000};
constexpr std::chrono::milliseconds kOldest{600'000};
constexpr std::size_t kDraws = 8;  // of a lane, one row each
constexpr std::size_t kBlocksPerDraw = 8;
constexpr std::size_t kSequenceBytes = 8;
constexpr std::size_t kKeysPerDraw = 20'000;  // to find a job's
constexpr std::size_t kFailingMax = 8;        // jobs that are asked for by name
constexpr std::size_t kSuspectsMax = 64;
constexpr std::size_t kSaidMax = 256;
constexpr std::size_t kLettersPerPiece = 2'000;  // of one transaction

std::uint64_t sequence_of(std::string_view key) {
  return key.size() < kSequenceBytes ? 0 : read_u64(key.substr(0, kSequenceBytes));
}

std::string error_text(const std::string& sink, const ReadBackRow& missing) {
  return "sink " + sink + " acknowledged " + std::string{missing.row.series} + " at " +
         engine::format_time(missing.row.timestamp) +
         " and does not have it: look at its retention, its label limits and vm_rows_ignored_total, then run "
         "settle verify";
}

}  // namespace

ReadBackCheck::ReadBackCheck(Parts parts)
    : parts_(std::move(parts)),
      rows_(prometheus::BuildCounter()
                .Name("settle_read_back_rows_total")
                .Help("Acknowledged rows that a sink was asked for again, by sink and outcome.")
                .Register(parts_.metrics.registry)) {}

void ReadBackCheck::count(const std::string& name, const char* outcome) {
  rows_.Add({{"sink", name}, {"outcome", outcome}}).Increment();
}

std::uint64_t ReadBackCheck::next_random() {
  // splitmix64
  random_ += 0x9e3779b97f4a7c15u;
  std::uint64_t bits = random_;
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

ReadBackCheck::RowKey ReadBackCheck::key_of_row(const ReadBackRow& row) {
  return {row.job_id, std::string{row.row.series}, row.row.timestamp};
}

bool ReadBackCheck::was_said(const Of& of, const ReadBackRow& row) {
  const RowKey key = key_of_row(row);
  return std::any_of(of.said.begin(), of.said.end(), [&key](const auto& one) { return one.second == key; });
}

/// What belongs to jobs that are gone, and what is too old to be drawn again.
void ReadBackCheck::forget(Of& of, Time now) const {
  std::erase_if(of.suspects, [&](const ReadBackRow& one) {
    return one.missed_at + kOldest < now || !parts_.has_job(one.job_id);
  });
  std::erase_if(of.errors, [this](const auto& one) { return !parts_.has_job(one.first); });
  while (!of.said.empty() && (of.said.size() > kSaidMax || of.said.front().first + 2 * kOldest < now)) {
    of.said.pop_front();
  }
}

/// One row of the block, if it is of this tenant and went to the sink.
bool ReadBackCheck::take(const ReadTransaction& read, const Of& of, const Range& range, std::string_view key,
                         std::string_view value, std::vector<ReadBackRow>& out) {
  const engine::Result<LedgerBlock> block = decode_block(value);
  const bool is_mine = key > range.from.key && block && block->tenant == parts_.tenant &&
                       !block->samples.empty() && parts_.has_job(block->job_id) &&
                       std::count(block->sinks.begin(), block->sinks.end(), range.sink) > 0;
  if (!is_mine) return false;
  const engine::Sample& sample = block->samples[next_random() % block->samples.size()];
  const auto source = series_text_of(read, parts_.tenant, block->stream_id, sample.series);
  if (source && sample.reason != engine::Reason::stale) {
    ReadBackRow one{.job_id = block->job_id,
                    .row = to_row(*block, sample, sink_series(*source, *block, range.external_labels))};
    if (!was_said(of, one)) out.push_back(std::move(one));
  }
  return true;
}

void ReadBackCheck::draw(const Of& of, const Range& range, std::vector<ReadBackRow>& out) {
  const std::uint64_t first = sequence_of(range.from.key);
  const std::uint64_t last = sequence_of(range.to.key);
  if (last <= first) return;
  const ReadTransaction read = parts_.store.read();
  for (std::size_t draws = 0; draws < kDraws; ++draws) {
    const std::string begin = key_u64(first + next_random() % (last - first));
    std::size_t blocks = 0;
    read.scan(ledger_table(range.lane), begin, range.to.key,
              [&](std::string_view key, std::string_view value) {
                return !take(read, of, range, key, value, out) && ++blocks < kBlocksPerDraw;
              });
  }
}

/// A job that fails shall not wait until chance finds it.
void ReadBackCheck::draw_of(const std::string& job_id, const Of& of, const Range& range,
                            std::vector<ReadBackRow>& out) {
  const std::uint64_t first = sequence_of(range.from.key);
  const std::uint64_t last = sequence_of(range.to.key);
  if (last <= first) return;
  const ReadTransaction read = parts_.store.read();
  const std::string mine = key_of(parts_.tenant, job_id);
  bool taken = false;
  for (const std::uint64_t begin : {first + next_random() % (last - first), first}) {
    std::size_t keys = 0;
    read.scan(ledger_table(range.lane), key_u64(begin), range.to.key,
              [&](std::string_view key, std::string_view value) {
                const bool fits = key.substr(kSequenceBytes).starts_with(mine);
                taken = fits && take(read, of, range, key, value, out);
                return !taken && ++keys < kKeysPerDraw;
              });
    if (taken) return;
  }
}

ReadBackCheck::Dead ReadBackCheck::look_up(const Store& store, const std::string& from, const std::string& to,
                                           const std::set<RowKey>& wanted) {
  Dead dead;
  std::size_t letters = 0;
  store.read().scan(Table::dead_letters, from, to, [&](std::string_view key, std::string_view value) {
    if (letters++ == kLettersPerPiece) {
      dead.next = key;
      return false;
    }
    engine::Result<DeadLetter> letter = decode_dead_letter(value);
    if (!letter) return true;
    RowKey row{std::move(letter->job_id), std::move(letter->series), letter->timestamp};
    if (wanted.contains(row)) dead.found.insert(std::move(row));
    return true;
  });
  return dead;
}

/// Goes through all letters of the sink once, in the pool, whatever the number of rows.
asio::awaitable<std::set<ReadBackCheck::RowKey>> ReadBackCheck::find_dead(std::string name,
                                                                          std::set<RowKey> wanted) {
  std::set<RowKey> found;
  std::string from = key_of(parts_.tenant, name);
  const std::string to = prefix_end(from);
  while (!from.empty() && found.size() < wanted.size()) {
    const Store* store = &parts_.store;
    auto work = [store, from, to, wanted] { return look_up(*store, from, to, wanted); };
    Dead dead = co_await run_on(parts_.pool, std::move(work));
    found.merge(dead.found);
    from = std::move(dead.next);
  }
  co_return found;
}

void ReadBackCheck::conclude(const std::string& name, Of& of, std::vector<ReadBackRow> missing,
                             const std::set<RowKey>& dead, std::set<std::string> found_jobs) {
  const Time now = parts_.clocks.wall_now();
  std::set<std::string> failing;
  for (ReadBackRow& one : missing) {
    RowKey key = key_of_row(one);
    if (dead.contains(key)) {
      count(name, "dead");
      continue;
    }
    found_jobs.erase(one.job_id);
    if (one.missed_at != Time{}) {
      count(name, "missing");
      if (failing.insert(one.job_id).second) of.errors[one.job_id] = error_text(name, one);
      of.said.emplace_back(now, std::move(key));
    } else if (of.suspects.size() < kSuspectsMax) {
      one.missed_at = now;
      of.suspects.push_back(std::move(one));
    }
  }
  for (const std::string& job : found_jobs) of.errors.erase(job);
}

asio::awaitable<void> ReadBackCheck::look(const std::string& name, sinks::Sink& sink, const Pump& pump,
                                          const engine::Labels& external_labels, bool sample) {
  Of& of = sinks_[name];
  const Time now = parts_.clocks.wall_now();
  forget(of, now);
  std::vector<ReadBackRow> rows = std::exchange(of.suspects, {});
  // The newest cursors that are old enough, and the oldest that are young enough.
  const auto young = std::find_if(of.past.rbegin(), of.past.rend(),
                                  [now](const Cursors& one) { return one.at + kYoungest <= now; });
  if (young != of.past.rend()) {
    const Cursors& old = of.past.front();
    const Range live{name, external_labels, Lane::live, old.live, young->live};
    const Range filled{name, external_labels, Lane::backfill, old.backfill, young->backfill};
    if (sample) draw(of, live, rows);
    if (sample) draw(of, filled, rows);
    std::size_t asked = 0;
    for (const auto& [job, error] : of.errors) {
      if (++asked <= kFailingMax) draw_of(job, of, live, rows);
    }
  }
  of.past.push_back({.at = now, .live = pump.next(Lane::live), .backfill = pump.next(Lane::backfill)});
  while (of.past.front().at + kOldest < now) of.past.pop_front();
  std::set<std::string> found_jobs;
  std::vector<ReadBackRow> missing;
  std::set<RowKey> wanted;
  for (ReadBackRow& one : rows) {
    std::vector<std::string> series{std::string{one.row.series}};
    const engine::TimeRange instant{one.row.timestamp, one.row.timestamp + engine::Duration{1}};
    const engine::Result<std::vector<sinks::StoredSample>> stored =
        co_await sink.stored(std::move(series), instant);
    if (!stored) {  // it cannot say: what was missing before stays under suspicion
      for (ReadBackRow& other : rows) {
        if (other.missed_at != Time{}) of.suspects.push_back(std::move(other));
      }
      co_return;
    }
    if (!stored->empty()) {
      count(name, "found");
      found_jobs.insert(one.job_id);
    } else if (wanted.insert(key_of_row(one)).second) {  // the same row may be drawn twice
      missing.push_back(one);
    }
  }
  if (!wanted.empty()) wanted = co_await find_dead(name, std::move(wanted));
  conclude(name, of, std::move(missing), wanted, std::move(found_jobs));
}

std::string ReadBackCheck::error_of(const std::string& job_id) const {
  for (const auto& [name, of] : sinks_) {
    const auto found = of.errors.find(job_id);
    if (found != of.errors.end()) return found->second;
  }
  return {};
}

}  // namespace settle::runner
