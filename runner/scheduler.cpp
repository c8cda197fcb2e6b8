#include "runner/scheduler.hpp"

#include <algorithm>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <spdlog/spdlog.h>

#include "engine/plan/schedule.hpp"
#include "runner/pool.hpp"
#include "runner/views/feeds.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;

namespace {

// A stream that is posted while we sleep waits at most this long for its first tick (source time).
constexpr std::chrono::milliseconds kLookAround{1'000};

}  // namespace

Scheduler::Scheduler(asio::any_io_executor loop, Clocks& clocks, const Registry& registry,
                     std::size_t ticks_max, std::function<std::string(const Stream&)> why_paused)
    : loop_(std::move(loop)),
      clocks_(clocks),
      registry_(registry),
      ticks_max_(ticks_max),
      why_paused_(std::move(why_paused)) {}

void Scheduler::add(const Stream& stream, std::unique_ptr<StreamRunner> runner, bool at_once) {
  const StreamKey key{stream.tenant, stream.id};
  Entry& entry = entries_[key];
  entry.runner = std::move(runner);
  changed(stream);
  if (at_once && entry.next) {
    plan(key, entry, clocks_.source_now());
  }
}

void Scheduler::changed(const Stream& stream) {
  const StreamKey key{stream.tenant, stream.id};
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    return;
  }
  Entry& entry = found->second;
  if (stream.job_ids.empty()) {
    if (entry.next) {
      due_.erase({*entry.next, key});
      entry.next.reset();
    }
    return;
  }
  const bool same = entry.next && entry.interval == stream.poll_interval;
  entry.interval = stream.poll_interval;
  // Views of one feed tick together: one pull serves them all.
  entry.phase = engine::spread_phase(stream.view ? feed_id(stream) : stream.id, stream.poll_interval);
  if (!same && !entry.ticking) {
    plan(key, entry, engine::next_tick(clocks_.source_now(), entry.interval, entry.phase));
  }
}

void Scheduler::drop(const StreamKey& key) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) {
    return;
  }
  if (found->second.next) {
    due_.erase({*found->second.next, key});
    found->second.next.reset();
  }
  if (found->second.ticking) {
    found->second.dropped = true;
  } else {
    entries_.erase(found);
  }
}

std::vector<StreamKey> Scheduler::keys() const {
  std::vector<StreamKey> all;
  for (const auto& [key, entry] : entries_) {
    all.push_back(key);
  }
  return all;
}

StreamRunner* Scheduler::find(const StreamKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.runner.get();
}

std::shared_ptr<StreamRunner> Scheduler::share(const StreamKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : found->second.runner;
}

std::optional<Time> Scheduler::next_tick(const StreamKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::nullopt : found->second.next;
}

std::string Scheduler::paused(const StreamKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::string{} : found->second.paused;
}

std::string Scheduler::failed(const StreamKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? std::string{} : found->second.failed;
}

void Scheduler::plan(const StreamKey& key, Entry& entry, Time at) {
  if (entry.next) {
    due_.erase({*entry.next, key});
  }
  entry.next = at;
  due_.insert({at, key});
}

/// A tick ended and made room. Posted, not called: a tick that has nothing to do ends within start_due().
void Scheduler::start_next() {
  if (starting_next_ || due_.empty()) {
    return;
  }
  starting_next_ = true;
  asio::post(loop_, [this] {
    starting_next_ = false;
    if (!stopped_) {
      start_due(clocks_.source_now());
    }
  });
}

asio::awaitable<void> Scheduler::tick(StreamKey key) {
  StreamRunner* runner = entries_.at(key).runner.get();
  std::string failure;
  try {
    co_await runner->tick();
  } catch (const std::exception& thrown) {
    failure = thrown.what();
  }
  ticking_ -= 1;
  start_next();
  Entry& entry = entries_.at(key);  // an entry at work is never erased
  entry.ticking = false;
  if (!failure.empty()) {
    spdlog::error("event=stream_failed stream={} error={:?}", key.second, failure);
    entry.failed = "stopped by an internal error, start the daemon again: " + failure;
    co_return;
  }
  if (entry.dropped) {
    entries_.erase(key);
    co_return;
  }
  const Stream* stream = registry_.find_stream(key.first, key.second);
  if (stream != nullptr && !stream->job_ids.empty()) {
    plan(key, entry, engine::next_tick(clocks_.source_now(), entry.interval, entry.phase));
  }
}

void Scheduler::start_due(Time now) {
  while (!due_.empty() && due_.begin()->first <= now && ticking_ < ticks_max_) {
    const StreamKey key = due_.begin()->second;
    due_.erase(due_.begin());
    Entry& entry = entries_.at(key);
    entry.next.reset();
    const Stream* stream = registry_.find_stream(key.first, key.second);
    if (stream == nullptr || stream->job_ids.empty()) {
      continue;
    }
    std::string paused = why_paused_(*stream);
    if (paused != entry.paused) {
      spdlog::warn("event=stream_{} stream={} reason={:?}", paused.empty() ? "resumed" : "paused", key.second,
                   paused.empty() ? entry.paused : paused);
      entry.paused = std::move(paused);
    }
    if (!entry.paused.empty()) {
      plan(key, entry, engine::next_tick(now, entry.interval, entry.phase));
      continue;
    }
    ticking_ += 1;
    entry.ticking = true;
    asio::co_spawn(loop_, tick(key), asio::detached);
  }
}

asio::awaitable<void> Scheduler::run() {
  while (!stopped_) {
    const Time now = clocks_.source_now();
    start_due(now);
    Time wake = now + kLookAround;
    if (!due_.empty() && due_.begin()->first > now) {
      wake = std::min(wake, due_.begin()->first);
    }
    co_await clocks_.sleep_until_source(wake);
  }
  while (ticking_ > 0) {
    co_await wait_a_moment();
  }
}

}  // namespace settle::runner
