// What the outside asks of the backfill lane: add, steer, list; and the states of gaps.
#include <algorithm>
#include <tuple>

#include <spdlog/spdlog.h>
#include <xxhash.h>

#include "engine/plan/backfill.hpp"
#include "runner/backfill/backfill_lane_impl.hpp"
#include "runner/backfill/backfill_parse.hpp"
#include "runner/store/keys.hpp"

namespace settle::runner {

namespace asio = boost::asio;
using engine::Duration;
using engine::Time;

namespace {

constexpr double kEtaSecondsMax = 100.0 * 365 * 86'400;

Refusal no_job(const std::string& id) {
  return {.kind = Refusal::Kind::not_found,
          .field = "job_id",
          .detail = "there is no job \"" + id + "\"",
          .job_id = {}};
}

Refusal no_backfill(const std::string& id) {
  return {.kind = Refusal::Kind::not_found,
          .field = "backfill_id",
          .detail = "the job has no backfill \"" + id + "\"",
          .job_id = {}};
}

Refusal unavailable(const std::string& detail) {
  return {.kind = Refusal::Kind::unavailable,
          .field = {},
          .detail = "nothing was changed: " + detail,
          .job_id = {}};
}

bool same_request(const BackfillRequest& a, const BackfillRequest& b) {
  return a.range == b.range && a.chunk == b.chunk && a.rate == b.rate && a.force == b.force;
}

/// By (created_at, id).
auto order_of(const BackfillRecord& record) {
  return std::tie(record.created_at, record.id);
}

}  // namespace

std::optional<Refusal> BackfillLane::Impl::refuse(const Job& job, const BackfillRequest& request,
                                                  Time live_from) const {
  if (job.spec.engine.output == engine::Output::counter) {
    return Refusal{.kind = Refusal::Kind::conflict,
                   .field = "output",
                   .detail =
                       "the totals of a counter start where its live lane started, and history before "
                       "that would raise every total that went out: post another job for the same query "
                       "with \"output\": \"gauge\" and another \"record\", and backfill that",
                   .job_id = job.id};
  }
  if (request.range.from >= live_from) {
    return Refusal{.kind = Refusal::Kind::invalid,
                   .field = "start",
                   .detail = "the live lane has everything from " + engine::format_time(live_from) +
                             " on; expected an earlier start",
                   .job_id = {}};
  }
  for (const std::string& name : job.spec.sinks) {
    const auto can = parts.sink(name);
    if (!can) {
      return unavailable(
          "sink " + name +
          " is not configured, and what it takes is not known: configure it again, or post the "
          "job without it");
    }
    const auto oldest = oldest_taken(name);
    if (oldest && request.range.from < *oldest && !can->window_known) {
      return unavailable(
          "sink " + name +
          " has not answered since the start, and how old a sample it takes is not known: ask again "
          "when it has (/api/v1/outbox says why it has not)");
    }
    if (oldest && request.range.from < *oldest) {
      return Refusal{.kind = Refusal::Kind::invalid,
                     .field = "start",
                     .detail = "sink " + name + " refuses samples that are more than " +
                               engine::format_duration(*can->out_of_order_window) +
                               " behind its newest, and the live lane goes first: " +
                               (can->out_of_order_window == Duration{}
                                    ? "it takes no backfill"
                                    : "it takes nothing before " + engine::format_time(*oldest)) +
                               "; raise the server's out-of-order window and the sink's "
                               "out_of_order_window, or post a job with another sink",
                     .job_id = {}};
    }
  }
  return std::nullopt;
}

BackfillRecord BackfillLane::Impl::draft(const Job& job, const BackfillRequest& request, Time live_from) {
  const std::optional<Time> served = served_from(job);
  engine::BackfillAsk ask{.asked = request.range,
                          .granularity = job.spec.engine.granularity,
                          .live_from = live_from,
                          .served_from = served,
                          .valid_until = job.spec.valid_until,
                          .claimed = done_for(job.id),
                          .force = request.force};
  engine::BackfillPlan plan = engine::plan_backfill(ask);
  BackfillRecord record;
  record.tenant = job.tenant;
  record.job_id = job.id;
  record.stream_id = job.stream_id;
  const std::string seed = parts.store.writer_id() + std::to_string(++made);
  const XXH64_hash_t hash = XXH3_64bits(seed.data(), seed.size());
  constexpr std::string_view kHex = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    record.id.push_back(kHex[(hash >> shift) & 0xf]);
  }
  record.request = request;
  record.end_effective = plan.end_effective;
  record.planned = plan.todo;
  record.todo = std::move(plan.todo);
  record.served = served.has_value();
  record.buckets_total = plan.buckets_total;
  record.created_at = parts.clocks.wall_now();
  if (record.todo.empty() && record.served) {
    record.state = BackfillState::done;
    record.finished_at = record.created_at;
  }
  return record;
}

