// cli/serve_parts.hpp: sources and sinks of the configuration, as the runner takes them.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "cli/config/config.hpp"
#include "engine/result.hpp"
#include "net/http_client.hpp"
#include "runner/runner.hpp"

namespace settle::cli {

/// Reads the files of trace sources; large answers are decoded in the pool. The client outlives the sources.
[[nodiscard]] engine::Result<std::vector<runner::SourceEntry>> make_sources(
    const Config& config, net::HttpClient& client, boost::asio::any_io_executor pool);
/// With `builtin`, configured or not.
[[nodiscard]] engine::Result<std::vector<runner::SinkEntry>> make_sinks(const Config& config,
                                                                        net::HttpClient& client);
[[nodiscard]] runner::RunnerOptions runner_options(const Config& config);
/// What a reload cannot change: one line each, to be logged.
[[nodiscard]] std::vector<std::string> needs_restart(const Config& before, const Config& after);

}  // namespace settle::cli
