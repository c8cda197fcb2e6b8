// api/handler.hpp: the REST API over a running daemon; openapi.yaml describes it.
#pragma once

#include "net/http_server.hpp"
#include "runner/service.hpp"

namespace settle::api {

/// The service outlives the handler.
[[nodiscard]] net::Handler make_handler(runner::Service& service);
/// What the server refuses by itself, as problem JSON.
[[nodiscard]] net::Refuse make_refuse();

}  // namespace settle::api
