// runner/store/store_env.hpp: the LMDB environment behind Store: its lock file, its tables, and what its
// errors mean.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/result.hpp"
#include "runner/store/store.hpp"

struct MDB_env;
struct MDB_txn;

namespace settle::runner {

inline constexpr std::uint64_t kStoreFormat = 1;
inline constexpr std::size_t kTables = 13;
inline constexpr std::size_t kStoreKeyBytesMax = 511;  // what LMDB was built with

// Keys of Table::meta that belong to the store itself.
inline constexpr std::string_view kMetaFormat = "format";
inline constexpr std::string_view kMetaStoreId = "store_id";
inline constexpr std::string_view kMetaWriterId = "writer_id";
inline constexpr std::string_view kMetaEpoch = "epoch";
inline constexpr std::string_view kMetaSequence = "sequence";

[[nodiscard]] std::string_view table_name(Table table);
/// `code` as LMDB or the system gives it; `doing` begins the sentence: "cannot commit to the store in /data".
[[nodiscard]] engine::Error store_error(int code, const std::string& doing);

/// Held by the one process that writes; the system lets go of it when the process ends, however it ends.
class StoreLock {
 public:
  [[nodiscard]] static engine::Result<std::unique_ptr<StoreLock>> take(const std::string& directory);
  explicit StoreLock(int file) : file_(file) {}
  StoreLock(const StoreLock&) = delete;
  StoreLock& operator=(const StoreLock&) = delete;
  ~StoreLock();

 private:
  int file_;
};

class StoreEnv {
 public:
  [[nodiscard]] static engine::Result<std::unique_ptr<StoreEnv>> open(const StoreOptions& options);
  ~StoreEnv();
  StoreEnv(const StoreEnv&) = delete;
  StoreEnv& operator=(const StoreEnv&) = delete;

  [[nodiscard]] MDB_env* env() const { return env_; }
  [[nodiscard]] unsigned database(Table table) const;
  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] std::uint64_t bytes_max() const;
  /// Pages in use in the view of a read transaction.
  [[nodiscard]] std::uint64_t bytes_used(MDB_txn* transaction) const;

  struct Identity {
    std::string store_id;
    std::string writer_id;
    std::uint64_t epoch = 0;
    std::uint64_t last_sequence = 0;
  };
  [[nodiscard]] const Identity& identity() const { return identity_; }

 private:
  StoreEnv() = default;
  [[nodiscard]] engine::Result<void> open_file(const StoreOptions& options);
  [[nodiscard]] engine::Result<void> open_tables(bool read_only);
  [[nodiscard]] engine::Result<void> read_identity(MDB_txn* transaction);
  [[nodiscard]] engine::Result<void> begin_epoch(MDB_txn* transaction);
  [[nodiscard]] engine::Result<void> make_tables(MDB_txn* transaction, bool read_only);

  std::unique_ptr<StoreLock> lock_;
  MDB_env* env_ = nullptr;
  std::array<unsigned, kTables> databases_{};
  std::string directory_;
  Identity identity_;
};

[[nodiscard]] std::optional<std::string_view> read_value(MDB_txn* transaction, unsigned database,
                                                         std::string_view key);

}  // namespace settle::runner
