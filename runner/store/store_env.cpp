#include "runner/store/store_env.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <random>
#include <sys/file.h>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include "runner/store/keys.hpp"

namespace settle::runner {
namespace {

constexpr std::array<std::string_view, kTables> kTableNames{
    "meta",         "jobs", "streams",        "series",          "log",       "ledger", "sinks",
    "dead_letters", "gaps", "retired_series", "backfill_ledger", "backfills", "cells"};
constexpr std::size_t kBytesMaxLeast = std::size_t{1} << 20;
constexpr unsigned kReadersMax = 512;

std::string random_id(int words) {
  std::random_device random;
  std::string id;
  for (int i = 0; i < words; ++i) {
    const std::uint32_t word = random();
    for (int shift = 28; shift >= 0; shift -= 4) id.push_back("0123456789abcdef"[(word >> shift) & 15u]);
  }
  return id;
}

MDB_val as_val(std::string_view bytes) {
  return {.mv_size = bytes.size(), .mv_data = const_cast<char*>(bytes.data())};  // LMDB only reads it
}

int write_value(MDB_txn* transaction, unsigned database, std::string_view key, std::string_view value) {
  MDB_val k = as_val(key);
  MDB_val v = as_val(value);
  return mdb_put(transaction, database, &k, &v, 0);
}

engine::Result<void> make_directory(const std::string& directory) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::create_directories(directory, error) && !error) {
    fs::permissions(directory, fs::perms::owner_all, error);
  }
  if (error) return store_error(error.value(), "cannot make the data directory " + directory);
  return {};
}

// A new file is there after a power cut only when its directory was flushed too.
void flush_directory(const std::string& directory) {
  const int file = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);
  ::close(file);
}

std::string holder_of(int file) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  std::int64_t pid = 0;
  if (size > 0) std::from_chars(text.data(), text.data() + size, pid);
  return pid > 0 ? "process " + std::to_string(pid) : std::string{"another process"};
}

}  // namespace

std::string_view table_name(Table table) {
  return kTableNames.at(static_cast<std::size_t>(table) - 1);
}

