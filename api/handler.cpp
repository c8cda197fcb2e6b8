#include "api/handler.hpp"

#include <utility>

#include "api/endpoints.hpp"
#include "api/problem.hpp"
#include "api/request.hpp"
#include "api/routes.hpp"

namespace settle::api {
namespace {

namespace asio = boost::asio;

net::ServerResponse no_such_method(const Route& route, const net::ServerRequest& request) {
  net::ServerResponse response = problem_response(
      {.status = 405, .detail = request.path + " allows " + route.allow + "; asked was " + request.method});
  response.headers.push_back({.name = "Allow", .value = route.allow});
  return response;
}

/// Endpoints that only read what is in memory or in the store.
net::ServerResponse read(const runner::Service& service, const Route& route,
                         const net::ServerRequest& request) {
  switch (route.endpoint) {
    case Endpoint::home:
      return home(service);
    case Endpoint::healthz:
      return healthz();
    case Endpoint::readyz:
      return readyz(service);
    case Endpoint::metrics:
      return metrics(service);
    case Endpoint::list_jobs:
      return list_jobs(service, request);
    case Endpoint::get_job:
      return get_job(service, route.argument);
    case Endpoint::list_backfills:
      return list_backfills(service, route.argument, request);
    case Endpoint::get_backfill:
      return get_backfill(service, route.argument, route.second);
    case Endpoint::gaps:
      return gaps(service, route.argument, request);
    case Endpoint::result:
      return result(service, route.argument);
    case Endpoint::outbox:
      return outbox(service);
    case Endpoint::dead_letters:
      return dead_letters(service, request);
    case Endpoint::revisions:
      return revisions(service, request);
    case Endpoint::no_such_method:
      return no_such_method(route, request);
    case Endpoint::add_job:
    case Endpoint::delete_job:
    case Endpoint::add_backfill:
    case Endpoint::cancel_backfill:
    case Endpoint::pause_backfill:
    case Endpoint::resume_backfill:
    case Endpoint::verify:
    case Endpoint::no_such_path:
      break;
  }
  return problem_response({.status = 404, .detail = "there is nothing at " + request.path});
}

asio::awaitable<net::ServerResponse> answer(runner::Service* service, net::ServerRequest request) {
  if (is_foreign_origin(request)) {
    co_return problem_response({.status = 403, .detail = "pages of another origin may not use this API"});
  }
  Route route = find_route(request.method, request.path);
  if (const auto known = parameters_of(route.endpoint)) {
    // A parameter that is not read would otherwise look as if it had been heeded.
    if (const auto refusal = check_parameters(request, *known)) co_return refusal_response(*refusal);
  }
  switch (route.endpoint) {
    case Endpoint::add_job:
      co_return co_await add_job(service, std::move(request));
    case Endpoint::delete_job:
      co_return co_await delete_job(service, std::move(route.argument), std::move(request));
    case Endpoint::add_backfill:
      co_return co_await add_backfill(service, std::move(route.argument), std::move(request));
    case Endpoint::cancel_backfill:
      co_return co_await steer_backfill(service, std::move(route.argument), std::move(route.second),
                                        runner::Steer::cancel);
    case Endpoint::pause_backfill:
      co_return co_await steer_backfill(service, std::move(route.argument), std::move(route.second),
                                        runner::Steer::pause);
    case Endpoint::resume_backfill:
      co_return co_await steer_backfill(service, std::move(route.argument), std::move(route.second),
                                        runner::Steer::resume);
    case Endpoint::verify:
      co_return co_await verify(service, std::move(route.argument), std::move(request));
    default:
      break;
  }
  co_return read(*service, route, request);
}

}  // namespace

net::Handler make_handler(runner::Service& service) {
  return [&service](net::ServerRequest request) { return answer(&service, std::move(request)); };
}

net::Refuse make_refuse() {
  return [](int status, std::string detail) {
    return problem_response({.status = status, .detail = std::move(detail)});
  };
}

}  // namespace settle::api
