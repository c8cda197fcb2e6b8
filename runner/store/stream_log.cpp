#include "runner/store/stream_log.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <optional>
#include <string_view>

#include "engine/model/bytes.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/series_names.hpp"

namespace settle::runner {
namespace {

constexpr std::uint8_t kPartVersion = 1;
// Cleaning takes so many bytes of old records for each byte written anew. At the bound half of the log is
// dead, so 2 would keep the pace; 3 also catches up.
constexpr std::size_t kCleanedPerByte = 3;
// When most of the log died at once, each tick takes this part of the excess: it costs deletes, hardly any
// writes.
constexpr std::size_t kExcessShare = 16;
constexpr std::size_t kSeriesBytes = 16;                              // of a series' state in a record
constexpr std::uint64_t kReservedBytesMax = std::uint64_t{16} << 20;  // whatever a damaged head says

/// Precedes the record in its first part.
struct RecordHead {
  std::uint64_t record_number = 0;
  std::uint64_t cells = 0;
  std::uint64_t parts = 0;
  std::uint64_t bytes = 0;
  std::uint64_t head_bytes = 0;
};

void encode_head(engine::ByteWriter& out, const RecordHead& head) {
  out.byte(kPartVersion);
  out.varint(head.record_number);
  out.varint(head.cells);
  out.varint(head.parts);
  out.varint(head.bytes);
  out.varint(head.head_bytes);
}

/// Takes the head off `part`.
std::optional<RecordHead> decode_head(std::string_view& part) {
  engine::ByteReader in{part};
  if (in.byte() != kPartVersion) return std::nullopt;
  RecordHead head;
  head.record_number = in.varint();
  head.cells = in.varint();
  head.parts = in.varint_up_to(std::numeric_limits<std::uint16_t>::max());
  head.bytes = in.varint_up_to(head.parts * kLogPartBytes);
  head.head_bytes = in.varint_up_to(head.bytes);
  if (in.failed() || head.parts == 0) return std::nullopt;
  part = part.substr(part.size() - in.rest());
  return head;
}

std::size_t head_bytes(RecordHead head) {
  head.parts = std::numeric_limits<std::uint16_t>::max();  // not known yet: the longest
  engine::ByteWriter out;
  encode_head(out, head);
  return out.size();
}

/// Cells as the engine counts them whenever it has something new to write about one.
std::uint64_t count_touched(const engine::EngineStats& stats) {
  return stats.changes + stats.settled + stats.ttl + stats.corrections + stats.flushed + stats.held_back +
         stats.sealed + stats.given_up;
}

engine::Error damaged(std::string_view tenant, std::string_view stream, std::string_view what) {
  return engine::corrupt("the log of stream " + std::string{stream} + " of tenant " + std::string{tenant} +
                         " " + std::string{what} + ": restore the store from a backup");
}

}  // namespace

StreamLog::StreamLog(std::string tenant, std::string stream_id)
    : tenant_(std::move(tenant)), stream_id_(std::move(stream_id)) {}

engine::Result<std::size_t> StreamLog::drain(const Store& store, engine::Engine& engine,
                                             engine::Time wall_now, WriteBatch& batch,
                                             std::vector<engine::CellBlob>* blobs) {
  assert(drained_.parts == 0);
  if (auto renewed = renew_oldest(store, engine, batch); !renewed) return renewed.error();
  engine::Changes changes = engine.drain_changes();
  if (blobs != nullptr) *blobs = std::move(changes.blobs);
  for (const engine::NewSeries& series : changes.series_added) {
    batch.put(Table::series, series_key(tenant_, stream_id_, series.number), series.text);
  }
  if (!changes.series_retired.empty()) {
    const ReadTransaction view = store.read();
    for (const engine::SeriesNumber number : changes.series_retired) {
      retire_series(view, tenant_, stream_id_, number, wall_now, batch);
    }
  }
  earn(engine, changes);
  if (!changes.record.empty()) add_record(changes, batch);
  return changes.record.size();
}

void StreamLog::committed(std::uint64_t sequence) {
  for (; erased_ > 0; --erased_) pop();
  if (drained_.parts == 0) return;
  drained_.sequence = sequence;
  push(drained_);
  drained_ = {};
}

void StreamLog::erase(WriteBatch& batch) const {
  assert(drained_.parts == 0);
  for (const Entry& entry : entries_) erase_record(entry, batch);
  const std::string prefix = key_of(tenant_, stream_id_);
  batch.erase_range(Table::series, prefix, prefix_end(prefix));
}

// What is live is not known here. Near it: the newest head, the series, and the cells there are at the bytes
// that cells take in this log.
std::size_t StreamLog::bytes_allowed(const engine::Engine& engine) const {
  const double bytes_per_cell = cells_ == 0 ? 0.0 : static_cast<double>(body_) / static_cast<double>(cells_);
  const double cells = bytes_per_cell * static_cast<double>(engine.open_cells());
  const std::size_t head = entries_.empty() ? 0 : entries_.back().head_bytes;
  const std::size_t live = head + engine.series_count() * kSeriesBytes + static_cast<std::size_t>(cells);
  return 2 * live + kLogSlackBytes;
}

engine::Result<void> StreamLog::renew_oldest(const Store& store, engine::Engine& engine, WriteBatch& batch) {
  const std::size_t allowed = bytes_allowed(engine);
  if (bytes_ <= allowed) {
    credit_ = 0;
    return {};
  }
  credit_ += (bytes_ - allowed) / kExcessShare;
  std::size_t left = bytes_;
  std::optional<ReadTransaction> view;
  while (erased_ < entries_.size() && left > allowed && credit_ >= entries_[erased_].bytes) {
    const Entry& entry = entries_[erased_];
    if (!view) view.emplace(store.read());
    std::string record;
    record.reserve(entry.bytes);
    for (std::uint16_t i = 0; i < entry.parts; ++i) {
      const auto part = view->get(Table::log, key_u64(entry.sequence) + part_suffix(tenant_, stream_id_, i));
      if (!part) return damaged(tenant_, stream_id_, "lacks a part of a record");
      std::string_view bytes = *part;
      if (i == 0 && !decode_head(bytes))
        return damaged(tenant_, stream_id_, "holds a record that does not decode");
      record += bytes;
    }
    if (auto renewed = engine.renew(record); !renewed) return renewed.error();
    erase_record(entry, batch);
    credit_ -= entry.bytes;
    left -= entry.bytes;
    ++erased_;
  }
  return {};
}

// Only what is new earns, not what was written again: else each round of cleaning would pay for a larger one.
void StreamLog::earn(const engine::Engine& engine, const engine::Changes& changes) {
  const std::uint64_t touched = count_touched(engine.stats());
  const auto anew = static_cast<double>(touched - std::min(touched, touched_)) + 1;
  touched_ = touched;
  const double share = std::min(1.0, anew / static_cast<double>(std::max<std::size_t>(changes.cells, 1)));
  const std::size_t body = changes.record.size() - std::min(changes.head_bytes, changes.record.size());
  const auto body_anew = static_cast<std::size_t>(share * static_cast<double>(body));
  credit_ += kCleanedPerByte * (changes.record.size() - body + body_anew);
}

void StreamLog::add_record(const engine::Changes& changes, WriteBatch& batch) {
  RecordHead head{.record_number = changes.record_number,
                  .cells = changes.cells,
                  .bytes = changes.record.size(),
                  .head_bytes = std::min(changes.head_bytes, changes.record.size())};
  const std::size_t all = head_bytes(head) + changes.record.size();
  head.parts = (all + kLogPartBytes - 1) / kLogPartBytes;
  assert(head.parts <= std::numeric_limits<std::uint16_t>::max());
  std::string_view rest = changes.record;
  for (std::uint64_t i = 0; i < head.parts; ++i) {
    engine::ByteWriter part;
    if (i == 0) encode_head(part, head);
    const std::string_view bytes = rest.substr(0, kLogPartBytes - part.size());
    part.raw(bytes);
    rest.remove_prefix(bytes.size());
    batch.append(Table::log, part_suffix(tenant_, stream_id_, static_cast<std::uint16_t>(i)),
                 std::move(part).take());
  }
  assert(rest.empty());
  drained_ = {.record_number = head.record_number,
              .cells = head.cells,
              .bytes = head.bytes,
              .head_bytes = head.head_bytes,
              .parts = static_cast<std::uint16_t>(head.parts)};
}

void StreamLog::erase_record(const Entry& entry, WriteBatch& batch) const {
  const std::string sequence = key_u64(entry.sequence);
  for (std::uint16_t i = 0; i < entry.parts; ++i) {
    batch.erase(Table::log, sequence + part_suffix(tenant_, stream_id_, i));
  }
}

void StreamLog::push(const Entry& entry) {
  bytes_ += entry.bytes;
  body_ += entry.bytes - entry.head_bytes;
  cells_ += entry.cells;
  entries_.push_back(entry);
}

void StreamLog::pop() {
  const Entry& entry = entries_.front();
  bytes_ -= entry.bytes;
  body_ -= entry.bytes - entry.head_bytes;
  cells_ -= entry.cells;
  entries_.pop_front();
}

/// Puts the streams together from rows in key order.
struct StreamLogLoader {
  using Streams = std::map<std::pair<std::string, std::string>, LoadedStream>;
  Streams streams;
  engine::Result<void> fault;

