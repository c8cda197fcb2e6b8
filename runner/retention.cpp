// Deletes what is old enough: ledger blocks, dead letters, streams that have rested. Never what a sink still
// needs.
#include <algorithm>

#include <spdlog/spdlog.h>

#include "runner/dead_letter.hpp"
#include "runner/keys.hpp"
#include "runner/runner_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;

namespace {

constexpr std::chrono::milliseconds kInterval{60'000};  // real time
// One mark per this much wall time says which commit sequence had been reached: retention is by time, keys
// are not.
constexpr std::chrono::milliseconds kMarkEvery{600'000};
constexpr std::string_view kMarkPrefix{"mark\0", 5};
constexpr std::size_t kErasedMax = 10'000;

std::string mark_key(Time wall) {
  return std::string{kMarkPrefix} +
         key_u64(static_cast<std::uint64_t>(std::max<std::int64_t>(engine::epoch_ms(wall), 0)));
}

/// The commit sequence reached at `before`; 0: not known.
std::uint64_t sequence_at(const ReadTransaction& view, Time before) {
  std::uint64_t sequence = 0;
  view.scan(Table::meta, kMarkPrefix, mark_key(before), [&](std::string_view, std::string_view value) {
    sequence = read_u64(value);
    return true;
  });
  return sequence;
}

bool mark_is_due(const ReadTransaction& view, Time wall) {
  bool recent = false;
  view.scan(Table::meta, mark_key(wall - kMarkEvery), prefix_end(kMarkPrefix),
            [&](std::string_view, std::string_view) {
              recent = true;
              return false;
            });
  return !recent;
}

std::uint64_t bytes_of(const StoreStat& stat, Table table) {
  for (const TableStat& one : stat.tables) {
    if (one.table == table) {
      return one.bytes;
    }
  }
  return 0;
}

/// What was refused before `before`, and as many of the oldest of each sink as make room for `surplus` bytes.
void forget_dead_letters(const ReadTransaction& view, Time before, std::uint64_t surplus, WriteBatch& batch) {
  std::size_t erased = 0;
  view.scan(Table::dead_letters, {}, {}, [&](std::string_view key, std::string_view value) {
    const engine::Result<DeadLetter> letter = decode_dead_letter(value);
    if (surplus > 0 || (letter && letter->refused_at < before)) {
      surplus -= std::min<std::uint64_t>(surplus, key.size() + value.size());
      batch.erase(Table::dead_letters, std::string{key});
      erased += 1;
    }
    return erased < kErasedMax;
  });
}

/// Output marks of streams that are gone (runner/stream_runner.cpp writes them).
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
    std::string cut = key_u64(sequence_at(view, wall - options.keep_ledger));
    for (const auto& [name, part] : sinks) {
      cut = std::min(cut, part.pump->safe_to_forget().key);
    }
    if (!cut.empty()) {
      batch.erase_range(Table::ledger, "", cut);
    }
    batch.erase_range(Table::meta, std::string{kMarkPrefix},
                      mark_key(wall - options.keep_ledger - kMarkEvery));
    if (mark_is_due(view, wall)) {
      batch.put(Table::meta, mark_key(wall), key_u64(stat.last_sequence));
    }
    const std::uint64_t dead_bytes = bytes_of(stat, Table::dead_letters);
    const std::uint64_t surplus = dead_bytes - std::min(dead_bytes, options.dead_letter_bytes_max);
    forget_dead_letters(view, wall - options.keep_dead_letters, surplus, batch);
    forget_served(view, options.tenant, registry, batch);
  }
  const engine::Result<Committed> done = co_await store.commit(std::move(batch));
  if (!done) {
    spdlog::warn("event=retention_failed error={:?}", done.error().detail);
  }
}

asio::awaitable<void> Runner::Impl::maintain() {
  while (!stopped) {
    co_await maintain_once();
    if (!stopped) {
      co_await clocks.sleep_for(kInterval);
    }
  }
}

}  // namespace settle::runner
