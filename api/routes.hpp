// api/routes.hpp: which request is meant, by method and path. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace settle::api {

enum class Endpoint : std::uint8_t {
  home,
  healthz,
  readyz,
  metrics,
  add_job,
  list_jobs,
  get_job,
  delete_job,
  add_backfill,
  list_backfills,
  get_backfill,
  cancel_backfill,
  pause_backfill,
  resume_backfill,
  gaps,
  verify,
  result,
  outbox,
  dead_letters,
  revisions,
  no_such_path,
  no_such_method,
};

struct Route {
  Endpoint endpoint = Endpoint::no_such_path;
  std::string argument;  // the job's id, or the store_path
  std::string second;    // the backfill's id
  std::string allow;     // no_such_method: what the path allows
};
/// What may stand in its query string. None: anything may, and is not read (probes add what they like).
[[nodiscard]] std::optional<std::span<const std::string_view>> parameters_of(Endpoint endpoint);

/// `path` is decoded and without query string. HEAD is GET.
[[nodiscard]] Route find_route(std::string_view method, std::string_view path);

}  // namespace settle::api