engine::Error store_error(int code, const std::string& doing) {
  const std::string what = doing + ": " + mdb_strerror(code);
  switch (code) {
    case MDB_MAP_FULL:
      return engine::retry_later(doing + ": it is full: raise store.bytes_max or delete jobs");
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return engine::retry_later(what + ": make room on the disk");
    case EIO:
    case ENOMEM:
    case EAGAIN:
    case EINTR:
    case MDB_TXN_FULL:
    case MDB_READERS_FULL:
      return engine::retry_later(what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_PANIC:
      return engine::corrupt(what + ": restart, and if it stays, restore a backup");
    default:
      return engine::refused(what);
  }
}

engine::Result<std::unique_ptr<StoreLock>> StoreLock::take(const std::string& directory) {
  const std::string path = directory + "/settle.lock";
  const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return store_error(errno, "cannot open the lock file " + path);
  auto lock = std::make_unique<StoreLock>(file);
  if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return store_error(errno, "cannot lock " + path);
    return engine::refused("the store in " + directory + " is in use by " + holder_of(file) +
                           ": stop it first, or choose another data directory");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  const bool written = ::ftruncate(file, 0) == 0 &&
                       ::pwrite(file, pid.data(), pid.size(), 0) == static_cast<ssize_t>(pid.size());
  if (!written) return store_error(errno, "cannot write " + path);
  return lock;
}

StoreLock::~StoreLock() {
  ::close(file_);
}

engine::Result<std::unique_ptr<StoreEnv>> StoreEnv::open(const StoreOptions& options) {
  std::unique_ptr<StoreEnv> env{new StoreEnv};
  env->directory_ = options.directory;
  if (!options.read_only) {
    if (auto made = make_directory(options.directory); !made) return made.error();
    auto lock = StoreLock::take(options.directory);
    if (!lock) return lock.error();
    env->lock_ = std::move(*lock);
  }
  if (auto opened = env->open_file(options); !opened) return opened.error();
  if (auto opened = env->open_tables(options.read_only); !opened) return opened.error();
  if (!options.read_only) flush_directory(options.directory);
  return env;
}

StoreEnv::~StoreEnv() {
  if (env_ != nullptr) mdb_env_close(env_);
}

engine::Result<void> StoreEnv::open_file(const StoreOptions& options) {
  const std::string doing = "cannot open the store in " + directory_;
  if (int code = mdb_env_create(&env_); code != 0) return store_error(code, doing);
  mdb_env_set_maxdbs(env_, kTables);
  mdb_env_set_maxreaders(env_, kReadersMax);
  if (!options.read_only) {
    if (options.bytes_max < kBytesMaxLeast) {
      return engine::refused(doing + ": store.bytes_max must be at least 1 MiB");
    }
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    const std::size_t bytes = options.bytes_max / page * page;
    if (int code = mdb_env_set_mapsize(env_, bytes); code != 0) return store_error(code, doing);
  }
  const unsigned flags = MDB_NOTLS | (options.read_only ? MDB_RDONLY : 0u);
  if (int code = mdb_env_open(env_, directory_.c_str(), flags, 0600); code != 0) {
    return store_error(code, doing);
  }
  int dead_readers = 0;
  mdb_reader_check(env_, &dead_readers);  // a reader that was killed would keep old pages for ever
  return {};
}

engine::Result<void> StoreEnv::open_tables(bool read_only) {
  const std::string doing = "cannot open the store in " + directory_;
  MDB_txn* transaction = nullptr;
  int code = mdb_txn_begin(env_, nullptr, read_only ? MDB_RDONLY : 0u, &transaction);
  if (code != 0) return store_error(code, doing);
  auto& meta = databases_[0];
  code = mdb_dbi_open(transaction, std::string{table_name(Table::meta)}.c_str(), 0, &meta);
  engine::Result<void> done;
  if (code == 0) {
    done = read_identity(transaction);
    if (done) done = make_tables(transaction, read_only);
  } else if (code == MDB_NOTFOUND && !read_only) {
    done = make_tables(transaction, read_only);
    identity_.store_id = random_id(4);
  } else {
    done = code == MDB_NOTFOUND ? engine::refused(doing + ": it holds no settle store")
                                : store_error(code, doing);
  }
  if (done && !read_only) done = begin_epoch(transaction);
  if (!done) {
    mdb_txn_abort(transaction);
    return done;
  }
  // Also when reading: the table handles live on only if the transaction that opened them is committed.
  if (code = mdb_txn_commit(transaction); code != 0) return store_error(code, doing);
  return {};
}

engine::Result<void> StoreEnv::read_identity(MDB_txn* transaction) {
  const auto number = [&](std::string_view key) {
    const auto bytes = read_value(transaction, databases_[0], key);
    return bytes && bytes->size() == 8 ? read_u64(*bytes) : 0;
  };
  const std::uint64_t format = number(kMetaFormat);
  if (format > kStoreFormat) {
    return engine::refused("the store in " + directory_ + " has format " + std::to_string(format) +
                           ", this program knows " + std::to_string(kStoreFormat) +
                           ": use the newer settle that wrote it, or restore an older backup");
  }
  const auto store_id = read_value(transaction, databases_[0], kMetaStoreId);
  if (format == 0 || !store_id) {
    return engine::corrupt("the store in " + directory_ + " names no format and no id: restore a backup");
  }
  identity_.store_id = *store_id;
  identity_.writer_id = read_value(transaction, databases_[0], kMetaWriterId).value_or("");
  identity_.epoch = number(kMetaEpoch);
  identity_.last_sequence = number(kMetaSequence);
  return {};
}

engine::Result<void> StoreEnv::make_tables(MDB_txn* transaction, bool read_only) {
  const unsigned flags = read_only ? 0u : MDB_CREATE;
  for (std::size_t i = 0; i < kTables; ++i) {
    const std::string name{kTableNames[i]};
    if (int code = mdb_dbi_open(transaction, name.c_str(), flags, &databases_[i]); code != 0) {
      return store_error(code, "cannot open the table " + name + " of the store in " + directory_);
    }
  }
  return {};
}

engine::Result<void> StoreEnv::begin_epoch(MDB_txn* transaction) {
  ++identity_.epoch;
  identity_.writer_id = random_id(2);
  const std::array<std::pair<std::string_view, std::string>, 5> values{{
      {kMetaFormat, key_u64(kStoreFormat)},
      {kMetaStoreId, identity_.store_id},
      {kMetaWriterId, identity_.writer_id},
      {kMetaEpoch, key_u64(identity_.epoch)},
      {kMetaSequence, key_u64(identity_.last_sequence)},
  }};
  for (const auto& [key, value] : values) {
    if (int code = write_value(transaction, databases_[0], key, value); code != 0) {
      return store_error(code, "cannot write to the store in " + directory_);
    }
  }
  return {};
}

unsigned StoreEnv::database(Table table) const {
  return databases_.at(static_cast<std::size_t>(table) - 1);
}

std::uint64_t StoreEnv::bytes_max() const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  return info.me_mapsize;
}

std::uint64_t StoreEnv::bytes_used(MDB_txn* transaction) const {
  MDB_envinfo info{};
  mdb_env_info(env_, &info);
  MDB_stat stat{};
  mdb_stat(transaction, 0, &stat);
  // Database 0 lists the free pages: each value begins with how many it names.
  std::uint64_t free_pages = 0;
  MDB_cursor* cursor = nullptr;
  if (mdb_cursor_open(transaction, 0, &cursor) == 0) {
    MDB_val key{};
    MDB_val value{};
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == 0) {
      std::size_t pages = 0;
      std::memcpy(&pages, value.mv_data, sizeof pages);
      free_pages += pages;
    }
    mdb_cursor_close(cursor);
  }
  const std::uint64_t pages = info.me_last_pgno + 1;
  return (pages - std::min(pages, free_pages)) * stat.ms_psize;
}

std::optional<std::string_view> read_value(MDB_txn* transaction, unsigned database, std::string_view key) {
  MDB_val k = as_val(key);
  MDB_val v{};
  if (mdb_get(transaction, database, &k, &v) != 0) return std::nullopt;
  return std::string_view{static_cast<const char*>(v.mv_data), v.mv_size};
}

}  // namespace settle::runner
