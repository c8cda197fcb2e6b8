#include "runner/runner.hpp"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <spdlog/spdlog.h>

#include "engine/plan/schedule.hpp"
#include "runner/pool.hpp"
#include "runner/runner_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;

namespace {

// Polling and receiving stop here; deletes and acknowledgements go on.
constexpr double kStoreFillMax = 0.8;

BackfillOptions backfill_options(const RunnerOptions& options) {
  BackfillOptions of_lane = options.backfill;
  of_lane.keep_ledger = options.keep_ledger;
  return of_lane;
}

}  // namespace

Runner::Impl::Impl(asio::any_io_executor on_loop, asio::thread_pool& on_pool, Store& in_store,
                   Clocks& by_clocks, RunnerOptions with)
    : loop(on_loop),
      pool(on_pool),
      store(in_store),
      clocks(by_clocks),
      options(std::move(with)),
      registry(in_store, by_clocks, options.job_grace),
      feeds({.store = in_store,
             .clocks = by_clocks,
             .pool = on_pool,
             .registry = registry,
             .source = [this](const std::string& name) -> std::shared_ptr<fetchers::Fetcher> {
               const auto found = sources.find(name);
               return found == sources.end() ? nullptr : found->second.fetcher;
             }}),
      scheduler(on_loop, by_clocks, registry, options.fetches_max,
                [this](const Stream& stream) { return why_paused(stream); }),
      backfills(backfill_parts(), backfill_options(options)),
      read_back({.store = in_store,
                 .clocks = by_clocks,
                 .pool = on_pool,
                 .metrics = metrics,
                 .tenant = options.tenant,
                 .has_job = [this](const std::string& id) {
                   return registry.find(options.tenant, id) != nullptr;
                 }}) {}

std::string Runner::Impl::why_paused(const Stream& stream) const {
  if (store.fill() >= kStoreFillMax) {
    return "the store is over 80 % of store.max_bytes: raise it, or shorten retention.ledger";
  }
  if (!sources.contains(stream.source)) {
    return "source " + stream.source + " is not configured: configure it again, or delete the job";
  }
  for (const std::string& id : stream.job_ids) {
    const Job* job = registry.find(stream.tenant, id);
    if (job == nullptr) {
      continue;
    }
    for (const std::string& name : job->spec.sinks) {
      const auto found = sinks.find(name);
      if (found == sinks.end()) {
        return "sink " + name + " is not configured: configure it again, or delete the job";
      }
      if (found->second.pump->full()) {
        return "the queue of sink " + name + " is full: see /api/v1/outbox";
      }
      const SinkFacts facts = sink(name);
      const bool takes = facts.overwrites || (facts.keeps_larger && job->spec.engine.rising_only);
      if (job->spec.engine.corrections == engine::Corrections::repush && facts.exists &&
          facts.overwrite_known && !takes) {
        return facts.why_not + ", which `corrections: repush` needs: restore it, or post the job with `hold`";
      }
    }
  }
  return {};
}

std::string Runner::Impl::why_backfill_waits(const std::vector<std::string>& to_sinks) const {
  if (store.fill() >= kStoreFillMax) {
    return "the store is over 80 % of store.max_bytes: raise it, or shorten retention.ledger";
  }
  for (const std::string& name : to_sinks) {
    const auto found = sinks.find(name);
    if (found == sinks.end()) {
      return "sink " + name + " is not configured: configure it again, or cancel the backfill";
    }
    const Pump& pump = *found->second.pump;
    const PumpStatus status = pump.status(Lane::backfill);
    if (!status.health || !status.health->reachable) {
      return "sink " + name + " is not reachable" +
             (status.last_error.empty() ? "" : ": " + status.last_error);
    }
    if (status.state == PumpState::backing_off || status.state == PumpState::misconfigured) {
      return "sink " + name + " takes no rows now: " + status.last_error;
    }
    if (pump.full(Lane::backfill)) {
      return "the backfill lane of sink " + name + " is full: see /api/v1/outbox";
    }
  }
  return {};
}

void Runner::Impl::committed(const std::string& sink, std::uint64_t rows, Lane lane) {
  const auto found = sinks.find(sink);
  if (found != sinks.end()) {
    found->second.pump->wake(rows, lane);
  }
}

std::shared_ptr<fetchers::Fetcher> Runner::Impl::fetcher_of(const Stream& stream) {
  const auto found = sources.find(stream.source);
  if (found == sources.end()) {
    return nullptr;
  }
  if (stream.view) {
    return feeds.of(stream);
  }
  return found->second.fetcher;
}

void Runner::Impl::start_stream(const Stream& stream, engine::Engine engine, StreamLog log, bool at_once) {
  std::shared_ptr<fetchers::Fetcher> fetcher = fetcher_of(stream);
  if (!fetcher) {
    spdlog::error("event=source_missing stream={} source={:?}", stream.id, stream.source);
  }
  StreamRunner::Parts parts{
      .store = store,
      .registry = registry,
      .clocks = clocks,
      .metrics = metrics,
      .finality = finality_metrics,
      .pool = pool,
      .committed = [this](const std::string& name, std::uint64_t rows) { committed(name, rows); },
      .gaps_added = [this](const std::string& tenant,
                           const std::string& id) { backfills.gaps_added(tenant, id); },
      .takes_stale_markers =
          [this](const std::string& name) {
            const auto to = sinks.find(name);
            return to != sinks.end() && to->second.sink->capabilities().takes_stale_markers;
          }};
  auto made = std::make_unique<StreamRunner>(std::move(parts), std::move(fetcher), stream.tenant, stream.id,
                                             std::move(engine), std::move(log));
  scheduler.add(stream, std::move(made), at_once);
}

