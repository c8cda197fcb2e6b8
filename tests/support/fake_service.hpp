// tests/support/fake_service.hpp: a daemon without store, sources and clock, for what talks to a daemon. Jobs
// are decided by the registry's own draft; the rest is what the test puts in.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runner/backfill/backfill_parse.hpp"
#include "runner/jobs/registry_draft.hpp"
#include "runner/service.hpp"
#include "tests/support/fake_context.hpp"

namespace settle::test {

class FakeService : public runner::Service {
 public:
  std::string tenant_name = "default";
  engine::Time now = engine::from_epoch_ms(1'782'482'220'000);  // 2026-06-26T13:57:00Z
  bool store_fails = false;
  bool flushed = false;  // what the last removal asked for
  std::string missing;
  std::map<std::string, runner::JobStatus> statuses;  // by store_path
  std::map<std::string, runner::ResultView> results;  // by store_path
  std::vector<runner::PumpStatus> pumps;
  std::vector<runner::DeadLetter> letters;
  std::vector<runner::Revision> ledger;
  std::vector<runner::BackfillStatus> backfills;                  // of all jobs, by creation
  std::map<std::string, std::vector<runner::GapStatus>> gaps_of;  // by job_id
  runner::VerifyReport report;
  bool too_many_samples = false;                   // for one comparison
  std::optional<engine::Duration> verify_longest;  // none: ranges of any length are compared
  std::size_t ledger_at_once = 0;                  // so much of it is searched for one page; 0: all

