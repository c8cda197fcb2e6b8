// cli/config/check_config.hpp: `settle check-config FILE`.
#pragma once

#include <string>
#include <vector>

#include "engine/model/time.hpp"

namespace settle::cli {

struct ConfigReport {
  std::vector<std::string> errors;  // one line each, in the order of the file
  std::vector<std::string> warnings;
  std::string summary;  // when there are no errors: what the file configures
};

/// Everything that can be known without asking a server; looks whether files exist. `now` is for valid_until.
[[nodiscard]] ConfigReport check_config(const std::string& text, const std::string& filename,
                                        engine::Time now);

}  // namespace settle::cli