asio::awaitable<Outcome<AddedBackfill>> BackfillLane::Impl::add(std::string tenant, std::string job_id,
                                                                std::string json) {
  const Turns::Turn turn = co_await commits.take();
  const Job* job = parts.registry.find(tenant, job_id);
  if (job == nullptr) {
    co_return no_job(job_id);
  }
  const Outcome<BackfillRequest> request = parse_backfill(json, job->spec.engine.granularity);
  if (!request) {
    co_return request.refusal();
  }
  const StreamStatus* live = parts.stream_status(tenant, job->stream_id);
  if (live == nullptr) {
    co_return unavailable("the job's stream does not run");
  }
  // Where the live lane begins for a job that it never served is seen with its first answer.
  const Time now = engine::floor_to(parts.clocks.source_now(), job->spec.engine.granularity);
  for (const BackfillItem* item : of_job(job_id)) {
    const BackfillRecord& held = item->record;
    const bool counts =
        request->force ? !is_over(held.state) : !is_over(held.state) || held.state == BackfillState::done;
    if (counts && same_request(held.request, *request)) {
      co_return AddedBackfill{.created = false, .status = status(*item)};
    }
  }
  if (auto refusal = refuse(*job, *request, served_from(*job) ? live->live_from : now)) {
    co_return *std::move(refusal);
  }
  if (auto refusal = refuse_more(job_id)) {
    co_return *std::move(refusal);
  }
  BackfillRecord record = draft(*job, *request, live->live_from);
  WriteBatch batch;
  batch.put(Table::backfills, backfill_key(record), encode_backfill(record));
  const std::vector<BackfillId> gone = too_many(job_id);
  for (const BackfillId& one : gone) {
    batch.erase(Table::backfills, backfill_key(backfills.at(one).record));
  }
  std::string why;
  std::vector<std::string> job_ids{job_id};
  const GapStream of{record.tenant, record.stream_id};
  const bool committed = co_await commit(std::move(batch), of, std::move(job_ids), &why);
  if (!committed) {
    co_return unavailable(why);
  }
  spdlog::info("event=backfill_added backfill={} job={} from={} to={} buckets={}", record.id, job_id,
               engine::format_time(record.request.range.from), engine::format_time(record.end_effective),
               record.buckets_total);
  for (const BackfillId& one : gone) {
    backfills.erase(one);
  }
  const BackfillId id{job_id, record.id};
  BackfillItem& item = backfills[id];
  item.record = std::move(record);
  kick();
  co_return AddedBackfill{.created = true, .status = status(item)};
}

asio::awaitable<Outcome<BackfillStatus>> BackfillLane::Impl::steer(std::string tenant, std::string job_id,
                                                                   std::string id, Steer steer) {
  const Turns::Turn turn = co_await commits.take();
  const auto found = backfills.find({job_id, id});
  if (found == backfills.end() || found->second.record.tenant != tenant) {
    co_return no_backfill(id);
  }
  BackfillItem& item = found->second;
  BackfillRecord record = item.record;
  if (is_over(record.state)) {
    if (steer == Steer::cancel && record.state == BackfillState::cancelled) {
      co_return status(item);
    }
    Refusal over{.kind = Refusal::Kind::conflict, .field = {}, .detail = {}, .job_id = job_id};
    over.detail = "backfill " + id + " is " + std::string{backfill_state_text(record.state)} +
                  " already; post a new one";
    co_return over;
  }
  switch (steer) {
    case Steer::pause:
      record.state = BackfillState::paused;
      break;
    case Steer::resume:
      record.state = record.state == BackfillState::paused ? BackfillState::queued : record.state;
      break;
    case Steer::cancel:
      record.state = BackfillState::cancelled;
      record.finished_at = parts.clocks.wall_now();
      break;
  }
  WriteBatch batch;
  batch.put(Table::backfills, backfill_key(record), encode_backfill(record));
  const engine::Result<Committed> done = co_await parts.store.commit(std::move(batch));
  if (!done) {
    co_return unavailable(done.error().detail);
  }
  item.record = std::move(record);
  item.ahead.reset();
  if (steer == Steer::resume) {
    item.wait = {};
    item.steps.clear();
    keep_pace(item);
  }
  kick();
  co_return status(item);
}

