#include "cli/http_call.hpp"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include "net/http_client.hpp"

namespace settle::cli {
namespace {

boost::asio::awaitable<void> exchange(net::HttpClient& client, net::ClientRequest request,
                                      net::ClientResult& result) {
  result = co_await client.send(std::move(request));
  client.stop();
}

}  // namespace

engine::Result<CallAnswer> http_call(const Call& call) {
  boost::asio::io_context loop(1);
  net::HttpClient client(loop.get_executor());
  net::ClientRequest request;
  request.method = call.method;
  request.endpoint.url = call.url;
  request.path = call.path;
  request.body = call.body;
  request.timeout = call.timeout;
  if (!call.body.empty()) request.headers.push_back({"Content-Type", "application/json"});
  net::ClientResult result;
  boost::asio::co_spawn(loop, exchange(client, std::move(request), result), boost::asio::detached);
  loop.run();
  if (result.error != net::TransportError::none) {
    return engine::retry_later("no answer from " + call.url + ": " + result.detail);
  }
  return CallAnswer{.status = result.status, .body = std::move(result.body)};
}

}  // namespace settle::cli
