// tests/simulation/process.hpp: one life of the daemon: the real runner on a real store, moved step by step.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "runner/runner.hpp"
#include "runner/store/store.hpp"
#include "tests/simulation/clocks.hpp"
#include "tests/simulation/server.hpp"
#include "tests/simulation/source.hpp"

namespace settle::simulation {

struct ProcessSpec {
  std::string directory;
  engine::Time clock_floor;  // newest source time of the life before
  runner::RunnerOptions options;
  runner::PumpOptions pump;
  std::vector<Source*> sources;  // as configured
  std::vector<Server*> servers;
  Source::Listener told;
};

/// Everything happens on the caller's thread, when a step is asked for. Destroying it is a crash: nothing
/// that waits is written, nobody is told.
class Process {
 public:
  Process(const WorldTime& world, const ProcessSpec& spec);
  ~Process();
  Process(const Process&) = delete;

  /// Opens, loads, and starts to run.
  [[nodiscard]] engine::Result<void> start();
  /// One handler of the event loop; false: none is ready.
  bool step_loop();
  /// One task of the pool.
  bool step_pool();
  [[nodiscard]] std::size_t commits_waiting() const;
  void commit(std::size_t batches);
  void fail_commits(const std::string& why);

  void stop();
  /// After stop(), when nothing else is to do: lets the real moments pass that a stop takes.
  void wait_for_end();
  [[nodiscard]] bool ended() const;

  [[nodiscard]] runner::Runner& runner();
  [[nodiscard]] runner::Store& store();
  [[nodiscard]] SimClocks& clocks();
  /// For what is asked of the service meanwhile: it ends by itself, or with the process.
  [[nodiscard]] boost::asio::any_io_executor executor();
  [[nodiscard]] std::vector<runner::SourceEntry> entries(const std::vector<Source*>& sources);

 private:
  struct Parts;
  ProcessSpec spec_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace settle::simulation
