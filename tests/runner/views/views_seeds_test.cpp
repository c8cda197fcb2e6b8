// Jobs with functions in worlds drawn from a seed: crashes anywhere, outages, sources that stand still,
// revise and stay silent. After some peace every window is at the sinks, once, and is what the source's final
// numbers say. SETTLE_SEEDS=FROM-TO runs others than the usual ones.
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/runner/runner_world.hpp"
#include "tests/runner/views/seeds_oracle.hpp"
#include "tests/runner/views/seeds_world.hpp"

namespace settle::runner {
namespace {

using engine::Duration;
using seeds::Expected;
using seeds::JobPlan;
using seeds::Step;
using seeds::World;

// What a gap and its windows may take to be filled, after two hours of trouble at most.
constexpr auto kPeace = 60min;
// Before that everything has been sealed.
constexpr auto kUnsettled = 16min;
// The live lane of a job starts a watch before it is posted, but for what the start takes.
constexpr auto kReachesBack = 8min;

using Key = std::pair<std::string, Time>;
using Received = std::map<Key, std::vector<sinks::Row>>;

struct Run {
  std::vector<std::string> complaints;
  std::map<std::size_t, engine::Ranges> owed;  // by job: the ends of its windows
  Received received;
};

class Drive {
 public:
  Drive(std::uint64_t seed, bool in_peace) : world_(seed, kNoon), in_peace_(in_peace) {
    rig_.has_other = true;
    rig_.other.overwrite = sinks::Overwrite::none;
    rig_.sink.can_read_back = rig_.other.can_read_back = seed % 2 == 0;
  }

  Run run() {
    rig_.start();
    for (const Step& step : world_.steps()) take(step);
    pass(kPeace, 10s);
    for (auto& [job, from] : posted_) {
      run_.owed[job].add(TimeRange{from - kReachesBack, floor_to(rig_.now() - kUnsettled)});
    }
    for (const auto& [job, id] : ids_) {
      for (const GapStatus& gap : rig_.service().gaps("default", id, 0, 1'000)) {
        if (gap.state == GapState::filled) continue;
        complain("a gap of " + world_.jobs()[job].path +
                 " is not filled: " + engine::format_time(gap.range.from) + " to " +
                 engine::format_time(gap.range.to) + " " + gap.last_error + gap.reason);
      }
    }
    for (const auto* memory : {&rig_.sink, &rig_.other}) {
      for (const sinks::Row& row : memory->rows) {
        run_.received[{std::string{row.series}, row.timestamp}].push_back(row);
      }
    }
    return std::move(run_);
  }
  [[nodiscard]] const World& world() const { return world_; }

 private:
  static Time floor_to(Time at) { return engine::floor_to(at, seeds::kGranularity); }

  void complain(std::string what) { run_.complaints.push_back(std::move(what)); }

  void take(const Step& step) {
    switch (step.kind) {
      case Step::Kind::pass:
        return pass(step.time, 5s);
      case Step::Kind::crash:
        if (in_peace_) return;
        rig_.crash();
        return rig_.start();
      case Step::Kind::crash_within:
        if (in_peace_) return pass(step.time, 5s);
        rig_.crash_within(step.time, step.handlers);
        return rig_.start();
      case Step::Kind::restart:
        if (in_peace_) return;
        rig_.stop();
        return rig_.start();
      case Step::Kind::away:
        if (in_peace_) return pass(step.time, 5s);
        rig_.crash();
        rig_.stay_down(step.time);
        return rig_.start();
      case Step::Kind::post:
        return post(step.job);
      case Step::Kind::remove:
        return remove(step.job);
      case Step::Kind::backfill:
        return backfill(step);
    }
  }

  void post(std::size_t job) {
    const auto added = rig_.post(world_.jobs()[job].json);
    if (!added) return complain("refused: " + world_.jobs()[job].json);
    ids_[job] = added->job.id;
    posted_.try_emplace(job, floor_to(rig_.now()));
  }

  void backfill(const Step& step) {
    const auto added =
        rig_.backfill(ids_[step.job], R"({"start":")" + engine::format_time(step.range.from) +
                                          R"(","end":")" + engine::format_time(step.range.to) + R"("})");
    if (!added) return complain("a backfill was refused");
    backfills_[step.job] = added->status.id;
    const TimeRange& range = step.range;
    run_.owed[step.job].add(
        TimeRange{range.from + 1min, std::min(range.to + 1min, posted_.at(step.job) - kReachesBack)});
  }

