// What the outside may ask (runner/service.hpp): reads of present state, and jobs in and out.
#include <algorithm>
#include <chrono>

#include <prometheus/text_serializer.h>

#include "runner/backfill/backfill_gauges.hpp"
#include "runner/gauges.hpp"
#include "runner/runner_impl.hpp"
#include "runner/store/dead_letter.hpp"
#include "runner/store/keys.hpp"
#include "runner/store/ledger.hpp"
#include "runner/streams/finality_status.hpp"
#include "runner/streams/revisions.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Time;

namespace {

constexpr engine::Duration kRefusedShown = std::chrono::hours{24};  // after the last one

constexpr std::size_t kJobsListed = 1'000'000;
// Clocks are slewed and stepped by less all the time.
constexpr std::chrono::seconds kBehindShown{10};

void warn_of_clock(Time now, engine::Duration behind, JobStatus& out) {
  if (behind < kBehindShown) {
    return;
  }
  out.warnings.push_back("source time stands still at " + engine::format_time(now) +
                         ", and nothing is polled: the clock was ahead and is now " +
                         engine::format_duration(std::chrono::floor<std::chrono::seconds>(behind)) +
                         " behind what it had reached; polling goes on when it has caught up");
}

/// The live lane gives a bucket up at twice watch.
void warn_of_lag(const Job& job, const StreamStatus& status, JobStatus& out) {
  const engine::Duration watch = cells_options(job.spec).watch;
  const engine::Duration reach = 2 * watch;
  if (!status.frontier || !status.last_tick || !status.last_error.empty() ||
      *status.last_tick - *status.frontier < reach) {
    return;
  }
  out.warnings.push_back(
      "the source has data through " + engine::format_time(*status.frontier) +
      " only, which is more than twice watch, " + engine::format_duration(watch) +
      ", behind: every bucket becomes a gap that is filled when the source reaches it; where "
      "it always is so late (as with its \"lag\"), post the job with a longer \"watch\"");
}

/// What of the source's rows is in no result.
void warn_of_rows(const ViewFetcher* view, const StreamStatus& status, JobStatus& out) {
  if (view == nullptr && status.stats.rows_refused > 0) {
    out.warnings.push_back(
        std::to_string(status.stats.rows_refused) +
        " rows of the source were refused since the stream was made: a bucket off the grid, "
        "a value that is no number, or a sketch, which a plain selector cannot take");
  }
  if (view != nullptr && view->unfit()) {
    out.warnings.push_back("up to " + engine::format_time(view->unfit()->until) + " " +
                           std::to_string(view->unfit()->windows) +
                           " windows have no result, since their sketches do not fit: " + view->unfit()->why);
  }
  if (view != nullptr && !view->feed().why_refused().empty()) {
    out.warnings.push_back("rows of the source are left out, " + std::to_string(view->feed().rows_refused()) +
                           " since the start: " + view->feed().why_refused());
  }
}

/// None also while the sink has not said what server it is.
std::optional<engine::Duration> known_window(const JobContext::SinkFacts& sink) {
  return sink.window_known ? sink.out_of_order_window : std::nullopt;
}

}  // namespace

asio::awaitable<Outcome<Added>> Runner::Impl::add_job(std::string tenant, std::string json, bool replace) {
  Outcome<JobSpec> spec = parse_job(json, *this, clocks.source_now());
  if (!spec) {
    co_return spec.refusal();
  }
  JobSpec checked = std::move(*spec);
  co_return co_await registry.add(std::move(tenant), std::move(checked), Origin::api, replace);
}

/// Sinks of the job that take stale markers.
std::vector<std::string> Runner::Impl::marked_sinks(const JobSpec& spec) const {
  std::vector<std::string> marked;
  for (const std::string& name : spec.sinks) {
    const auto found = sinks.find(name);
    if (found == sinks.end()) {
      continue;
    }
    const PumpStatus status = found->second.pump->status();
    const bool checked = status.health && status.health->reachable;
    const sinks::Capabilities can =
        checked ? status.health->capabilities : found->second.sink->capabilities();
    if (can.takes_stale_markers) {
      marked.push_back(name);
    }
  }
  return marked;
}

asio::awaitable<Outcome<bool>> Runner::Impl::remove_job(std::string tenant, std::string id, bool flush) {
  const Job* job = registry.find(tenant, id);
  std::shared_ptr<StreamRunner> runner;
  StreamRunner::Parting parting{.flush = flush, .marked_sinks = {}};
  if (job != nullptr && job->spec.view) {
    parting.flush = false;  // no window is answered that is not final: what is open in its cells goes nowhere
  }
  if (job != nullptr) {
    parting.marked_sinks = marked_sinks(job->spec);
    runner = scheduler.share({tenant, job->stream_id});
  }
  if (runner && (parting.flush || !parting.marked_sinks.empty())) {
    co_return co_await runner->part(registry, std::move(id), std::move(parting));
  }
  co_return co_await registry.remove(std::move(tenant), std::move(id), Origin::api);
}

const Job* Runner::Impl::find_job(const std::string& tenant, const std::string& id) const {
  return registry.find(tenant, id);
}

