#include "runner/store/store.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <filesystem>
#include <future>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fcntl.h>
#include <lmdb.h>
#include <unistd.h>

#include "runner/store/keys.hpp"
#include "runner/store/store_env.hpp"
#include "runner/store/store_writer.hpp"

namespace settle::runner {
namespace asio = boost::asio;
namespace {

/// Hands the outcome to a coroutine, on the executor it waits on.
template <class Handler>
class HandlerWaiter : public CommitWaiter {
 public:
  explicit HandlerWaiter(Handler handler)
      : work_(asio::get_associated_executor(handler)), handler_(std::move(handler)) {}

  void finish(engine::Result<Committed> outcome) override {
    const asio::any_io_executor executor = work_.get_executor();
    asio::post(executor, [handler = std::move(handler_), result = std::move(outcome)]() mutable {
      std::move(handler)(std::move(result));
    });
    work_.reset();
  }

 private:
  asio::executor_work_guard<asio::any_io_executor>
      work_;  // the loop does not end while a commit is under way
  Handler handler_;
};

class PromiseWaiter : public CommitWaiter {
 public:
  explicit PromiseWaiter(std::promise<engine::Result<Committed>> promise) : promise_(std::move(promise)) {}
  void finish(engine::Result<Committed> outcome) override { promise_.set_value(std::move(outcome)); }

 private:
  std::promise<engine::Result<Committed>> promise_;
};

/// Starts a commit once the coroutine waits for it. A class with a constructor: g++ 12 destroys closures with
/// captures twice when they are made in a statement with co_await.
class StartCommit {
 public:
  explicit StartCommit(StoreWriter* writer) : writer_(writer) {}
  template <class Handler>
  void operator()(Handler&& handler, WriteBatch batch) {
    using Waiter = HandlerWaiter<std::decay_t<Handler>>;
    writer_->submit(std::move(batch), std::make_unique<Waiter>(std::forward<Handler>(handler)));
  }