  void remove(std::size_t job) {
    if (const auto asked = backfills_.find(job); asked != backfills_.end()) {
      const auto status = rig_.service().find_backfill("default", ids_[job], asked->second);
      if (!status || status->state != BackfillState::done) run_.owed.erase(job);  // it goes with its job
    }
    if (const auto gone = rig_.remove(ids_[job]); !gone) complain("a job could not be removed");
  }

  void pass(Duration time, std::chrono::milliseconds step) {
    for (Duration left = time; left > Duration::zero(); left -= std::min<Duration>(left, 30s)) {
      rig_.pass(std::min<Duration>(left, 30s), step);
      for (auto* memory : {&rig_.sink, &rig_.other}) {
        std::size_t& seen = seen_[memory];
        for (; seen < memory->rows.size(); ++seen) look_at(memory->rows[seen]);
      }
    }
  }

  /// Nothing goes out for a window that the source has not reached, but by age.
  void look_at(const sinks::Row& row) {
    const Time reached = world_.has_frontier() ? world_.frontier_told().value_or(Time::min()) : rig_.now();
    if (row.timestamp > reached && row.reason != engine::Reason::ttl) {
      complain(std::string{row.series} + " at " + engine::format_time(row.timestamp) +
               " went out before its time");
    }
  }

  World world_;
  bool in_peace_;
  RunnerRig rig_{kNoon, [this](const fetchers::FetchRequest& request) { return world_.answer(request); }};
  Run run_;
  std::map<std::size_t, std::string> ids_;
  std::map<std::size_t, Time> posted_;
  std::map<std::size_t, std::string> backfills_;
  std::map<const test::SinkMemory*, std::size_t> seen_;
};

std::string place(const std::string& series, Time at) {
  return series + " at " + engine::format_time(at);
}

/// One row may come twice after a crash, if the sink cannot be asked what it has; it is then the same row.
void check_rows(const JobPlan& job, const Key& key, const std::vector<sinks::Row>& rows, bool can_read_back,
                std::vector<std::string>& complaints) {
  for (std::size_t at = 1; at < rows.size(); ++at) {
    const bool same = rows[at].value == rows[at - 1].value;
    const bool sent_again = same && rows[at].revision == rows[at - 1].revision;
    if (sent_again ? can_read_back : (same || job.hold)) {
      complaints.push_back(place(key.first, key.second) + (job.hold ? " has two values" : " is said twice"));
    }
  }
}

std::vector<std::string> differences(const World& world, const Run& run, bool can_read_back) {
  std::vector<std::string> complaints = run.complaints;
  for (std::size_t at = 0; at < world.jobs().size(); ++at) {
    const JobPlan& job = world.jobs()[at];
    const bool is_top = job.query.function == engine::Function::top_k_over_time;
    std::map<Time, Expected> windows;
    const auto window = [&](Time end) -> const Expected& {
      const auto [place, is_new] = windows.try_emplace(end);
      if (is_new) place->second = window_of(world, job, end);
      return place->second;
    };
    for (const auto& [key, rows] : run.received) {
      if (key.first.substr(0, key.first.find('{')) != job.record()) continue;
      check_rows(job, key, rows, can_read_back, complaints);
      const Expected& expected = window(key.second);
      if (expected.values.contains(key.first)) continue;
      if (is_top && (expected.deceived || expected.late || world.any_scope_fails())) continue;
      complaints.push_back(place(key.first, key.second) + " should not be");
    }
    const auto owed = run.owed.find(at);
    if (owed == run.owed.end()) continue;
    for (const TimeRange& range : owed->second.list()) {
      for (Time end = range.from; end < range.to; end += seeds::kGranularity) {
        const Expected& expected = window(end);
        for (const auto& [series, value] : expected.values) {
          const auto found = run.received.find({series, end});
          if (found == run.received.end()) {
            if (!(is_top && (expected.late || expected.deceived)))
              complaints.push_back(place(series, end) + " is missing");
            continue;
          }
          const double got = found->second.back().value.as_double();
          const bool fooled = expected.late || (job.hold && (expected.deceived || world.any_scope_fails()));
          if (!fooled && !equal(job, value, got)) {
            complaints.push_back(place(series, end) + " is " + std::to_string(got) + " instead of " +
                                 std::to_string(value));
          }
        }
      }
    }
  }
  return complaints;
}

std::vector<engine::Value> values_of(const std::vector<sinks::Row>& rows) {
  std::vector<engine::Value> values;
  for (const sinks::Row& row : rows) {
    if (values.empty() || values.back() != row.value) values.push_back(row.value);
  }
  return values;
}

/// Jobs of one query get the same values.
void compare_twins(const World& world, const Run& run, std::vector<std::string>& complaints) {
  for (std::size_t at = 0; at < world.jobs().size(); ++at) {
    const JobPlan& job = world.jobs()[at];
    if (!job.twin_of) continue;
    const std::string other = world.jobs()[*job.twin_of].record();
    for (const auto& [key, rows] : run.received) {
      const bool owed =
          run.owed.at(at).contains(key.second) && run.owed.at(*job.twin_of).contains(key.second);
      if (!owed || !key.first.starts_with(job.record()) || window_of(world, job, key.second).late) continue;
      const auto found = run.received.find({other + key.first.substr(other.size()), key.second});
      if (found == run.received.end() || found->second.back().value != rows.back().value) {
        complaints.push_back(place(key.first, key.second) + " is not what its twin got");
      }
    }
  }
}

/// Final values do not tell whether anything ever stopped.
void compare_runs(const World& world, const Run& run, const Run& peaceful,
                  std::vector<std::string>& complaints) {
  for (std::size_t at = 0; at < world.jobs().size(); ++at) {
    const JobPlan& job = world.jobs()[at];
    const auto owed = run.owed.find(at);
    if (owed == run.owed.end()) continue;
    for (const auto& [key, rows] : peaceful.received) {
      if (key.first.substr(0, key.first.find('{')) != job.record() || !owed->second.contains(key.second))
        continue;
      const Expected expected = window_of(world, job, key.second);
      const bool fooled = expected.late || ((job.hold || !expected.values.contains(key.first)) &&
                                            (expected.deceived || world.any_scope_fails()));
      const auto found = run.received.find(key);
      if (fooled) continue;
      if (found == run.received.end() || values_of(found->second).back() != values_of(rows).back()) {
        complaints.push_back(place(key.first, key.second) + " is not what it is without crashes");
      }
    }
  }
}

void run_seed(std::uint64_t seed) {
  Drive drive{seed, false};
  const Run run = drive.run();
  std::vector<std::string> complaints = differences(drive.world(), run, seed % 2 == 0);
  compare_twins(drive.world(), run, complaints);
  if (seed % 4 == 0) {
    const Run peaceful = Drive{seed, true}.run();
    compare_runs(drive.world(), run, peaceful, complaints);
  }
  EXPECT_GT(run.received.size(), 20u) << "seed " << seed;
  if (complaints.empty()) return;
  std::string text = drive.world().story();
  constexpr std::size_t kShown = 12;
  for (std::size_t at = 0; at < std::min(complaints.size(), kShown); ++at) text += complaints[at] + '\n';
  ADD_FAILURE() << "seed " << seed << ": " << complaints.size() << " complaints\n" << text;
}

TEST(ViewsOfASeed, AreWhatTheSourceSaysInTheEnd) {
  // What is cut off here is the process: the medium may be memory.
  if (std::filesystem::is_directory("/dev/shm")) {
    ::setenv("TMPDIR", "/dev/shm", 0);  // NOLINT(concurrency-mt-unsafe): no thread yet
  }
  std::uint64_t from = 1;
  std::uint64_t to = 30;
  if (const char* chosen = std::getenv("SETTLE_SEEDS")) {  // NOLINT(concurrency-mt-unsafe): no thread yet
    const std::string text{chosen};
    from = std::stoull(text);
    to = text.find('-') == std::string::npos ? from : std::stoull(text.substr(text.find('-') + 1));
  }
  for (std::uint64_t seed = from; seed <= to; ++seed) run_seed(seed);
}

}  // namespace
}  // namespace settle::runner