std::vector<const Job*> Runner::Impl::list_jobs(const std::string& tenant, const std::string& after,
                                                std::size_t limit) const {
  return registry.list(tenant, after, limit);
}

void Runner::Impl::warn_of_sinks(const Job& job, JobStatus& out) const {
  const engine::EngineOptions& asked = job.spec.engine;
  for (const std::string& name : job.spec.sinks) {
    if (const auto part = sinks.find(name); part != sinks.end()) {
      const RefusedRows refused = part->second.pump->refused(job.id);
      if (refused.rows > 0 && clocks.wall_now() - refused.last_at < kRefusedShown) {
        out.warnings.push_back("sink " + name + " refused " + std::to_string(refused.rows) +
                               " rows since the start, the last at " + engine::format_time(refused.last_at) +
                               ": " + refused.reason + "; /api/v1/dead-letters has them");
      }
    }
    const auto window = known_window(sink(name));
    const bool needs_order = window && *window < asked.watch && asked.output == engine::Output::gauge;
    if (needs_order && !asked.in_order) {
      out.warnings.push_back("sink " + name + " takes nothing over " + engine::format_duration(*window) +
                             " behind its newest sample, and the job was made for sinks that do: rows that "
                             "settle out of order are lost; delete it and post it again");
    }
  }
}

JobStatus Runner::Impl::job_status(const Job& job) const {
  const StreamKey key{job.tenant, job.stream_id};
  JobStatus out;
  const StreamStatus* status = stream_status(job);
  if (status == nullptr) {
    out.state = JobState::failing;
    out.last_error = "its stream does not run";
    return out;
  }
  out.last_error = status->last_error;
  out.last_error_at = status->last_error_at;
  const ViewFetcher* view = feeds.find(job.tenant, job.stream_id);
  const StreamStatus& cells = view == nullptr ? *status : view->feed().status();
  out.open_cells = cells.open_cells;
  out.final_cells = cells.final_cells;
  out.series = status->series;
  out.frontier = cells.frontier;
  out.live_from = status->live_from;
  out.unpropagated = status->stats.unpropagated;
  read_finality_status(job, *status, cells, out);
  warn_of_sinks(job, out);
  warn_of_lag(job, *status, out);
  const GapCounts gaps = backfills.gap_counts(job);
  for (const auto& [state, count] : gaps.by_state) {
    const bool is_open = state == GapState::open || state == GapState::scheduled;
    out.gaps_open += is_open ? count : 0;
  }
  out.next_tick = scheduler.next_tick(key);
  const auto samples = status->samples_by_job.find(job.id);
  out.samples = samples == status->samples_by_job.end() ? 0 : samples->second;
  const Time now = clocks.source_now();
  warn_of_clock(now, clocks.behind(), out);
  read_scopes(job, cells, now, out);
  warn_of_rows(view, *status, out);
  if (status->final_bucket) {
    out.lag = now - (status->final_bucket->bucket + job.spec.engine.granularity);
  }
  const std::string paused = scheduler.paused(key);
  const std::string failed = scheduler.failed(key);
  if (!failed.empty() || !sources.contains(job.spec.source)) {
    out.state = JobState::failing;
    out.last_error = failed.empty() ? "source " + job.spec.source + " is not configured" : failed;
  } else if (!paused.empty()) {
    out.state = JobState::paused;
    out.last_error = paused;
  } else if (job.spec.valid_until && *job.spec.valid_until <= now) {
    out.state = JobState::expired;
  } else if (!status->last_error.empty()) {
    out.state = JobState::failing;
  } else if (status->limited || cells.limited) {
    out.state = JobState::limited;
    out.last_error = "series_max or open_cells_max refuses new series: narrow the query or raise the limit";
  } else if (status->stats.rows_uncountable > 0) {
    out.state = JobState::failing;
    out.last_error =
        "counter output needs whole numbers up to 2^53: " + std::to_string(status->stats.rows_uncountable) +
        " rows or totals were not";
  } else if (const std::string missing = read_back.error_of(job.id); !missing.empty()) {
    out.state = JobState::failing;
    out.last_error = missing;
  } else {
    out.state = status->answered ? JobState::running : JobState::starting;
  }
  return out;
}

/// What the windows of the last answer said of the points that are served.
void Runner::Impl::add_bounds(const Job& job, const FinalBucket& of, ResultView& view) const {
  view.covered.from = view.covered.to - job.spec.view->query.window;
  const ViewFetcher* fetcher = feeds.find(job.tenant, job.stream_id);
  for (std::size_t at = 0; at < of.points.size(); ++at) {
    const FinalBucket::Point& point = of.points[at];
    const auto row = fetcher == nullptr ? std::nullopt : fetcher->bound(point.series, of.bucket);
    // A value that is held back is not what the window says now.
    if (!row || engine::Value::number(row->value) != point.value) {
      view.error_bound.reset();
      continue;
    }
    const double off = std::max(row->high - row->value, row->value - row->low);
    if (off > 0 || row->degraded != sketch::Degraded::nothing) {
      view.points[at].bound = ResultBound{.low = row->low, .high = row->high, .degraded = row->degraded};
    }
    if (view.error_bound) {
      view.error_bound = std::max(*view.error_bound, off);
    }
  }
}

