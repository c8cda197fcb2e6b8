// tests/simulation/scenario.hpp: what a seed decides before the world begins: sources, servers, jobs, and
// what will happen to them and to the daemon.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/simulation/server.hpp"
#include "tests/simulation/source.hpp"

namespace settle::simulation {

struct StreamSpec {
  std::size_t source = 0;
  std::string query;
  engine::Duration granularity{};
  engine::Duration watch{};
  engine::Duration ttl{};
  engine::Duration poll{};
  std::string finality;
  bool zero = false;
  engine::Duration absent_for{};
  bool counter = false;
  bool repush = true;
  bool ledger = false;   // instead
  bool growing = false;  // repush, also where the larger of two values stays
};

struct JobPlan {
  std::size_t stream = 0;
  std::string path;
  std::string record;
  std::vector<std::size_t> servers;
  bool stamp_end = false;
  std::string json;  // the body that is POSTed
};

struct Happening {
  enum class Kind : std::uint8_t {
    crash,           // after `steps` more steps, or around a commit; down for `length`
    restart,         // orderly; down for `length`
    sleep,           // the machine sleeps for `length`
    skew,            // the machine's clock is off by `length` from now on
    slow_pool,       // no task of the pool ends for `length`
    slow_disk,       // no commit ends for `length`
    full_disk,       // every commit fails for `length`
    kill_server,     // `which`, down for `length`
    lose_overwrite,  // `which` keeps both values for `length`
    post,            // job `which`
    remove,          // job `which`; `steps` 1: flushed
    replace,         // by job `which`, on its path
    backfill,        // asked for by job `which`: `length` up to now; `steps` 1: forced
    pause,           // every backfill of job `which`
    resume,          // the same
    drop_source,     // `which` leaves the configuration for `length`
  };
  Kind kind = Kind::crash;
  engine::Duration at{};  // since the beginning
  engine::Duration length{};
  std::size_t which = 0;
  std::uint64_t steps = 0;
  enum class Moment : std::uint8_t { anywhere, before_commit, after_commit } moment = Moment::anywhere;
};

struct Scenario {
  std::uint64_t seed = 0;
  engine::Time start;
  engine::Duration busy{};  // things go wrong for so long
  engine::Duration calm{};  // then everything is to come right within this
  std::uint64_t queue_rows_max = 1'000'000;
  std::vector<SourceSpec> sources;
  std::vector<ServerSpec> servers;
  std::vector<StreamSpec> streams;
  std::vector<JobPlan> jobs;
  std::vector<Happening> happenings;  // by `at`
};

[[nodiscard]] Scenario make_scenario(std::uint64_t seed);
/// Lines for the reader of a log.
[[nodiscard]] std::vector<std::string> describe(const Scenario& scenario);
[[nodiscard]] std::string describe(const Happening& happening, const Scenario& scenario);

}  // namespace settle::simulation
