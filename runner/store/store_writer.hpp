// runner/store/store_writer.hpp: the one thread that writes to the store: takes all batches that wait,
// commits them together. Without the thread, whoever calls write() says when a commit happens, and whether
// the power fails before it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "engine/result.hpp"
#include "runner/store/store.hpp"
#include "runner/store/store_env.hpp"

namespace settle::runner {

/// Told, on the writer thread, how a batch ended.
class CommitWaiter {
 public:
  virtual ~CommitWaiter() = default;
  virtual void finish(engine::Result<Committed> outcome) = 0;
};

class StoreWriter {
 public:
  StoreWriter(const StoreEnv& env, bool own_thread);
  ~StoreWriter();  // commits what is queued; without a thread drops it
  StoreWriter(const StoreWriter&) = delete;
  StoreWriter& operator=(const StoreWriter&) = delete;

  void submit(WriteBatch batch, std::unique_ptr<CommitWaiter> waiter);
  /// As of the last commit.
  [[nodiscard]] std::uint64_t bytes_used() const { return bytes_used_.load(); }

  [[nodiscard]] bool has_thread() const { return thread_.joinable(); }
  // Only without a thread, on the caller's:
  [[nodiscard]] std::size_t queued() const { return queue_.size(); }
  /// Commits the first `most` batches that wait as one transaction, and tells how they ended.
  void write(std::size_t most);
  /// Tells the first `most` of them that they failed; none is applied.
  void fail(std::size_t most, const engine::Error& error);
  /// Forgets all of them without a word.
  void drop() { queue_.clear(); }

 private:
  struct Pending {
    WriteBatch batch;
    std::unique_ptr<CommitWaiter> waiter;
    engine::Result<Committed> outcome;
  };
  void run();
  [[nodiscard]] std::vector<Pending> take(std::size_t most);
  void commit_group(std::span<Pending> group);
  [[nodiscard]] int try_group(std::span<Pending> group);
  void measure();

  const StoreEnv& env_;
  std::uint64_t last_sequence_;
  std::atomic<std::uint64_t> bytes_used_{0};
  std::mutex mutex_;
  std::condition_variable ready_;
  std::vector<Pending> queue_;  // guarded by mutex_
  bool stopping_ = false;       // guarded by mutex_
  std::thread thread_;          // last: it uses all of the above
};

}  // namespace settle::runner
