// cli/ask/daemon_call.hpp: what the tools ask of a running daemon, and what its answers say.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <boost/json/fwd.hpp>

#include "cli/http_call.hpp"
#include "engine/model/time.hpp"
#include "engine/result.hpp"

namespace settle::cli {

inline constexpr const char* kJobsPath = "/api/v1/precompute/jobs";

/// A scalar member as text; "" when absent or null.
[[nodiscard]] std::string member_text(const boost::json::object& object, std::string_view name);
[[nodiscard]] engine::Result<boost::json::object> parse_object(const std::string& text);
/// What a problem JSON says, in one line; text that is none of that kind as it is.
[[nodiscard]] std::string problem_text(int status, const std::string& body);

/// An answer of status 2xx. The error is what to tell the operator: `retry_later` when nobody
/// answers or the daemon cannot now, `refused` otherwise.
[[nodiscard]] engine::Result<CallAnswer> ask_daemon(const Call& call);

/// `job` is a job's id or its store_path.
[[nodiscard]] engine::Result<std::string> find_job_id(const std::string& server, const std::string& job);

/// GETs a list page after page until `next` is null, or something is wrong; `path` has no query string.
/// `on_page` returns "" or what is wrong with the page.
[[nodiscard]] engine::Result<void> for_each_page(
    const std::string& server, const std::string& path,
    const std::function<std::string(const std::string&)>& on_page);

/// `now`, `-2h` (before now), `now-2h`, or what engine::parse_time takes.
[[nodiscard]] engine::Result<engine::Time> parse_when(std::string_view text, engine::Time now);
/// By the clock of this machine.
[[nodiscard]] engine::Time wall_now();

}  // namespace settle::cli
