// runner/stream_log.hpp: the records of one stream's engine in the store: appended with every tick, cleaned
// as they age.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "engine/result.hpp"
#include "engine/stabilizer/engine.hpp"
#include "runner/store.hpp"

namespace settle::runner {

class StreamLog {
 public:
  StreamLog(std::string tenant, std::string stream_id);
  /// Adds to the batch everything that makes the engine's present state durable: the new record in parts, the
  /// series table, and the erasure of old records, whose live part the engine wrote again. The batch must be
  /// committed, if need be again and again, before the next call. Returns the bytes of the record. `corrupt`:
  /// a stored record does not decode.
  [[nodiscard]] engine::Result<std::size_t> drain(const Store& store, engine::Engine& engine,
                                                  WriteBatch& batch);
  void committed(std::uint64_t sequence);
  [[nodiscard]] std::size_t bytes() const;

 private:
  friend struct StreamLogLoader;
  struct Entry {
    std::uint64_t sequence = 0;
    std::uint64_t record_number = 0;
    std::size_t bytes = 0;
    std::uint16_t parts = 0;
  };
  std::string tenant_;
  std::string stream_id_;
  std::deque<Entry> entries_;  // oldest first
  Entry drained_;              // not yet committed; bytes 0: none
  std::size_t erased_ = 0;     // of the oldest entries, by the batch that is not yet committed
};

struct LoadedStream {
  StreamLog log;
  std::vector<engine::NewSeries> series;
  std::vector<std::string> records;  // whole, oldest first
};
/// All streams of the store, by (tenant, stream id), in one pass over the log and the series table.
[[nodiscard]] engine::Result<std::map<std::pair<std::string, std::string>, LoadedStream>> load_stream_logs(
    const Store& store);

}  // namespace settle::runner
