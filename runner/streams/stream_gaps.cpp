// What the live lane gives up becomes gaps; what their fills bring for the totals of a counter comes back.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include <spdlog/spdlog.h>

#include "runner/backfill/gaps.hpp"
#include "runner/pool.hpp"
#include "runner/store/keys.hpp"
#include "runner/streams/stream_runner_impl.hpp"
#include "runner/streams/stream_views.hpp"

namespace settle::runner {

namespace {

// How often amounts are handed over anew because the stream's jobs changed meanwhile.
constexpr int kTriesMax = 5;

}  // namespace

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

/// These, and scopes that answer now and failed, or were not there, at every poll before: nobody answered for
/// them of what the live lane gives up with this one. Where no scope was ever met the engine says so itself.
std::vector<std::string> StreamRunner::Impl::never_answered(const fetchers::FetchResult& fetched) const {
  if (engine.scopes().empty()) {
    return {};
  }
  std::vector<std::string> scopes = left_out(fetched);
  for (const engine::ScopeAnswer& scope : fetched.answer.scopes) {
    if (!engine.knows_scope(scope.scope)) {
      scopes.push_back(scope.scope);
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

/// What a job that comes back has missed: what was sent to others meanwhile, and gaps that were closed for
/// them.
engine::Ranges StreamRunner::Impl::missed_since(const Served& before) const {
  const Time left = before.until.value_or(pending->served_from);
  engine::Ranges missed{{left, pending->served_from}};
  const std::string prefix = key_of(tenant, stream_id);
  const ReadTransaction view = parts.store.read();
  view.scan(Table::gaps, prefix, prefix_end(prefix), [&](std::string_view, std::string_view bytes) {
    const engine::Result<GapEntry> entry = decode_gap(bytes);
    if (entry && entry->job_id.empty() && entry->closed_at && *entry->closed_at >= left) {
      missed.add(engine::TimeRange{entry->gap.range});
    }
    return true;
  });
  missed.keep({*before.from, pending->served_from});
  return missed;
}

/// A job that comes back gets what it has missed as gaps of its own, which are filled by what the ledgers
/// lack. The totals of a counter go on without it.
void StreamRunner::Impl::begin_to_serve(Built& built, const Job& job) const {
  std::string output = output_identity(job.spec);
  Served now{.job_id = job.id, .from = pending->served_from, .until = {}};
  const auto before = served.find(output);
  if (before != served.end() && before->second.from) {
    now.from = std::min(*before->second.from, pending->served_from);
    const bool is_gauge = engine.options().output == engine::Output::gauge;
    const engine::Ranges missed = is_gauge ? missed_since(before->second) : engine::Ranges{};
    for (const engine::TimeRange& range : missed.list()) {
      put_gap(built.batch, tenant, stream_id,
              {.state = GapState::open,
               .gap = {.scope = {}, .range = range, .cells = {}},
               .noticed_at = parts.clocks.source_now(),
               .job_id = job.id});
      built.gaps += 1;
    }
  }
  built.batch.put(Table::meta, served_prefix(tenant, stream_id) + output, served_value(now));
  if (!inherited.empty()) {
    built.batch.put(Table::meta, inherits_key(tenant, stream_id), "");
  }
  built.outputs.insert_or_assign(std::move(output), std::move(now));
}

/// What this tick emitted did not go to outputs whose job is not there.
void StreamRunner::Impl::note_who_left(Built& built, const Stream& of) const {
  for (const auto& [output, whom] : served) {
    const bool here = std::find(of.job_ids.begin(), of.job_ids.end(), whom.job_id) != of.job_ids.end();
    if (here || whom.until || !whom.from || built.outputs.contains(output)) {
      continue;
    }
    Served left = whom;
    left.until = pending->owned_from;
    built.batch.put(Table::meta, served_prefix(tenant, stream_id) + output, served_value(left));
    built.outputs.emplace(output, std::move(left));
  }
}

/// Runs in the pool.
Carried StreamRunner::Impl::make_carried(const engine::Amounts& amounts, const WriteBatch& with,
                                         Time wall) const {
  Carried out{.engine = engine.clone(), .log = log, .batch = with};
  std::vector<engine::Carry> list;
  list.reserve(amounts.size());
  for (const auto& [series, amount] : amounts) {
    list.push_back({.series = series, .amount = amount});
  }
  out.engine->carry(list);
  const engine::Result<std::size_t> drained = out.log->drain(parts.store, *out.engine, wall, out.batch);
  if (!drained) {
    throw std::runtime_error("the stream's log is damaged: " + drained.error().detail);
  }
  return out;
}

asio::awaitable<std::string> StreamRunner::Impl::carry(engine::Amounts amounts, WriteBatch with) {
  const Turns::Turn turn = co_await turns.take();
  std::string why;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    if (pending) {
      co_await commit();
    }
    const Stream* of = stream();
    if (of == nullptr || pending) {
      co_return of == nullptr ? "no job has the stream any more" : status.last_error;
    }
    WriteBatch changes = with;
    changes.require(Table::streams, key_of(tenant, stream_id), of->record);
    const Time wall = parts.clocks.wall_now();
    auto work = [this, &amounts, &changes, wall] { return make_carried(amounts, changes, wall); };
    Carried carried = co_await run_on(parts.pool, std::move(work));
    WriteBatch batch = std::move(carried.batch);
    const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
    if (done) {
      engine = *std::move(carried.engine);
      log = *std::move(carried.log);
      log.committed(done->sequence);
      read_engine(status, engine);
      co_return std::string{};
    }
    why = done.error().detail;
    if (done.error().kind != engine::ErrorKind::refused) {
      break;
    }
  }
  co_return why;
}

}  // namespace settle::runner
