// cli/replay/replay_command.hpp: `settle replay`: one policy in detail, or several side by side with a chart.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "cli/replay/replay.hpp"
#include "engine/result.hpp"

namespace settle::cli {

struct ReplayArguments {
  std::vector<std::string> paths;
  std::string policy = "consecutive:3";
  std::vector<std::string> compare;
  std::string chart;  // "": the trace's name with .svg, in the current folder
  std::string granularity = "1m";
  std::string poll = "30s";
  std::string watch;  // "" : as a job has it
  std::string ttl;    // "" : watch
  std::string skip;   // "" : judge every bucket
  std::string until;  // "" : to the end
  std::string corrections = "repush";
  std::string liveness = "auto";
  std::string sink;  // "file:OUT"
};
/// The error names the argument.
[[nodiscard]] engine::Result<ReplayOptions> parse_replay_options(const ReplayArguments& arguments);
/// `settle replay`; returns the exit code.
[[nodiscard]] int run_replay(const ReplayArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace settle::cli
