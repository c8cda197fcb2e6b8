#include "api/routes.hpp"

#include <array>

namespace settle::api {
namespace {

enum class Argument : std::uint8_t { none, segment, path };

struct Entry {
  std::string_view method;
  std::string_view path;  // a prefix where there is an argument
  Argument argument;
  Endpoint endpoint;
};

constexpr std::array kTable{
    Entry{"GET", "/", Argument::none, Endpoint::home},
    Entry{"GET", "/healthz", Argument::none, Endpoint::healthz},
    Entry{"GET", "/readyz", Argument::none, Endpoint::readyz},
    Entry{"GET", "/metrics", Argument::none, Endpoint::metrics},
    Entry{"POST", "/api/v1/precompute/jobs", Argument::none, Endpoint::add_job},
    Entry{"GET", "/api/v1/precompute/jobs", Argument::none, Endpoint::list_jobs},
    Entry{"GET", "/api/v1/precompute/jobs/", Argument::segment, Endpoint::get_job},
    Entry{"DELETE", "/api/v1/precompute/jobs/", Argument::segment, Endpoint::delete_job},
    Entry{"GET", "/api/v1/precompute/results/", Argument::path, Endpoint::result},
    Entry{"GET", "/api/v1/outbox", Argument::none, Endpoint::outbox},
    Entry{"GET", "/api/v1/dead-letters", Argument::none, Endpoint::dead_letters},
    Entry{"GET", "/api/v1/revisions", Argument::none, Endpoint::revisions},
};

bool fits(const Entry& entry, std::string_view path) {
  if (entry.argument == Argument::none) return path == entry.path;
  if (!path.starts_with(entry.path) || path.size() == entry.path.size()) return false;
  const std::string_view argument = path.substr(entry.path.size());
  return entry.argument == Argument::path || argument.find('/') == argument.npos;
}

}  // namespace

Route find_route(std::string_view method, std::string_view path) {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  std::string allow;
  for (const Entry& entry : kTable) {
    if (!fits(entry, path)) continue;
    if (entry.method == wanted) {
      const bool has_argument = entry.argument != Argument::none;
      return {.endpoint = entry.endpoint,
              .argument = std::string(has_argument ? path.substr(entry.path.size()) : ""),
              .allow = {}};
    }
    allow += (allow.empty() ? "" : ", ") + std::string(entry.method);
    if (entry.method == "GET") allow += ", HEAD";
  }
  if (allow.empty()) return {};
  return {.endpoint = Endpoint::no_such_method, .argument = {}, .allow = std::move(allow)};
}

}  // namespace settle::api
