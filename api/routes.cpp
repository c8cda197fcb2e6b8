#include "api/routes.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace settle::api {
namespace {

struct Entry {
  std::string_view method;
  std::string_view path;  // `{}` stands for one segment that is not empty, `{*}` at the end for one or more
  Endpoint endpoint;
};

using std::string_view_literals::operator""sv;

constexpr std::array kPage{"limit"sv, "after"sv};
constexpr std::array kAddJob{"replace"sv};
constexpr std::array kDeleteJob{"flush"sv};
constexpr std::array kDeadLetters{"sink"sv, "limit"sv, "after"sv};
constexpr std::array kRevisions{"job"sv, "series"sv, "start"sv, "end"sv, "limit"sv, "after"sv};

constexpr std::array kTable{
    Entry{"GET", "/", Endpoint::home},
    Entry{"GET", "/healthz", Endpoint::healthz},
    Entry{"GET", "/readyz", Endpoint::readyz},
    Entry{"GET", "/metrics", Endpoint::metrics},
    Entry{"POST", "/api/v1/precompute/jobs", Endpoint::add_job},
    Entry{"GET", "/api/v1/precompute/jobs", Endpoint::list_jobs},
    Entry{"GET", "/api/v1/precompute/jobs/{}", Endpoint::get_job},
    Entry{"DELETE", "/api/v1/precompute/jobs/{}", Endpoint::delete_job},
    Entry{"POST", "/api/v1/precompute/jobs/{}/backfills", Endpoint::add_backfill},
    Entry{"GET", "/api/v1/precompute/jobs/{}/backfills", Endpoint::list_backfills},
    Entry{"GET", "/api/v1/precompute/jobs/{}/backfills/{}", Endpoint::get_backfill},
    Entry{"DELETE", "/api/v1/precompute/jobs/{}/backfills/{}", Endpoint::cancel_backfill},
    Entry{"POST", "/api/v1/precompute/jobs/{}/backfills/{}/pause", Endpoint::pause_backfill},
    Entry{"POST", "/api/v1/precompute/jobs/{}/backfills/{}/resume", Endpoint::resume_backfill},
    Entry{"GET", "/api/v1/precompute/jobs/{}/gaps", Endpoint::gaps},
    Entry{"POST", "/api/v1/precompute/jobs/{}/verify", Endpoint::verify},
    Entry{"GET", "/api/v1/precompute/results/{*}", Endpoint::result},
    Entry{"GET", "/api/v1/outbox", Endpoint::outbox},
    Entry{"GET", "/api/v1/dead-letters", Endpoint::dead_letters},
    Entry{"GET", "/api/v1/revisions", Endpoint::revisions},
};

/// Cuts what stands before the next `end` off `text`; without one, all of it.
std::string_view take(std::string_view& text, std::string_view end) {
  const std::size_t at = std::min(text.find(end), text.size());
  const std::string_view before = text.substr(0, at);
  text.remove_prefix(std::min(text.size(), at + end.size()));
  return before;
}

using Arguments = std::array<std::string_view, 2>;

/// What stands for the placeholders of `pattern`; none: the path does not fit.
std::optional<Arguments> match(std::string_view pattern, std::string_view path) {
  Arguments arguments;
  std::size_t found = 0;
  while (pattern.find('{') != pattern.npos) {
    const std::string_view literal = take(pattern, "{");
    if (!path.starts_with(literal)) return std::nullopt;
    path.remove_prefix(literal.size());
    const bool whole = take(pattern, "}") == "*";
    const std::string_view argument = path.substr(0, whole ? path.npos : path.find('/'));
    if (argument.empty()) return std::nullopt;
    path.remove_prefix(argument.size());
    arguments.at(found++) = argument;
  }
  return path == pattern ? std::optional(arguments) : std::nullopt;
}

}  // namespace

std::optional<std::span<const std::string_view>> parameters_of(Endpoint endpoint) {
  switch (endpoint) {
    case Endpoint::home:
    case Endpoint::healthz:
    case Endpoint::readyz:
    case Endpoint::metrics:
    case Endpoint::no_such_path:
    case Endpoint::no_such_method:
      return std::nullopt;
    case Endpoint::list_jobs:
    case Endpoint::list_backfills:
    case Endpoint::gaps:
      return kPage;
    case Endpoint::add_job:
      return kAddJob;
    case Endpoint::delete_job:
      return kDeleteJob;
    case Endpoint::dead_letters:
      return kDeadLetters;
    case Endpoint::revisions:
      return kRevisions;
    case Endpoint::get_job:
    case Endpoint::add_backfill:
    case Endpoint::get_backfill:
    case Endpoint::cancel_backfill:
    case Endpoint::pause_backfill:
    case Endpoint::resume_backfill:
    case Endpoint::verify:
    case Endpoint::result:
    case Endpoint::outbox:
      break;
  }
  return std::span<const std::string_view>{};
}

Route find_route(std::string_view method, std::string_view path) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::string allow;
  for (const Entry& entry : kTable) {
    const auto arguments = match(entry.path, path);
    if (!arguments) continue;
    if (entry.method == wanted) {
      return {.endpoint = entry.endpoint,
              .argument = std::string((*arguments)[0]),
              .second = std::string((*arguments)[1]),
              .allow = {}};
    }
    allow += (allow.empty() ? "" : ", ") + std::string(entry.method);
    if (entry.method == "GET") allow += ", HEAD";
  }
  if (allow.empty()) return {};
  return {.endpoint = Endpoint::no_such_method, .argument = {}, .second = {}, .allow = std::move(allow)};
}

}  // namespace settle::api
