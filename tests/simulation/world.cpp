#include "tests/simulation/world.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "tests/simulation/ids.hpp"
#include "tests/simulation/world_impl.hpp"

namespace settle::simulation {

using engine::Duration;

namespace {

std::string make_directory() {
  std::error_code error;
  const std::filesystem::path memory = "/dev/shm";
  const bool fits = std::filesystem::is_directory(memory, error);
  std::string name =
      ((fits ? memory : std::filesystem::temp_directory_path()) / "settle_sim_XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder like " + name);
  return name;
}

}  // namespace

World::World(const RunOptions& options)
    : options_(options),
      scenario_(make_scenario(options.seed)),
      random_(options.seed, "world"),
      directory_(make_directory()) {
  journal_.listen(options.listener);
  seed_ids(options.seed);
  time_.now = scenario_.start;
  std::vector<Source*> sources;
  for (const SourceSpec& spec : scenario_.sources) {
    sources_.push_back(std::make_unique<Source>(spec, time_, journal_));
    sources.push_back(sources_.back().get());
  }
  std::vector<Server*> servers;
  for (const ServerSpec& spec : scenario_.servers) {
    servers_.push_back(std::make_unique<Server>(spec, time_, journal_));
    servers.push_back(servers_.back().get());
  }
  source_configured_.assign(sources_.size(), true);
  witness_ = std::make_unique<Witness>(scenario_, time_, journal_, sources, servers);
  for (std::size_t i = 0; i < servers_.size(); ++i) {
    servers_[i]->on_push = [this, i](const std::vector<sinks::Row>& rows) { witness_->pushed(i, rows); };
    servers_[i]->on_row = [this, i](const sinks::Row& row) { witness_->arrives(i, row); };
  }
  mutate();
}

World::~World() {
  process_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void World::violate(const char* invariant, std::string detail) {
  journal_.violate(time_.now, invariant, std::move(detail));
}

void World::count_step() {
  if (!crashing_ || crashing_->moment != Happening::Moment::anywhere) return;
  if (steps_left_ > 0) {
    steps_left_ -= 1;
    return;
  }
  die(crashing_->length);
}

bool World::commit() {
  const std::size_t waiting = process_->commits_waiting();
  if (waiting == 0 || (disk_until_ && *disk_until_ > time_.steady)) return false;
  const bool now = crashing_ && crashing_->moment != Happening::Moment::anywhere && steps_left_ == 0;
  if (crashing_ && steps_left_ > 0) steps_left_ -= 1;
  if (now && crashing_->moment == Happening::Moment::before_commit) {
    die(crashing_->length);
    return true;
  }
  if (full_until_ && *full_until_ > time_.steady) {
    note("disk", "is full: " + std::to_string(waiting) + " commits fail");
    process_->fail_commits("the disk is full, as it was to be");
    return true;
  }
  process_->commit(1 + random_.below(waiting));
  commits_ += 1;
  witness_->committed(process_->store(), process_->runner());
  if (now) die(crashing_->length);
  return true;
}

/// False when nothing can happen before time passes.
bool World::step() {
  if (!process_) return false;
  const bool pool_runs = !pool_until_ || *pool_until_ <= time_.steady;
  const auto order = random_.below(10);
  if (order == 0 && commit()) return true;
  if (order == 1 && pool_runs && process_->step_pool()) {
    count_step();
    return true;
  }
  if (process_->step_loop() || (pool_runs && process_->step_pool())) {
    count_step();
    return true;
  }
  return commit();
}

std::optional<Duration> World::next_instant() const {
  std::optional<runner::SteadyTime> next;
  const auto consider = [&](std::optional<runner::SteadyTime> at) {
    if (at && *at > time_.steady) next = std::min(next.value_or(*at), *at);
  };
  if (process_) consider(process_->clocks().next_wake());
  for (const auto& server : servers_) consider(server->next_due());
  consider(pool_until_);
  consider(disk_until_);
  consider(full_until_);
  if (!next) return std::nullopt;
  return std::chrono::ceil<Duration>(next->time_since_epoch());
}

void World::advance(Duration by) {
  time_.now += by;
  time_.steady += by;
  for (const auto& server : servers_) server->catch_up();
  if (process_) process_->clocks().wake();
}

void World::live_until(Duration end) {
  const auto elapsed = [this] { return std::chrono::ceil<Duration>(time_.steady.time_since_epoch()); };
  while (!over() && elapsed() < end) {
    if (step()) continue;
    Duration until = std::min(end, next_instant().value_or(end));
    if (back_at_) until = std::min(until, *back_at_);
    if (next_happening_ < scenario_.happenings.size()) {
      until = std::min(until, scenario_.happenings[next_happening_].at);
    }
    for (const Happening& one : later_) until = std::min(until, one.at);
    if (until > elapsed()) advance(until - elapsed());
    if (back_at_ && elapsed() >= *back_at_) start_daemon();
    for (std::size_t i = 0; i < later_.size();) {
      if (later_[i].at > elapsed()) {
        ++i;
        continue;
      }
      const Happening one = later_[i];
      later_.erase(later_.begin() + static_cast<std::ptrdiff_t>(i));
      happen(one);
    }
    while (!over() && next_happening_ < scenario_.happenings.size() &&
           scenario_.happenings[next_happening_].at <= elapsed()) {
      const Happening& one = scenario_.happenings[next_happening_++];
      happen(one);
    }
  }
}

Report World::run() {
  for (const std::string& line : describe(scenario_)) note("scenario", line);
  start_daemon();
  live_until(scenario_.busy);
  if (!over()) become_calm();
  if (!over()) settle_down(time_.now);
  if (!over()) witness_->check_end(process_->runner());
  if (!over() && Random{options_.seed, "lanes"}.percent(40)) compare_lanes();
  Report report;
  report.seed = options_.seed;
  report.violation = journal_.violation();
  report.digest = journal_.digest();
  report.events = journal_.events();
  report.samples = witness_->samples();
  report.lives = lives_;
  report.commits = commits_;
  return report;
}

Report run_world(const RunOptions& options) {
  return World{options}.run();
}

}  // namespace settle::simulation
