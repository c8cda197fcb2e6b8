#include "runner/store/store_writer.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>

#include <lmdb.h>

#include "runner/store/keys.hpp"

namespace settle::runner {
namespace {

// Kept free of new data, so that deletes, which copy the pages they change, always find room.
constexpr std::uint64_t kReserveBytesLeast = std::uint64_t{512} << 10;
// A batch that appends nothing and grows by less is taken into the reserve: a cursor, an acknowledgement.
constexpr std::uint64_t kSmallGrowthBytes = 4096;

MDB_val as_val(std::string_view bytes) {
  return {.mv_size = bytes.size(), .mv_data = const_cast<char*>(bytes.data())};  // LMDB only reads it
}

std::string_view as_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

}  // namespace

/// One batch in one transaction: first all that could refuse it, then its operations.
struct BatchWriter {
  using Kind = WriteBatch::Kind;
  using Operation = WriteBatch::Operation;

  const StoreEnv& env;
  MDB_txn* transaction;
  const WriteBatch& batch;

  [[nodiscard]] std::optional<engine::Error> check() const {
    for (const Operation& operation : batch.operations_) {
      if (auto error = check_key(operation)) return error;
      if (operation.kind == Kind::require && !holds(operation)) {
        return engine::refused("the store changed meanwhile: a key of table " +
                               std::string{table_name(operation.table)} +
                               " no longer holds what this commit was made for; nothing was written");
      }
    }
    return check_appends();
  }

  /// What grows the store, at most; a small change of what is there counts as nothing.
  [[nodiscard]] std::uint64_t growth() const {
    std::uint64_t added = 0;
    for (const Operation& operation : batch.operations_) {
      const std::uint64_t size = operation.key.size() + operation.value.size();
      if (operation.kind == Kind::append) return batch.bytes();
      if (operation.kind != Kind::put) continue;
      const auto held = read_value(transaction, env.database(operation.table), operation.key);
      const std::uint64_t freed = held ? operation.key.size() + held->size() : 0;
      added += size - std::min(size, freed);
    }
    return added <= kSmallGrowthBytes ? 0 : added;
  }

  /// 0 or the code of LMDB, which then makes the whole transaction void.
  [[nodiscard]] int apply(std::uint64_t sequence) const {
    for (const Operation& operation : batch.operations_) {
      if (int code = apply_plain(operation); code != 0) return code;
    }
    const std::string prefix = key_u64(sequence);
    for (const Operation* operation : sorted_appends()) {
      const std::string key = prefix + operation->key;
      MDB_val k = as_val(key);
      MDB_val v = as_val(operation->value);
      // In key order and beyond the end: pages are filled instead of split in half.
      if (int code = mdb_put(transaction, env.database(operation->table), &k, &v, MDB_APPEND); code != 0) {
        return code;
      }
    }
    return 0;
  }

 private:
  [[nodiscard]] static std::optional<engine::Error> check_key(const Operation& operation) {
    const std::size_t prefix = operation.kind == Kind::append ? 8 : 0;
    const bool is_range = operation.kind == Kind::erase_range;
    const std::size_t size = operation.key.size() + prefix;
    if (size <= kStoreKeyBytesMax && (size > 0 || is_range)) return std::nullopt;
    return engine::refused("a key of table " + std::string{table_name(operation.table)} + " has " +
                           std::to_string(size) + " bytes, the store takes 1 to " +
                           std::to_string(kStoreKeyBytesMax) + ": choose shorter names");
  }

  [[nodiscard]] bool holds(const Operation& operation) const {
    const auto held = read_value(transaction, env.database(operation.table), operation.key);
    return operation.has_value ? held && *held == operation.value : !held;
  }

  [[nodiscard]] std::vector<const Operation*> sorted_appends() const {
    std::vector<const Operation*> appends;
    for (const Operation& operation : batch.operations_) {
      if (operation.kind == Kind::append) appends.push_back(&operation);
    }
    std::sort(appends.begin(), appends.end(), [](const Operation* a, const Operation* b) {
      return std::tie(a->table, a->key) < std::tie(b->table, b->key);
    });
    return appends;
  }

  [[nodiscard]] std::optional<engine::Error> check_appends() const {
    const auto appends = sorted_appends();
    const auto twin = std::adjacent_find(appends.begin(), appends.end(), [](const auto* a, const auto* b) {
      return a->table == b->table && a->key == b->key;
    });
    if (twin == appends.end()) return std::nullopt;
    return engine::refused("one commit appends twice under one key to table " +
                           std::string{table_name((*twin)->table)});
  }

  [[nodiscard]] int apply_plain(const Operation& operation) const {
    const unsigned database = env.database(operation.table);
    MDB_val key = as_val(operation.key);
    MDB_val value = as_val(operation.value);
    switch (operation.kind) {
      case Kind::put:
        return mdb_put(transaction, database, &key, &value, 0);
      case Kind::erase: {
        const int code = mdb_del(transaction, database, &key, nullptr);
        return code == MDB_NOTFOUND ? 0 : code;
      }
      case Kind::erase_range:
        return erase_range(database, operation.key, operation.value);
      case Kind::append:
      case Kind::require:
        return 0;
    }
    return 0;
  }

