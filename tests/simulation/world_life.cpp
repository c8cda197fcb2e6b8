// The lives of the daemon in a simulated world, and all that happens to them.
#include <algorithm>
#include <filesystem>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "runner/push/delivery_records.hpp"
#include "tests/simulation/slips.hpp"
#include "tests/simulation/world_impl.hpp"

namespace settle::simulation {

namespace asio = boost::asio;
using engine::Duration;
using Kind = Happening::Kind;

namespace {

constexpr const char* kTenant = "default";

Duration elapsed(const WorldTime& time) {
  return std::chrono::ceil<Duration>(time.steady.time_since_epoch());
}

}  // namespace

void World::start_daemon() {
  back_at_.reset();
  mutate_store();
  ProcessSpec spec;
  spec.directory = directory_;
  spec.clock_floor = witness_->newest_source_time();
  spec.options.backfill.backoff_max = std::chrono::seconds{20};
  spec.pump.queue_rows_max = scenario_.queue_rows_max;
  spec.pump.backoff_max = std::chrono::seconds{20};
  spec.pump.jitter_seed = Random::mix(options_.seed + lives_);
  // Every life may have another configuration.
  Random random{Random::mix(options_.seed + lives_), "configuration"};
  if (random.percent(40))
    spec.options.backfill.samples_per_chunk = static_cast<double>(random.between(1, 200));
  if (random.percent(30)) spec.pump.backfill_batch_rows_max = 1 + random.below(50);
  if (random.percent(15)) spec.pump.queue_rows_max = 10 + random.below(100);
  if (random.percent(15)) spec.pump.backfill_queue_rows_max = 10 + random.below(100);
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (source_configured_[i]) spec.sources.push_back(sources_[i].get());
  }
  for (const auto& server : servers_) spec.servers.push_back(server.get());
  spec.told = [this](const std::string& selector, const Told& told) { witness_->told(selector, told); };
  process_ = std::make_unique<Process>(time_, spec);
  lives_ += 1;
  note("daemon", "starts, life " + std::to_string(lives_));
  if (const auto started = process_->start(); !started) {
    violate("what was saved is loaded", started.error().detail);
    process_.reset();
    return;
  }
  witness_->daemon_started(process_->runner());
}

void World::die(Duration downtime) {
  note("daemon", "dies; " + std::to_string(process_->commits_waiting()) + " commits were waiting");
  process_.reset();
  for (const auto& server : servers_) server->client_died();
  witness_->daemon_died();
  crashing_.reset();
  back_at_ = elapsed(time_) + downtime;
}

void World::stop_daemon() {
  note("daemon", "is stopped");
  process_->stop();
  // It may still die on the way.
  while (process_ && !process_->ended()) {
    if (step()) continue;
    process_->wait_for_end();
    if (step() || process_->ended()) continue;
    const auto next = next_instant();
    if (next) advance(*next - elapsed(time_));
  }
  if (!process_) return;
  process_.reset();
  for (const auto& server : servers_) server->client_died();
  witness_->daemon_died();
  crashing_.reset();
}

void World::post(std::size_t job, bool replace) {
  const JobPlan& plan = scenario_.jobs[job];
  const std::string path = plan.path;
  auto done = [this, path](std::exception_ptr failed, const runner::Outcome<runner::Added>& added) {
    if (failed) return violate("a request never throws", path);
    note("api",
         added ? "posted " + path + ": " + (added->how == runner::Added::How::existing ? "known" : "new")
               : "post of " + path + " is refused: " + added.refusal().field + ": " + added.refusal().detail);
  };
  asio::co_spawn(process_->executor(), process_->runner().service().add_job(kTenant, plan.json, replace),
                 done);
}