BackfillStatus BackfillLane::Impl::status(const BackfillItem& item) const {
  const BackfillRecord& record = item.record;
  BackfillStatus out;
  out.id = record.id;
  out.job_id = record.job_id;
  out.state = record.state;
  out.request = record.request;
  out.end_effective = record.end_effective;
  out.buckets_total = record.buckets_total;
  out.buckets_impossible = record.buckets_impossible;
  out.samples = record.samples;
  out.held_back = record.held_back;
  out.errors = record.errors;
  out.last_error = record.last_error;
  out.last_error_at = record.last_error_at;
  out.created_at = record.created_at;
  out.finished_at = record.finished_at;
  out.chunk = item.chunk > Duration::zero() ? item.chunk : record.request.chunk.value_or(Duration::zero());
  const Job* job = parts.registry.find(record.tenant, record.job_id);
  const Duration granularity = job == nullptr ? Duration{1} : job->spec.engine.granularity;
  const std::uint64_t left = job == nullptr ? 0 : record.todo.count(granularity);
  out.buckets_done = record.buckets_total - std::min(record.buckets_total, left);
  const bool runs = record.state == BackfillState::queued || record.state == BackfillState::running;
  if (runs && !item.wait.why.empty()) {
    out.state = BackfillState::waiting;
    out.last_error = item.wait.why;
  }
  if (item.steps.size() < 2 || !runs) {
    return out;
  }
  const std::chrono::duration<double> took = item.steps.back().at - item.steps.front().at;
  std::uint64_t samples = 0;
  std::uint64_t buckets = 0;
  for (std::size_t i = 1; i < item.steps.size(); ++i) {
    samples += item.steps[i].samples;
    buckets += item.steps[i].buckets;
  }
  if (took.count() > 0 && buckets > 0) {
    out.samples_per_second = static_cast<double>(samples) / took.count();
    const double seconds = static_cast<double>(left) * took.count() / static_cast<double>(buckets);
    out.eta = Duration{static_cast<std::int64_t>(std::min(seconds, kEtaSecondsMax) * 1000)};
  }
  return out;
}

asio::awaitable<Outcome<AddedBackfill>> BackfillLane::add(std::string tenant, std::string job_id,
                                                          std::string json) {
  co_return co_await impl_->add(std::move(tenant), std::move(job_id), std::move(json));
}

asio::awaitable<Outcome<BackfillStatus>> BackfillLane::steer(std::string tenant, std::string job_id,
                                                             std::string id, Steer steer) {
  co_return co_await impl_->steer(std::move(tenant), std::move(job_id), std::move(id), steer);
}

std::vector<BackfillStatus> BackfillLane::list(const std::string& tenant, const std::string& job_id,
                                               const std::string& after, std::size_t limit) const {
  std::vector<const BackfillItem*> items;
  for (const BackfillItem* item : impl_->of_job(job_id)) {
    if (item->record.tenant == tenant) {
      items.push_back(item);
    }
  }
  std::sort(items.begin(), items.end(), [](const BackfillItem* a, const BackfillItem* b) {
    return order_of(a->record) < order_of(b->record);
  });
  if (!after.empty()) {
    const auto last = std::find_if(items.begin(), items.end(),
                                   [&](const BackfillItem* item) { return item->record.id == after; });
    items.erase(items.begin(), last == items.end() ? last : last + 1);
  }
  std::vector<BackfillStatus> page;
  for (const BackfillItem* item : items) {
    if (page.size() == limit) {
      break;
    }
    page.push_back(impl_->status(*item));
  }
  return page;
}

std::optional<BackfillStatus> BackfillLane::find(const std::string& tenant, const std::string& job_id,
                                                 const std::string& id) const {
  const auto found = impl_->backfills.find({job_id, id});
  if (found == impl_->backfills.end() || found->second.record.tenant != tenant) {
    return std::nullopt;
  }
  return impl_->status(found->second);
}

}  // namespace settle::runner
