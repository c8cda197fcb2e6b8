#include "runner/read_back_check.hpp"

#include <algorithm>
#include <utility>

#include "runner/dead_letter.hpp"
#include "runner/delivery.hpp"
#include "runner/keys.hpp"
#include "runner/outbox.hpp"
#include "runner/series_names.hpp"

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

ReadBackCheck::ReadBackCheck(const Store& store, Clocks& clocks, Metrics& metrics, std::string tenant)
    : store_(store),
      clocks_(clocks),
      tenant_(std::move(tenant)),
      rows_(prometheus::BuildCounter()
                .Name("settle_read_back_rows_total")
                .Help("Acknowledged rows that a sink was asked for again, by sink and outcome.")
                .Register(metrics.registry)) {}

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

void ReadBackCheck::draw(const std::string& name, const engine::Labels& external_labels, Lane lane,
                         const LedgerPosition& from, const LedgerPosition& to,
                         std::vector<ReadBackRow>& out) {
  const std::uint64_t first = sequence_of(from.key);
  const std::uint64_t last = sequence_of(to.key);
  if (last <= first) return;
  const ReadTransaction read = store_.read();
  for (std::size_t draws = 0; draws < kDraws; ++draws) {
    const std::string begin = key_u64(first + next_random() % (last - first));
    std::size_t blocks = 0;
    read.scan(ledger_table(lane), begin, to.key, [&](std::string_view key, std::string_view value) {
      const engine::Result<LedgerBlock> block = decode_block(value);
      const bool is_mine = key > from.key && block && block->tenant == tenant_ && !block->samples.empty() &&
                           std::count(block->sinks.begin(), block->sinks.end(), name) > 0;
      if (!is_mine) return ++blocks < kBlocksPerDraw;
      const engine::Sample& sample = block->samples[next_random() % block->samples.size()];
      const auto source = series_text_of(read, tenant_, block->stream_id, sample.series);
      if (source && sample.reason != engine::Reason::stale) {
        out.push_back({.job_id = block->job_id,
                       .row = to_row(*block, sample, sink_series(*source, *block, external_labels))});
      }
      return false;
    });
  }
}

bool ReadBackCheck::is_dead(const std::string& name, const ReadBackRow& row) const {
  bool found = false;
  const std::string prefix = key_of(tenant_, name);
  store_.read().scan(
      Table::dead_letters, prefix, prefix_end(prefix), [&](std::string_view, std::string_view value) {
        const engine::Result<DeadLetter> letter = decode_dead_letter(value);
        found = letter && letter->job_id == row.job_id &&
                row.row.series == std::string_view{letter->series} && letter->timestamp == row.row.timestamp;
        return !found;
      });
  return found;
}

asio::awaitable<void> ReadBackCheck::look(const std::string& name, sinks::Sink& sink, const Pump& pump,
                                          const engine::Labels& external_labels, bool sample) {
  Of& of = sinks_[name];
  const Time now = clocks_.wall_now();
  std::vector<ReadBackRow> rows = std::exchange(of.suspects, {});
  const std::size_t again = rows.size();
  // The newest cursors that are old enough, and the oldest that are young enough.
  const auto young = std::find_if(of.past.rbegin(), of.past.rend(),
                                  [now](const Cursors& one) { return one.at + kYoungest <= now; });
  if (sample && young != of.past.rend()) {
    draw(name, external_labels, Lane::live, of.past.front().live, young->live, rows);
    draw(name, external_labels, Lane::backfill, of.past.front().backfill, young->backfill, rows);
  }
  of.past.push_back({.at = now, .live = pump.next(Lane::live), .backfill = pump.next(Lane::backfill)});
  while (of.past.front().at + kOldest < now) of.past.pop_front();
  std::map<std::string, bool> fine;  // by job: all of its rows were found
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ReadBackRow& one = rows[i];
    std::vector<std::string> series{std::string{one.row.series}};
    const engine::TimeRange instant{one.row.timestamp, one.row.timestamp + engine::Duration{1}};
    const engine::Result<std::vector<sinks::StoredSample>> stored =
        co_await sink.stored(std::move(series), instant);
    if (!stored) co_return;  // it cannot say: asked again with other rows
    const bool found = !stored->empty();
    const bool known = fine.try_emplace(one.job_id, true).first->second;
    if (found || is_dead(name, one)) {
      count(name, found ? "found" : "dead");
      continue;
    }
    fine[one.job_id] = false;
    count(name, "missing");
    if (i < again && known) of.errors[one.job_id] = error_text(name, one);
    of.suspects.push_back(std::move(one));
  }
  for (const auto& [job, all] : fine) {
    if (all) of.errors.erase(job);
  }
}

std::string ReadBackCheck::error_of(const std::string& job_id) const {
  for (const auto& [name, of] : sinks_) {
    const auto found = of.errors.find(job_id);
    if (found != of.errors.end()) return found->second;
  }
  return {};
}

}  // namespace settle::runner
