// api/endpoints.hpp: one function per endpoint, from request to response.
#pragma once

#include <string>

#include <boost/asio/awaitable.hpp>

#include "net/http_server.hpp"
#include "runner/service.hpp"

namespace settle::api {

boost::asio::awaitable<net::ServerResponse> add_job(runner::Service* service, net::ServerRequest request);
boost::asio::awaitable<net::ServerResponse> delete_job(runner::Service* service, std::string id,
                                                       net::ServerRequest request);
[[nodiscard]] net::ServerResponse list_jobs(const runner::Service& service,
                                            const net::ServerRequest& request);
[[nodiscard]] net::ServerResponse get_job(const runner::Service& service, const std::string& id);

boost::asio::awaitable<net::ServerResponse> add_backfill(runner::Service* service, std::string job_id,
                                                         net::ServerRequest request);
boost::asio::awaitable<net::ServerResponse> steer_backfill(runner::Service* service, std::string job_id,
                                                           std::string id, runner::Steer steer);
[[nodiscard]] net::ServerResponse list_backfills(const runner::Service& service, const std::string& job_id,
                                                 const net::ServerRequest& request);
[[nodiscard]] net::ServerResponse get_backfill(const runner::Service& service, const std::string& job_id,
                                               const std::string& id);
[[nodiscard]] net::ServerResponse gaps(const runner::Service& service, const std::string& job_id,
                                       const net::ServerRequest& request);
boost::asio::awaitable<net::ServerResponse> verify(runner::Service* service, std::string job_id,
                                                   net::ServerRequest request);

[[nodiscard]] net::ServerResponse result(const runner::Service& service, const std::string& store_path);

[[nodiscard]] net::ServerResponse outbox(const runner::Service& service);
[[nodiscard]] net::ServerResponse dead_letters(const runner::Service& service,
                                               const net::ServerRequest& request);
[[nodiscard]] net::ServerResponse revisions(const runner::Service& service,
                                            const net::ServerRequest& request);

[[nodiscard]] net::ServerResponse home(const runner::Service& service);
[[nodiscard]] net::ServerResponse healthz();
[[nodiscard]] net::ServerResponse readyz(const runner::Service& service);
[[nodiscard]] net::ServerResponse metrics(const runner::Service& service);

}  // namespace settle::api
