// What goes to the servers, what they have of it, and what the daemon says about it
// (tests/simulation/witness.hpp).
#include <algorithm>
#include <cmath>
#include <utility>

#include "runner/push/delivery_records.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "tests/simulation/witness.hpp"

namespace settle::simulation {

using engine::format_time;
using engine::format_value;
using engine::Time;
using runner::LedgerPosition;
using runner::Table;
using sinks::Overwrite;

namespace {

constexpr const char* kTenant = "default";

std::string name_of(const SampleKey& key) {
  return key.first + " at " + format_time(key.second);
}

}  // namespace

/// Law 4.
void Witness::check_revision(ServerBook& book, const Entry& entry, const engine::Sample& sample) {
  const auto before = book.newest.find(entry.key);
  if (before == book.newest.end()) return;
  // Two streams that had the output one after the other may both say where a series ended.
  if (sample.reason == engine::Reason::stale) return;
  const ServerBook::Newest& last = before->second;
  if (entry.revision <= last.revision) {
    violate("law 4: revisions increase", name_of(entry.key) + " got revision " +
                                             std::to_string(entry.revision) + " after " +
                                             std::to_string(last.revision));
  }
  if (sample.value == last.value) {
    violate("law 4: successive values differ",
            name_of(entry.key) + " got " + format_value(entry.value) + " twice");
  }
}

void Witness::take_dead_letters(const runner::ReadTransaction& view) {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const std::string prefix = runner::key_of(kTenant, servers_[i]->spec().name);
    const std::string from = prefix + runner::key_u64(books_[i].dead.size() + 1);
    view.scan(Table::dead_letters, from, runner::prefix_end(prefix),
              [&](std::string_view, std::string_view value) {
                const auto letter = runner::decode_dead_letter(value);
                if (!letter) {
                  violate("dead letters read back", letter.error().detail);
                  return true;
                }
                const SampleKey key{letter->series, letter->timestamp};
                journal_.note(world_.now, "dead_letter", name_of(key) + ": " + letter->reason);
                books_[i].dead.insert({key, letter->revision});
                return true;
              });
  }
}

void Witness::take_cursor(const runner::ReadTransaction& view, std::size_t server, runner::Lane lane) {
  ServerBook& book = books_[server];
  ServerBook::OfLane& mine = book.lanes[static_cast<std::size_t>(lane)];
  std::string key = runner::key_of(kTenant, servers_[server]->spec().name);
  if (lane == runner::Lane::backfill) key += runner::lane_text(lane);
  const auto bytes = view.get(Table::sinks, key);
  if (!bytes || *bytes == mine.record) return;
  mine.record = *bytes;
  const auto record = runner::decode_sink_record(*bytes);
  if (!record) return violate("the sink's record reads back", record.error().detail);
  const LedgerPosition before = std::exchange(mine.cursor, record->next);
  const std::optional<Time> started_before = std::exchange(mine.started_at, record->started_at);
  if (mine.cursor > before) return acknowledge(server, lane, before, mine.cursor);
  if (mine.cursor == before) return;
  // Once for each start that the daemon noticed.
  const bool restarted = servers_[server]->starts() > 1 && record->started_at &&
                         (!started_before || *record->started_at > *started_before);
  if (!restarted) {
    violate("a cursor goes back only for a server that restarted", servers_[server]->spec().name);
  }
  for (const std::size_t i : mine.order) {
    if (book.entries[i].at >= mine.cursor) book.entries[i].acknowledged = false;
  }
}

/// What the cursor has passed is at the server, or a newer revision is to follow it, or it is a dead letter.
void Witness::acknowledge(std::size_t server, runner::Lane lane, const LedgerPosition& from,
                          const LedgerPosition& to) {
  ServerBook& book = books_[server];
  const std::vector<std::size_t>& order = book.lanes[static_cast<std::size_t>(lane)].order;
  const auto before = [&book](std::size_t i, const LedgerPosition& at) { return book.entries[i].at < at; };
  for (auto i = std::lower_bound(order.begin(), order.end(), from, before); i != order.end(); ++i) {
    Entry& entry = book.entries[*i];
    if (entry.at >= to) return;
    const bool is_newest = book.by_key.at(entry.key).back() == *i;
    const bool is_dead = book.dead.contains({entry.key, entry.revision});
    // A sink that was asked may hold the value from an older revision: it went and came back.
    const auto held = servers_[server]->value(entry.key);
    const bool is_marker = entry.reason == engine::Reason::stale;
    const bool is_held = held && (is_marker ? held->stale : held->value == entry.value);
    if (!entry.arrived && !is_dead && is_newest && !is_held) {
      violate("acknowledged is delivered", servers_[server]->spec().name + " never got " +
                                               name_of(entry.key) + " revision " +
                                               std::to_string(entry.revision));
    }
    entry.acknowledged = true;
  }
}