void World::remove(std::size_t job, bool flush) {
  const std::string path = scenario_.jobs[job].path;
  for (const runner::Job* one : process_->runner().service().list_jobs(kTenant, "", 1'000)) {
    if (one->spec.store_path != path) continue;
    if (flush) witness_->flushing(one->stream_id);
    auto done = [this, path](std::exception_ptr failed, const runner::Outcome<bool>& removed) {
      if (failed) return violate("a request never throws", path);
      note("api", (removed ? "removed " : "cannot remove ") + path);
    };
    asio::co_spawn(process_->executor(), process_->runner().service().remove_job(kTenant, one->id, flush),
                   done);
    return;
  }
}

const runner::Job* World::find_job(std::size_t job) const {
  for (const runner::Job* one : process_->runner().service().list_jobs(kTenant, "", 1'000)) {
    if (one->spec.store_path == scenario_.jobs[job].path) return one;
  }
  return nullptr;
}

void World::backfill(const Happening& ask) {
  const runner::Job* job = find_job(ask.which);
  if (job == nullptr) return;
  const engine::Duration granularity = job->spec.engine.granularity;
  const engine::Time to = engine::floor_to(time_.now, granularity);
  ask_backfill(*job, {to - ask.length, to}, ask.steps > 0);
}

void World::ask_backfill(const runner::Job& job, engine::TimeRange range, bool force) {
  const std::string path = job.spec.store_path;
  const std::string text = "{\"start\":\"" + engine::format_time(range.from) + "\",\"end\":\"" +
                           engine::format_time(range.to) + "\"" + (force ? ",\"force\":true}" : "}");
  auto done = [this, path](std::exception_ptr failed, const runner::Outcome<runner::AddedBackfill>& added) {
    if (failed) return violate("a request never throws", path);
    note("api", added ? (added->created ? "new" : "known") + std::string{" backfill "} + added->status.id
                      : "backfill refused: " + added.refusal().field + ": " + added.refusal().detail);
  };
  witness_->asked_for(job.stream_id, range);
  asio::co_spawn(process_->executor(), process_->runner().service().add_backfill(kTenant, job.id, text),
                 done);
}

void World::steer(std::size_t which, runner::Steer how) {
  const runner::Job* job = find_job(which);
  if (job == nullptr) return;
  for (const runner::BackfillStatus& one :
       process_->runner().service().list_backfills(kTenant, job->id, "", 1'000)) {
    auto done = [this](std::exception_ptr failed, const runner::Outcome<runner::BackfillStatus>& steered) {
      if (failed) return violate("a request never throws", "steer");
      note("api", steered ? "backfill is " + std::string{runner::backfill_state_text(steered->state)}
                          : "not steered: " + steered.refusal().detail);
    };
    asio::co_spawn(process_->executor(),
                   process_->runner().service().steer_backfill(kTenant, job->id, one.id, how), done);
  }
}

/// As SIGHUP does.
void World::reload(std::size_t source) {
  std::vector<runner::SourceEntry> there;
  std::vector<std::string> gone;
  if (source_configured_[source]) {
    there = process_->entries({sources_[source].get()});
  } else {
    gone.push_back(sources_[source]->spec().name);
  }
  auto done = [this](std::exception_ptr failed, const runner::Outcome<std::vector<std::string>>& changed) {
    if (failed || !changed) violate("a reload succeeds", failed ? "it throws" : changed.refusal().detail);
  };
  asio::co_spawn(process_->executor(),
                 process_->runner().reload(std::move(there), std::move(gone), std::vector<std::string>{}),
                 done);
}

void World::happen(const Happening& one) {
  note("happening", describe(one, scenario_));
  const auto until = time_.steady + one.length;
  const Duration later = elapsed(time_) + one.length;
  switch (one.kind) {
    case Kind::crash:
      if (!process_ || crashing_) return;
      crashing_ = one;
      steps_left_ = one.moment == Happening::Moment::anywhere ? one.steps : one.steps / 8;
      return;
    case Kind::restart:
      if (!process_) return;
      stop_daemon();
      if (!back_at_) back_at_ = elapsed(time_) + one.length;
      return;
    case Kind::sleep:
      time_.now += one.length;
      return;
    case Kind::skew:
      time_.skew = one.length;
      return;
    case Kind::slow_pool:
      pool_until_ = until;
      return;
    case Kind::slow_disk:
      disk_until_ = until;
      return;
    case Kind::full_disk:
      full_until_ = until;
      return;
    case Kind::kill_server:
      servers_[one.which]->kill(one.length);
      return;
    case Kind::lose_overwrite:
      servers_[one.which]->set_overwrite(
          one.length == Duration::zero() ? servers_[one.which]->spec().overwrite : sinks::Overwrite::none);
      if (one.length > Duration::zero()) {
        Happening back = one;
        back.at = later;
        back.length = Duration::zero();
        later_.push_back(back);
      }
      return;
    case Kind::post:
    case Kind::replace:
    case Kind::remove:
    case Kind::backfill:
    case Kind::pause:
    case Kind::resume: {
      if (!process_) {  // asked again when somebody answers
        Happening again = one;
        again.at = *back_at_ + std::chrono::seconds{1};
        later_.push_back(again);
        return;
      }
      if (one.kind == Kind::remove) {
        remove(one.which, one.steps > 0);
      } else if (one.kind == Kind::backfill) {
        backfill(one);
      } else if (one.kind == Kind::pause || one.kind == Kind::resume) {
        steer(one.which, one.kind == Kind::pause ? runner::Steer::pause : runner::Steer::resume);
      } else {
        post(one.which, one.kind == Kind::replace);
      }
      return;
    }
    case Kind::drop_source:
      source_configured_[one.which] = one.length == Duration::zero();
      if (process_) reload(one.which);
      if (one.length > Duration::zero()) {
        Happening back = one;
        back.at = later;
        back.length = Duration::zero();
        later_.push_back(back);
      }
      return;
  }
}

void World::become_calm() {
  note("world", "is calm from now on");
  calm_ = true;
  for (Happening& one : later_) one.at = elapsed(time_);
  for (; next_happening_ < scenario_.happenings.size(); ++next_happening_) {
    const Happening& one = scenario_.happenings[next_happening_];
    // Who removed it wants it back, and who paused them, too.
    if (one.kind == Kind::post || one.kind == Kind::resume) later_.push_back(one);
  }
  for (std::size_t i = 0; i < scenario_.jobs.size(); ++i) {  // a request may have died with the daemon
    Happening resume;
    resume.kind = Kind::resume;
    resume.which = i;
    resume.at = elapsed(time_);
    later_.push_back(resume);
  }
  crashing_.reset();
  pool_until_.reset();
  disk_until_.reset();
  full_until_.reset();
  time_.skew = {};
  for (const auto& source : sources_) source->calm();
  for (const auto& server : servers_) {
    server->calm();
    server->set_overwrite(server->spec().overwrite);
  }
  if (back_at_) back_at_ = elapsed(time_);
}

void World::mutate() {
  slips() = {.passes_failed_chunks = options_.mutant == Mutant::backfill_passes_failures,
             .ends_a_bucket_short = options_.mutant == Mutant::backfill_ends_short};
  for (const auto& server : servers_) {
    server->mutation.drops_a_row = options_.mutant == Mutant::sink_drops_a_row;
    server->mutation.stores_twice = options_.mutant == Mutant::sink_stores_twice;
    server->mutation.alters_a_value = options_.mutant == Mutant::sink_alters_a_value;
    server->mutation.never_takes_any = options_.mutant == Mutant::sink_never_takes_any;
    server->mutation.forgets_for_good = options_.mutant == Mutant::sink_hides_a_restart;
  }
  for (const auto& source : sources_) {
    source->mutation.drops_a_row = options_.mutant == Mutant::answer_drops_a_row;
    source->mutation.frontier_lies = options_.mutant == Mutant::frontier_lies;
    source->mutation.misses_a_bucket = options_.mutant == Mutant::reread_misses_a_bucket;
    source->mutation.counts_though_failed = options_.mutant == Mutant::reread_counts_though_failed;
  }
}

/// Before a life of the daemon begins.
void World::mutate_store() {
  namespace fs = std::filesystem;
  const Mutant mutant = options_.mutant;
  const fs::path data = fs::path{directory_} / "data.mdb";
  const fs::path kept = fs::path{directory_} / "kept";
  if (mutant == Mutant::store_goes_back && lives_ > 0) {
    if (fs::exists(kept)) fs::copy_file(kept, data, fs::copy_options::overwrite_existing);
    fs::copy_file(data, kept, fs::copy_options::overwrite_existing);
  }
  const bool changes = mutant == Mutant::cursor_skips_rows || mutant == Mutant::ledger_loses_rows ||
                       mutant == Mutant::gaps_are_forgotten || mutant == Mutant::backfill_ledger_loses_rows;
  if (!changes || lives_ == 0) return;
  auto store = runner::Store::open({.directory = directory_, .bytes_max = std::size_t{64} << 20});
  if (!store) return violate("what was saved is loaded", store.error().detail);
  runner::WriteBatch batch;
  {
    const runner::ReadTransaction view = (*store)->read();
    std::string newest;
    view.scan(runner::Table::ledger, "", "", [&newest](std::string_view key, std::string_view) {
      newest = key;
      return true;
    });
    if (mutant == Mutant::backfill_ledger_loses_rows) {
      std::string last;
      view.scan(runner::Table::backfill_ledger, "", "", [&last](std::string_view key, std::string_view) {
        last = key;
        return true;
      });
      if (!last.empty()) batch.erase(runner::Table::backfill_ledger, last);
    }
    if (mutant == Mutant::gaps_are_forgotten) batch.erase_range(runner::Table::gaps, "", "");
    if (mutant == Mutant::ledger_loses_rows && !newest.empty()) batch.erase(runner::Table::ledger, newest);
    if (mutant == Mutant::cursor_skips_rows) {
      view.scan(runner::Table::sinks, "", "", [&](std::string_view key, std::string_view value) {
        auto record = runner::decode_sink_record(value);
        if (!record || newest.empty() || key.back() != '\0') return true;
        record->next = {.key = newest, .row = 1'000};
        batch.put(runner::Table::sinks, std::string{key}, runner::encode_sink_record(*record));
        return true;
      });
    }
  }
  if (!batch.empty()) (void)(*store)->commit_now(std::move(batch));
}

}  // namespace settle::simulation
