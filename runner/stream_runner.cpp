#include "runner/stream_runner.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

#include "engine/plan/schedule.hpp"
#include "runner/gaps.hpp"
#include "runner/inheritance.hpp"
#include "runner/keys.hpp"
#include "runner/ledger.hpp"
#include "runner/pool.hpp"
#include "runner/stale_markers.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Sample;
using engine::Time;

namespace {

// How often a commit is built anew because the stream's jobs changed meanwhile, before the next tick tries
// again.
constexpr int kRebuildsMax = 5;

// What a configured `timeout` may ask for; the source's own is what usually counts.
constexpr std::chrono::milliseconds kFetchMax = std::chrono::hours{1};

struct Instant {
  Time source;
  Time wall;
};

/// Everything a tick gave out that is not yet durable.
struct Pending {
  WriteBatch base;              // the engine's changes, gaps, source time
  std::vector<Sample> samples;  // of this tick
  /// All that the live cells ever emitted, for outputs that are new on this stream; none: there was none
  /// such.
  std::optional<std::vector<Sample>> emitted;
  Time served_from{};  // the first bucket of which `emitted` is everything
  std::uint64_t gaps = 0;
  StreamStatus status;
  EndedSeries ended;
};

struct Built {
  WriteBatch batch;
  std::map<std::string, std::uint64_t> rows_by_sink;
  std::map<std::string, std::uint64_t> samples_by_job;
  std::vector<std::string> outputs;  // served from now on
};

}  // namespace

struct StreamRunner::Impl {
  Parts parts;
  std::shared_ptr<fetchers::Fetcher> fetcher;
  std::string tenant;
  std::string stream_id;
  engine::Engine engine;
  StreamLog log;
  StreamStatus status;
  std::set<std::string> served;  // output identities
  Inheritance inherited = {};
  bool inheritance_unread = false;
  std::optional<Pending> pending;
  std::optional<Time> ends_known_until = {};  // as of EndedSeries; none too while no sink takes markers

  const Stream* stream() const {
    const Stream* found = parts.registry.find_stream(tenant, stream_id);
    return found != nullptr && !found->job_ids.empty() ? found : nullptr;
  }
  std::vector<const Job*> jobs(const Stream& of) const;
  bool has_new_output(const Stream& of) const;
  engine::LivePlan plan(const Stream& of, Time now) const;
  void note_error(std::string what);
  void note_fetched(const fetchers::FetchResult& fetched);
  Pending digest(const fetchers::FetchResult& fetched, const engine::LivePlan& plan, const Instant& now,
                 bool with_emitted, bool with_ends);
  void inherit(const Stream& of, const Instant& now);
  void forget_inheritance(Pending& out);
  void look_for_ends(Time now, Pending& out);
  void give_up(Time before, Time now, Pending& pending);
  void note_gap(engine::Gap gap, Time now, Pending& pending);
  std::vector<std::string> left_out(const fetchers::FetchResult& fetched) const;
  void give_up_left_out(const std::vector<std::string>& scopes, Time from, Time now, Pending& pending);
  Built build(const Stream& of) const;
  void publish(const Built& built, const Committed& committed);
  asio::awaitable<void> commit();
  asio::awaitable<void> poll();
};

std::vector<const Job*> StreamRunner::Impl::jobs(const Stream& of) const {
  std::vector<const Job*> found;
  for (const std::string& id : of.job_ids) {
    if (const Job* job = parts.registry.find(tenant, id)) {
      found.push_back(job);
    }
  }
  return found;
}