void Witness::pushed(std::size_t server, const std::vector<sinks::Row>& rows) {
  const ServerBook& book = books_[server];
  std::set<SampleKey> seen;
  for (const sinks::Row& row : rows) {
    const SampleKey key{std::string{row.series}, row.timestamp};
    if (!seen.insert(key).second) violate("one row per (series, timestamp) in a push", name_of(key));
    const auto found = book.by_key.find(key);
    const Entry* entry = nullptr;
    if (found != book.by_key.end()) {
      for (const std::size_t i : found->second) {
        const Entry& one = book.entries[i];
        if (one.revision == row.revision && one.value == row.value && one.reason == row.reason) entry = &one;
      }
    }
    if (entry == nullptr) {
      violate("only what the ledger has is sent",
              name_of(key) + " = " + format_value(row.value) + " revision " + std::to_string(row.revision));
    } else if (entry->acknowledged) {
      violate("sent again only if uncertain or lost", name_of(key) + " to " + servers_[server]->spec().name);
    }
    if (entry != nullptr) check_live_first(server, *entry);
  }
}

/// Nothing of the backfill lane goes out while rows of the live lane wait.
void Witness::check_live_first(std::size_t server, const Entry& sent) {
  const ServerBook& book = books_[server];
  const ServerBook::OfLane& live = book.lanes[static_cast<std::size_t>(runner::Lane::live)];
  if (sent.lane != runner::Lane::backfill || live.order.empty()) return;
  const Entry& newest = book.entries[live.order.back()];
  if (newest.at < live.cursor) return;
  const auto waits =
      std::lower_bound(live.order.begin(), live.order.end(), live.cursor,
                       [&book](std::size_t i, const LedgerPosition& at) { return book.entries[i].at < at; });
  const Entry& first = book.entries[*waits];
  if (first.committed_at < world_.now) {
    violate("live rows go first", name_of(first.key) + " of " + format_time(first.committed_at) +
                                      " waits while " + name_of(sent.key) + " is sent");
  }
}

void Witness::arrives(std::size_t server, const sinks::Row& row) {
  ServerBook& book = books_[server];
  const SampleKey key{std::string{row.series}, row.timestamp};
  const auto found = book.by_key.find(key);
  if (found == book.by_key.end()) return violate("only what the ledger has arrives", name_of(key));
  for (const std::size_t i : found->second) {
    if (book.entries[i].revision == row.revision) book.entries[i].arrived = true;
  }
  const auto kept = servers_[server]->samples().find(key);
  if (kept == servers_[server]->samples().end() || kept->second.empty()) return;
  if (kept->second.back().revision > row.revision) {
    violate("no older revision after a newer one", name_of(key) + " revision " +
                                                       std::to_string(row.revision) + " after " +
                                                       std::to_string(kept->second.back().revision));
  }
}

bool Witness::is_dead(std::size_t server, const SampleKey& key, engine::Corrections corrections) const {
  const ServerBook& book = books_[server];
  const auto lies_in = [&book](const SampleKey& row) {
    const auto letter = book.dead.lower_bound({row, 0});
    return letter != book.dead.end() && letter->first == row;
  };
  if (lies_in(key)) return true;
  const auto newest = book.newest.find(key);
  if (corrections != engine::Corrections::ledger || newest == book.newest.end()) return false;
  for (std::uint32_t n = 2; n <= newest->second.revision; ++n) {
    if (lies_in({runner::revision_series(key.first, n), key.second})) return true;
  }
  return false;
}

std::optional<engine::Value> Witness::value_at(std::size_t server, const SampleKey& key,
                                               engine::Corrections corrections) const {
  const auto kept = servers_[server]->value(key);
  if (!kept) return std::nullopt;
  const auto newest = books_[server].newest.find(key);
  if (corrections != engine::Corrections::ledger || newest == books_[server].newest.end()) return kept->value;
  double sum = kept->value.as_double();
  for (std::uint32_t n = 2; n <= newest->second.revision; ++n) {
    const auto added = servers_[server]->value({runner::revision_series(key.first, n), key.second});
    if (added) sum += added->value.as_double();
  }
  // Exact: the worlds have whole numbers and eighths.
  const bool whole = sum >= 0 && sum == std::floor(sum);
  return whole ? engine::Value::count(static_cast<std::uint64_t>(sum)) : engine::Value::number(sum);
}

/// What every server has is the newest revision that went to it.
void Witness::check_servers() {
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    const ServerBook& book = books_[i];
    const Server& server = *servers_[i];
    const std::string& name = server.spec().name;
    for (const auto& [key, entries] : book.by_key) {
      const Entry& newest = book.entries[entries.back()];
      if (book.dead.contains({key, newest.revision})) continue;
      const auto kept = server.value(key);
      const std::string what = key.first + " at " + format_time(key.second);
      if (!kept) {
        const auto found = server.samples().find(key);
        const std::size_t count = found == server.samples().end() ? 0 : found->second.size();
        violate(count > 1 ? "one value where both are kept" : "what is acknowledged is kept",
                name + " has " + std::to_string(count) + " values of " + what);
      } else if (newest.reason != engine::Reason::stale && kept->value != newest.value &&
                 (server.spec().overwrite != Overwrite::max_wins || kept->value < newest.value)) {
        violate("the newest revision is what the server has",
                name + " has " + format_value(kept->value) + " of " + what + ", not " +
                    format_value(newest.value) + ", revision " + std::to_string(newest.revision));
      }
    }
    for (const auto& [key, kept] : server.samples()) {
      if (!kept.empty() && !book.by_key.contains(key)) {
        violate("the ledger is complete", name + " has " + key.first + ", which the ledger never named");
      }
    }
  }
}

}  // namespace settle::simulation
