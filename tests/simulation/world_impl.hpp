// tests/simulation/world_impl.hpp: the inside of a world, shared by its source files.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/simulation/process.hpp"
#include "tests/simulation/scenario.hpp"
#include "tests/simulation/witness.hpp"
#include "tests/simulation/world.hpp"

namespace settle::simulation {

class World {
 public:
  explicit World(const RunOptions& options);
  ~World();
  [[nodiscard]] Report run();

 private:
  // world.cpp
  void note(std::string_view event, std::string_view text) { journal_.note(time_.now, event, text); }
  void violate(const char* invariant, std::string detail);
  [[nodiscard]] bool over() const { return journal_.violation().has_value(); }
  void live_until(engine::Duration end);
  bool step();
  bool commit();
  void count_step();
  void pass_until(engine::Duration limit);
  [[nodiscard]] std::optional<engine::Duration> next_instant() const;
  void advance(engine::Duration by);

  // world_life.cpp
  void start_daemon();
  void crash(const Happening& crash);
  void die(engine::Duration downtime);
  void stop_daemon();
  void happen(const Happening& one);
  void post(std::size_t job, bool replace);
  void remove(std::size_t job, bool flush);
  void backfill(const Happening& ask);
  void ask_backfill(const runner::Job& job, engine::TimeRange range, bool force);
  void steer(std::size_t job, runner::Steer how);
  [[nodiscard]] const runner::Job* find_job(std::size_t job) const;
  void reload(std::size_t source);
  void become_calm();
  // world_lanes.cpp
  void settle_down(engine::Time since);
  void compare_lanes();

  void mutate();
  void mutate_store();

  RunOptions options_;
  Journal journal_;
  Scenario scenario_;
  WorldTime time_;
  Random random_;
  std::string directory_;
  std::vector<std::unique_ptr<Source>> sources_;
  std::vector<std::unique_ptr<Server>> servers_;
  std::unique_ptr<Witness> witness_;
  std::unique_ptr<Process> process_;
  std::vector<bool> source_configured_;

  std::size_t next_happening_ = 0;
  std::vector<Happening> later_;  // what undoes something; by no order
  std::optional<Happening> crashing_;
  std::uint64_t steps_left_ = 0;
  std::optional<runner::SteadyTime> pool_until_;
  std::optional<runner::SteadyTime> disk_until_;
  std::optional<runner::SteadyTime> full_until_;
  std::optional<engine::Duration> back_at_;  // the daemon is down until then
  bool calm_ = false;
  std::uint64_t lives_ = 0;
  std::uint64_t commits_ = 0;
};

}  // namespace settle::simulation