bool StreamRunner::Impl::has_new_output(const Stream& of) const {
  const std::vector<const Job*> all = jobs(of);
  return std::any_of(all.begin(), all.end(),
                     [this](const Job* job) { return !served.contains(output_identity(job->spec)); });
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
    parts.metrics.pull_errors.Add({{"reason", reason}}).Increment();
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

/// For outputs that are new here, and for all of them after a restart while there is still something to leave
/// out.
void StreamRunner::Impl::inherit(const Stream& of, const Instant& at) {
  const ReadTransaction view = parts.store.read();
  const std::uint64_t first = sequence_reached(view, at.wall - 2 * engine.options().watch - kLedgerMarkEvery);
  for (const Job* job : jobs(of)) {
    if (inheritance_unread || !served.contains(output_identity(job->spec))) {
      inherited.read(view, *job, engine.live_from(), first);
    }
  }
  inheritance_unread = false;
}

void StreamRunner::Impl::forget_inheritance(Pending& out) {
  if (inherited.empty()) {
    return;
  }
  inherited.forget_before(engine.live_from());
  if (inherited.empty()) {
    out.base.erase(Table::meta, inherits_key(tenant, stream_id));
  }
}

void StreamRunner::Impl::note_gap(engine::Gap gap, Time now, Pending& out) {
  spdlog::warn("event=gap stream={} scope={:?} from={} to={} cells={}", stream_id, gap.scope,
               engine::format_time(gap.range.from), engine::format_time(gap.range.to), gap.cells.size());
  put_gap(out.base, tenant, stream_id, {.state = GapState::open, .gap = std::move(gap), .noticed_at = now});
  out.gaps += 1;
}

void StreamRunner::Impl::give_up(Time before, Time now, Pending& out) {
  for (engine::Gap& gap : engine.release(before)) {
    note_gap(std::move(gap), now, out);
  }
}

/// Scopes that fail and that the engine does not wait for: it never met them, or forgot them in their
/// silence.
std::vector<std::string> StreamRunner::Impl::left_out(const fetchers::FetchResult& fetched) const {
  std::vector<std::string> scopes;
  for (const fetchers::ScopeFailure& failure : fetched.failures) {
    if (!engine.knows_scope(failure.scope)) {
      scopes.push_back(failure.scope);
    }
  }
  return scopes;
}

/// What the live lane leaves behind from `from` on is a gap of them.
void StreamRunner::Impl::give_up_left_out(const std::vector<std::string>& scopes, Time from, Time now,
                                          Pending& out) {
  for (const std::string& scope : from < engine.live_from() ? scopes : std::vector<std::string>{}) {
    note_gap({.scope = scope, .range = {from, engine.live_from()}, .cells = {}}, now, out);
  }
}

void StreamRunner::Impl::look_for_ends(Time now, Pending& out) {
  out.ended = find_ended(engine, ends_known_until, now);
  if (out.ended.looked_until != ends_known_until) {
    out.base.put(Table::meta, markers_key(tenant, stream_id),
                 key_u64(static_cast<std::uint64_t>(engine::epoch_ms(*out.ended.looked_until))));
  }
}

/// Runs in the pool: nobody else touches the engine or the log meanwhile.
Pending StreamRunner::Impl::digest(const fetchers::FetchResult& fetched, const engine::LivePlan& live,
                                   const Instant& at, bool with_emitted, bool with_ends) {
  const Time now = at.source;
  Pending out;
  forget_inheritance(out);  // before this tick moves the boundary: its own samples still need it
  out.status = status;
  const Time owned_from = engine.live_from();
  if (live.release_before) {
    const std::vector<std::string> scopes = left_out(fetched);
    give_up(*live.release_before, now, out);
    give_up_left_out(scopes, owned_from, now, out);
  }
  const Time from = engine.live_from();
  const std::vector<std::string> scopes = left_out(fetched);
  out.samples = engine.ingest(fetched.answer, now);
  const std::vector<Sample> closed = engine.expire(now);
  out.samples.insert(out.samples.end(), closed.begin(), closed.end());
  give_up_left_out(scopes, from, now, out);
  if (with_emitted) {
    out.emitted = emitted_samples(engine, now);
    out.served_from = engine.live_from();
    if (served.empty()) {  // nothing went out before: what was given up or sealed at once counts, too
      std::vector<Sample> sealed;
      std::copy_if(out.samples.begin(), out.samples.end(), std::back_inserter(sealed),
                   [&out](const Sample& sample) { return sample.bucket < out.served_from; });
      out.emitted->insert(out.emitted->begin(), sealed.begin(), sealed.end());
      out.served_from = owned_from;
    }
  }
  if (with_ends) {
    look_for_ends(now, out);
  }
  read_engine(out.status, engine);
  const engine::Result<std::size_t> drained = log.drain(parts.store, engine, at.wall, out.base);
  if (!drained) {
    throw std::runtime_error("the stream's log is damaged: " + drained.error().detail);
  }
  out.base.put(Table::meta, "source_time", key_u64(static_cast<std::uint64_t>(engine::epoch_ms(now))));
  return out;
}

/// Per tick and output: a job sees the samples whose bucket ends before its valid_until.
Built StreamRunner::Impl::build(const Stream& of) const {
  Built built{.batch = pending->base, .rows_by_sink = {}, .samples_by_job = {}, .outputs = {}};
  built.batch.require(Table::streams, key_of(tenant, stream_id), of.record);
  const engine::Duration granularity = engine.options().granularity;
  for (const Job* job : jobs(of)) {
    const JobSpec& spec = job->spec;
    std::string output = output_identity(spec);
    const bool is_new = !served.contains(output);
    if (is_new && !pending->emitted) {
      continue;  // it came while this tick was under way: the next one gives it everything
    }
    LedgerBlock block{.tenant = tenant,
                      .job_id = job->id,
                      .stream_id = stream_id,
                      .policy = engine::format_finality(engine.options().finality),
                      .record = spec.record,
                      .labels = spec.labels,
                      .sinks = spec.sinks,
                      .stamp_offset = spec.timestamp == Stamp::end ? granularity : engine::Duration::zero(),
                      .corrections = engine.options().corrections,
                      .samples = is_new ? *pending->emitted : pending->samples};
    if (spec.valid_until) {
      std::erase_if(block.samples,
                    [&](const Sample& sample) { return sample.bucket + granularity > *spec.valid_until; });
    }
    built.samples_by_job[job->id] = block.samples.size();
    if (auto markers = markers_block(block, spec, pending->ended, parts.takes_stale_markers)) {
      for (const std::string& sink : markers->sinks) {
        built.rows_by_sink[sink] += markers->samples.size();
      }
      append_to_ledger(built.batch, *std::move(markers));
    }
    for (Inheritance::Share& share : inherited.shares(*job, std::move(block.samples), engine)) {
      for (const std::string& sink : share.sinks) {
        built.rows_by_sink[sink] += share.samples.size();
      }
      block.sinks = std::move(share.sinks);
      block.samples = std::move(share.samples);
      append_to_ledger(built.batch, block);
    }
    if (is_new) {
      built.batch.put(Table::meta, served_prefix(tenant, stream_id) + output,
                      served_value(job->id, pending->served_from));
      if (!inherited.empty()) {
        built.batch.put(Table::meta, inherits_key(tenant, stream_id), "");
      }
      built.outputs.push_back(std::move(output));
    }
  }
  return built;
}

void StreamRunner::Impl::publish(const Built& built, const Committed& committed) {
  log.committed(committed.sequence);
  served.insert(built.outputs.begin(), built.outputs.end());
  for (const Sample& sample : pending->samples) {
    parts.metrics.samples.Add({{"reason", std::string{engine::reason_text(sample.reason)}}}).Increment();
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
  const bool gaps_added = pending->gaps > 0;
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
  const Instant at{.source = parts.clocks.source_now(), .wall = parts.clocks.wall_now()};
  const Time now = at.source;
  const engine::LivePlan live = plan(*of, now);
  const bool with_emitted = has_new_output(*of);
  if (with_emitted || inheritance_unread) {
    inherit(*of, at);
  }
  fetchers::FetchRequest request{.range = live.range,
                                 .granularity = engine.options().granularity,
                                 .selector = of->selector,
                                 .now = now,
                                 .timeout = kFetchMax};
  const std::shared_ptr<fetchers::Fetcher> source = fetcher;  // a reload may replace it while it is at work
  if (!source) {
    note_error("source " + of->source + " is not configured any more");
    co_return;
  }
  fetchers::FetchResult fetched;
  if (!live.range.empty()) {
    fetched = co_await source->fetch(std::move(request));
    note_fetched(fetched);
  }
  status.last_tick = now;
  status.answered = status.answered || !fetched.answer.scopes.empty();
  if (fetched.answer.scopes.empty() && !with_emitted) {
    co_return;  // what is too old is given up when the source is back: as one gap, not one for each poll
  }
  const std::vector<const Job*> of_stream = jobs(*of);
  const bool with_ends = std::any_of(of_stream.begin(), of_stream.end(), [this](const Job* job) {
    return tells_ends(job->spec, parts.takes_stale_markers);
  });
  auto work = [this, &fetched, &live, &at, with_emitted, with_ends] {
    return digest(fetched, live, at, with_emitted, with_ends);
  };
  Pending digested = co_await run_on(parts.pool, std::move(work));
  pending = std::move(digested);
  co_await commit();
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
                                 [&](std::string_view key, std::string_view) {
                                   impl_->served.emplace(key.substr(prefix.size()));
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
    co_await self.commit();
  } else {
    co_await self.poll();
  }
  const std::chrono::duration<double> took = self.parts.clocks.steady_now() - started;
  self.parts.metrics.job_duration_seconds.Observe(took.count());
}

void StreamRunner::use(std::shared_ptr<fetchers::Fetcher> fetcher) {
  impl_->fetcher = std::move(fetcher);
}

const StreamStatus& StreamRunner::status() const {
  return impl_->status;
}

}  // namespace settle::runner
