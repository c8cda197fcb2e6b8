// cli/record_command.hpp: `settle trace record`: one source of the configuration, or one server, as a trace.
#pragma once

#include <optional>
#include <string>

#include "engine/model/time.hpp"

namespace settle::cli {

struct RecordArguments {
  std::string source;  // a name in the configuration, or the URL of a server with the Prometheus API
  std::string out;
  std::string config_file;
  std::string selector;  // what a job would have as its query
  std::string query;     // with a URL: the expression to ask for; "": the selector
  std::string granularity = "1m";
  std::string poll = "15s";
  std::string watch;     // "": as a job has it
  std::string duration;  // "": until a signal
  std::optional<engine::Time> clock_start;
  double clock_speed = 1.0;
};

/// Until the duration is over, or SIGINT or SIGTERM; exit code.
[[nodiscard]] int record_trace(const RecordArguments& arguments);

}  // namespace settle::cli
