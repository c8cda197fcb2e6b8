// runner/streams/stream_runner_impl.hpp: the parts of a stream runner, shared by its source files only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "engine/plan/ranges.hpp"
#include "engine/plan/schedule.hpp"
#include "runner/store/ledger.hpp"
#include "runner/streams/inheritance.hpp"
#include "runner/streams/stale_markers.hpp"
#include "runner/streams/stream_runner.hpp"
#include "runner/turns.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Sample;
using engine::Time;

struct Instant {
  Time source;
  Time wall;
};

/// Everything a tick gave out that is not yet durable.
struct Pending {
  WriteBatch base;              // the engine's changes, gaps, source time
  std::vector<Sample> samples;  // of this tick
  /// Jobs whose outputs were new on this stream when it began, and for them all that the live cells ever
  /// emitted. A job that came later waits for the next tick.
  std::set<std::string> comers;
  EmittedCells emitted;
  Time served_from{};  // the first bucket of which `emitted` is everything
  Time owned_from{};   // the first live bucket before this tick
  std::uint64_t gaps = 0;
  StreamStatus status;
  EndedSeries ended;
};

/// What a poll brought.
struct Polled {
  Instant at;
  engine::LivePlan live;
  fetchers::FetchResult fetched;
  std::optional<Time> again;  // a sealed bucket that was read again
  engine::Answer again_answer = {};
};

struct Built {
  WriteBatch batch;
  std::map<std::string, std::uint64_t> rows_by_sink;
  std::map<std::string, std::uint64_t> samples_by_job;
  std::map<std::string, Served> outputs;  // served from now on
  std::vector<std::pair<Inheritance::Point, engine::Value>> inherited;
  std::uint64_t gaps = 0;
};

/// What a flush would leave, made beside the engine that is in force: a commit may fail.
struct Flushed {
  std::optional<engine::Engine> engine;  // none: it stays as it is
  std::optional<StreamLog> log;
  Built built;
  std::map<engine::SeriesNumber, Sample>
      newest;               // of each series, what the job was sent for the latest bucket
  std::size_t flushed = 0;  // samples
  bool unserved = false;    // the job's output is served no more
};

/// What carried amounts would leave, made beside the engine that is in force, as with a flush.
struct Carried {
  std::optional<engine::Engine> engine;
  std::optional<StreamLog> log;
  WriteBatch batch;
};

struct StreamRunner::Impl {
  Parts parts;
  std::shared_ptr<fetchers::Fetcher> fetcher;
  std::string tenant;
  std::string stream_id;
  engine::Engine engine;
  StreamLog log;
  StreamStatus status;
  std::map<std::string, Served> served;  // by output identity
  Inheritance inherited = {};
  bool inheritance_unread = false;
  std::optional<Pending> pending;
  Time again_from{};  // no sealed bucket is read again before
  int again_failures = 0;
  std::optional<Time> ends_known_until = {};  // as of EndedSeries; none too while no sink takes markers
  Turns turns = {};                           // whoever has one has the engine, the log and what is pending

  const Stream* stream() const {
    const Stream* found = parts.registry.find_stream(tenant, stream_id);
    return found != nullptr && !found->job_ids.empty() ? found : nullptr;
  }
  std::vector<const Job*> jobs(const Stream& of) const;
  bool is_new(const Job& job) const;
  std::set<std::string> comers(const Stream& of) const;
  engine::LivePlan plan(const Stream& of, Time now) const;
  void note_error(std::string what);
  void note_fetched(const fetchers::FetchResult& fetched);
  Built build(const Stream& of) const;
  void publish(const Built& built, const Committed& committed);
  LedgerBlock block_of(const Job& job) const;  // without samples
  void append(Built& built, const Job& job, EmittedCells samples) const;
  engine::Ranges missed_since(const Served& before) const;
  void begin_to_serve(Built& built, const Job& job) const;
  void note_who_left(Built& built, const Stream& of) const;
  asio::awaitable<void> commit();
  asio::awaitable<void> poll();
  asio::awaitable<void> fetch_again(Polled* polled, std::shared_ptr<fetchers::Fetcher> source,
                                    engine::Selector selector);

  // stream_digest.cpp
  asio::awaitable<void> inherit(const Stream& of, Time wall);
  void forget_inheritance(Pending& out);
  void look_for_ends(Time now, Pending& out);
  Pending digest(const Polled& polled, std::set<std::string> comers, bool with_ends);

  // stream_gaps.cpp
  void give_up(Time before, Time now, Pending& pending);
  void note_gap(engine::Gap gap, Time now, Pending& pending);
  std::vector<std::string> left_out(const fetchers::FetchResult& fetched) const;
  std::vector<std::string> never_answered(const fetchers::FetchResult& fetched) const;
  void give_up_left_out(const std::vector<std::string>& scopes, Time from, Time now, Pending& pending);
  Carried make_carried(const engine::Amounts& amounts, const WriteBatch& with, Time wall) const;
  asio::awaitable<std::string> carry(engine::Amounts amounts, WriteBatch with);

  // stream_flush.cpp
  asio::awaitable<Outcome<bool>> part(Registry* registry, std::string job_id, Parting with);
  Flushed flush_copy(const Job& job, bool alone, const Instant& at) const;
  Flushed make_parting(const Job& job, const Parting& with, bool alone, const Instant& at) const;
  void mark_ends(Flushed& out, const Job& job, const Parting& with, const Instant& at) const;
  void take(Flushed flushed, const Job& gone, const Committed& committed);
};

}  // namespace settle::runner