 private:
  StoreWriter* writer_;
};

}  // namespace

void WriteBatch::add(Operation operation) {
  bytes_ += operation.key.size() + operation.value.size();
  operations_.push_back(std::move(operation));
}

void WriteBatch::put(Table table, std::string key, std::string value) {
  add({.kind = Kind::put, .table = table, .key = std::move(key), .value = std::move(value)});
}

void WriteBatch::erase(Table table, std::string key) {
  add({.kind = Kind::erase, .table = table, .key = std::move(key), .value = {}});
}

void WriteBatch::erase_range(Table table, std::string from, std::string to) {
  add({.kind = Kind::erase_range, .table = table, .key = std::move(from), .value = std::move(to)});
}

void WriteBatch::append(Table table, std::string suffix, std::string value) {
  add({.kind = Kind::append, .table = table, .key = std::move(suffix), .value = std::move(value)});
}

void WriteBatch::require(Table table, std::string key, std::optional<std::string> value) {
  const bool has_value = value.has_value();
  add({.kind = Kind::require,
       .table = table,
       .key = std::move(key),
       .value = std::move(value).value_or(std::string{}),
       .has_value = has_value});
}

std::size_t WriteBatch::appended(Table table) const {
  const auto is_append = [table](const Operation& operation) {
    return operation.kind == Kind::append && operation.table == table;
  };
  return static_cast<std::size_t>(std::count_if(operations_.begin(), operations_.end(), is_append));
}

struct ReadTransaction::Impl {
  const StoreEnv& env;
  MDB_txn* transaction = nullptr;
  explicit Impl(const StoreEnv& environment) : env(environment) {
    if (int code = mdb_txn_begin(env.env(), nullptr, MDB_RDONLY, &transaction); code != 0) {
      throw std::runtime_error{store_error(code, "cannot read the store in " + env.directory()).detail};
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;
  ~Impl() { mdb_txn_abort(transaction); }
};

ReadTransaction::ReadTransaction(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReadTransaction::ReadTransaction(ReadTransaction&&) noexcept = default;
ReadTransaction::~ReadTransaction() = default;

std::optional<std::string_view> ReadTransaction::get(Table table, std::string_view key) const {
  return read_value(impl_->transaction, impl_->env.database(table), key);
}

void ReadTransaction::scan(Table table, std::string_view from, std::string_view to,
                           const std::function<bool(std::string_view, std::string_view)>& visit) const {
  MDB_cursor* opened = nullptr;
  if (int code = mdb_cursor_open(impl_->transaction, impl_->env.database(table), &opened); code != 0) {
    throw std::runtime_error{store_error(code, "cannot read the store in " + impl_->env.directory()).detail};
  }
  const std::unique_ptr<MDB_cursor, decltype(&mdb_cursor_close)> cursor{opened, &mdb_cursor_close};
  MDB_val key{.mv_size = from.size(), .mv_data = const_cast<char*>(from.data())};
  MDB_val value{};
  int code = mdb_cursor_get(opened, &key, &value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  while (code == 0) {
    const std::string_view name{static_cast<const char*>(key.mv_data), key.mv_size};
    if (!to.empty() && name >= to) return;
    if (!visit(name, {static_cast<const char*>(value.mv_data), value.mv_size})) return;
    code = mdb_cursor_get(opened, &key, &value, MDB_NEXT);
  }
}

struct Store::Impl {
  std::unique_ptr<StoreEnv> env;
  std::unique_ptr<StoreWriter> writer;  // none: read only; destroyed before the environment
};

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::~Store() = default;

engine::Result<std::unique_ptr<Store>> Store::open(StoreOptions options) {
  auto env = StoreEnv::open(options);
  if (!env) return env.error();
  auto impl = std::make_unique<Impl>();
  impl->env = std::move(*env);
  if (!options.read_only) impl->writer = std::make_unique<StoreWriter>(*impl->env, options.own_thread);
  return std::unique_ptr<Store>{new Store{std::move(impl)}};
}

asio::awaitable<engine::Result<Committed>> Store::commit(WriteBatch batch) {
  assert(impl_->writer);
  return asio::async_initiate<const asio::use_awaitable_t<>, void(engine::Result<Committed>)>(
      StartCommit{impl_->writer.get()}, asio::use_awaitable, std::move(batch));
}

engine::Result<Committed> Store::commit_now(WriteBatch batch) {
  assert(impl_->writer);
  std::promise<engine::Result<Committed>> promise;
  auto outcome = promise.get_future();
  impl_->writer->submit(std::move(batch), std::make_unique<PromiseWaiter>(std::move(promise)));
  if (!impl_->writer->has_thread()) impl_->writer->write(impl_->writer->queued());
  return outcome.get();
}

StoreWriter& Store::writer() {
  assert(impl_->writer && !impl_->writer->has_thread());
  return *impl_->writer;
}

ReadTransaction Store::read() const {
  return ReadTransaction{std::make_unique<ReadTransaction::Impl>(*impl_->env)};
}

StoreStat Store::stat() const {
  const ReadTransaction view = read();
  MDB_txn* transaction = view.impl_->transaction;
  StoreStat stat;
  stat.store_id = store_id();
  if (const auto epoch_now = view.get(Table::meta, kMetaEpoch)) stat.epoch = read_u64(*epoch_now);
  if (const auto sequence = view.get(Table::meta, kMetaSequence)) stat.last_sequence = read_u64(*sequence);
  stat.bytes_used = impl_->env->bytes_used(transaction);
  stat.bytes_max = impl_->env->bytes_max();
  for (std::size_t i = 1; i <= kTables; ++i) {
    const auto table = static_cast<Table>(i);
    MDB_stat pages{};
    mdb_stat(transaction, impl_->env->database(table), &pages);
    const std::uint64_t count = pages.ms_branch_pages + pages.ms_leaf_pages + pages.ms_overflow_pages;
    stat.tables.push_back({.table = table,
                           .name = std::string{table_name(table)},
                           .entries = pages.ms_entries,
                           .bytes = count * pages.ms_psize});
  }
  return stat;
}

double Store::fill() const {
  const std::uint64_t used = impl_->writer ? impl_->writer->bytes_used() : stat().bytes_used;
  return static_cast<double>(used) / static_cast<double>(impl_->env->bytes_max());
}

engine::Result<void> Store::backup(const std::string& directory) const {
  namespace fs = std::filesystem;
  const std::string doing = "cannot back up the store to " + directory;
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return store_error(error.value(), doing);
  const bool is_empty = fs::is_empty(directory, error);
  if (error) return store_error(error.value(), doing);
  if (!is_empty) return engine::refused(doing + ": it is not empty: name a new or an empty directory");
  fs::permissions(directory, fs::perms::owner_all, error);
  const std::string path = directory + "/data.mdb";
  int code = mdb_env_copy2(impl_->env->env(), directory.c_str(), MDB_CP_COMPACT);
  // LMDB writes the copy but does not flush it; a backup that a power cut can take is none.
  const int file = code == 0 ? ::open(path.c_str(), O_RDONLY | O_CLOEXEC) : -1;
  if (code == 0 && (file < 0 || ::fsync(file) != 0)) code = errno;
  if (file >= 0) ::close(file);
  if (code == 0) return {};
  fs::remove(path, error);
  return store_error(code, doing);
}

const std::string& Store::store_id() const {
  return impl_->env->identity().store_id;
}
const std::string& Store::writer_id() const {
  return impl_->env->identity().writer_id;
}
std::uint64_t Store::epoch() const {
  return impl_->env->identity().epoch;
}

}  // namespace settle::runner
