// Deletes what is old enough: ledger blocks, dead letters, streams that have rested. Never what a sink still
// needs.
#include <algorithm>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <spdlog/spdlog.h>

#include "runner/runner_impl.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using asio::experimental::awaitable_operators::operator||;
using engine::Time;

namespace {

constexpr std::chrono::milliseconds kInterval{60'000};  // real time
constexpr std::size_t kErasedMax = 10'000;

std::uint64_t bytes_of(const StoreStat& stat, Table table) {
  for (const TableStat& one : stat.tables) {
    if (one.table == table) {
      return one.bytes;
    }
  }
  return 0;
}

/// Output marks of streams that are gone (runner/streams/stream_runner.cpp writes them).
void forget_served(const ReadTransaction& view, const std::string& tenant, const Registry& registry,
                   WriteBatch& batch) {
  const std::string prefix = key_of(tenant, "served");
  view.scan(Table::meta, prefix, prefix_end(prefix), [&](std::string_view key, std::string_view) {
    const std::string_view rest = key.substr(prefix.size());
    const std::string stream{rest.substr(0, rest.find('\0'))};
    if (registry.find_stream(tenant, stream) == nullptr) {
      batch.erase(Table::meta, std::string{key});
    }
    return true;
  });
}

/// A server that does not answer does not hold up the end.
asio::awaitable<void> until_stopped(const bool& stopped, Clocks& clocks) {
  while (!stopped) {
    co_await clocks.sleep_for(kInterval);
  }
}

}  // namespace

asio::awaitable<void> Runner::Impl::maintain_once() {
  co_await registry.forget_rested();
  std::vector<StreamKey> gone;
  for (const StreamKey& key : scheduler.keys()) {
    if (registry.find_stream(key.first, key.second) == nullptr) {
      gone.push_back(key);
    }
  }
  for (const StreamKey& key : gone) {
    scheduler.drop(key);
  }
  WriteBatch batch;
  const Time wall = clocks.wall_now();
  const StoreStat stat = store.stat();
  {
    const ReadTransaction view = store.read();
    const std::string old = key_u64(sequence_reached(view, wall - options.keep_ledger));
    bool cut_short = false;  // a sink still waits for rows that are old
    for (const Lane lane : {Lane::live, Lane::backfill}) {
      std::string cut = old;
      for (const auto& [name, part] : sinks) {
        if (const auto safe = part.pump->safe_to_forget(lane)) {
          cut = std::min(cut, safe->key);
        }
      }
      cut_short = cut_short || cut != old;
      if (!cut.empty()) {
        batch.erase_range(ledger_table(lane), "", cut);
      }
    }
    erase_ledger_marks(wall - options.keep_ledger - kLedgerMarkEvery, batch);
    put_ledger_mark(view, wall, stat.last_sequence, batch);
    const auto knows = [this](const std::string& tenant, const std::string& stream) {
      return registry.find_stream(tenant, stream) != nullptr || feeds.knows(tenant, stream);
    };
    feeds.tidy(view, batch);
    retire_orphans(view, knows, wall, kErasedMax, batch);
    if (!cut_short) {  // no row that waits names them
      forget_retired(view, wall - options.keep_ledger, kErasedMax, batch);
    }
    const std::uint64_t dead_bytes = bytes_of(stat, Table::dead_letters);
    const std::uint64_t surplus = dead_bytes - std::min(dead_bytes, options.dead_letter_bytes_max);
    forget_dead_letters(view, wall - options.keep_dead_letters, surplus, kErasedMax, batch);
    forget_served(view, options.tenant, registry, batch);
  }
  const engine::Result<Committed> done = co_await store.commit(std::move(batch));
  if (!done) {
    spdlog::warn("event=retention_failed error={:?}", done.error().detail);
  }
}

/// A row that is missing is looked for again at the next turn, before the next sample.
asio::awaitable<void> Runner::Impl::look_back() {
  if (options.read_back_interval <= std::chrono::milliseconds::zero()) {
    co_return;
  }
  const bool sample = clocks.steady_now() >= next_read_back;
  if (sample) {
    next_read_back = clocks.steady_now() + options.read_back_interval;
  }
  for (auto& [name, part] : sinks) {
    const PumpStatus status = part.pump->status();
    const bool reads = status.health && status.health->reachable && status.health->capabilities.can_read_back;
    // A log of lines keeps what it took.
    if (reads && status.health->capabilities.overwrite != sinks::Overwrite::append_log) {
      co_await (read_back.look(name, *part.sink, *part.pump, part.external_labels, sample) ||
                until_stopped(stopped, clocks));
    }
  }
}

asio::awaitable<void> Runner::Impl::maintain() {
  while (!stopped) {
    co_await maintain_once();
    sink_answered();  // what a commit that failed left waiting
    co_await look_back();
    if (!stopped) {
      co_await clocks.sleep_for(kInterval);
    }
  }
}

}  // namespace settle::runner
