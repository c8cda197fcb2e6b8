// What the outside may ask of the backfill lane (runner/service.hpp).
#include "runner/backfill/backfill.hpp"
#include "runner/runner_impl.hpp"

namespace settle::runner {

namespace asio = boost::asio;

std::string_view backfill_state_text(BackfillState state) {
  switch (state) {
    case BackfillState::queued:
      return "queued";
    case BackfillState::running:
      return "running";
    case BackfillState::waiting:
      return "waiting";
    case BackfillState::paused:
      return "paused";
    case BackfillState::done:
      return "done";
    case BackfillState::cancelled:
      return "cancelled";
    case BackfillState::failed:
      return "failed";
  }
  return "unknown";
}

std::string_view gap_state_text(GapState state) {
  switch (state) {
    case GapState::open:
      return "open";
    case GapState::scheduled:
      return "scheduled";
    case GapState::filled:
      return "filled";
    case GapState::impossible:
      return "impossible";
  }
  return "unknown";
}

asio::awaitable<Outcome<AddedBackfill>> Runner::Impl::add_backfill(std::string tenant, std::string job_id,
                                                                   std::string json) {
  co_return co_await backfills.add(std::move(tenant), std::move(job_id), std::move(json));
}

std::vector<BackfillStatus> Runner::Impl::list_backfills(const std::string& tenant, const std::string& job_id,
                                                         const std::string& after, std::size_t limit) const {
  return backfills.list(tenant, job_id, after, limit);
}

std::optional<BackfillStatus> Runner::Impl::find_backfill(const std::string& tenant,
                                                          const std::string& job_id,
                                                          const std::string& id) const {
  return backfills.find(tenant, job_id, id);
}

asio::awaitable<Outcome<BackfillStatus>> Runner::Impl::steer_backfill(std::string tenant, std::string job_id,
                                                                      std::string id, Steer steer) {
  co_return co_await backfills.steer(std::move(tenant), std::move(job_id), std::move(id), steer);
}

std::vector<GapStatus> Runner::Impl::gaps(const std::string& tenant, const std::string& job_id,
                                          std::size_t skip, std::size_t limit) const {
  const Job* job = registry.find(tenant, job_id);
  return job == nullptr ? std::vector<GapStatus>{} : backfills.gaps(*job, skip, limit);
}

/// What the backfill lane needs of the runner.
BackfillLane::Parts Runner::Impl::backfill_parts() {
  return {
      .loop = loop,
      .pool = pool,
      .store = store,
      .registry = registry,
      .clocks = clocks,
      .metrics = metrics,
      .source = [this](const Stream& stream) { return fetcher_of(stream); },
      .stream_status = [this](const std::string& tenant, const std::string& stream) -> const StreamStatus* {
        const StreamRunner* runner = scheduler.find({tenant, stream});
        return runner == nullptr ? nullptr : &runner->status();
      },
      .why_wait = [this](const Job& job) { return why_no_backfill(job); },
      .live_is_busy = [this] { return scheduler.ticking() >= options.fetches_max; },
      .sink = [this](const std::string& name) -> std::optional<sinks::Capabilities> {
        const auto found = sinks.find(name);
        if (found == sinks.end()) {
          return std::nullopt;
        }
        const PumpStatus status = found->second.pump->status();
        return status.health && status.health->reachable ? status.health->capabilities
                                                         : found->second.sink->capabilities();
      },
      .committed = [this](const std::string& name,
                          std::uint64_t rows) { committed(name, rows, Lane::backfill); },
      .over =
          [this](const std::string& name) {
            if (const auto found = sinks.find(name); found != sinks.end()) {
              found->second.pump->gathered();
            }
          },
      .carry =
          [this](std::string tenant, std::string stream, engine::Amounts amounts, WriteBatch with) {
            return carry(std::move(tenant), std::move(stream), std::move(amounts), std::move(with));
          }};
}

asio::awaitable<std::string> Runner::Impl::carry(std::string tenant, std::string stream,
                                                 engine::Amounts amounts, WriteBatch with) {
  const StreamKey key{std::move(tenant), std::move(stream)};
  const std::shared_ptr<StreamRunner> runner = scheduler.share(key);
  std::string failed = scheduler.failed(key);
  if (!runner || !failed.empty()) {
    co_return runner ? failed : "its stream does not run";
  }
  std::string why = co_await runner->carry(std::move(amounts), std::move(with));
  co_return why;
}

std::string Runner::Impl::why_no_backfill(const Job& job) const {
  const Stream* stream = registry.find_stream(job.tenant, job.stream_id);
  if (stream == nullptr) {
    return "its stream is gone";
  }
  std::string why = why_paused(*stream);
  return why.empty() ? why_backfill_waits(job.spec.sinks) : why;
}

}  // namespace settle::runner