Outcome<ResultView> Runner::Impl::result(const std::string& tenant, const std::string& store_path) const {
  const Job* job = registry.find_path(tenant, store_path);
  Refusal refusal{.kind = Refusal::Kind::not_found, .field = "unknown", .detail = {}, .job_id = {}};
  if (job == nullptr) {
    metrics.cache_misses.Increment();
    refusal.detail = "no job stores its result at " + store_path;
    return refusal;
  }
  const StreamStatus* status = stream_status(*job);
  if (status == nullptr || !status->final_bucket) {
    metrics.cache_misses.Increment();
    refusal.field = "not_ready";
    refusal.detail = "no bucket of job " + job->id + " is final yet";
    refusal.job_id = job->id;
    return refusal;
  }
  metrics.cache_hits.Increment();
  const FinalBucket& final_bucket = *status->final_bucket;
  const engine::Duration offset =
      job->spec.timestamp == Stamp::end ? job->spec.engine.granularity : engine::Duration::zero();
  ResultView view{.job_id = job->id,
                  .bucket = final_bucket.bucket,
                  .timestamp = final_bucket.bucket + offset,
                  .is_final = true,
                  .covered = final_bucket.covered,
                  .points = {}};
  for (const FinalBucket::Point& point : final_bucket.points) {
    view.points.push_back({.series = output_series(point.series, job->spec.record, job->spec.labels),
                           .value = point.value,
                           .revision = point.revision});
  }
  if (job->spec.view) {
    add_bounds(*job, final_bucket, view);
  }
  std::sort(view.points.begin(), view.points.end(),
            [](const ResultPoint& a, const ResultPoint& b) { return a.series < b.series; });
  return view;
}

std::vector<PumpStatus> Runner::Impl::outbox() const {
  std::vector<PumpStatus> all;
  for (const auto& [name, part] : sinks) {
    all.push_back(part.pump->status(Lane::live));
    all.push_back(part.pump->status(Lane::backfill));
  }
  return all;
}

std::vector<DeadLetter> Runner::Impl::dead_letters(const std::string& tenant, const std::string& sink,
                                                   std::uint64_t after, std::size_t limit) const {
  std::vector<DeadLetter> found;
  const std::string prefix = sink.empty() ? tenant + '\0' : key_of(tenant, sink);
  const std::string from = sink.empty() ? prefix : prefix + key_u64(after + 1);
  store.read().scan(Table::dead_letters, from, prefix_end(prefix),
                    [&](std::string_view, std::string_view value) {
                      engine::Result<DeadLetter> letter = decode_dead_letter(value);
                      if (letter && (!sink.empty() || letter->number > after)) {
                        found.push_back(*std::move(letter));
                      }
                      return found.size() < limit;
                    });
  return found;
}

Outcome<Revisions> Runner::Impl::revisions(const RevisionQuery& query) const {
  const Job* job = registry.find(query.tenant, query.job_id);
  return find_revisions(store, query, job == nullptr ? kUnknownGranularity : job->spec.engine.granularity,
                        clocks);
}

std::string Runner::Impl::not_ready() const {
  for (const Job* job : registry.jobs()) {
    const StreamStatus* status = stream_status(*job);
    if (status == nullptr || !status->answered) {
      return "job " + job->id + " (" + job->spec.store_path + ") had no complete answer yet";
    }
  }
  for (const auto& [name, part] : sinks) {
    const PumpStatus status = part.pump->status();
    if (!status.health || !status.health->reachable) {
      return "sink " + name + " is not reachable" +
             (status.last_error.empty() ? "" : ": " + status.last_error);
    }
  }
  return {};
}

std::string Runner::Impl::metrics_text() const {
  std::vector<JobGauges> jobs;
  const std::vector<const Job*> listed = registry.list(options.tenant, "", kJobsListed);
  jobs.reserve(listed.size());
  for (const Job* job : listed) {
    jobs.push_back({.job = job, .status = job_status(*job)});
  }
  std::vector<prometheus::MetricFamily> families = metrics.registry.Collect();
  std::vector<prometheus::MetricFamily> gauges =
      gauge_families(jobs, options.metrics_jobs_max, outbox(), store.stat(), jobs_waiting.size());
  families.insert(families.end(), std::make_move_iterator(gauges.begin()),
                  std::make_move_iterator(gauges.end()));
  std::vector<LaneGauges> lanes;
  lanes.reserve(listed.size());
  for (const Job* job : listed) {
    lanes.push_back({.job = job,
                     .gaps = backfills.gap_counts(*job),
                     .backfills = backfills.list(job->tenant, job->id, "", kJobsListed)});
  }
  std::vector<prometheus::MetricFamily> filling =
      backfill_families(lanes, options.metrics_jobs_max, clocks.source_now());
  families.insert(families.end(), std::make_move_iterator(filling.begin()),
                  std::make_move_iterator(filling.end()));
  return prometheus::TextSerializer{}.Serialize(families);
}

Time Runner::Impl::source_now() const {
  return clocks.source_now();
}

}  // namespace settle::runner
