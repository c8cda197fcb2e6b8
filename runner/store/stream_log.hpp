// runner/store/stream_log.hpp: the records of one stream's engine in the store: appended with every tick,
// cleaned as they age.
//
// The log is cleaned from its old end: a record that is about to go is shown to the engine, which writes what
// only that record still held into its next one. So the log stays near twice what is live, and no tick writes
// much more than it changed: docs/adr/0004-one-log-cleaned.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "runner/store/store.hpp"

namespace settle::runner {

/// The log may hold this much more than twice what is live, so that small streams are not cleaned at every
/// tick.
inline constexpr std::size_t kLogSlackBytes = std::size_t{8} << 10;
/// With LMDB's page header sixteen whole pages.
inline constexpr std::size_t kLogPartBytes = (std::size_t{64} << 10) - 16;

class StreamLog {
 public:
  StreamLog(std::string tenant, std::string stream_id);
  /// Adds to the batch everything that makes the engine's present state durable: the new record in parts, the
  /// series table, and the erasure of old records, whose live part the engine wrote again. The batch must be
  /// committed, if need be again and again, before the next call. Returns the bytes of the record. `corrupt`:
  /// a stored record does not decode. `blobs`: takes the sketches that changed, which are not the log's.
  [[nodiscard]] engine::Result<std::size_t> drain(const Store& store, engine::Engine& engine,
                                                  engine::Time wall_now, WriteBatch& batch,
                                                  std::vector<engine::CellBlob>* blobs = nullptr);
  void committed(std::uint64_t sequence);
  /// Adds to the batch the erasure of everything the stream has in the log and in the series table; nothing
  /// drained waits for its commit.
  void erase(WriteBatch& batch) const;
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t records() const { return entries_.size(); }

 private:
  friend struct StreamLogLoader;
  struct Entry {
    std::uint64_t sequence = 0;
    std::uint64_t record_number = 0;
    std::uint64_t cells = 0;  // in the record
    std::size_t bytes = 0;
    std::size_t head_bytes = 0;  // of them: dead as soon as there is a newer record
    std::uint16_t parts = 0;
  };
  [[nodiscard]] std::size_t bytes_allowed(const engine::Engine& engine) const;
  [[nodiscard]] engine::Result<void> renew_oldest(const Store& store, engine::Engine& engine,
                                                  WriteBatch& batch);
  void earn(const engine::Engine& engine, const engine::Changes& changes);
  void add_record(const engine::Changes& changes, WriteBatch& batch);
  void erase_record(const Entry& entry, WriteBatch& batch) const;
  void push(const Entry& entry);
  void pop();

  std::string tenant_;
  std::string stream_id_;
  std::deque<Entry> entries_;  // oldest first
  std::size_t bytes_ = 0;      // of entries_
  std::size_t body_ = 0;       // of entries_, without their heads
  std::uint64_t cells_ = 0;    // of entries_
  Entry drained_;              // not yet committed; parts 0: none
  std::size_t erased_ = 0;     // of the oldest entries, by the batch that is not yet committed
  std::size_t credit_ = 0;     // bytes of old records that may be cleaned
  std::uint64_t touched_ = 0;  // cells the engine had changed at the last drain
};

struct LoadedStream {
  StreamLog log;
  std::vector<engine::NewSeries> series;
  std::vector<std::string> records;  // whole, oldest first
};
/// All streams of the store, by (tenant, stream id), in one pass over the log and the series table.
[[nodiscard]] engine::Result<std::map<std::pair<std::string, std::string>, LoadedStream>> load_stream_logs(
    const Store& store);

/// Adds to the batch the erasure of every record of these, by key_of(tenant, id): one pass over the log,
/// which is ordered by commit.
void erase_logs(const ReadTransaction& view, const std::set<std::string>& keys, WriteBatch& batch);

}  // namespace settle::runner