  // The record whose parts are being read.
  LoadedStream* open = nullptr;
  StreamLog::Entry entry;
  RecordHead head;

  LoadedStream& stream(std::string_view tenant, std::string_view id) {
    std::pair<std::string, std::string> name{tenant, id};
    const auto held = streams.find(name);
    if (held != streams.end()) return held->second;
    LoadedStream made{.log = StreamLog{name.first, name.second}, .series = {}, .records = {}};
    return streams.emplace(std::move(name), std::move(made)).first->second;
  }

  bool stop(engine::Error error) {
    fault = std::move(error);
    return false;
  }

  /// Takes tenant 0 id 0 off the key.
  static std::optional<std::pair<std::string_view, std::string_view>> take_name(std::string_view& key) {
    const std::size_t tenant_end = key.find('\0');
    if (tenant_end == key.npos) return std::nullopt;
    const std::size_t id_end = key.find('\0', tenant_end + 1);
    if (id_end == key.npos) return std::nullopt;
    const std::pair name{key.substr(0, tenant_end), key.substr(tenant_end + 1, id_end - tenant_end - 1)};
    key.remove_prefix(id_end + 1);
    return name;
  }

  bool take_part(std::string_view key, std::string_view part) {
    if (key.size() < 8) return stop(engine::corrupt("a key of the log is too short: restore a backup"));
    const std::uint64_t sequence = read_u64(key.substr(0, 8));
    key.remove_prefix(8);
    const auto name = take_name(key);
    if (!name || key.size() != 2)
      return stop(engine::corrupt("a key of the log is damaged: restore a backup"));
    LoadedStream& owner = stream(name->first, name->second);
    const auto number = static_cast<std::uint16_t>((static_cast<std::uint8_t>(key[0]) << 8) |
                                                   static_cast<std::uint8_t>(key[1]));
    if (number == 0) {
      if (open != nullptr)
        return stop(damaged(open->log.tenant_, open->log.stream_id_, "lacks a part of a record"));
      const auto read = decode_head(part);
      if (!read) return stop(damaged(name->first, name->second, "holds a record that does not decode"));
      const auto& entries = owner.log.entries_;
      if (!entries.empty() && entries.back().record_number + 1 != read->record_number) {
        return stop(damaged(name->first, name->second, "lacks a record"));
      }
      head = *read;
      entry = {.sequence = sequence,
               .record_number = head.record_number,
               .cells = head.cells,
               .bytes = head.bytes,
               .head_bytes = head.head_bytes};
      owner.records.emplace_back().reserve(std::min<std::uint64_t>(head.bytes, kReservedBytesMax));
      open = &owner;
    }
    if (open != &owner || sequence != entry.sequence || number != entry.parts) {
      return stop(damaged(name->first, name->second, "lacks a part of a record"));
    }
    owner.records.back() += part;
    ++entry.parts;
    return entry.parts < head.parts || close_record();
  }

