// The simulation as a program: runs seeds, says which one failed, shows one with everything that happened.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "tests/simulation/world.hpp"

namespace {

using namespace settle;

struct Arguments {
  std::uint64_t from = 1;
  std::uint64_t seeds = 100;
  std::uint64_t step = 1;  // every n-th seed only: two programs share a range
  std::optional<std::uint64_t> seed;
  bool log = false;
};

int usage() {
  std::fputs("usage: simulate --seeds N [--from S] [--step K] | --seed S [--log]\n", stderr);
  return 2;
}

int show(const simulation::Report& report) {
  std::printf("seed %llu: %s, %llu events, %llu samples, %llu commits, %llu lives, digest %016llx\n",
              static_cast<unsigned long long>(report.seed), report.violation ? "FAILED" : "ok",
              static_cast<unsigned long long>(report.events), static_cast<unsigned long long>(report.samples),
              static_cast<unsigned long long>(report.commits), static_cast<unsigned long long>(report.lives),
              static_cast<unsigned long long>(report.digest));
  if (!report.violation) return 0;
  std::printf("  %s: %s\n  replay it: scripts/simulate --seed %llu --log\n",
              report.violation->invariant.c_str(), report.violation->detail.c_str(),
              static_cast<unsigned long long>(report.seed));
  return 1;
}

int run_one(std::uint64_t seed, bool log) {
  simulation::RunOptions options;
  options.seed = seed;
  if (log) {
    spdlog::set_level(spdlog::level::info);
    spdlog::set_default_logger(spdlog::stdout_logger_st("daemon"));
    spdlog::set_pattern("                         %v");
    options.listener = [](engine::Time at, std::string_view event, std::string_view text) {
      std::printf("%-24s %-14.*s %.*s\n", engine::format_time(at).c_str(), static_cast<int>(event.size()),
                  event.data(), static_cast<int>(text.size()), text.data());
    };
  }
  return show(simulation::run_world(options));
}

int run_many(const Arguments& given) {
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t samples = 0;
  std::uint64_t lives = 0;
  std::uint64_t done = 0;
  for (std::uint64_t seed = given.from; seed < given.from + given.seeds; seed += given.step) {
    const simulation::Report report = simulation::run_world({.seed = seed, .listener = {}});
    if (report.violation) return show(report);
    samples += report.samples;
    lives += report.lives;
    if (++done % 500 == 0) {
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      std::printf("%llu seeds, %.0f per second\n", static_cast<unsigned long long>(done),
                  static_cast<double>(done) / took.count());
      std::fflush(stdout);
    }
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%llu seeds, no violation: %llu samples, %llu lives, %.1f s, %.1f seeds per second\n",
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(samples),
              static_cast<unsigned long long>(lives), took.count(), static_cast<double>(done) / took.count());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  Arguments given;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word == "--log") {
      given.log = true;
      continue;
    }
    if (i + 1 == count) return usage();
    const std::uint64_t number = std::strtoull(words[++i], nullptr, 10);
    if (word == "--seed") {
      given.seed = number;
    } else if (word == "--seeds") {
      given.seeds = number;
    } else if (word == "--from") {
      given.from = number;
    } else if (word == "--step" && number > 0) {
      given.step = number;
    } else {
      return usage();
    }
  }
  spdlog::set_level(spdlog::level::off);
  return given.seed ? run_one(*given.seed, given.log) : run_many(given);
}
