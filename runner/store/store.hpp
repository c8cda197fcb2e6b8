// runner/store/store.hpp: one LMDB environment with one writer thread; batches that are ready share a
// transaction.
//
// Every table's key starts with the tenant, but for the tables that are ordered by commit sequence (log,
// ledger), where all records of one transaction lie on adjacent pages: docs/formats/store.md. Big-endian
// numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::runner {

class StoreWriter;

/// Names of the databases in the file; never renumber, never reuse.
enum class Table : std::uint8_t {
  meta = 1,              // store_id, writer_id, epoch, format version, source time
  jobs = 2,              // (tenant, job id) -> job record
  streams = 3,           // (tenant, stream id) -> stream record
  series = 4,            // (tenant, stream id, series number) -> canonical text
  log = 5,               // (commit sequence, tenant, stream id, part) -> engine record part, <= 64 KiB
  ledger = 6,            // (commit sequence, tenant, job id, part) -> block of samples
  sinks = 7,             // (tenant, sink name) -> cursor and recent acknowledgements
  dead_letters = 8,      // (tenant, sink name, number) -> row and reason
  gaps = 9,              // (tenant, stream id, from, scope) -> gap entry
  retired_series = 10,   // as series -> wall time of retirement (8 bytes) and text
  backfill_ledger = 11,  // as ledger: what the backfill lane emitted
  backfills = 12,        // (tenant, job id, backfill id) -> what was asked for, and how far it is
  cells = 13,  // (tenant, feed id, bucket, series number, which) -> sketch: runner/views/cell_table.hpp
};

/// All or nothing. Built anywhere, applied by the writer thread: requires first, all against the store as it
/// was before the batch, then the rest in the order of the calls.
class WriteBatch {
 public:
  void put(Table table, std::string key, std::string value);
  void erase(Table table, std::string key);
  void erase_range(Table table, std::string from, std::string to);  // [from, to); `to` empty: to the end
  /// The key is the commit sequence (8 bytes, big-endian) and `suffix`, which occurs once in a batch and
  /// table.
  void append(Table table, std::string suffix, std::string value);
  /// The batch is refused unless the key holds exactly this (none: is absent).
  void require(Table table, std::string key, std::optional<std::string> value);
  [[nodiscard]] bool empty() const { return operations_.empty(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  /// How many appends to the table it holds.
  [[nodiscard]] std::size_t appended(Table table) const;

 private:
  friend struct BatchWriter;
  enum class Kind : std::uint8_t { put, erase, erase_range, append, require };
  struct Operation {
    Kind kind;
    Table table;
    std::string key;
    std::string value;      // erase_range: the end of the range
    bool has_value = true;  // require: false when the key is to be absent
  };
  void add(Operation operation);
  std::vector<Operation> operations_;
  std::size_t bytes_ = 0;
};

struct Committed {
  std::uint64_t sequence = 0;  // of the batch; strictly increasing, never reused
};

/// A consistent view. Short-lived (<= 100 ms): it pins pages. Never held across a co_await. Views end with
/// it.
class ReadTransaction {
 public:
  ReadTransaction(ReadTransaction&&) noexcept;
  ReadTransaction(const ReadTransaction&) = delete;
  ~ReadTransaction();
  [[nodiscard]] std::optional<std::string_view> get(Table table, std::string_view key) const;
  /// Keys in [from, to), ascending; `to` empty: to the end. Stops when `visit` returns false.
  void scan(Table table, std::string_view from, std::string_view to,
            const std::function<bool(std::string_view key, std::string_view value)>& visit) const;

 private:
  friend class Store;
  struct Impl;
  explicit ReadTransaction(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct StoreOptions {
  std::string directory;                // made if absent, mode 0700
  std::size_t bytes_max = 16ull << 30;  // the map size; polling stops at 80 %
  bool read_only = false;               // for `store stat` beside a running daemon
  bool own_thread = true;               // false: Store::writer() is called to commit: tests/simulation
};

struct TableStat {
  Table table;
  std::string name;
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
};
struct StoreStat {
  std::string store_id;
  std::uint64_t epoch = 0;
  std::uint64_t last_sequence = 0;
  std::uint64_t bytes_used = 0;
  std::uint64_t bytes_max = 0;
  std::vector<TableStat> tables;
};

class Store {
 public:
  /// Refuses a directory another daemon holds (naming its pid), and a store of a newer format.
  [[nodiscard]] static engine::Result<std::unique_ptr<Store>> open(StoreOptions options);
  ~Store();  // commits what is queued

  /// Durable (fdatasync) when it returns. `refused`: a require() did not hold. `retry_later`: the store is
  /// full or the disk failed; nothing of this batch is applied. Resumes on the caller's executor.
  boost::asio::awaitable<engine::Result<Committed>> commit(WriteBatch batch);
  /// The same, blocking: for start-up, tools and tests.
  [[nodiscard]] engine::Result<Committed> commit_now(WriteBatch batch);
  /// Only without a thread of its own (runner/store/store_writer.hpp).
  [[nodiscard]] StoreWriter& writer();

  [[nodiscard]] ReadTransaction read() const;
  [[nodiscard]] StoreStat stat() const;
  [[nodiscard]] double fill() const;  // 0..1 of bytes_max
  /// A consistent copy into an empty or absent directory, while the daemon writes.
  [[nodiscard]] engine::Result<void> backup(const std::string& directory) const;

  [[nodiscard]] const std::string& store_id() const;   // made once with the store
  [[nodiscard]] const std::string& writer_id() const;  // of this opening
  [[nodiscard]] std::uint64_t epoch() const;           // counts openings for writing

 private:
  struct Impl;
  explicit Store(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace settle::runner