  [[nodiscard]] int erase_range(unsigned database, std::string_view from, std::string_view to) const {
    MDB_cursor* cursor = nullptr;
    if (int code = mdb_cursor_open(transaction, database, &cursor); code != 0) return code;
    MDB_val key = as_val(from);
    MDB_val value{};
    int code = mdb_cursor_get(cursor, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
    while (code == 0 && (to.empty() || as_view(key) < to)) {
      code = mdb_cursor_del(cursor, 0);
      if (code == 0) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
  }
};

StoreWriter::StoreWriter(const StoreEnv& env, bool own_thread)
    : env_(env), last_sequence_(env.identity().last_sequence) {
  measure();
  if (own_thread) thread_ = std::thread{[this] { run(); }};
}

StoreWriter::~StoreWriter() {
  if (!has_thread()) return;
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void StoreWriter::submit(WriteBatch batch, std::unique_ptr<CommitWaiter> waiter) {
  {
    const std::lock_guard lock{mutex_};
    queue_.push_back({.batch = std::move(batch), .waiter = std::move(waiter), .outcome = {}});
  }
  ready_.notify_one();
}

std::vector<StoreWriter::Pending> StoreWriter::take(std::size_t most) {
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(most, queue_.size()));
  std::vector<Pending> group{std::make_move_iterator(queue_.begin()), std::make_move_iterator(end)};
  queue_.erase(queue_.begin(), end);
  return group;
}

void StoreWriter::write(std::size_t most) {
  std::vector<Pending> group = take(most);
  commit_group(group);
  for (Pending& pending : group) pending.waiter->finish(std::move(pending.outcome));
}

void StoreWriter::fail(std::size_t most, const engine::Error& error) {
  for (Pending& pending : take(most)) pending.waiter->finish(error);
}

void StoreWriter::run() {
  std::unique_lock lock{mutex_};
  while (true) {
    ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::vector<Pending> group = std::exchange(queue_, {});
    lock.unlock();
    commit_group(group);
    for (Pending& pending : group) pending.waiter->finish(std::move(pending.outcome));
    group.clear();
    lock.lock();
  }
}

void StoreWriter::commit_group(std::span<Pending> group) {
  const int code = try_group(group);
  if (code == 0) return;
  if (group.size() == 1) {
    group[0].outcome = store_error(code, "cannot commit to the store in " + env_.directory());
    return;
  }
  // One batch that does not fit must not cost the others their commit: halves, down to each batch alone.
  commit_group(group.first(group.size() / 2));
  commit_group(group.subspan(group.size() / 2));
}

int StoreWriter::try_group(std::span<Pending> group) {
  MDB_txn* transaction = nullptr;
  if (int code = mdb_txn_begin(env_.env(), nullptr, 0, &transaction); code != 0) return code;
  const std::uint64_t bytes_max = env_.bytes_max();
  const std::uint64_t reserve = std::min(std::max(bytes_max / 20, kReserveBytesLeast), bytes_max / 2);
  std::uint64_t bytes = bytes_used_.load();
  std::uint64_t sequence = last_sequence_;
  for (Pending& pending : group) {
    const BatchWriter writer{.env = env_, .transaction = transaction, .batch = pending.batch};
    if (auto error = writer.check()) {
      pending.outcome = std::move(*error);
      continue;
    }
    const bool into_reserve = bytes + pending.batch.bytes() > bytes_max - reserve;
    if (into_reserve && writer.growth() > 0) {
      pending.outcome = engine::retry_later("the store in " + env_.directory() +
                                            " is full: raise store.bytes_max or delete jobs");
      continue;
    }
    if (int code = writer.apply(sequence + 1); code != 0) {
      mdb_txn_abort(transaction);
      return code;
    }
    bytes += pending.batch.bytes();
    pending.outcome = Committed{.sequence = ++sequence};
  }
  if (sequence == last_sequence_) {
    mdb_txn_abort(transaction);
    return 0;
  }
  const std::string value = key_u64(sequence);
  MDB_val k = as_val(kMetaSequence);
  MDB_val v = as_val(value);
  if (int code = mdb_put(transaction, env_.database(Table::meta), &k, &v, 0); code != 0) {
    mdb_txn_abort(transaction);
    return code;
  }
  if (int code = mdb_txn_commit(transaction); code != 0) return code;
  last_sequence_ = sequence;
  measure();
  return 0;
}

// LMDB shows the list of free pages to readers only.
void StoreWriter::measure() {
  MDB_txn* transaction = nullptr;
  if (mdb_txn_begin(env_.env(), nullptr, MDB_RDONLY, &transaction) != 0) return;
  bytes_used_ = env_.bytes_used(transaction);
  mdb_txn_abort(transaction);
}

}  // namespace settle::runner
