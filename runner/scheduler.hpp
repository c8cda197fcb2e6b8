// runner/scheduler.hpp: ticks every stream at its interval, spread over it, never one stream twice at once.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "engine/model/time.hpp"
#include "runner/clocks.hpp"
#include "runner/jobs/registry.hpp"
#include "runner/streams/stream_runner.hpp"

namespace settle::runner {

using StreamKey = std::pair<std::string, std::string>;  // tenant, stream id

class Scheduler {
 public:
  /// `why_paused` gives "" or the reason why a stream must not be polled now (a full queue, a full store).
  Scheduler(boost::asio::any_io_executor loop, Clocks& clocks, const Registry& registry,
            std::size_t ticks_max, std::function<std::string(const Stream&)> why_paused);

  /// `at_once`: the first tick is due now (a job was just posted); else at its place in the interval.
  void add(const Stream& stream, std::unique_ptr<StreamRunner> runner, bool at_once);
  /// The interval or the jobs changed; a stream that rests is kept and not ticked.
  void changed(const Stream& stream);
  void drop(const StreamKey& key);
  [[nodiscard]] bool knows(const StreamKey& key) const { return entries_.contains(key); }

  [[nodiscard]] std::vector<StreamKey> keys() const;
  [[nodiscard]] StreamRunner* find(const StreamKey& key) const;
  /// To be kept across a co_await: the stream may be dropped meanwhile.
  [[nodiscard]] std::shared_ptr<StreamRunner> share(const StreamKey& key) const;
  [[nodiscard]] std::optional<engine::Time> next_tick(
      const StreamKey& key) const;  // none: it rests or failed
  [[nodiscard]] std::string paused(const StreamKey& key) const;
  /// "" or what made the stream stop for good until the daemon is started again.
  [[nodiscard]] std::string failed(const StreamKey& key) const;
  [[nodiscard]] std::size_t ticking() const { return ticking_; }

  /// Until stop() and the end of the ticks in progress.
  boost::asio::awaitable<void> run();
  void stop() { stopped_ = true; }

 private:
  struct Entry {
    std::shared_ptr<StreamRunner> runner;
    engine::Duration interval{};
    engine::Duration phase{};
    std::optional<engine::Time> next;  // none: not scheduled
    std::string paused;
    std::string failed;
    bool ticking = false;
    bool dropped = false;  // while it ticked
  };
  void plan(const StreamKey& key, Entry& entry, engine::Time at);
  void start_due(engine::Time now);
  void start_next();
  boost::asio::awaitable<void> tick(StreamKey key);

  boost::asio::any_io_executor loop_;
  Clocks& clocks_;
  const Registry& registry_;
  std::size_t ticks_max_;
  std::function<std::string(const Stream&)> why_paused_;
  std::map<StreamKey, Entry> entries_;
  std::set<std::pair<engine::Time, StreamKey>> due_;
  std::size_t ticking_ = 0;
  bool starting_next_ = false;  // start_next() is on its way
  bool stopped_ = false;
};

}  // namespace settle::runner
