// api/request.hpp: reads what stands beside a request's body: query string and origin.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http_server.hpp"
#include "runner/jobs/job.hpp"

namespace settle::api {

inline constexpr std::size_t kPageDefault = 100;
inline constexpr std::size_t kPageMax = 1000;

/// The first of that name; none: not given.
[[nodiscard]] std::optional<std::string> query_parameter(const net::ServerRequest& request,
                                                         std::string_view name);
/// The first that is not `known`, or is given twice, refused by its name.
[[nodiscard]] std::optional<runner::Refusal> check_parameters(const net::ServerRequest& request,
                                                              std::span<const std::string_view> known);
/// `limit`, 1 to kPageMax.
[[nodiscard]] runner::Outcome<std::size_t> page_limit(const net::ServerRequest& request);
/// `true` or `false`; not given is false.
[[nodiscard]] runner::Outcome<bool> query_flag(const net::ServerRequest& request, std::string_view name);

/// `after`, where pages are counted: how many are skipped; not given is 0.
[[nodiscard]] runner::Outcome<std::size_t> page_offset(const net::ServerRequest& request);

[[nodiscard]] runner::Refusal bad_parameter(std::string_view name, std::string detail);

/// A browser that runs somebody else's page: it sends an Origin whose host is not the one that was asked.
[[nodiscard]] bool is_foreign_origin(const net::ServerRequest& request);

}  // namespace settle::api