  bool close_record() {
    LoadedStream& owner = *open;
    open = nullptr;
    if (owner.records.back().size() != head.bytes) {
      return stop(damaged(owner.log.tenant_, owner.log.stream_id_, "holds a record of another length"));
    }
    owner.log.push(entry);
    return true;
  }

  bool end_log() {
    if (fault && open != nullptr)
      stop(damaged(open->log.tenant_, open->log.stream_id_, "lacks a part of a record"));
    return fault.has_value();
  }

  bool take_series(std::string_view key, std::string_view text) {
    const auto name = take_name(key);
    if (!name || key.size() != 8) {
      return stop(engine::corrupt("a key of the series table is damaged: restore a backup"));
    }
    stream(name->first, name->second).series.push_back({.number = read_u64(key), .text = std::string{text}});
    return true;
  }
};

engine::Result<std::map<std::pair<std::string, std::string>, LoadedStream>> load_stream_logs(
    const Store& store) {
  StreamLogLoader loader;
  const ReadTransaction view = store.read();
  view.scan(Table::log, "", "",
            [&loader](std::string_view key, std::string_view value) { return loader.take_part(key, value); });
  if (!loader.end_log()) return loader.fault.error();
  view.scan(Table::series, "", "", [&loader](std::string_view key, std::string_view value) {
    return loader.take_series(key, value);
  });
  if (!loader.fault) return loader.fault.error();
  return std::move(loader.streams);
}

void erase_logs(const ReadTransaction& view, const std::set<std::string>& keys, WriteBatch& batch) {
  constexpr std::size_t kSequenceBytes = 8;
  constexpr std::size_t kPartBytes = 2;
  view.scan(Table::log, "", "", [&](std::string_view key, std::string_view) {
    if (key.size() < kSequenceBytes + kPartBytes) return true;
    const std::string_view owner = key.substr(kSequenceBytes, key.size() - kSequenceBytes - kPartBytes);
    if (keys.contains(std::string(owner))) batch.erase(Table::log, std::string(key));
    return true;
  });
}

}  // namespace settle::runner
