// cli/config/config_parts.hpp: the parts of the configuration that come in numbers: sources, sinks and jobs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/config/config.hpp"
#include "cli/config/config_section.hpp"

namespace settle::cli {

[[nodiscard]] std::vector<SourceConfig> read_sources(const YamlNode* node, const std::string& folder,
                                                     Problems& problems);
[[nodiscard]] std::vector<SinkConfig> read_sinks(const YamlNode* node, const std::string& folder,
                                                 Problems& problems);
[[nodiscard]] std::vector<JobConfig> read_jobs(const YamlNode* node, Problems& problems);
[[nodiscard]] std::vector<KeyTable> part_keys();

/// `path` from `folder`, unless it is absolute or empty.
[[nodiscard]] std::string resolve_path(const std::string& path, const std::string& folder);
/// `localhost`, 127.x.x.x, `::1` or `[::1]`.
[[nodiscard]] bool is_loopback(std::string_view host);

}  // namespace settle::cli