  [[nodiscard]] const std::string& tenant() const override { return tenant_name; }
  boost::asio::awaitable<runner::Outcome<runner::Added>> add_job(std::string tenant, std::string json,
                                                                 bool replace) override {
    co_return add(tenant, json, replace, runner::Origin::api);
  }
  runner::Outcome<runner::Added> add(const std::string& tenant, const std::string& json, bool replace,
                                     runner::Origin origin) {
    auto spec = runner::parse_job(json, FakeContext{}, now);
    if (!spec) return spec.refusal();
    if (store_fails) return unavailable();
    runner::RegistryDraft draft = make_draft();
    auto added = draft.add(tenant, *std::move(spec), origin, replace);
    if (added) std::move(draft).apply(state_);
    return added;
  }
  boost::asio::awaitable<runner::Outcome<bool>> remove_job(std::string tenant, std::string id,
                                                           bool flush) override {
    flushed = flush;
    if (store_fails) co_return unavailable();
    runner::RegistryDraft draft = make_draft();
    auto removed = draft.remove(tenant, id, runner::Origin::api);
    if (removed) std::move(draft).apply(state_);
    co_return removed;
  }
  [[nodiscard]] const runner::Job* find_job(const std::string& tenant, const std::string& id) const override {
    return state_.job({tenant, id});
  }
  [[nodiscard]] std::vector<const runner::Job*> list_jobs(const std::string& tenant, const std::string& after,
                                                          std::size_t limit) const override {
    std::vector<const runner::Job*> page;
    bool started = after.empty();
    for (const auto& [of, created, id] : state_.order()) {
      const runner::Job* job = state_.job({of, id});
      if (started && of == tenant && page.size() < limit) page.push_back(job);
      if (runner::list_cursor(*job) == after) started = true;
    }
    return page;
  }
  [[nodiscard]] runner::JobStatus job_status(const runner::Job& job) const override {
    const auto known = statuses.find(job.spec.store_path);
    return known == statuses.end() ? runner::JobStatus{} : known->second;
  }
  [[nodiscard]] runner::Outcome<runner::ResultView> result(const std::string& tenant,
                                                           const std::string& store_path) const override {
    const auto ready = results.find(store_path);
    if (ready != results.end()) return ready->second;
    const runner::Job* job = state_.job_at(tenant, store_path);
    return runner::Refusal{.kind = runner::Refusal::Kind::not_found,
                           .field = job == nullptr ? "unknown" : "not_ready",
                           .detail = "no result at " + store_path,
                           .job_id = job == nullptr ? "" : job->id};
  }
  [[nodiscard]] std::vector<runner::PumpStatus> outbox() const override { return pumps; }
  [[nodiscard]] std::vector<runner::DeadLetter> dead_letters(const std::string& /*tenant*/,
                                                             const std::string& sink, std::uint64_t after,
                                                             std::size_t limit) const override {
    std::vector<runner::DeadLetter> page;
    for (const runner::DeadLetter& letter : letters) {
      if (!sink.empty() && letter.sink != sink) continue;
      if (letter.number > after && page.size() < limit) page.push_back(letter);
    }
    return page;
  }
  /// Its cursors are places in `ledger`; only `ledger_at_once` of it is looked at for one page.
  [[nodiscard]] runner::Outcome<runner::Revisions> revisions(
      const runner::RevisionQuery& query) const override {
    if (query.after == "x") return refusal(runner::Refusal::Kind::invalid, "after", "is no next");
    runner::Revisions page;
    std::size_t at = query.after.empty() ? 0 : std::stoul(query.after);
    const std::size_t end = std::min(ledger.size(), ledger_at_once > 0 ? at + ledger_at_once : ledger.size());
    for (; at < end && page.found.size() < query.limit; ++at) {
      const runner::Revision& revision = ledger[at];
      const bool wanted =
          revision.job_id == query.job_id && (query.series.empty() || revision.series == query.series);
      if (wanted && query.timestamps.contains(revision.timestamp)) page.found.push_back(revision);
    }
    if (at < ledger.size()) page.next = std::to_string(at);
    return page;
  }
  boost::asio::awaitable<runner::Outcome<runner::AddedBackfill>> add_backfill(std::string tenant,
                                                                              std::string job_id,
                                                                              std::string json) override {
    co_return add_range(tenant, job_id, json);
  }
  runner::Outcome<runner::AddedBackfill> add_range(const std::string& tenant, const std::string& job_id,
                                                   const std::string& json) {
    const runner::Job* job = find_job(tenant, job_id);
    if (job == nullptr) return refusal(runner::Refusal::Kind::not_found, "job_id", "there is no job");
    const engine::Duration granularity = job->spec.engine.granularity;
    auto request = runner::parse_backfill(json, granularity);
    if (!request) return request.refusal();
    if (store_fails) return unavailable();
    if (job->spec.engine.output == engine::Output::counter) {
      return refusal(runner::Refusal::Kind::conflict, "", "the counter has emitted");
    }
    for (const runner::BackfillStatus& known : backfills) {
      if (known.job_id != job_id || known.request.range != request->range) continue;
      return runner::AddedBackfill{.created = false, .status = known};
    }
    runner::BackfillStatus status;
    status.id = "bf" + std::to_string(++ids_);
    status.job_id = job_id;
    status.request = *request;
    status.end_effective =
        std::min(request->range.to, engine::floor_to(now - job->spec.engine.watch, granularity));
    status.chunk = request->chunk.value_or(engine::Duration{});
    status.buckets_total =
        static_cast<std::uint64_t>((status.end_effective - request->range.from) / granularity);
    status.created_at = now;
    backfills.push_back(status);
    return runner::AddedBackfill{.created = true, .status = status};
  }
  [[nodiscard]] std::vector<runner::BackfillStatus> list_backfills(const std::string& /*tenant*/,
                                                                   const std::string& job_id,
                                                                   const std::string& after,
                                                                   std::size_t limit) const override {
    std::vector<runner::BackfillStatus> page;
    bool started = after.empty();
    for (const runner::BackfillStatus& status : backfills) {
      if (status.job_id != job_id) continue;
      if (started && page.size() < limit) page.push_back(status);
      started = started || status.id == after;
    }
    return page;
  }
  [[nodiscard]] std::optional<runner::BackfillStatus> find_backfill(const std::string& /*tenant*/,
                                                                    const std::string& job_id,
                                                                    const std::string& id) const override {
    for (const runner::BackfillStatus& status : backfills) {
      if (status.job_id == job_id && status.id == id) return status;
    }
    return std::nullopt;
  }
  boost::asio::awaitable<runner::Outcome<runner::BackfillStatus>> steer_backfill(
      std::string /*tenant*/, std::string job_id, std::string id, runner::Steer steer) override {
    for (runner::BackfillStatus& status : backfills) {
      if (status.job_id == job_id && status.id == id) co_return steer_range(status, steer);
    }
    co_return refusal(runner::Refusal::Kind::not_found, "backfill_id", "there is no backfill");
  }
  [[nodiscard]] std::vector<runner::GapStatus> gaps(const std::string& /*tenant*/, const std::string& job_id,
                                                    std::size_t skip, std::size_t limit) const override {
    const auto known = gaps_of.find(job_id);
    if (known == gaps_of.end() || known->second.size() <= skip) return {};
    const auto from = known->second.begin() + static_cast<std::ptrdiff_t>(skip);
    const std::size_t n = std::min(limit, known->second.size() - skip);
    return {from, from + static_cast<std::ptrdiff_t>(n)};
  }
  boost::asio::awaitable<runner::Outcome<runner::VerifyReport>> verify(std::string /*tenant*/,
                                                                       std::string /*job_id*/,
                                                                       engine::TimeRange timestamps,
                                                                       std::size_t limit) override {
    const bool too_long = verify_longest && timestamps.to - timestamps.from > *verify_longest;
    if (too_many_samples || too_long)
      co_return refusal(runner::Refusal::Kind::invalid, "to", "too many samples");
    runner::VerifyReport answer = report;
    answer.timestamps = timestamps;
    if (answer.mismatches.size() > limit) answer.mismatches.resize(limit);
    co_return answer;
  }
  [[nodiscard]] std::string not_ready() const override { return missing; }
  [[nodiscard]] std::string metrics_text() const override { return "settle_jobs 1\n"; }
  [[nodiscard]] engine::Time source_now() const override { return now; }

 private:
  static runner::Outcome<runner::BackfillStatus> steer_range(runner::BackfillStatus& status,
                                                             runner::Steer steer) {
    using runner::BackfillState;
    if (status.state >= BackfillState::done) {
      return refusal(runner::Refusal::Kind::conflict, "", "the backfill is over");
    }
    status.state = steer == runner::Steer::pause    ? BackfillState::paused
                   : steer == runner::Steer::resume ? BackfillState::queued
                                                    : BackfillState::cancelled;
    return status;
  }
  [[nodiscard]] static runner::Refusal refusal(runner::Refusal::Kind kind, std::string field,
                                               std::string detail) {
    return {.kind = kind, .field = std::move(field), .detail = std::move(detail), .job_id = {}};
  }
  [[nodiscard]] static runner::Refusal unavailable() {
    return {
        .kind = runner::Refusal::Kind::unavailable, .field = {}, .detail = "the store is full", .job_id = {}};
  }
  [[nodiscard]] runner::RegistryDraft make_draft() {
    now += std::chrono::seconds{1};
    return runner::RegistryDraft(state_, {.wall_now = now,
                                          .job_grace = std::chrono::hours{24},
                                          .make_id = [this] { return "id" + std::to_string(++ids_); }});
  }
  runner::RegistryState state_;
  int ids_ = 0;
};

}  // namespace settle::test
