// The end of a job: what is open and the markers of its series go out with the commit that removes it.
#include <stdexcept>
#include <utility>

#include "runner/pool.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/streams/stream_runner_impl.hpp"

namespace settle::runner {

namespace {

// How often a flush is made anew because the stream's jobs changed meanwhile.
constexpr int kTriesMax = 5;

Refusal busy(const std::string& why) {
  return {.kind = Refusal::Kind::unavailable,
          .field = {},
          .detail = "the job was not removed, ask again: " + why,
          .job_id = {}};
}

using Newest = std::map<engine::SeriesNumber, Sample>;

void note_newest(Newest& newest, const Sample& sample) {
  const auto [at, first] = newest.try_emplace(sample.series, sample);
  if (!first && at->second.bucket < sample.bucket) {
    at->second = sample;
  }
}

}  // namespace

/// Runs in the pool, beside what is in force. Where other jobs view the stream they go on with the engine as
/// it is, and this job's output is served no more: one that takes it up again is compared with the ledger
/// first.
Flushed StreamRunner::Impl::flush_copy(const Job& job, bool alone, const Instant& at) const {
  Flushed out;
  engine::Engine copy = engine.clone();
  const std::string output = output_identity(job.spec);
  if (is_new(job)) {
    append(out.built, job, emitted_cells(copy, at.source));
  }
  const std::vector<Sample> last = copy.flush(at.source);
  out.flushed = last.size();
  for (const Sample& sample : last) {
    note_newest(out.newest, sample);
  }
  append(out.built, job, {last, {}});
  if (!alone) {
    out.unserved = true;
    out.built.batch.erase(Table::meta, served_prefix(tenant, stream_id) + output);
    return out;
  }
  StreamLog records = log;
  const engine::Result<std::size_t> drained = records.drain(parts.store, copy, at.wall, out.built.batch);
  if (!drained) {
    throw std::runtime_error("the stream's log is damaged: " + drained.error().detail);
  }
  out.engine.emplace(std::move(copy));
  out.log.emplace(std::move(records));
  return out;
}

/// A series whose live cells gave nothing yet, or that has none, is left out: what it sent is older than
/// `watch`, and no query takes it for the present any more.
void StreamRunner::Impl::mark_ends(Flushed& out, const Job& job, const Parting& with,
                                   const Instant& at) const {
  for (const Sample& sample : emitted_cells(engine, at.source).samples) {
    note_newest(out.newest, sample);
  }
  LedgerBlock block = block_of(job);
  block.sinks = with.marked_sinks;
  block.stamp_offset += std::chrono::milliseconds{1};
  for (const auto& [number, newest] : out.newest) {
    const Time end = newest.bucket + engine.options().granularity;
    if (job.spec.valid_until && end > *job.spec.valid_until) {
      continue;
    }
    block.samples.push_back({.series = number,
                             .bucket = newest.bucket,
                             .value = newest.value,
                             .revision = 1,
                             .reason = engine::Reason::stale,
                             .age = at.source - end});
  }
  for (const std::string& sink : block.sinks) {
    out.built.rows_by_sink[sink] += block.samples.size();
  }
  append_to_ledger(out.built.batch, block);
}

Flushed StreamRunner::Impl::make_parting(const Job& job, const Parting& with, bool alone,
                                         const Instant& at) const {
  Flushed out;
  if (with.flush) {
    out = flush_copy(job, alone, at);
  }
  if (!with.marked_sinks.empty()) {
    mark_ends(out, job, with, at);
  }
  return out;
}

void StreamRunner::Impl::take(Flushed flushed, const Job& gone, const Committed& committed) {
  if (flushed.engine) {
    engine = *std::move(flushed.engine);
    log = *std::move(flushed.log);
    log.committed(committed.sequence);
    read_engine(status, engine);
  }
  if (flushed.unserved) {
    served.erase(output_identity(gone.spec));
  }
  status.samples_by_job.erase(gone.id);
  parts.metrics.samples.Add({{"reason", std::string{engine::reason_text(engine::Reason::flush)}}})
      .Increment(static_cast<double>(flushed.flushed));
  for (const auto& [sink, rows] : flushed.built.rows_by_sink) {
    if (rows > 0) {
      parts.committed(sink, rows);
    }
  }
}

asio::awaitable<Outcome<bool>> StreamRunner::Impl::part(Registry* registry, std::string job_id,
                                                        Parting with) {
  const Turns::Turn turn = co_await turns.take();
  for (int tries = 0; tries < kTriesMax; ++tries) {
    if (pending) {
      co_await commit();
    }
    const Stream* of = stream();
    const Job* found = registry->find(tenant, job_id);
    if (of == nullptr || found == nullptr || found->origin == Origin::config) {
      co_return co_await registry->remove(tenant, job_id, Origin::api);  // says why not
    }
    if (pending) {
      co_return busy(status.last_error);
    }
    const Job job = *found;
    const Instant at{.source = parts.clocks.source_now(), .wall = parts.clocks.wall_now()};
    if (inheritance_unread || is_new(job)) {
      co_await inherit(*of, at.wall);
      of = stream();
      found = registry->find(tenant, job_id);
      if (of == nullptr || found == nullptr) {
        continue;
      }
    }
    const bool alone = of->job_ids.size() == 1;
    std::string record = of->record;
    auto work = [this, &job, &with, alone, at] { return make_parting(job, with, alone, at); };
    Flushed flushed = co_await run_on(parts.pool, std::move(work));
    WriteBatch batch = flushed.built.batch;
    auto removed = co_await registry->remove_with(tenant, job_id, std::move(record), std::move(batch));
    if (removed) {
      take(std::move(flushed), job, *removed);
      co_return true;
    }
    if (removed.refusal().field != kStreamChanged) {
      co_return removed.refusal();
    }
  }
  co_return busy("the jobs of its stream change all the time");
}

}  // namespace settle::runner