void Runner::Impl::stream_changed(const Stream& stream) {
  if (scheduler.knows({stream.tenant, stream.id})) {
    scheduler.changed(stream);
    return;
  }
  const engine::Time live_from =
      engine::first_live_bucket(clocks.source_now(), stream.engine.granularity, stream.engine.watch);
  spdlog::info("event=stream_started stream={} source={:?} selector={:?} live_from={}", stream.id,
               stream.source, stream.selector.text(), engine::format_time(live_from));
  start_stream(stream, engine::Engine{stream.engine, live_from}, StreamLog{stream.tenant, stream.id}, true);
}

const StreamStatus* Runner::Impl::stream_status(const Job& job) const {
  const StreamRunner* runner = scheduler.find({job.tenant, job.stream_id});
  return runner == nullptr ? nullptr : &runner->status();
}

Runner::Runner(asio::any_io_executor loop, asio::thread_pool& pool, Store& store, Clocks& clocks,
               RunnerOptions options, std::vector<SourceEntry> sources, std::vector<SinkEntry> sinks)
    : impl_(std::make_unique<Impl>(std::move(loop), pool, store, clocks, std::move(options))) {
  for (SourceEntry& entry : sources) {
    impl_->sources[entry.name] = {.server = entry.server, .fetcher = std::move(entry.fetcher)};
  }
  for (SinkEntry& entry : sinks) {
    entry.pump.sink_name = entry.name;
    entry.pump.answered = [self = impl_.get()] { self->sink_answered(); };
    SinkPart part{.server = entry.server,
                  .is_default = entry.is_default,
                  .sink = std::move(entry.sink),
                  .pump = {},
                  .external_labels = {}};
    part.external_labels = entry.pump.external_labels;
    part.pump = std::make_unique<Pump>(store, *part.sink, clocks, impl_->metrics, entry.pump);
    impl_->sinks[entry.name] = std::move(part);
  }
}

Runner::~Runner() = default;

engine::Result<void> Runner::load() {
  Impl& self = *impl_;
  if (engine::Result<void> loaded = self.registry.load(); !loaded) {
    return loaded;
  }
  engine::Result<std::map<StreamKey, LoadedStream>> logs = load_stream_logs(self.store);
  if (!logs) {
    return logs.error();
  }
  if (engine::Result<void> loaded = self.feeds.load(*logs); !loaded) {
    return loaded;
  }
  for (const Stream* stream : self.registry.streams()) {
    const auto found = logs->find({stream->tenant, stream->id});
    if (found == logs->end()) {
      self.stream_changed(*stream);
      continue;
    }
    const std::vector<std::string_view> records{found->second.records.begin(), found->second.records.end()};
    engine::Result<engine::Engine> engine =
        engine::Engine::load(stream->engine, found->second.series, records);
    if (!engine) {
      return engine::corrupt("stream " + stream->id + " does not load: " + engine.error().detail);
    }
    self.start_stream(*stream, *std::move(engine), std::move(found->second.log), false);
    logs->erase(found);
  }
  for (auto& [name, part] : self.sinks) {
    if (engine::Result<void> loaded = part.pump->load(); !loaded) {
      return loaded;
    }
  }
  if (engine::Result<void> loaded = self.backfills.load(); !loaded) {
    return loaded;
  }
  self.registry.on_change({.stream_changed = [&self](const Stream& stream) { self.stream_changed(stream); },
                           .stream_rests =
                               [&self](const std::string& tenant, const std::string& id) {
                                 if (const Stream* stream = self.registry.find_stream(tenant, id)) {
                                   self.scheduler.changed(*stream);
                                 }
                               }});
  return {};
}

asio::awaitable<void> Runner::run() {
  Impl& self = *impl_;
  for (auto& [name, part] : self.sinks) {
    self.running += 1;
    asio::co_spawn(self.loop, counted(part.pump->run(), self.running), asio::detached);
  }
  self.running += 1;
  asio::co_spawn(self.loop, counted(self.maintain(), self.running), asio::detached);
  self.running += 1;
  asio::co_spawn(self.loop, counted(self.backfills.run(), self.running), asio::detached);
  co_await self.scheduler.run();
  while (self.running > 0) {
    co_await wait_a_moment();
  }
}

void Runner::stop() {
  impl_->stopped = true;
  impl_->scheduler.stop();
  impl_->backfills.stop();
  for (auto& [name, part] : impl_->sinks) {
    part.pump->stop();
  }
  impl_->clocks.stop();
}

bool Runner::at_rest() const {
  if (impl_->scheduler.ticking() > 0 || !impl_->backfills.at_rest() || impl_->taking_up > 0) {
    return false;
  }
  for (const PumpStatus& status : impl_->outbox()) {
    const bool waits = status.state == PumpState::backing_off || status.state == PumpState::misconfigured ||
                       status.state == PumpState::gathering || status.state == PumpState::stopped;
    if (!waits && (status.state != PumpState::idle || status.rows_waiting > 0)) {
      return false;
    }
  }
  return true;
}

Service& Runner::service() {
  return *impl_;
}

}  // namespace settle::runner
