// cli/serve.hpp: `settle serve`: the daemon, put together.
#pragma once

#include <optional>
#include <string>

#include "engine/model/time.hpp"

namespace settle::cli {

struct ServeOptions {
  std::string config_file;
  std::string data_dir;                     // "" : as configured
  std::string listen;                       // "" : as configured
  std::optional<engine::Time> clock_start;  // none: source time is the machine's
  double clock_speed = 1;                   // > 0; source time runs so many times as fast
};

/// Until SIGTERM or SIGINT. Returns the exit code: 0 after an orderly stop, 1 when it could not start.
int serve(const ServeOptions& options);

}  // namespace settle::cli
