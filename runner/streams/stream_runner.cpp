#include "runner/streams/stream_runner.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "runner/pool.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/streams/stream_runner_impl.hpp"

namespace settle::runner {

namespace {

// How often a commit is built anew because the stream's jobs changed meanwhile, before the next tick tries
// again.
constexpr int kRebuildsMax = 5;

// What a configured `timeout` may ask for; the source's own is what usually counts.
constexpr std::chrono::milliseconds kFetchMax = std::chrono::hours{1};

}  // namespace

std::vector<const Job*> StreamRunner::Impl::jobs(const Stream& of) const {
  std::vector<const Job*> found;
  for (const std::string& id : of.job_ids) {
    if (const Job* job = parts.registry.find(tenant, id)) {
      found.push_back(job);
    }
  }
  return found;
}

bool StreamRunner::Impl::is_new(const Job& job) const {
  const auto found = served.find(output_identity(job.spec));
  return found == served.end() || found->second.job_id != job.id;
}

std::set<std::string> StreamRunner::Impl::comers(const Stream& of) const {
  std::set<std::string> ids;
  for (const Job* job : jobs(of)) {
    if (is_new(*job)) {
      ids.insert(job->id);
    }
  }
  return ids;
}

engine::LivePlan StreamRunner::Impl::plan(const Stream& of, Time now) const {
  engine::LiveState state{.live_from = engine.live_from(),
                          .now = now,
                          .granularity = engine.options().granularity,
                          .watch = engine.options().watch,
                          .valid_until = std::nullopt};
  std::optional<Time> latest = Time::min();
  for (const Job* job : jobs(of)) {
    latest = latest && job->spec.valid_until ? std::optional{std::max(*latest, *job->spec.valid_until)}
                                             : std::nullopt;
  }
  state.valid_until = latest;
  return engine::plan_live(state);
}

void StreamRunner::Impl::note_error(std::string what) {
  if (status.last_error != what) {
    spdlog::warn("event=tick_failed stream={} error={:?}", stream_id, what);
  }
  status.last_error = std::move(what);
  status.last_error_at = parts.clocks.source_now();
}

void StreamRunner::Impl::note_fetched(const fetchers::FetchResult& fetched) {
  std::string error;
  for (const fetchers::ScopeFailure& failure : fetched.failures) {
    const std::string reason{fetchers::failure_text(failure.failure)};
    if (!fetched.told_before) {
      parts.metrics.pull_errors.Add({{"reason", reason}}).Increment();
    }
    if (error.empty()) {
      error = "scope " + failure.scope + ": " + reason + ": " + failure.detail;
    }
  }
  if (!error.empty()) {
    note_error(std::move(error));
    return;
  }
  if (!status.last_error.empty()) {
    spdlog::info("event=tick_recovered stream={}", stream_id);
  }
  status.last_error.clear();
}

LedgerBlock StreamRunner::Impl::block_of(const Job& job) const {
  const JobSpec& spec = job.spec;
  const engine::EngineOptions& options = engine.options();
  return {.tenant = tenant,
          .job_id = job.id,
          .stream_id = stream_id,
          .policy = engine::format_finality(cells_options(spec).finality),
          .record = spec.record,
          .labels = spec.labels,
          .sinks = spec.sinks,
          .stamp_offset = spec.timestamp == Stamp::end ? options.granularity : engine::Duration::zero(),
          .corrections = options.corrections,
          .samples = {}};
}

/// What of the samples is the job's, for each of its sinks.
void StreamRunner::Impl::append(Built& built, const Job& job, EmittedCells of_stream) const {
  const JobSpec& spec = job.spec;
  const engine::Duration granularity = engine.options().granularity;
  LedgerBlock block = block_of(job);
  std::vector<Sample>& samples = of_stream.samples;
  if (spec.valid_until) {
    std::erase_if(samples,
                  [&](const Sample& sample) { return sample.bucket + granularity > *spec.valid_until; });
  }
  built.samples_by_job[job.id] += samples.size();
  Inheritance::Shares shares = inherited.shares(job, std::move(samples), engine, of_stream.changing);
  built.inherited.insert(built.inherited.end(), shares.newest.begin(), shares.newest.end());
  for (Inheritance::Share& share : shares.parts) {
    for (const std::string& sink : share.sinks) {
      built.rows_by_sink[sink] += share.samples.size();
    }
    block.sinks = std::move(share.sinks);
    block.samples = std::move(share.samples);
    append_to_ledger(built.batch, block);
  }
}

/// Per tick and output: a job sees the samples whose bucket ends before its valid_until.
Built StreamRunner::Impl::build(const Stream& of) const {
  Built built;
  built.batch = pending->base;
  built.batch.require(Table::streams, key_of(tenant, stream_id), of.record);
  // Of the commit, not of its tick: another stream's may have begun later and ended sooner.
  const Time now = parts.clocks.source_now();
  built.batch.put(Table::meta, "source_time", key_u64(static_cast<std::uint64_t>(engine::epoch_ms(now))));
  for (const Job* job : jobs(of)) {
    const bool comes = is_new(*job);
    if (comes && !pending->comers.contains(job->id)) {
      continue;  // it came while this tick was under way: the next one gives it everything
    }
    if (auto markers = markers_block(block_of(*job), job->spec, pending->ended, parts.takes_stale_markers)) {
      for (const std::string& sink : markers->sinks) {
        built.rows_by_sink[sink] += markers->samples.size();
      }
      append_to_ledger(built.batch, *markers);
    }
    append(built, *job, comes ? pending->emitted : EmittedCells{pending->samples, {}});
    if (comes) {
      begin_to_serve(built, *job);
    }
  }
  note_who_left(built, of);
  return built;
}

void StreamRunner::Impl::publish(const Built& built, const Committed& committed) {
  log.committed(committed.sequence);
  inherited.take(built.inherited);
  for (const auto& [output, whom] : built.outputs) served[output] = whom;
  for (const Sample& sample : pending->samples) {
    parts.finality.count(sample);
  }
  std::map<std::string, std::uint64_t> samples_by_job = std::move(status.samples_by_job);
  for (const auto& [job, count] : built.samples_by_job) {
    samples_by_job[job] += count;
  }
  status = std::move(pending->status);
  status.samples_by_job = std::move(samples_by_job);
  if (pending->ended.looked_until) {
    ends_known_until = pending->ended.looked_until;
  }
  const bool gaps_added = pending->gaps + built.gaps > 0;
  pending.reset();
  if (gaps_added) {
    parts.gaps_added(tenant, stream_id);
  }
  for (const auto& [sink, rows] : built.rows_by_sink) {
    if (rows > 0) {
      parts.committed(sink, rows);
    }
  }
}

asio::awaitable<void> StreamRunner::Impl::commit() {
  std::string why;
  for (int tries = 0; tries < kRebuildsMax; ++tries) {
    const Stream* of = stream();
    if (of == nullptr) {
      co_return;  // the stream rests: whoever takes it up commits this first
    }
    Built built = build(*of);
    const SteadyTime started = parts.clocks.steady_now();
    const auto bytes = static_cast<double>(built.batch.bytes());
    WriteBatch batch = std::move(built.batch);
    const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
    if (done) {
      const std::chrono::duration<double> took = parts.clocks.steady_now() - started;
      parts.metrics.commit_seconds.Observe(took.count());
      parts.metrics.commit_bytes.Increment(bytes);
      publish(built, *done);
      co_return;
    }
    if (done.error().kind != engine::ErrorKind::refused) {
      note_error("the store did not take the tick, it is kept and tried again: " + done.error().detail);
      co_return;
    }
    why = done.error().detail;
  }
  note_error("the tick is kept and committed with the next: " + why);
  co_return;
}

asio::awaitable<void> StreamRunner::Impl::poll() {
  const Stream* of = stream();
  if (of == nullptr) {
    co_return;
  }
  Polled polled;
  polled.at = {.source = parts.clocks.source_now(), .wall = parts.clocks.wall_now()};
  const Time now = polled.at.source;
  polled.live = plan(*of, now);
  fetchers::FetchRequest request{.range = polled.live.range,
                                 .granularity = engine.options().granularity,
                                 .selector = of->selector,
                                 .now = now,
                                 .timeout = kFetchMax};
  const std::shared_ptr<fetchers::Fetcher> source = fetcher;  // a reload may replace it while it is at work
  if (!source) {
    note_error("source " + of->source + " is not configured any more");
    co_return;
  }
  if (!polled.live.range.empty()) {
    engine::Selector selector = of->selector;
    polled.fetched = co_await source->fetch(std::move(request));
    note_fetched(polled.fetched);
    co_await fetch_again(&polled, source, std::move(selector));
  }
  status.last_tick = now;
  status.answered = status.answered || !polled.fetched.answer.scopes.empty();
  const Turns::Turn turn = co_await turns.take();
  of = stream();
  if (of == nullptr) {
    co_return;  // its last job went while the source was at work
  }
  std::set<std::string> coming = comers(*of);
  if (!coming.empty() || inheritance_unread) {
    co_await inherit(*of, polled.at.wall);
    of = stream();
  }
  const bool nothing_new = polled.fetched.answer.scopes.empty() && coming.empty();
  if (of == nullptr || nothing_new) {
    co_return;  // what is too old is given up when the source is back: as one gap, not one for each poll
  }
  const std::vector<const Job*> of_stream = jobs(*of);
  const bool with_ends = std::any_of(of_stream.begin(), of_stream.end(), [this](const Job* job) {
    return tells_ends(job->spec, parts.takes_stale_markers);
  });
  auto work = [this, &polled, &coming, with_ends] { return digest(polled, std::move(coming), with_ends); };
  Pending digested = co_await run_on(parts.pool, std::move(work));
  pending = std::move(digested);
  co_await commit();
}

/// One sealed bucket, when the engine wants to see what became of it. That the source has it no more, or does
/// not answer, is no error of the tick; it is asked again after twice as long each time.
asio::awaitable<void> StreamRunner::Impl::fetch_again(Polled* polled,
                                                      std::shared_ptr<fetchers::Fetcher> source,
                                                      engine::Selector selector) {
  const Time now = polled->at.source;
  const engine::Duration granularity = engine.options().granularity;
  polled->again = polled->fetched.answer.scopes.empty() ? std::nullopt : engine.recheck_due(now);
  if (!polled->again || now < again_from) {
    polled->again.reset();
    co_return;
  }
  fetchers::FetchRequest request{.range = {.from = *polled->again, .to = *polled->again + granularity},
                                 .granularity = granularity,
                                 .selector = std::move(selector),
                                 .now = now,
                                 .timeout = kFetchMax};
  fetchers::FetchResult fetched = co_await source->fetch(std::move(request));
  polled->again_answer = std::move(fetched.answer);
  if (polled->again_answer.scopes.empty()) {
    again_from = now + std::min<engine::Duration>(granularity * (1 << std::min(again_failures, 20)),
                                                  engine.options().watch);
    ++again_failures;
  } else {
    again_failures = 0;
  }
}

StreamRunner::StreamRunner(Parts parts, std::shared_ptr<fetchers::Fetcher> fetcher, std::string tenant,
                           std::string stream_id, engine::Engine engine, StreamLog log)
    : impl_(std::make_unique<Impl>(Impl{.parts = std::move(parts),
                                        .fetcher = std::move(fetcher),
                                        .tenant = std::move(tenant),
                                        .stream_id = std::move(stream_id),
                                        .engine = std::move(engine),
                                        .log = std::move(log),
                                        .status = {},
                                        .served = {},
                                        .pending = std::nullopt})) {
  read_engine(impl_->status, impl_->engine);
  const std::string prefix = served_prefix(impl_->tenant, impl_->stream_id);
  impl_->parts.store.read().scan(Table::meta, prefix, prefix_end(prefix),
                                 [&](std::string_view key, std::string_view value) {
                                   impl_->served[std::string{key.substr(prefix.size())}] = read_served(value);
                                   return true;
                                 });
  const auto heir = impl_->parts.store.read().get(Table::meta, inherits_key(impl_->tenant, impl_->stream_id));
  impl_->inheritance_unread = heir.has_value();
  const std::string markers = markers_key(impl_->tenant, impl_->stream_id);
  if (const auto until = impl_->parts.store.read().get(Table::meta, markers); until && until->size() == 8) {
    impl_->ends_known_until = engine::from_epoch_ms(static_cast<std::int64_t>(read_u64(*until)));
  }
}

StreamRunner::~StreamRunner() = default;

asio::awaitable<void> StreamRunner::tick() {
  Impl& self = *impl_;
  const SteadyTime started = self.parts.clocks.steady_now();
  if (self.pending) {
    const Turns::Turn turn = co_await self.turns.take();
    if (self.pending) {
      co_await self.commit();
    }
  } else {
    co_await self.poll();
  }
  const std::chrono::duration<double> took = self.parts.clocks.steady_now() - started;
  self.parts.metrics.job_duration_seconds.Observe(took.count());
}

asio::awaitable<Outcome<bool>> StreamRunner::part(Registry& registry, std::string job_id, Parting with) {
  co_return co_await impl_->part(&registry, std::move(job_id), std::move(with));
}

asio::awaitable<std::string> StreamRunner::carry(engine::Amounts amounts, WriteBatch with) {
  co_return co_await impl_->carry(std::move(amounts), std::move(with));
}

void StreamRunner::use(std::shared_ptr<fetchers::Fetcher> fetcher) {
  impl_->fetcher = std::move(fetcher);
}

const StreamStatus& StreamRunner::status() const {
  return impl_->status;
}

}  // namespace settle::runner
